// SPDX-License-Identifier: Apache-2.0

#if ISAL
import Testing

@testable import WSProto

/// ISA-L against zlib: each reads what the other writes.
@Suite struct ISALStreamTests {
  /// Messages of many kinds and sizes.
  static func text(_ kind: Int, _ size: Int, _ generator: inout SeededGenerator) -> [UInt8] {
    switch kind {
    case 0: .json(size, seed: generator.next())
    case 1: .random(size, seed: generator.next())
    case 2: .init(repeating: UInt8.random(in: 0...255, using: &generator), count: size)
    default:
      // Text, noise, text: blocks of several types in one message.
      .json(size / 3, seed: generator.next()) + .random(size / 3, seed: generator.next())
        + .json(size / 3, seed: 7)
    }
  }

  static let sizes = [0, 1, 3, 5, 125, 126, 1_000, 0, 8_191, 16_384, 32_768, 70_000, 2, 140_000, 300_001]

  /// Sends messages from one to the other; a message may grow by one byte per `overhead` bytes.
  private func cross<D, I>(
    _ deflater: MessageDeflater<D>,
    _ inflater: MessageInflater<I>,
    takeover: Bool,
    seed: UInt64,
    overhead: Int
  ) throws {
    var generator = SeededGenerator(state: seed)
    for size in Self.sizes {
      for _ in 0..<2 {
        let kind = Int.random(in: 0...3, using: &generator)
        let text = Self.text(kind, size, &generator)
        var parts = text.cut { Int.random(in: 1...$0, using: &generator) }
        if parts.isEmpty || Bool.random(using: &generator) { parts.append([]) }
        let payload = try deflater.message(parts)
        // Each part is flushed.
        #expect(payload.count <= text.count + text.count / overhead + 64 * parts.count, "\(size) \(kind)")
        let most = max(
          [1, 7, 63, 1_000, 100_000][Int.random(in: 0...4, using: &generator)],
          payload.count / 4_000
        )
        let chunks = payload.cut { Int.random(in: 1...min($0, most), using: &generator) }
        #expect(try inflater.message(chunks, limit: text.count) == text, "\(size) \(kind)")
        if !takeover {
          deflater.reset()
          inflater.reset()
        }
      }
    }
  }

  @Test(
    "zlib inflates what ISA-L compresses, in every window and at every level, however it is split",
    arguments: 9...15,
    [true, false]
  )
  func isalToZlib(windowBits: Int, takeover: Bool) throws {
    for level in [-1, 0, 1, 7, 9] {
      let deflater = try ISALDeflateStream(windowBits: windowBits, level: level)
      let inflater = try InflateStream(windowBits: windowBits)
      let seed = UInt64(windowBits * 100 + level)
      try cross(deflater, inflater, takeover: takeover, seed: seed, overhead: 256)
    }
  }

  @Test(
    "ISA-L inflates what zlib compresses, with every window and level, however it is split",
    arguments: 9...15,
    [true, false]
  )
  func zlibToISAL(windowBits: Int, takeover: Bool) throws {
    for level in [0, 1, 6, 9] {
      let deflater = try DeflateStream(
        windowBits: windowBits,
        level: level,
        memoryLevel: 1 + windowBits % 9
      )
      let inflater = try ISALInflateStream(windowBits: windowBits)
      let seed = UInt64(windowBits * 100 + level)
      // With the least memory zlib writes many blocks.
      try cross(deflater, inflater, takeover: takeover, seed: seed, overhead: 16)
    }
  }

  @Test(
    "the window is never exceeded: zlib, fed in single bytes, finds nothing that refers beyond it",
    arguments: 9...15
  )
  func window(windowBits: Int) throws {
    let deflater = try ISALDeflateStream(windowBits: windowBits)
    let inflater = try InflateStream(windowBits: windowBits)
    for distance in [(1 << windowBits) - 1, 1 << windowBits, 1 << windowBits + 1] {
      let block = [UInt8].random(distance, seed: UInt64(distance))
      let text = block + block + .json(distance, seed: 1)
      #expect(try inflater.message(deflater.message([text]), chunk: 1) == text)
    }
  }

  @Test("an empty message is one octet, at any place in a connection and at every level", arguments: -1...9)
  func empty(level: Int) throws {
    let deflater = try ISALDeflateStream(level: level)
    let inflater = try InflateStream()
    for text in ["", "", "Hello", "", "", "Hello", ""] {
      let payload = try deflater.message(text)
      if text.isEmpty { #expect(payload == [0x00]) }
      #expect(try inflater.message(payload) == Array(text.utf8))
    }
    deflater.reset()
    #expect(try deflater.message("") == [0x00])
    #expect(try deflater.message([[], [], []]) == [0x00])
  }

  @Test("parameters out of range are refused, including 8 window bits")
  func parameters() {
    for bits in [Int.min, -15, 0, 7, 8, 16, .max] {
      #expect(throws: DeflateError.unsupportedParameter) { try ISALDeflateStream(windowBits: bits) }
    }
    for level in [Int.min, -2, 10, .max] {
      #expect(throws: DeflateError.unsupportedParameter) { try ISALDeflateStream(level: level) }
    }
    for level in [Int.min, 0, 10, .max] {
      #expect(throws: DeflateError.unsupportedParameter) { try ISALDeflateStream(memoryLevel: level) }
    }
  }

  @Test("a reset drops an unfinished message and the history", arguments: [-1, 0, 7, 9])
  func reset(level: Int) throws {
    let stream = try ISALDeflateStream(level: level)
    let first = try stream.message("Hello, Hello, Hello")
    var output = AssemblyBuffer()
    let lost = [UInt8].json(50_000, seed: 1)
    try lost.withUnsafeBytes { try stream.compress($0, finishMessage: false, into: &output) }
    stream.reset()
    #expect(try stream.message("") == [0x00])
    #expect(try stream.message("Hello, Hello, Hello") == first)
  }

  @Test(
    "a copy continues independently with the same history, also in the middle of a message",
    arguments: [-1, 0, 7, 9]
  )
  func copies(level: Int) throws {
    let history = [UInt8].json(20_000, seed: 3)
    for head in [0, 3, 300, 40_000] {
      let first = try ISALDeflateStream(level: level)
      let opening = try first.message([history])
      let head = [UInt8].json(head, seed: 4)
      var output = AssemblyBuffer()
      try head.withUnsafeBytes { try first.compress($0, finishMessage: false, into: &output) }
      let begun = [UInt8](output.take())
      let second = try first.copy()
      for (stream, tail) in [(second, history), (first, [UInt8]())] {
        let inflater = try InflateStream()
        _ = try inflater.message(opening)
        let payload = try begun + stream.message([tail])
        #expect(try inflater.message(payload) == head + tail)
        if level != 0, !tail.isEmpty { #expect(payload.count < (head + tail).count / 2) }
      }
    }
  }

  @Test("the history is dropped from time to time, between messages and within one, and nothing is lost")
  func restarts() throws {
    let deflater = ISALDeflateStream(try ISALDeflate(DeflateSettings(), restartsAfter: 3 << 20))
    let inflater = try InflateStream()
    for size in [100, 2 << 20, 2 << 20, 100, 10 << 20, 1] {
      let text = [UInt8](repeating: 1, count: size) + .json(5_000, seed: UInt64(size))
      #expect(try inflater.message([deflater.message([text])]) == text)
    }
  }

  // MARK: What zlib and ISA-L make of damaged data

  private enum Ending: Hashable {
    case whole
    case failed(InflateError)
    case tooBig
  }

  /// The output, in parts as a receiver gets it, and how it ends.
  private static func outcome<Backend>(
    _ stream: MessageInflater<Backend>,
    _ chunks: [[UInt8]],
    limit: Int
  ) -> (text: [UInt8], ending: Ending) {
    var output = AssemblyBuffer()
    var ending = Ending.whole
    do {
      for chunk in chunks { try stream.feed(chunk, into: &output, limit: limit) }
      try stream.finishMessage()
    } catch let error as InflateError {
      ending = .failed(error)
    } catch {
      ending = .tooBig
    }
    return ([UInt8](output.take()), ending)
  }

  @Test(
    "damaged messages give the same bytes and error as with zlib, however they are split",
    arguments: 0..<8
  )
  func damaged(seed: Int) throws {
    var generator = SeededGenerator(state: UInt64(1_000 + seed))
    let history = [UInt8].json(40_000, seed: 77)
    let opening = try DeflateStream().message([history])
    var seen: [Ending: Int] = [:]
    var lenient = 0
    for _ in 0..<300 {
      let deflater = try DeflateStream(level: Int.random(in: 0...6, using: &generator))
      _ = try deflater.message([history])
      let size = Int.random(in: 1...20_000, using: &generator)
      var payload = try deflater.message([
        Self.text(Int.random(in: 0...3, using: &generator), size, &generator)
      ])
      for _ in 0..<Int.random(in: 0...3, using: &generator) {
        let index = Int.random(in: 0..<payload.count, using: &generator)
        payload[index] ^= 1 << UInt8.random(in: 0...7, using: &generator)
      }
      if Bool.random(using: &generator) {
        payload.removeLast(Int.random(in: 0...payload.count, using: &generator))
      }
      let limit = [0, 100, 1_000, 1 << 20][Int.random(in: 0...3, using: &generator)]
      let reference = try InflateStream()
      _ = try reference.message(opening)
      let expected = Self.outcome(reference, [payload], limit: limit)
      seen[expected.ending, default: 0] += 1
      let cuts = [payload.count, 1, 6, 60, Int.random(in: 1...5_000, using: &generator)]
      var first: (text: [UInt8], ending: Ending)?
      for most in cuts {
        let stream = try ISALInflateStream()
        _ = try stream.message(opening)
        let found = Self.outcome(stream, payload.cut { min($0, most) }, limit: limit)
        #expect(found.text.count <= limit)
        if let first { #expect(first == found, "\(most)") } else { first = found }
        if found == expected { continue }
        // The only difference: incomplete codes, see ISALInflateStream. Never less output than zlib's.
        #expect(expected.ending == .failed(.invalid) && found.text.starts(with: expected.text), "\(most)")
        lenient += 1
      }
    }
    #expect(seen.count == 3 && seen.values.allSatisfy { $0 > 10 }, "\(seen)")
    #expect(lenient <= 75, "\(lenient)")
  }

  @Test(
    "codes that refer to before the first byte, and distances that don't exist, are refused and output nothing",
    arguments: [1, 2, 3, 5, 30, 31]
  )
  func noStrangersBytes(code: UInt8) throws {
    // A block with fixed codes: "abc", a length of 258, then a distance code of five bits.
    var bits: [Bool] = [false, true, false]
    func append(_ value: Int, _ count: Int) {
      for bit in (0..<count).reversed() { bits.append(value >> bit & 1 == 1) }
    }
    for letter in "abc".utf8 { append(0x30 + Int(letter), 8) }
    append(0xC5, 8)
    append(Int(code), 5)
    append(0, 30)
    // Followed by enough data that ISA-L is in its fast loop.
    bits += [Bool](repeating: false, count: 800)
    let payload = stride(from: 0, to: bits.count, by: 8).map { start in
      bits[start..<min(start + 8, bits.count)].enumerated()
        .reduce(0 as UInt8) { $0 | ($1.element ? 1 << UInt8($1.offset) : 0) }
    }
    for most in [1, 7, 8, 50, payload.count] {
      let stream = try ISALInflateStream()
      // Data from before the reset must not be visible.
      _ = try stream.message(DeflateStream().message([[UInt8](repeating: 0x53, count: 70_000)]))
      stream.reset()
      let found = Self.outcome(stream, payload.cut { min($0, most) }, limit: 1_000)
      if code <= 2 {
        #expect(
          found.text.count >= 261 && Set(found.text).isSubset(of: Array("abc".utf8) + [0x18]),
          "\(most)"
        )
      } else {
        #expect(found.ending == .failed(.invalid) && found.text == Array("abc".utf8), "\(most)")
      }
    }
  }

  @Test("final blocks of one byte each, more than fill a window, keep the history")
  func manyFinalBlocks() throws {
    let text = [UInt8].json(40_000, seed: 1)
    let deflater = try DeflateStream()
    let inflater = try ISALInflateStream()
    #expect(try inflater.message(deflater.message([text])) == text)
    // A final block with fixed codes and one letter: 1, 01, eight bits, seven zeros.
    let letter: [UInt8] = [0x4B, 0x04, 0x00]
    let flood = Array(repeatElement(letter, count: 100_000).joined())
    let expected = try InflateStream().message(flood)
    #expect(expected.count == 100_000)
    for most in [5, 1_000, flood.count] {
      #expect(try inflater.message(flood.cut { min($0, most) }) == expected)
    }
    // The last 32 KB consist of this letter.
    let after = try DeflateStream()
    _ = try after.message([expected])
    #expect(try inflater.message(after.message([expected])) == expected)
  }
}
#endif
