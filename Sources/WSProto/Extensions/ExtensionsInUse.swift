// SPDX-License-Identifier: Apache-2.0

/// How a connection runs its negotiated extensions, in both directions: none at all, permessage-deflate on
/// its own fast path, or any list of extensions through their hooks.
enum ExtensionsInUse {
  case none
  case deflate(PerMessageDeflate)
  case hooks([any Extension])

  /// The enabled extensions of a list.
  init(_ extensions: [any Extension]) {
    // Usually all are enabled, and the list need not be copied.
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

  /// The extension as permessage-deflate, or `nil` if it is another one.
  ///
  /// Comparing the types first is an optimisation: otherwise the runtime tries other conversions, which takes
  /// a considerable part of the time of a handshake.
  static func deflate(_ one: any Extension) -> PerMessageDeflate? {
    type(of: one) == PerMessageDeflate.self ? one as? PerMessageDeflate : nil
  }
}
