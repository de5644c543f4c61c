// SPDX-License-Identifier: Apache-2.0

import WSProto

/// How the length of a payload is written (RFC 6455 §5.2).
package enum FrameLengthForm: Int, Sendable {
  case sevenBits = 7
  case sixteenBits = 16
  case sixtyFourBits = 64

  /// The shortest form, the only one that a sender may use.
  init(shortestFor length: UInt64) {
    switch length {
    case 0...125: self = .sevenBits
    case 126...65535: self = .sixteenBits
    default: self = .sixtyFourBits
    }
  }
}

// Frames that WSProto doesn't write: not legal ones, or with a key that was chosen.
extension FrameHead {
  /// The bytes of a header, legal or not (RFC 6455 §5.2).
  ///
  /// - Parameters:
  ///   - rsv: the reserved bits, RSV1 highest.
  ///   - length: what the header declares; cut off where the form has fewer bits.
  ///   - form: `nil` for the shortest.
  ///   - key: the masking key, the first byte on the wire lowest; `nil` for an unmasked frame.
  static func bytes(
    fin: Bool,
    rsv: UInt8,
    opcode: UInt8,
    length: UInt64,
    form: FrameLengthForm? = nil,
    key: UInt32?
  ) -> [UInt8] {
    let mask: UInt8 = key == nil ? 0 : 0x80
    var bytes: [UInt8] = [(fin ? 0x80 : 0) | (rsv & 7) << 4 | opcode & 15]
    switch form ?? FrameLengthForm(shortestFor: length) {
    case .sevenBits: bytes.append(mask | UInt8(truncatingIfNeeded: length) & 0x7F)
    case .sixteenBits: bytes += [mask | 126] + bigEndian(length, 2)
    case .sixtyFourBits: bytes += [mask | 127] + bigEndian(length, 8)
    }
    if let key { bytes += bigEndian(UInt64(key.byteSwapped), 4) }
    return bytes
  }

  /// Masks and unmasks (RFC 6455 §5.3).
  ///
  /// - Parameters:
  ///   - key: as in ``maskingKey``; 0 changes nothing.
  ///   - offset: where in the frame's payload the bytes begin.
  static func masked(_ bytes: some Collection<UInt8>, key: UInt32, from offset: UInt64 = 0) -> [UInt8] {
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
