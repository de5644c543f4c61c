// SPDX-License-Identifier: Apache-2.0

import Testing
import WSProto

// With the trait ISAL these hold for its stream in zlib's place.
@Suite struct InflateStreamTests {
  static let hello = Array("Hello".utf8)

  @Test(
    "RFC 7692 §7.2.3: the examples give Hello, fed whole and in any chunks",
    .requirement("7692-7.2.2-append", "7692-7.2.2-stored", "7692-7.2.2-blocks"),
    arguments: [
      [0xF2, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00],  // §7.2.3.1, one block
      [0x00, 0x05, 0x00, 0xFA, 0xFF, 0x48, 0x65, 0x6C, 0x6C, 0x6F, 0x00],  // §7.2.3.3, stored
      [0xF3, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00, 0x00],  // §7.2.3.4, BFINAL
      [0xF2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xFF, 0xFF, 0xCA, 0xC9, 0xC9, 0x07, 0x00],  // §7.2.3.5, two blocks
    ] as [[UInt8]]
  )
  func examples(payload: [UInt8]) throws {
    for chunk in 1...payload.count {
      let stream = try Inflater()
      for _ in 0..<3 { #expect(try stream.message(payload, chunk: chunk) == Self.hello) }
    }
  }

  @Test(
    "RFC 7692 §7.2.3.2: a block that refers to the message before needs the context",
    .requirement("7692-7.2.2-takeover")
  )
  func takeover() throws {
    let stream = try Inflater()
    let second: [UInt8] = [0xF2, 0x00, 0x11, 0x00, 0x00]
    #expect(try stream.message(DeflateStreamTests.hello) == Self.hello)
    #expect(try stream.message(second) == Self.hello)
    stream.reset()
    #expect(throws: InflateError.invalid) { try stream.message(second) }
    stream.reset()
    #expect(try stream.message(DeflateStreamTests.hello) == Self.hello)
  }

  @Test("RFC 7692 §7.2.3.6: one zero octet is an empty message; no octet is taken as one too")
  func empty() throws {
    let stream = try Inflater()
    for _ in 0..<3 {
      #expect(try stream.message([0x00]).isEmpty)
      #expect(try stream.message([UInt8]()).isEmpty)
      #expect(try stream.message(DeflateStreamTests.hello) == Self.hello)
    }
  }

  @Test("RFC 7692 §7.2.3.4: the history stays across a final block", .requirement("7692-7.2.2-bfinal"))
  func historyAcrossFinalBlock() throws {
    for final in [
      [0xF3, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00, 0x00], [0xF3, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00],
    ]
      as [[UInt8]]
    {
      let stream = try Inflater()
      #expect(try stream.message(final) == Self.hello)
      // A copy of five bytes from five bytes back, as in §7.2.3.2.
      #expect(try stream.message([0xF2, 0x00, 0x11, 0x00, 0x00]) == Self.hello)
    }
    let stream = try Inflater()
    let both: [UInt8] = [0xF3, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00, 0xF2, 0x00, 0x11, 0x00, 0x00]
    for chunk in 1...both.count {
      #expect(try stream.message(both, chunk: chunk) == Self.hello + Self.hello)
    }
  }

  @Test(
    "a final block whose header is the last octet is completed by the tail",
    .requirement("7692-7.2.2-bfinal")
  )
  func finalBlockInTail() throws {
    let stream = try Inflater()
    for _ in 0..<2 {
      #expect(try stream.message([0x01]).isEmpty)
      #expect(try stream.message(DeflateStreamTests.hello) == Self.hello)
    }
  }

  @Test("a flood of final blocks is harmless, and keeps the history")
  func finalBlockFlood() throws {
    // An empty final block with fixed codes takes ten bits, two octets when padded.
    let flood = Array(repeatElement([0x03, 0x00] as [UInt8], count: 20_000).joined())
    let text = [UInt8].json(40_000, seed: 1)
    let deflate = try DeflateStream(level: 1)
    let inflate = try Inflater()
    #expect(try inflate.message(deflate.message([text])) == text)
    #expect(try inflate.message(flood).isEmpty)
    // Compressed against the history, which the flood must not have touched.
    let again = try deflate.message([text])
    #expect(try inflate.message(again) == text)
  }

  @Test(
    "a message that ends inside a block, or is no DEFLATE, is refused at any chunking",
    arguments: [
      [0xF2, 0x48, 0xCD, 0xC9, 0xC9],  // cut in a block
      [0x00, 0x05, 0x00, 0xFA, 0xFF, 0x48],  // cut in a stored block: the tail would become data
      [0x00, 0x04, 0x00, 0xFB, 0xFF],  // a stored block that is exactly as long as the tail
      [0x00, 0x05, 0x00, 0xFB, 0xFF, 0x48, 0x65, 0x6C, 0x6C, 0x6F, 0x00],  // LEN and NLEN don't agree
      [0xF2, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00, 0x00, 0x00, 0xFF, 0xFF],  // the tail left on
      [0x03],  // a final block that ends in the first octet of the tail
      [0x06], [0x07], [0xFF],  // block type 3
      [0xF2, 0x00, 0x11, 0x00, 0x00],  // refers back before the start
      [0x04, 0x00],  // dynamic codes, cut
    ] as [[UInt8]]
  )
  func refused(payload: [UInt8]) throws {
    for chunk in 1...payload.count {
      let stream = try Inflater()
      #expect(throws: InflateError.invalid, "\(chunk)") { try stream.message(payload, chunk: chunk) }
      // Nothing more until a reset.
      #expect(throws: InflateError.invalid) { try stream.message(DeflateStreamTests.hello) }
      stream.reset()
      #expect(try stream.message(DeflateStreamTests.hello) == Self.hello)
    }
  }

  @Test("what came out before an error stays, so that events don't depend on the cuts")
  func outputOnError() throws {
    var output: [UInt8] = [1, 2, 3]
    let stream = try Inflater()
    let bad: [UInt8] = DeflateStreamTests.hello + [0x00, 0x00, 0xFF, 0xFF, 0x07]
    #expect(throws: InflateError.invalid) {
      try bad.withUnsafeBytes { try stream.inflate($0, into: &output, limit: 100) }
    }
    #expect(output == [1, 2, 3] + Self.hello)
  }

  @Test("parameters out of 8...15 are refused; 8 decodes what 9 does")
  func parameters() throws {
    for bits in [Int.min, -15, 0, 7, 16, .max] {
      #expect(throws: InflateError.unsupportedParameter) { try Inflater(windowBits: bits) }
    }
    let text = [UInt8].json(20_000, seed: 3)
    #expect(try Inflater(windowBits: 8).message(DeflateStream(windowBits: 9).message([text])) == text)
  }

  @Test(
    "the limit is exact: as many bytes pass, one more doesn't",
    arguments: [0, 1, 100, 511, 512, 513, 70_000]
  )
  func limit(limit: Int) throws {
    for extra in [0, 1] {
      let text = [UInt8].json(limit + extra, seed: 9)
      let payload = try DeflateStream().message([text])
      for chunk in [1, 7, 4_096, .max] {
        let stream = try Inflater()
        if extra == 0 {
          #expect(try stream.message(payload, chunk: chunk, limit: limit) == text)
        } else {
          #expect(throws: InflateError.tooBig) { try stream.message(payload, chunk: chunk, limit: limit) }
        }
      }
    }
  }

  @Test("a negative limit allows nothing, the greatest limit doesn't trap")
  func oddLimits() throws {
    #expect(throws: InflateError.tooBig) {
      try Inflater().message(DeflateStreamTests.hello, limit: .min / 2)
    }
    #expect(try Inflater().message(DeflateStreamTests.hello, limit: .max) == Self.hello)
  }

  @Test(
    "a 1000:1 bomb stops at the limit: neither bytes nor capacity go beyond it by much",
    .requirement("7692-8-bomb")
  )
  func bomb() throws {
    let zeros = [UInt8](repeating: 0, count: 16 << 20)
    let payload = try DeflateStream().message([zeros])
    #expect(payload.count * 1_000 < zeros.count)
    for limit in [1_000, 1 << 20] {
      for chunk in [1, 100, Int.max] {
        let stream = try Inflater()
        var output: [UInt8] = []
        var consumed = 0
        #expect(throws: InflateError.tooBig) {
          for part in payload.cut({ min(chunk, $0) }) {
            consumed += part.count
            try part.withUnsafeBytes { try stream.inflate($0, into: &output, limit: limit - output.count) }
          }
        }
        #expect(output.count <= limit)
        #expect(output.capacity <= 2 * limit + 8_192, "\(output.capacity)")
        if chunk < .max { #expect(consumed < limit / 500 + 2 * chunk + 100, "\(consumed)") }
      }
    }
  }

  @Test("no byte that was not decoded is visible, whatever the array held before")
  func noStaleBytes() throws {
    let stream = try Inflater()
    var output = [UInt8](repeating: 0xEE, count: 100_000)
    output.removeAll(keepingCapacity: true)
    for size in [0, 1, 300, 5_000, 60_000] {
      output.removeAll(keepingCapacity: true)
      let text = [UInt8].json(size, seed: UInt64(size))
      try DeflateStream().message([text]).withUnsafeBytes {
        try stream.inflate($0, into: &output, limit: 100_000)
      }
      try stream.finishMessage()
      #expect(output == text)
      stream.reset()
    }
  }

  @Test("an array that keeps its capacity is not allocated again by later messages")
  func steadyState() throws {
    let deflater = try DeflateStream()
    let inflater = try Inflater()
    var output: [UInt8] = []
    output.reserveCapacity(20_000)
    var addresses: Set<UnsafeRawPointer?> = []
    for seed in 0..<20 as Range<UInt64> {
      output.removeAll(keepingCapacity: true)
      try deflater.message([.json(16 << 10, seed: seed)]).withUnsafeBytes {
        try inflater.inflate($0, into: &output, limit: 1 << 20)
      }
      try inflater.finishMessage()
      output.withUnsafeBytes { _ = addresses.insert($0.baseAddress) }
    }
    #expect(addresses.count == 1)
  }

  @Test("a copy goes its own way from the same history, also in the middle of a message")
  func copies() throws {
    let first = try Inflater()
    #expect(try first.message(DeflateStreamTests.hello) == Self.hello)
    let second = try first.copy()
    first.reset()
    #expect(try second.message([0xF2, 0x00, 0x11, 0x00, 0x00]) == Self.hello)
    #expect(throws: InflateError.invalid) { try first.message([0xF2, 0x00, 0x11, 0x00, 0x00]) }
    // The error of one is not the other's.
    #expect(try second.message([0xF2, 0x00, 0x11, 0x00, 0x00]) == Self.hello)

    var head: [UInt8] = []
    try DeflateStreamTests.hello[..<3].withUnsafeBytes { try second.inflate($0, into: &head, limit: 9) }
    let third = try second.copy()
    let rest = Array(DeflateStreamTests.hello[3...])
    #expect(try head + second.message(rest) == Self.hello)
    #expect(try head + third.message(rest) == Self.hello)
  }
}
