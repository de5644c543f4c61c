// SPDX-License-Identifier: Apache-2.0

/// Puts messages into frames: RFC 6455, section 5.2, written plainly and apart from the library it measures.
struct Framer {
  let masked: Bool
  let fragments: Int
  private var frame: [UInt8] = []

  init(masked: Bool, fragments: Int) {
    self.masked = masked
    self.fragments = fragments
  }

  /// Writes a message as frames of nearly equal size; returns the bytes written.
  mutating func write(
    _ payload: ArraySlice<UInt8>,
    opcode: UInt8,
    random: inout SplitMix64,
    to file: OutputFile
  ) throws -> Int {
    var written = 0
    for index in 0..<fragments {
      let lower = payload.startIndex + payload.count * index / fragments
      let upper = payload.startIndex + payload.count * (index + 1) / fragments
      let isLast = index == fragments - 1
      let length = upper - lower
      frame.removeAll(keepingCapacity: true)
      frame.append((isLast ? 0x80 : 0) | (index == 0 ? opcode : 0))
      let maskBit: UInt8 = masked ? 0x80 : 0
      if length < 126 {
        frame.append(maskBit | UInt8(length))
      } else if length < 65536 {
        frame += [maskBit | 126, UInt8(length >> 8), UInt8(length & 0xFF)]
      } else {
        frame.append(maskBit | 127)
        for shift in stride(from: 56, through: 0, by: -8) {
          frame.append(UInt8(truncatingIfNeeded: length >> shift))
        }
      }
      if masked {
        let key = UInt32(truncatingIfNeeded: random.next())
        let bytes = [0, 8, 16, 24].map { UInt8(truncatingIfNeeded: key >> $0) }
        frame += bytes
        let base = frame.count
        frame += payload[lower..<upper]
        frame.withUnsafeMutableBufferPointer { buffer in
          for offset in 0..<length {
            buffer[base + offset] ^= UInt8(truncatingIfNeeded: key >> ((offset & 3) * 8))
          }
        }
      } else {
        frame += payload[lower..<upper]
      }
      try file.write(frame[...])
      written += frame.count
    }
    return written
  }
}
