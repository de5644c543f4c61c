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
    let isMasked = isMasked ?? (sender == .client)
    let mask: UInt8 = isMasked ? 0x80 : 0
    var bytes: [UInt8] = [(fin ? 0x80 : 0) | rsv << 4 | opcode]
    let count = UInt64(payload.count)
    switch length {
    case .minimal where count < 126: bytes.append(mask | UInt8(count))
    case .minimal where count < 65536, .medium:
      bytes += [mask | 126, UInt8(truncatingIfNeeded: count >> 8), UInt8(truncatingIfNeeded: count)]
    case .minimal, .long: bytes += [mask | 127] + Self.bigEndian(count)
    case .declared(let declared): bytes += [mask | 127] + Self.bigEndian(declared)
    }
    guard isMasked else { return bytes + payload }
    // Never zero, with which masking could not be seen.
    let key = (0..<4).map { _ in UInt8.random(in: 1...255) }
    bytes += key
    for (index, byte) in payload.enumerated() { bytes.append(byte ^ key[index & 3]) }
    return bytes
  }

  private static func bigEndian(_ number: UInt64) -> [UInt8] {
    (0..<8).map { UInt8(truncatingIfNeeded: number >> UInt64(56 - 8 * $0)) }
  }
}
