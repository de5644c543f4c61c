// SPDX-License-Identifier: Apache-2.0

#if canImport(Darwin)
import Darwin
#else
import Glibc
#endif

/// What can be fuzzed.
enum FuzzTarget: String, CaseIterable {
  case decode, utf8, handshake, extensions

  /// Inputs to begin with; the same on every machine.
  func seeds() -> [[UInt8]] {
    switch self {
    case .decode: FuzzDecode.seeds()
    case .utf8: FuzzUTF8.seeds()
    case .handshake: FuzzHandshake.seeds()
    case .extensions: FuzzExtensions.seeds()
    }
  }
}

/// Hands an input of libFuzzer's to a target.
func run(_ data: UnsafePointer<UInt8>?, _ size: Int, _ body: (inout Input) -> Void) -> Int32 {
  var input = Input(Array(UnsafeBufferPointer(start: data, count: data == nil ? 0 : size)))
  body(&input)
  return 0
}

/// Ends the process with what went wrong; libFuzzer writes the input to a file.
func disagree(_ what: String, _ details: [(String, Any)]) -> Never {
  print("DISAGREEMENT: \(what)")
  for (name, value) in details { print("  \(name): \(value)") }
  fflush(nil)
  fatalError(what)
}

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
