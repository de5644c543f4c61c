// SPDX-License-Identifier: Apache-2.0

/// An input: choices from its beginning, then the rest.
struct Input {
  private let bytes: [UInt8]
  private var position = 0

  init(_ bytes: [UInt8]) { self.bytes = bytes }

  /// The next byte; 0 where there is none.
  mutating func byte() -> UInt8 {
    guard position < bytes.count else { return 0 }
    position += 1
    return bytes[position - 1]
  }

  /// Up to `count` bytes.
  mutating func bytes(_ count: Int) -> [UInt8] {
    let taken = bytes[position...].prefix(count)
    position += taken.count
    return Array(taken)
  }

  /// A number from 0 to `bound - 1`, by one byte.
  mutating func below(_ bound: Int) -> Int { Int(byte()) % bound }

  /// One of the elements, by one byte.
  mutating func pick<Element>(_ elements: [Element]) -> Element { elements[below(elements.count)] }

  var isEmpty: Bool { position == bytes.count }

  var rest: [UInt8] { Array(bytes[position...]) }
}

/// A small generator (SplitMix64): the same numbers on every machine.
struct SeededRandom: RandomNumberGenerator {
  private var state: UInt64

  init(_ seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
    return mixed ^ (mixed >> 31)
  }

  /// An input of so many bytes, for seeds.
  mutating func bytes(_ count: Int) -> [UInt8] {
    (0..<count).map { _ in UInt8.random(in: 0...255, using: &self) }
  }
}

/// Cuts bytes into pieces as one byte of the input says: the whole, single bytes, pieces of one size, any.
func cut(_ bytes: [UInt8], by choice: UInt8) -> [ArraySlice<UInt8>] {
  var random = SeededRandom(UInt64(choice))
  var pieces: [ArraySlice<UInt8>] = []
  var rest = bytes[...]
  while !rest.isEmpty {
    let size =
      switch choice {
      case 0: rest.count
      case 1...63: Int(choice)
      case 64...191: Int.random(in: 1...Int(choice - 63), using: &random)
      default: Int.random(in: 1...4, using: &random) == 1 ? Int.random(in: 1...600, using: &random) : 1
      }
    pieces.append(rest.prefix(size))
    rest = rest.dropFirst(size)
  }
  return pieces
}

/// A block of memory of just this size, so that the sanitizer sees any access beside it.
func withExactCopy<Result>(
  of piece: some Collection<UInt8>,
  _ body: (UnsafeMutableRawBufferPointer) -> Result
) -> Result {
  let chunk = UnsafeMutableRawBufferPointer.allocate(byteCount: piece.count, alignment: 1)
  defer { chunk.deallocate() }
  chunk.copyBytes(from: piece)
  return body(chunk)
}
