// SPDX-License-Identifier: Apache-2.0

package import WSProto

/// Streams of frames from a seed: legal ones, and legal ones with damage.
package struct StreamGenerator<Random: RandomNumberGenerator> {
  package var random: Random
  package let receiver: ConnectionType
  /// Compresses some messages, for a connection with permessage-deflate.
  package let deflater: DeflateStream?

  package init(_ random: Random, receiver: ConnectionType, deflater: DeflateStream? = nil) {
    self.random = random
    self.receiver = receiver
    self.deflater = deflater
  }

  private mutating func below(_ bound: Int) -> Int { Int.random(in: 0..<bound, using: &random) }
  private mutating func chance(_ one: Int) -> Bool { below(one) == 0 }

  /// A stream of a few frames, damaged in half of the cases.
  package mutating func stream() -> [UInt8] {
    var frames: [WireFrame] = []
    for _ in 0...below(4) { frames += message() }
    if chance(3) { frames.append(close()) }
    if chance(6) { frames += message() }
    let damagesFrames = chance(3)
    if damagesFrames, !frames.isEmpty {
      for _ in 0...below(2) { damage(&frames[below(frames.count)]) }
    }
    var bytes: [UInt8] = []
    for frame in frames { bytes += frame.bytes }
    if chance(4) { damage(&bytes) }
    return bytes
  }

  private mutating func message() -> [WireFrame] {
    let isText = chance(2)
    var payload = isText ? Array(text().utf8) : binary()
    if isText, chance(12), !payload.isEmpty {
      payload[below(payload.count)] = UInt8.random(in: 0x80...0xFF, using: &random)
    }
    if isText, chance(20) { payload.append(contentsOf: [0xF0, 0x9F, 0x98].prefix(below(3) + 1)) }
    var compressed = false
    if let deflater, chance(2) {
      var output = AssemblyBuffer()
      let made: Void? = try? payload.withUnsafeBytes {
        try deflater.compress($0, finishMessage: true, into: &output)
      }
      if made != nil {
        payload = [UInt8](output.take())
        compressed = true
      }
    }
    var frames: [WireFrame] = []
    var rest = payload[...]
    var opcode = isText ? WireOpcode.text : WireOpcode.binary
    for _ in 0..<(chance(2) ? 0 : below(4)) {
      let size = below(rest.count + 1)
      frames.append(frame(opcode, Array(rest.prefix(size)), fin: false))
      rest = rest.dropFirst(size)
      opcode = WireOpcode.continuation
      while chance(3) { frames.append(controlFrame()) }
    }
    frames.append(frame(opcode, Array(rest), fin: true))
    if compressed { frames[0].rsv = 4 }
    if chance(3) { frames.append(controlFrame()) }
    return frames
  }

  private mutating func frame(_ opcode: UInt8, _ payload: [UInt8], fin: Bool) -> WireFrame {
    var mask: [UInt8]?
    if receiver == .server {
      let keys: [[UInt8]] = [[0, 0, 0, 0], [0, 1, 0, 0]]
      mask = chance(8) ? keys[below(2)] : (0..<4).map { _ in UInt8.random(in: 0...255, using: &random) }
    }
    return WireFrame(opcode, payload, fin: fin, mask: mask)
  }

  private mutating func controlFrame() -> WireFrame {
    let size = chance(6) ? 125 : below(12)
    let payload = (0..<size).map { _ in UInt8.random(in: 0...255, using: &random) }
    return frame(chance(2) ? WireOpcode.ping : WireOpcode.pong, payload, fin: true)
  }

  private mutating func close() -> WireFrame {
    let codes: [UInt16] = [1000, 1001, 1002, 1005, 1006, 1011, 1014, 1015, 2999, 3000, 4999, 5000, 999]
    var payload = closePayload(codes[below(codes.count)], text(upTo: 20))
    if chance(5) { payload = [] }
    if chance(12) { payload = [3] }
    if chance(12) { payload.append(0xC3) }
    return frame(WireOpcode.close, Array(payload.prefix(125)), fin: true)
  }

  private mutating func length() -> Int {
    switch below(12) {
    case 0: 0
    case 1: [125, 126, 127, 128][below(4)]
    case 2: below(600)
    default: below(60)
    }
  }

  private mutating func binary() -> [UInt8] {
    let count = length()
    return (0..<count).map { _ in UInt8.random(in: 0...255, using: &random) }
  }

  private mutating func text(upTo limit: Int? = nil) -> String {
    let alphabet: [Unicode.Scalar] = ["a", "b", "é", "ж", "€", "語", "\u{FFFF}", "😎", "\u{10FFFF}", " "]
    let count = limit.map { below($0) } ?? length()
    let isASCII = chance(2)
    var text = ""
    for _ in 0..<count { text.unicodeScalars.append(alphabet[isASCII ? below(2) : below(alphabet.count)]) }
    return text
  }

  private mutating func damage(_ frame: inout WireFrame) {
    switch below(8) {
    case 0: frame.rsv ^= 1 << UInt8(below(3))
    case 1: frame.opcode = UInt8(below(16))
    case 2: frame.fin.toggle()
    case 3: frame.mask = frame.mask == nil ? [1, 2, 3, 4] : nil
    case 4: frame.form = LengthForm.allCases[1 + below(3)]
    case 5:
      let lengths: [UInt64] = [0, 125, 126, 65535, 65536, 1 << 20, 1 << 40, 1 << 63, .max, .max - 3]
      frame.declaredLength = lengths[below(lengths.count)]
    case 6: frame.opcode = WireOpcode.continuation
    default: if !frame.payload.isEmpty { frame.payload[below(frame.payload.count)] ^= 0x80 }
    }
  }

  private mutating func damage(_ bytes: inout [UInt8]) {
    for _ in 0...below(2) where !bytes.isEmpty {
      let index = below(bytes.count)
      switch below(5) {
      case 0: bytes[index] = UInt8.random(in: 0...255, using: &random)
      case 1: bytes[index] ^= 1 << UInt8(below(8))
      case 2: bytes.remove(at: index)
      case 3: bytes.insert(UInt8.random(in: 0...255, using: &random), at: index)
      default: bytes.removeSubrange(index...)
      }
    }
  }
}
