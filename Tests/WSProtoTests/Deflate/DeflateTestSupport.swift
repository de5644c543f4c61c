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

/// What compresses messages: zlib, or what the trait ISAL puts in its place.
protocol MessageDeflating {
  func compress(
    _ input: UnsafeRawBufferPointer,
    finishMessage: Bool,
    into output: inout [UInt8]
  ) throws(DeflateError)
}

/// What inflates messages.
protocol MessageInflating {
  func inflate(
    _ input: UnsafeRawBufferPointer,
    into output: inout [UInt8],
    limit: Int
  ) throws(InflateError)
  func finishMessage() throws(InflateError)
  func reset()
}

extension DeflateStream: MessageDeflating {}
extension InflateStream: MessageInflating {}
#if ISAL
  extension ISALDeflateStream: MessageDeflating {}
  extension ISALInflateStream: MessageInflating {}
#endif

extension MessageDeflating {
  /// Compresses one message, given in parts.
  func message(_ parts: [[UInt8]]) throws -> [UInt8] {
    var output: [UInt8] = []
    for (index, part) in parts.enumerated() {
      try part.withUnsafeBytes { try compress($0, finishMessage: index == parts.count - 1, into: &output) }
    }
    return output
  }

  func message(_ text: String) throws -> [UInt8] { try message([Array(text.utf8)]) }
}

extension MessageInflating {
  /// Decompresses one message, fed in chunks of `chunk` bytes, with `limit` for the whole of it.
  func message(_ payload: [UInt8], chunk: Int = .max, limit: Int = 1 << 24) throws -> [UInt8] {
    try message(payload.cut { min(chunk, $0) }, limit: limit)
  }

  func message(_ chunks: [[UInt8]], limit: Int = 1 << 24) throws -> [UInt8] {
    var output: [UInt8] = []
    for chunk in chunks {
      try chunk.withUnsafeBytes { try inflate($0, into: &output, limit: limit - output.count) }
    }
    try finishMessage()
    return output
  }
}

extension [UInt8] {
  /// Cuts into pieces; `size` is given the number of bytes left and answers with the length of the next
  /// piece.
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
