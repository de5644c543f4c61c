// SPDX-License-Identifier: Apache-2.0

import WSProto

/// A frame to send, legal or not: what `Header` of WSProto cannot write, this can (RFC 6455 §5.2).
struct WireFrame {
  /// How the payload's length is written.
  enum Length {
    /// In the shortest form, as it must be.
    case minimal
    /// In two bytes.
    case medium
    /// In eight bytes.
    case long
    /// In eight bytes, whatever the payload's length is.
    case declared(UInt64)
  }

  var opcode: UInt8
  var payload: [UInt8]
  var fin = true
  /// The reserved bits: 4, 2, 1.
  var rsv: UInt8 = 0
  var length = Length.minimal
  /// Whether it is masked; `nil` for what the sender must do.
  var isMasked: Bool?

  init(
    _ opcode: Opcode,
    _ payload: some Sequence<UInt8> = [],
    fin: Bool = true,
    rsv: UInt8 = 0,
    length: Length = .minimal,
    masked: Bool? = nil
  ) {
    self.init(opcode: opcode.rawValue, payload, fin: fin, rsv: rsv, length: length, masked: masked)
  }

  init(
    opcode: UInt8,
    _ payload: some Sequence<UInt8> = [],
    fin: Bool = true,
    rsv: UInt8 = 0,
    length: Length = .minimal,
    masked: Bool? = nil
  ) {
    self.opcode = opcode
    self.payload = Array(payload)
    self.fin = fin
    self.rsv = rsv
    self.length = length
    isMasked = masked
  }

  static func text(_ text: String, fin: Bool = true, rsv: UInt8 = 0) -> WireFrame {
    WireFrame(.text, text.utf8, fin: fin, rsv: rsv)
  }

  /// A Close with a code and a reason (§5.5.1).
  static func close(_ code: UInt16, _ reason: some Sequence<UInt8> = []) -> WireFrame {
    WireFrame(.close, [UInt8(code >> 8), UInt8(truncatingIfNeeded: code)] + Array(reason))
  }

  func bytes(from sender: ConnectionType) -> [UInt8] {
    let count = UInt64(payload.count)
    let (declared, form): (UInt64, FrameLengthForm?) =
      switch length {
      case .minimal: (count, nil)
      case .medium: (count, .sixteenBits)
      case .long: (count, .sixtyFourBits)
      case .declared(let declared): (declared, .sixtyFourBits)
      }
    // No byte is zero: masking with one could not be seen.
    let key =
      isMasked ?? (sender == .client)
      ? (0..<4).reduce(0) { key, _ in key << 8 | UInt32.random(in: 1...255) } : nil
    return FrameHead.bytes(fin: fin, rsv: rsv, opcode: opcode, length: declared, form: form, key: key)
      + FrameHead.masked(payload, key: key ?? 0)
  }
}
