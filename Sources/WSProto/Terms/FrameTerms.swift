// SPDX-License-Identifier: Apache-2.0

/// What a frame carries (RFC 6455 §5.2, §11.8). The reserved values 3–7 and 11–15 cannot be represented.
public enum Opcode: UInt8, Sendable, Hashable, CaseIterable {
  /// A further fragment of the message under way (§5.4).
  case continuation = 0x0
  /// The first frame of a text message; the payload is UTF-8 (§5.6).
  case text = 0x1
  /// The first frame of a binary message (§5.6).
  case binary = 0x2
  /// The closing handshake (§5.5.1).
  case close = 0x8
  /// A ping, to be answered with a pong of the same payload (§5.5.2).
  case ping = 0x9
  /// The answer to a ping, or an unsolicited heartbeat (§5.5.3).
  case pong = 0xA

  /// Whether this is a control frame: never fragmented, at most 125 bytes, allowed between fragments (§5.5).
  @inlinable public var isControl: Bool { rawValue & 0x8 != 0 }
}

/// The three reserved bits of a frame (RFC 6455 §5.2). Zero unless a negotiated extension gives them a meaning.
public struct RsvBits: OptionSet, Sendable, Hashable {
  /// RSV1 in bit 2, RSV2 in bit 1, RSV3 in bit 0, as on the wire after a shift by four.
  public let rawValue: UInt8

  /// The low three bits of `rawValue`.
  @inlinable public init(rawValue: UInt8) { self.rawValue = rawValue & 0x7 }

  /// RSV1; permessage-deflate marks compressed messages with it (RFC 7692 §6).
  public static let rsv1 = RsvBits(rawValue: 4)
  /// RSV2.
  public static let rsv2 = RsvBits(rawValue: 2)
  /// RSV3.
  public static let rsv3 = RsvBits(rawValue: 1)

  /// The bits in wire order, in the form that wsproto uses.
  @inlinable public init(_ rsv1: Bool, _ rsv2: Bool, _ rsv3: Bool) {
    self.init(rawValue: (rsv1 ? 4 : 0) | (rsv2 ? 2 : 0) | (rsv3 ? 1 : 0))
  }

  /// The bits in the first byte of a frame.
  @inlinable package init(firstByte: UInt8) { self.init(rawValue: firstByte >> 4) }

  /// Whether RSV1 is set.
  @inlinable public var rsv1: Bool { contains(.rsv1) }
  /// Whether RSV2 is set.
  @inlinable public var rsv2: Bool { contains(.rsv2) }
  /// Whether RSV3 is set.
  @inlinable public var rsv3: Bool { contains(.rsv3) }

  /// Throws if a bit is set that the extensions in use give no meaning to (RFC 6455 §5.2).
  func check(allowed: RsvBits) throws(ParseFailed) {
    if !isSubset(of: allowed) { throw ParseFailed("a reserved bit is set that no extension uses here") }
  }
}

/// Sizes of §5.2 and §5.5, in bytes.
@usableFromInline
package enum FrameSizes: Sendable {
  /// The longest payload whose length fits the header's seven bits, and the longest one of a control frame.
  @inlinable static var maxShortPayload: Int { 125 }
  /// The longest payload whose length fits the 16-bit form.
  static let maxMediumPayload = 65535
  /// The longest header: two bytes, eight of length, four of key.
  @inlinable static var maxHeader: Int { 14 }
  /// The longest reason of a Close frame: a control payload minus the code.
  static let maxCloseReason = 123
}
