// SPDX-License-Identifier: Apache-2.0

import WSProto

/// SplitMix64: the same inputs on every run.
struct SeededGenerator: RandomNumberGenerator {
  var state: UInt64
  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
}

extension MessageDeflater {
  /// Compresses one message, given in parts, and returns the payload of each part's frame.
  func frames(_ parts: [[UInt8]]) throws -> [[UInt8]] {
    var frames: [[UInt8]] = []
    for (index, part) in parts.enumerated() {
      var output = AssemblyBuffer()
      try part.withUnsafeBytes { try compress($0, finishMessage: index == parts.count - 1, into: &output) }
      frames.append([UInt8](output.take()))
    }
    return frames
  }

  func message(_ parts: [[UInt8]]) throws -> [UInt8] { Array(try frames(parts).joined()) }

  func message(_ text: String) throws -> [UInt8] { try message([Array(text.utf8)]) }
}

/// The message is longer than the limit.
struct TooBig: Error, Equatable {}

extension MessageInflater {
  /// Decompresses one message, fed in chunks of `chunk` bytes, with `limit` for the whole of it.
  func message(_ payload: [UInt8], chunk: Int = .max, limit: Int = 1 << 24) throws -> [UInt8] {
    try message(payload.cut { min(chunk, $0) }, limit: limit)
  }

  func message(_ chunks: [[UInt8]], limit: Int = 1 << 24) throws -> [UInt8] {
    var output = AssemblyBuffer()
    for chunk in chunks { try feed(chunk, into: &output, limit: limit) }
    try finishMessage()
    return [UInt8](output.take())
  }

  /// Feeds a part of a message like a receiver that accepts `limit` bytes of it: it reads one byte beyond, to
  /// see whether there is more.
  ///
  /// - Throws: `TooBig`, with `limit` bytes in `output`, or what the stream throws.
  func feed(_ chunk: [UInt8], into output: inout AssemblyBuffer, limit: Int) throws {
    let limit = min(limit, .max - 1)
    var failure: InflateError?
    chunk.withUnsafeBytes { bytes in
      var rest = bytes
      do throws(InflateError) {
        repeat {
          try inflate(&rest, into: &output, atMost: limit + 1 - output.count)
        } while output.count <= limit && (!rest.isEmpty || mayHaveMore)
      } catch {
        failure = error
      }
    }
    // The output came before the error.
    if output.count > limit {
      output.removeLast(output.count - limit)
      throw TooBig()
    }
    if let failure { throw failure }
  }
}

extension [UInt8] {
  /// Splits into pieces; `size` gets the number of bytes left and returns the length of the next piece.
  func cut(_ size: (Int) -> Int) -> [[UInt8]] {
    var pieces: [[UInt8]] = []
    var rest = self[...]
    while !rest.isEmpty {
      let length = Swift.max(1, size(rest.count))
      pieces.append(Array(rest.prefix(length)))
      rest = rest.dropFirst(length)
    }
    return pieces
  }

  /// JSON-like text.
  static func json(_ count: Int, seed: UInt64) -> [UInt8] {
    var generator = SeededGenerator(state: seed)
    var text = "["
    while text.utf8.count < count {
      let id = UInt32.random(in: 0...99_999, using: &generator)
      let score = UInt32.random(in: 0...9_999, using: &generator)
      text += #"{"id":\#(id),"name":"user\#(id % 977)","active":\#(id % 3 == 0),"score":\#(score)},"#
    }
    return Array(text.utf8.prefix(count))
  }

  static func random(_ count: Int, seed: UInt64) -> [UInt8] {
    var generator = SeededGenerator(state: seed)
    return (0..<count).map { _ in UInt8.random(in: 0...255, using: &generator) }
  }
}
