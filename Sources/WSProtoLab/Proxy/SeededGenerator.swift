// SPDX-License-Identifier: Apache-2.0

/// SplitMix64. Produces the same numbers for the same seed, so that a run can be repeated.
struct SeededGenerator: RandomNumberGenerator {
  private var state: UInt64

  /// - Parameters:
  ///   - seed: the seed.
  ///   - stream: selects one of the sequences for this seed.
  init(seed: UInt64, stream: UInt64) {
    state = seed
    // Adjacent streams must not produce overlapping sequences.
    state = next() ^ stream &* 0xD134_2543_DE82_EF95
  }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var mixed = state
    mixed = (mixed ^ mixed >> 30) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ mixed >> 27) &* 0x94D0_49BB_1331_11EB
    return mixed ^ mixed >> 31
  }

  /// A generator with a sequence of its own, which depends on the state of this one.
  func forked() -> SeededGenerator { SeededGenerator(seed: state, stream: 0x6B65_7973) }

  /// Returns `true` with this probability. Always draws exactly one number.
  mutating func happens(_ probability: Double) -> Bool {
    // 53 bits: all that a Double holds, from 0 up to but without 1.
    Double(next() >> 11) / Double(1 << 53) < probability
  }
}
