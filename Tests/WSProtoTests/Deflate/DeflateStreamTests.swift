// SPDX-License-Identifier: Apache-2.0

import Testing
import WSProto

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

  @Test("an empty last part flushes the parts before it; empty parts alone are an empty message")
  func emptyParts() throws {
    let hello = Array("Hello".utf8)
    #expect(try DeflateStream().message([hello, []]) == Self.hello)
    #expect(try DeflateStream().message([[], hello, [], []]) == Self.hello)
    #expect(try DeflateStream().message([[], [], []]) == [0x00])
  }

  @Test("a part in the middle of a message is not flushed")
  func noFlushBetweenParts() throws {
    let stream = try DeflateStream()
    var output: [UInt8] = []
    try Array("Hel".utf8).withUnsafeBytes { try stream.compress($0, finishMessage: false, into: &output) }
    #expect(output.isEmpty)
    try Array("lo".utf8).withUnsafeBytes { try stream.compress($0, finishMessage: true, into: &output) }
    #expect(output == Self.hello)
  }

  @Test("output is appended to what the array holds")
  func appends() throws {
    var output: [UInt8] = [1, 2, 3]
    let stream = try DeflateStream()
    try Array("Hello".utf8).withUnsafeBytes { try stream.compress($0, finishMessage: true, into: &output) }
    #expect(output == [1, 2, 3] + Self.hello)
  }

  @Test("a reset drops an unfinished message")
  func resetInsideMessage() throws {
    let stream = try DeflateStream()
    var output: [UInt8] = []
    let lost = [UInt8].random(50_000, seed: 1)
    try lost.withUnsafeBytes { try stream.compress($0, finishMessage: false, into: &output) }
    stream.reset()
    #expect(try stream.message("") == [0x00])
    #expect(try stream.message("Hello") == Self.hello)
  }

  @Test("parameters out of range are refused, 8 window bits among them", .requirement("7692-7.2.1-window"))
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

  @Test("a copy goes its own way from the same history")
  func copies() throws {
    let first = try DeflateStream()
    _ = try first.message("Hello")
    var head: [UInt8] = []
    try Array("Hel".utf8).withUnsafeBytes { try first.compress($0, finishMessage: false, into: &head) }
    let second = try first.copy()
    #expect(try second.message("p me") != first.message("lo"))
    let third = try first.copy()
    first.reset()
    #expect(try first.message("Hello") == Self.hello)
    // The history of the copy is that of before: "Hello" is found in it.
    #expect(try third.message("Hello").count < Self.hello.count)
  }

  @Test("an array that keeps its capacity is not allocated again by later messages")
  func steadyState() throws {
    let stream = try DeflateStream()
    var output: [UInt8] = []
    var addresses: Set<UnsafeRawPointer?> = []
    for seed in 0..<20 as Range<UInt64> {
      output.removeAll(keepingCapacity: true)
      let text = [UInt8].json(16 << 10, seed: seed)
      try text.withUnsafeBytes { try stream.compress($0, finishMessage: true, into: &output) }
      output.withUnsafeBytes { _ = addresses.insert($0.baseAddress) }
    }
    #expect(addresses.count == 1)
  }

  @Test("incompressible input of every size about zlib's buffers survives, with every memory level")
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

  @Test("input of several slices comes back")
  func manySlices() throws {
    let input = [UInt8].json(2 << 20, seed: 5) + [UInt8].random(100_001, seed: 6)
    let payload = try DeflateStream(level: 1).message([input])
    #expect(try InflateStream().message(payload, chunk: 65_536) == input)
  }
}
