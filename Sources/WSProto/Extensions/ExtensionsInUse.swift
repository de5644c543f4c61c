// SPDX-License-Identifier: Apache-2.0

/// How a connection runs what it has negotiated: not at all, permessage-deflate on a path of its own, or any list of
/// extensions through their hooks. The choice for both directions.
enum ExtensionsInUse {
  case none
  case deflate(PerMessageDeflate)
  case hooks([any Extension])

  /// Those of a list that are enabled.
  init(_ extensions: [any Extension]) {
    // Mostly all are, and the list needs no copy.
    let enabled = extensions.allSatisfy { $0.enabled() } ? extensions : extensions.filter { $0.enabled() }
    switch enabled.count {
    case 0: self = .none
    case 1:
      if let deflate = Self.deflate(enabled[0]) { self = .deflate(deflate) } else { self = .hooks(enabled) }
    default: self = .hooks(enabled)
    }
  }

  /// permessage-deflate alone, if it is enabled.
  init(_ deflate: PerMessageDeflate) { self = deflate.enabled() ? .deflate(deflate) : .none }

  /// The extension as permessage-deflate, if it is that.
  ///
  /// The types are compared first: without that the runtime looks for other ways to convert, which takes a good part of
  /// the time of a handshake.
  static func deflate(_ one: any Extension) -> PerMessageDeflate? {
    type(of: one) == PerMessageDeflate.self ? one as? PerMessageDeflate : nil
  }
}
