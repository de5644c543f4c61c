// SPDX-License-Identifier: Apache-2.0

@testable import WSProto

extension PerMessageDeflate {
  /// As after a negotiation without parameters: windows of 15 bits, context takeover.
  static var negotiated: PerMessageDeflate {
    var deflate = PerMessageDeflate()
    _ = deflate.accept(ExtensionHeader(name: PerMessageDeflate.name))
    return deflate
  }
}
