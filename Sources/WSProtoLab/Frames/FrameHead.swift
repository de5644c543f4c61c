// SPDX-License-Identifier: Apache-2.0

public import WSProto

/// A frame's header as it is on the wire (RFC 6455 §5.2), also where it is not legal: `Header` of WSProto cannot hold a
/// reserved opcode, and knows only the shortest length. Whether it is legal is decided by WSProto's decoder.
public struct FrameHead: Sendable, Hashable {
  /// Whether this is the last frame of its message.
  public var fin: Bool
  /// The reserved bits.
  public var rsv: RsvBits
  /// The opcode's four bits.
  public var opcode: UInt8
  /// The masking key, the first byte on the wire lowest; `nil` for an unmasked frame.
  public var maskingKey: UInt32?
  /// The length that the header declares, in bytes.
  public var payloadLength: UInt64
  /// The size of the header itself, in bytes: 2 to 14.
  public var size: Int

  /// The size of the header that begins with two bytes, of which this is the second.
  static func size(secondByte: UInt8) -> Int {
    let length =
      switch secondByte & 0x7F {
      case 126: 2
      case 127: 8
      default: 0
      }
    return 2 + length + (secondByte & 0x80 != 0 ? 4 : 0)
  }

  /// The header at the beginning of `bytes`; `nil` if it isn't complete.
  init?(_ bytes: ArraySlice<UInt8>) {
    guard let first = bytes.byte(0), let second = bytes.byte(1) else { return nil }
    size = Self.size(secondByte: second)
    guard bytes.count >= size else { return nil }
    fin = first & 0x80 != 0
    rsv = RsvBits(rawValue: first >> 4)
    opcode = first & 0x0F
    switch second & 0x7F {
    case 126: payloadLength = UInt64(bytes.number16(2) ?? 0)
    case 127: payloadLength = bytes.number64(2) ?? 0
    case let short: payloadLength = UInt64(short)
    }
    maskingKey = second & 0x80 != 0 ? bytes.number32(size - 4, isLittle: true) : nil
  }

  /// What the opcode means; `nil` if it is reserved.
  public var meaning: Opcode? { Opcode(rawValue: opcode) }

  /// Whether the opcode is one of a control frame, reserved ones included (§5.5).
  public var isControl: Bool { opcode & 0x8 != 0 }

  /// The opcode's name, or its number.
  public var opcodeName: String {
    switch meaning {
    case .continuation: "continuation"
    case .text: "text"
    case .binary: "binary"
    case .close: "close"
    case .ping: "ping"
    case .pong: "pong"
    case nil: "opcode-\(opcode)"
    }
  }
}

extension FrameHead {
  /// Whether frames may begin here: all that is known in the middle of a connection. `isMasked` is known where the
  /// sender's role is.
  ///
  /// A header is plausible if it is legal by itself. One that ends its frame inside `bytes` is followed by another.
  static func isPlausibleStart(_ bytes: ArraySlice<UInt8>, isMasked: Bool?) -> Bool {
    var rest = bytes
    var isMasked = isMasked
    // What follows the first frames may be cut off anywhere.
    for number in 0..<8 {
      guard !rest.isEmpty else { return number > 0 }
      guard let head = FrameHead(rest) else { return number > 0 && isPlausibleBeginning(rest, isMasked) }
      guard head.isPlausible, isMasked == nil || isMasked == (head.maskingKey != nil) else { return false }
      isMasked = head.maskingKey != nil
      let left = rest.count - head.size
      guard head.payloadLength <= UInt64(left) else { return head.payloadLength <= 1 << 32 }
      rest = rest.after(head.size + Int(head.payloadLength))
    }
    return true
  }

  private static func isPlausibleBeginning(_ bytes: ArraySlice<UInt8>, _ isMasked: Bool?) -> Bool {
    guard let first = bytes.first else { return true }
    let second = bytes.byte(1) ?? (isMasked == true ? 0x80 : 0)
    let padded = [first, second] + [UInt8](repeating: 1, count: 12)
    return FrameHead(padded[...])?.isPlausible ?? false
  }

  /// Whether a header is legal by itself, where no extension but permessage-deflate is in use.
  private var isPlausible: Bool {
    guard let meaning, rsv.isSubset(of: meaning == .text || meaning == .binary ? .rsv1 : []) else {
      return false
    }
    let shortest = 2 + (maskingKey != nil ? 4 : 0) + Self.lengthBytes(payloadLength)
    return size == shortest && payloadLength >> 63 == 0
      && (!isControl || fin && payloadLength <= 125)
  }

  private static func lengthBytes(_ length: UInt64) -> Int {
    switch length {
    case 0...125: 0
    case 126...65535: 2
    default: 8
    }
  }
}
