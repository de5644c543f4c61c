// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import WSProto

@Suite struct DeflateStreamTests {
  static let hello: [UInt8] = [0xF2, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00]

  @Test(
    "RFC 7692 §7.2.3.1: Hello is compressed to one block without its tail",
    .requirement("7692-7.2.1-tail")
  )
  func oneBlock() throws {
    #expect(try DeflateStream().message("Hello") == Self.hello)
  }

  @Test("RFC 7692 §7.2.3.2: the second Hello refers to the first with context takeover")
  func takeover() throws {
    let stream = try DeflateStream()
    #expect(try stream.message("Hello") == Self.hello)
    #expect(try stream.message("Hello") == [0xF2, 0x00, 0x11, 0x00, 0x00])
  }

  @Test("RFC 7692 §7.2.3.2: after a reset the second Hello is compressed like the first")
  func noTakeover() throws {
    let stream = try DeflateStream()
    for _ in 0..<3 {
      #expect(try stream.message("Hello") == Self.hello)
      stream.reset()
    }
  }

  @Test("RFC 7692 §7.2.3.3: level 0 gives a stored block")
  func stored() throws {
    let expected: [UInt8] = [0x00, 0x05, 0x00, 0xFA, 0xFF, 0x48, 0x65, 0x6C, 0x6C, 0x6F, 0x00]
    #expect(try DeflateStream(level: 0).message("Hello") == expected)
  }

  @Test("RFC 7692 §7.2.3.6: an empty message is one octet, at any place in a connection", arguments: -1...9)
  func empty(level: Int) throws {
    let deflater = try DeflateStream(level: level)
    let inflater = try InflateStream()
    for text in ["", "", "Hello", "", "", "Hello", ""] {
      let payload = try deflater.message(text)
      if text.isEmpty { #expect(payload == [0x00]) }
      #expect(try inflater.message(payload) == Array(text.utf8))
    }
    deflater.reset()
    #expect(try deflater.message("") == [0x00])
  }

  @Test("an empty part flushes nothing; at the end of a message it is one octet (RFC 7692 §7.2.3.6)")
  func emptyParts() throws {
    let hello = Array("Hello".utf8)
    let flushed = Self.hello + [0x00, 0x00, 0xFF, 0xFF]
    #expect(try DeflateStream().frames([hello, []]) == [flushed, [0x00]])
    #expect(try DeflateStream().frames([[], hello, [], []]) == [[], flushed, [], [0x00]])
    #expect(try DeflateStream().frames([[], [], []]) == [[], [], [0x00]])
  }

  @Test(
    "D3: each part of a message carries its data, and only the end of the message omits its tail (RFC 7692 §7.2.1)",
    .requirement("7692-7.2.1-tail"),
    arguments: [-1, 0, 1, 9]
  )
  func parts(level: Int) throws {
    let deflater = try Deflater(level: level)
    let inflater = try InflateStream()
    for sizes in [[3, 2], [1, 1, 1], [0, 5, 0, 70_000, 0], [2_000_000, 1], [1 << 20, 1 << 20, 0]] {
      let parts = sizes.enumerated().map { [UInt8].json($1, seed: UInt64($0)) }
      let frames = try deflater.frames(parts)
      var seen = AssemblyBuffer()
      for (part, frame) in zip(parts, frames) {
        // A peer that has received this frame has the whole part.
        try inflater.feed(frame, into: &seen, limit: .max)
        #expect([UInt8](seen.take()) == part, "\(sizes)")
      }
      try inflater.finishMessage()
      #expect(Array(frames.joined().suffix(4)) != [0x00, 0x00, 0xFF, 0xFF], "\(sizes)")
    }
  }

  @Test("output is appended to the contents of the buffer")
  func appends() throws {
    var output = AssemblyBuffer()
    for byte in [1, 2, 3] as [UInt8] { output.append(byte) }
    let stream = try DeflateStream()
    try Array("Hello".utf8).withUnsafeBytes { try stream.compress($0, finishMessage: true, into: &output) }
    #expect([UInt8](output.take()) == [1, 2, 3] + Self.hello)
  }

  @Test("a reset drops an unfinished message")
  func resetInsideMessage() throws {
    let stream = try DeflateStream()
    var output = AssemblyBuffer()
    let lost = [UInt8].random(50_000, seed: 1)
    try lost.withUnsafeBytes { try stream.compress($0, finishMessage: false, into: &output) }
    stream.reset()
    #expect(try stream.message("") == [0x00])
    #expect(try stream.message("Hello") == Self.hello)
  }

  @Test("parameters out of range are refused, including 8 window bits", .requirement("7692-7.2.1-window"))
  func parameters() {
    for bits in [Int.min, -15, 0, 7, 8, 16, .max] {
      #expect(throws: DeflateError.unsupportedParameter) { try DeflateStream(windowBits: bits) }
    }
    for level in [Int.min, -2, 10, .max] {
      #expect(throws: DeflateError.unsupportedParameter) { try DeflateStream(level: level) }
    }
    for level in [Int.min, 0, 10, .max] {
      #expect(throws: DeflateError.unsupportedParameter) { try DeflateStream(memoryLevel: level) }
    }
  }

  @Test("a copy continues independently with the same history")
  func copies() throws {
    let first = try DeflateStream()
    _ = try first.message("Hello")
    var head = AssemblyBuffer()
    try Array("Hel".utf8).withUnsafeBytes { try first.compress($0, finishMessage: false, into: &head) }
    let second = try first.copy()
    #expect(try second.message("p me") != first.message("lo"))
    let third = try first.copy()
    first.reset()
    #expect(try first.message("Hello") == Self.hello)
    // The copy has the earlier history: "Hello" is found in it.
    #expect(try third.message("Hello").count < Self.hello.count)
  }

  @Test("a buffer that keeps its storage is not reallocated by later messages")
  func steadyState() throws {
    let stream = try DeflateStream()
    var output = AssemblyBuffer()
    var addresses: Set<UnsafeRawPointer?> = []
    for seed in 0..<20 as Range<UInt64> {
      output.clear()
      let text = [UInt8].json(16 << 10, seed: seed)
      try text.withUnsafeBytes { try stream.compress($0, finishMessage: true, into: &output) }
      addresses.insert(output.base)
    }
    #expect(addresses.count == 1)
  }

  @Test(
    "no message and no part becomes longer than the bound computed before",
    arguments: [-1, 0, 1, 9],
    [(15, 8), (9, 1), (9, 9), (12, 5)]
  )
  func bound(level: Int, memory: (windowBits: Int, level: Int)) throws {
    let deflater = try Deflater(windowBits: memory.windowBits, level: level, memoryLevel: memory.level)
    let random = [UInt8].random(3 << 20, seed: 12)
    // Data that could be stored, except that a few matches make the library try codes.
    var mixed: [UInt8] = []
    for index in 0..<4_000 { mixed += random[(index * 61)..<(index * 61 + 61)] + [1, 2, 3, 4] }
    let inputs: [[UInt8]] = [random, mixed, .json(70_000, seed: 3)]
    for input in inputs {
      for size in [0, 1, 5, 125, 1_000, 16_384, 65_536, 1 << 20, 1 << 20 + 1, 3 << 20]
      where size <= input.count {
        for finished in [false, true] {
          let before = deflater.bound(size)
          var output = AssemblyBuffer()
          try input.prefix(size).withUnsafeBytes {
            try deflater.compress($0, finishMessage: finished, into: &output)
          }
          #expect(output.count <= before, "\(size)")
          #expect(before <= Deflater.bound(size), "\(size)")
        }
      }
    }
    #expect(deflater.bound(.max) == .max && Deflater.bound(.max) == .max)
  }

  @Test("incompressible input of every size around zlib's buffers round-trips, with every memory level")
  func incompressible() throws {
    let random = [UInt8].random(200_000, seed: 11)
    for memoryLevel in 1...9 {
      for level in [0, 6] {
        let deflater = try DeflateStream(windowBits: 9, level: level, memoryLevel: memoryLevel)
        let inflater = try InflateStream(windowBits: 9)
        for size in [1, 127, 128, 129, 511, 512, 513, 4_095, 32_767, 65_535, 65_536, 200_000] {
          let input = Array(random.prefix(size))
          let parts = [Array(input.prefix(size / 2)), Array(input.dropFirst(size / 2)), []]
          #expect(try inflater.message(deflater.message(parts)) == input, "\(memoryLevel) \(level) \(size)")
        }
      }
    }
  }

  @Test("input of several slices round-trips")
  func manySlices() throws {
    let input = [UInt8].json(2 << 20, seed: 5) + [UInt8].random(100_001, seed: 6)
    let payload = try DeflateStream(level: 1).message([input])
    #expect(try InflateStream().message(payload, chunk: 65_536) == input)
  }
}
