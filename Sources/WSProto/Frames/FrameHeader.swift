// SPDX-License-Identifier: Apache-2.0

/// The header of one frame (RFC 6455 §5.2).
public struct Header: Sendable, Hashable {
  /// Whether this is the final frame of its message.
  public var fin: Bool
  /// The reserved bits.
  public var rsv: RsvBits
  /// What the frame carries.
  public var opcode: Opcode
  /// The length of the payload in bytes, below 2^63.
  public var payloadLength: UInt64
  /// The masking key, with the first wire byte lowest; `nil` for an unmasked frame (§5.3).
  public var maskingKey: UInt32?

  /// Creates a header. Nothing is checked until it is encoded.
  public init(
    fin: Bool,
    rsv: RsvBits = [],
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
