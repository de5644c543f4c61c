// SPDX-License-Identifier: Apache-2.0

/// What a frame carries (RFC 6455 §5.2, §11.8). The reserved values 3–7 and 11–15 cannot be written down.
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
