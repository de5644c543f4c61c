// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import WSProto

// With the trait ISAL, these test ISA-L's stream instead of zlib's.
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
    "RFC 7692 §7.2.3.2: a block that refers to the previous message needs the context",
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

  @Test("RFC 7692 §7.2.3.6: one zero octet is an empty message; so is an empty payload")
  func empty() throws {
    let stream = try Inflater()
    for _ in 0..<3 {
      #expect(try stream.message([0x00]).isEmpty)
      #expect(try stream.message([UInt8]()).isEmpty)
      #expect(try stream.message(DeflateStreamTests.hello) == Self.hello)
    }
  }

  @Test("RFC 7692 §7.2.3.4: the history is kept across a final block", .requirement("7692-7.2.2-bfinal"))
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
    "a message that ends inside a block, or is not valid DEFLATE, is refused however it is split",
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

  @Test("output from before an error is kept, so that events don't depend on how the data was split")
  func outputOnError() throws {
    let bad: [UInt8] = DeflateStreamTests.hello + [0x00, 0x00, 0xFF, 0xFF, 0x07]
    // In one go, and byte by byte: the error comes after all output before it.
    for atMost in [100, 1] {
      var output = AssemblyBuffer()
      for byte in [1, 2, 3] as [UInt8] { output.append(byte) }
      let stream = try Inflater()
      let error = bad.withUnsafeBytes { bytes -> InflateError? in
        var rest = bytes
        do throws(InflateError) {
          for _ in 0..<100 { try stream.inflate(&rest, into: &output, atMost: atMost) }
          return nil
        } catch {
          return error
        }
      }
      #expect(error == .invalid)
      #expect([UInt8](output.take()) == [1, 2, 3] + Self.hello)
    }
  }

  @Test("parameters outside 8...15 are refused; 8 decodes what 9 does")
  func parameters() throws {
    for bits in [Int.min, -15, 0, 7, 16, .max] {
      #expect(throws: InflateError.unsupportedParameter) { try Inflater(windowBits: bits) }
    }
    let text = [UInt8].json(20_000, seed: 3)
    #expect(try Inflater(windowBits: 8).message(DeflateStream(windowBits: 9).message([text])) == text)
  }

  @Test(
    "the limit is exact: that many bytes pass, one more doesn't",
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
          #expect(throws: TooBig()) { try stream.message(payload, chunk: chunk, limit: limit) }
        }
      }
    }
  }

  @Test("with room for nothing, or less, nothing is taken; the greatest room doesn't trap")
  func oddRooms() throws {
    let stream = try Inflater()
    var output = AssemblyBuffer()
    try DeflateStreamTests.hello.withUnsafeBytes { bytes in
      var rest = bytes
      for atMost in [0, -1, .min] {
        try stream.inflate(&rest, into: &output, atMost: atMost)
        #expect(rest.count == bytes.count && output.count == 0)
      }
      try stream.inflate(&rest, into: &output, atMost: .max)
      #expect(rest.isEmpty && !stream.mayHaveMore)
    }
    try stream.finishMessage()
    #expect([UInt8](output.take()) == Self.hello)
  }

  @Test(
    "a message may arrive in slices of any size: pending output is given by the next call, which may have no input",
    arguments: [1, 2, 257, 258, 4_096, 65_536]
  )
  func slices(atMost: Int) throws {
    let size = atMost < 256 ? 3_000 : 300_000
    let texts: [[UInt8]] = [
      .json(size, seed: 21), .random(size, seed: 22), .init(repeating: 7, count: size), [],
      .json(10, seed: 23),
      .json(atMost, seed: 24),
    ]
    for level in [0, 6] {
      let deflater = try DeflateStream(level: level)
      let stream = try Inflater()
      for text in texts {
        let payload = try deflater.message([text])
        var output = AssemblyBuffer()
        var calls = 0
        try payload.withUnsafeBytes { bytes in
          var rest = bytes
          while !rest.isEmpty || stream.mayHaveMore {
            let before = output.count
            try stream.inflate(&rest, into: &output, atMost: atMost)
            // Less than the limit is given only if that is all there is.
            #expect(output.count - before == atMost || (rest.isEmpty && !stream.mayHaveMore))
            calls += 1
          }
        }
        #expect(calls <= text.count / atMost + 2)
        try stream.finishMessage()
        #expect([UInt8](output.take()) == text)
      }
    }
  }

  @Test("a message that ends while output is pending is not complete")
  func endsTooEarly() throws {
    let stream = try Inflater()
    var output = AssemblyBuffer()
    try DeflateStreamTests.hello.withUnsafeBytes { bytes in
      var rest = bytes
      try stream.inflate(&rest, into: &output, atMost: 2)
    }
    #expect(stream.mayHaveMore)
    #expect(throws: InflateError.invalid) { try stream.finishMessage() }
  }

  @Test(
    "a 1000:1 bomb stops at the limit: neither bytes nor capacity exceed it by much",
    .requirement("7692-8-bomb")
  )
  func bomb() throws {
    let zeros = [UInt8](repeating: 0, count: 16 << 20)
    let payload = try DeflateStream().message([zeros])
    #expect(payload.count * 1_000 < zeros.count)
    for limit in [1_000, 1 << 20] {
      for chunk in [1, 100, Int.max] {
        let stream = try Inflater()
        var output = AssemblyBuffer()
        var consumed = 0
        #expect(throws: TooBig()) {
          for part in payload.cut({ min(chunk, $0) }) {
            consumed += part.count
            try stream.feed(part, into: &output, limit: limit)
          }
        }
        #expect(output.count == limit)
        #expect(output.capacity <= 2 * limit + 8_192, "\(output.capacity)")
        if chunk < .max { #expect(consumed < limit / 500 + 2 * chunk + 100, "\(consumed)") }
      }
    }
  }

  @Test("only decoded bytes are visible, whatever the buffer held before")
  func noStaleBytes() throws {
    let stream = try Inflater()
    var output = AssemblyBuffer()
    for _ in 0..<100_000 { output.append(0xEE) }
    for size in [0, 1, 300, 5_000, 60_000] {
      output.clear()
      let text = [UInt8].json(size, seed: UInt64(size))
      try stream.feed(DeflateStream().message([text]), into: &output, limit: 100_000)
      try stream.finishMessage()
      #expect(output.count == size)
      #expect(UnsafeRawBufferPointer(start: output.base, count: output.count).elementsEqual(text))
      stream.reset()
    }
  }

  @Test("a buffer that keeps its storage is not reallocated by later messages")
  func steadyState() throws {
    let deflater = try DeflateStream()
    let inflater = try Inflater()
    var output = AssemblyBuffer()
    var addresses: Set<UnsafeRawPointer?> = []
    for seed in 0..<20 as Range<UInt64> {
      output.clear()
      let payload = try deflater.message([.json(16 << 10, seed: seed)])
      try inflater.feed(payload, into: &output, limit: 1 << 20)
      try inflater.finishMessage()
      // The first message determines the required size.
      if seed > 0 { addresses.insert(output.base) }
    }
    #expect(addresses.count == 1)
  }

  @Test("storage that somebody else holds is not written to, and not replaced by one of its size")
  func sharedStorage() throws {
    let stream = try Inflater()
    var output = AssemblyBuffer()
    let large = [UInt8].json(1 << 20, seed: 30)
    try stream.feed(DeflateStream().message([large]), into: &output, limit: 1 << 24)
    try stream.finishMessage()
    stream.reset()
    let held = output.take()
    try stream.feed(DeflateStreamTests.hello, into: &output, limit: 1 << 24)
    try stream.finishMessage()
    #expect(output.capacity <= 4_096)
    #expect([UInt8](output.take()) == Self.hello)
    #expect([UInt8](held) == large)
  }

  @Test("a copy continues independently with the same history, also in the middle of a message")
  func copies() throws {
    let first = try Inflater()
    #expect(try first.message(DeflateStreamTests.hello) == Self.hello)
    let second = try first.copy()
    first.reset()
    #expect(try second.message([0xF2, 0x00, 0x11, 0x00, 0x00]) == Self.hello)
    #expect(throws: InflateError.invalid) { try first.message([0xF2, 0x00, 0x11, 0x00, 0x00]) }
    // One's error doesn't affect the other.
    #expect(try second.message([0xF2, 0x00, 0x11, 0x00, 0x00]) == Self.hello)

    var begun = AssemblyBuffer()
    try second.feed(Array(DeflateStreamTests.hello[..<3]), into: &begun, limit: 9)
    let head = [UInt8](begun.take())
    let third = try second.copy()
    let rest = Array(DeflateStreamTests.hello[3...])
    #expect(try head + second.message(rest) == Self.hello)
    #expect(try head + third.message(rest) == Self.hello)
  }
}
