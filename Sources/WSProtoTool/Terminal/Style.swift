// SPDX-License-Identifier: Apache-2.0

#if Tool
/// Colours, where they are wanted.
package struct Style: Equatable, Sendable {
  package let hasColour: Bool

  package init(hasColour: Bool) { self.hasColour = hasColour }

  /// `NO_COLOR` with any value switches colours off, `FORCE_COLOR` with any but `0` on; otherwise a terminal that isn't
  /// `dumb` has them (no-color.org, force-color.org).
  package init(isTerminal: Bool, environment: [String: String]) {
    if environment["NO_COLOR"]?.isEmpty == false {
      hasColour = false
    } else if let force = environment["FORCE_COLOR"], !force.isEmpty {
      hasColour = force != "0"
    } else {
      hasColour = isTerminal && environment["TERM"] != "dumb"
    }
  }

  package enum Paint: String {
    case bold = "1"
    case dim = "2"
    case red = "31"
    case green = "32"
    case yellow = "33"
    case cyan = "36"
  }

  package func paint(_ text: String, _ paint: Paint) -> String {
    hasColour ? "\u{1b}[\(paint.rawValue)m\(text)\u{1b}[0m" : text
  }
}
#endif
