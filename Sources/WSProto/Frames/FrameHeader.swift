// SPDX-License-Identifier: Apache-2.0

/// The header of one frame (RFC 6455 §5.2).
public struct Header: Sendable, Hashable {
  /// The final frame of its message.
  public var fin: Bool
  /// The reserved bits.
  public var rsv: RsvBits
  /// What the frame carries.
  public var opcode: Opcode
  /// The payload's length in bytes, below 2^63.
  public var payloadLength: UInt64
  /// The masking key, the first wire byte lowest; `nil` for an unmasked frame (§5.3).
  public var maskingKey: UInt32?

  /// A header; nothing is checked until it is encoded.
  public init(
    fin: Bool,
    rsv: RsvBits = .none,
    opcode: Opcode,
    payloadLength: UInt64,
    maskingKey: UInt32? = nil
  ) {
    self.fin = fin
    self.rsv = rsv
    self.opcode = opcode
    self.payloadLength = payloadLength
    self.maskingKey = maskingKey
  }
}

/// Sizes of §5.2 and §5.5, in bytes.
package enum FrameSizes {
  /// The longest payload whose length fits the header's seven bits, and the longest of a control frame.
  static let maxShortPayload = 125
  /// The longest payload of the 16-bit form.
  static let maxMediumPayload = 65535
  /// Two bytes, eight of length, four of key.
  static let maxHeader = 14
  /// The longest reason of a Close frame: a control payload without its code.
  static let maxCloseReason = 123
}
