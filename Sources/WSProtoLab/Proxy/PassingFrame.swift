// SPDX-License-Identifier: Apache-2.0

import WSProto

/// A frame as it is on the wire, legal or not.
struct PassingFrame: Equatable {
  /// The parsed header.
  private(set) var head: FrameHead
  /// The header's bytes, legal or not.
  var header: [UInt8]
  /// The payload as on the wire, masked if there is a key.
  var payload: [UInt8] = []

  /// A frame whose header has been read.
  init(_ head: FrameHead, header: [UInt8]) {
    self.head = head
    self.header = header
  }

  /// A new frame, with the length in its shortest form (RFC 6455 §5.2).
  ///
  /// - Parameters:
  ///   - plain: the payload without its mask.
  ///   - key: the masking key, with its first byte lowest; `nil` for an unmasked frame.
  init(fin: Bool = true, rsv: RsvBits = [], opcode: UInt8, plain: some Collection<UInt8>, key: UInt32?) {
    let mask: UInt8 = key == nil ? 0 : 0x80
    header = [(fin ? 0x80 : 0) | rsv.rawValue << 4 | opcode & 0x0F]
    switch plain.count {
    case 0...125: header.append(mask | UInt8(plain.count))
    case 126...65535: header += [mask | 126] + Self.bigEndian(UInt64(plain.count), 2)
    default: header += [mask | 127] + Self.bigEndian(UInt64(plain.count), 8)
    }
    if let key { header += Self.bigEndian(UInt64(key.byteSwapped), 4) }
    payload = Self.masked(plain, key: key ?? 0, from: 0)
    head = FrameHead(fin: fin, rsv: rsv, opcode: opcode, maskingKey: key, size: header.count, payload.count)
  }

  /// All of it.
  var bytes: [UInt8] { header + payload }

  var count: Int { header.count + payload.count }

  /// The payload without its mask.
  var plain: [UInt8] { Self.masked(payload, key: head.maskingKey ?? 0, from: 0) }

  /// Masks and unmasks (§5.3).
  ///
  /// - Parameter offset: where in the frame's payload the bytes begin.
  static func masked(_ bytes: some Collection<UInt8>, key: UInt32, from offset: UInt64) -> [UInt8] {
    guard key != 0 else { return Array(bytes) }
    var place = UInt32(offset % 4)
    return bytes.map { byte in
      defer { place = (place + 1) % 4 }
      return byte ^ UInt8(truncatingIfNeeded: key >> (place * 8))
    }
  }

  private static func bigEndian(_ number: UInt64, _ count: Int) -> [UInt8] {
    (0..<count).reversed().map { UInt8(truncatingIfNeeded: number >> UInt64($0 * 8)) }
  }
}

extension FrameHead {
  fileprivate init(
    fin: Bool,
    rsv: RsvBits,
    opcode: UInt8,
    maskingKey: UInt32?,
    size: Int,
    _ payloadLength: Int
  ) {
    self.fin = fin
    self.rsv = rsv
    self.opcode = opcode
    self.maskingKey = maskingKey
    self.size = size
    self.payloadLength = UInt64(payloadLength)
  }
}
