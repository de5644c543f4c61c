// SPDX-License-Identifier: Apache-2.0

/// permessage-deflate (RFC 7692); negotiation follows.
public struct PerMessageDeflate: Extension {
  public var name: String { "permessage-deflate" }
  public init() {}
  func makeInbound(role: ConnectionType) -> InboundDeflate {
    InboundDeflate(windowBits: 15, noContextTakeover: false)
  }
  func makeOutbound(role: ConnectionType) -> OutboundDeflate {
    OutboundDeflate(windowBits: 15, noContextTakeover: false, level: -1, memoryLevel: 8)
  }
}
