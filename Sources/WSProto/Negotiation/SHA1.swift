// SPDX-License-Identifier: Apache-2.0

/// SHA-1 (FIPS 180-4 §6.1), which RFC 6455 §4.2.2 uses for the accept token.
///
/// The token only proves that the server speaks WebSocket; collision resistance doesn't matter for that.
enum SHA1 {
  /// The five 32-bit words of a digest, most significant first.
  struct Digest: Equatable {
    var a: UInt32 = 0x6745_2301
    var b: UInt32 = 0xefcd_ab89
    var c: UInt32 = 0x98ba_dcfe
    var d: UInt32 = 0x1032_5476
    var e: UInt32 = 0xc3d2_e1f0

    /// The 20 bytes of the digest.
    var bytes: [UInt8] {
      [a, b, c, d, e].flatMap { word in
        [24, 16, 8, 0].map { shift in UInt8(truncatingIfNeeded: word >> UInt32(shift)) }
      }
    }
  }

  /// The message schedule of one 64-byte block.
  typealias Schedule = InlineArray<80, UInt32>

  /// Hashes a message of any length.
  static func digest(of message: [UInt8]) -> Digest {
    var state = Digest()
    var schedule = Schedule(repeating: 0)
    // A 1 bit, zeros, and the length in bits as 64 bits, padded to a multiple of 64 bytes (§5.1.1).
    let bitCount = UInt64(truncatingIfNeeded: message.count) &* 8
    let blocks = (message.count + 8) / 64 + 1
    let lengthAt = blocks * 64 - 8
    for block in 0..<blocks {
      for word in 0..<16 {
        var value: UInt32 = 0
        let start = block * 64 + word * 4
        for index in start..<(start + 4) {
          let byte: UInt8
          if index < message.count {
            byte = message[index]
          } else if index == message.count {
            byte = 0x80
          } else if index >= lengthAt {
            byte = UInt8(truncatingIfNeeded: bitCount >> UInt64(8 * (lengthAt + 7 - index)))
          } else {
            byte = 0
          }
          value = value << 8 | UInt32(byte)
        }
        schedule[word] = value
      }
      expand(&schedule)
      compress(schedule.span, into: &state)
    }
    return state
  }

  /// Derives words 16...79 from words 0...15 (§6.1.2 step 1).
  static func expand(_ schedule: inout Schedule) {
    // Through a span, because element access on an inline array copies the whole array here (Swift 6.3).
    var w = schedule.mutableSpan
    for t in 16..<80 {
      w[t] = rotate(w[t - 3] ^ w[t - 8] ^ w[t - 14] ^ w[t - 16], 1)
    }
  }

  /// The 80 steps for one block (§6.1.2 steps 2...4), five at a time so that no word has to move.
  ///
  /// `w` is the span of a `Schedule`; only its 80 words are read.
  static func compress(_ w: Span<UInt32>, into state: inout Digest) {
    // Stating the length here lets the compiler drop the bounds checks below.
    precondition(w.count == 80)
    var (a, b, c, d, e) = (state.a, state.b, state.c, state.d, state.e)
    for t in stride(from: 0, to: 20, by: 5) {
      step(a, &b, choose(b, c, d), &e, 0x5a82_7999 &+ w[t])
      step(e, &a, choose(a, b, c), &d, 0x5a82_7999 &+ w[t + 1])
      step(d, &e, choose(e, a, b), &c, 0x5a82_7999 &+ w[t + 2])
      step(c, &d, choose(d, e, a), &b, 0x5a82_7999 &+ w[t + 3])
      step(b, &c, choose(c, d, e), &a, 0x5a82_7999 &+ w[t + 4])
    }
    for t in stride(from: 20, to: 40, by: 5) {
      step(a, &b, b ^ c ^ d, &e, 0x6ed9_eba1 &+ w[t])
      step(e, &a, a ^ b ^ c, &d, 0x6ed9_eba1 &+ w[t + 1])
      step(d, &e, e ^ a ^ b, &c, 0x6ed9_eba1 &+ w[t + 2])
      step(c, &d, d ^ e ^ a, &b, 0x6ed9_eba1 &+ w[t + 3])
      step(b, &c, c ^ d ^ e, &a, 0x6ed9_eba1 &+ w[t + 4])
    }
    for t in stride(from: 40, to: 60, by: 5) {
      step(a, &b, majority(b, c, d), &e, 0x8f1b_bcdc &+ w[t])
      step(e, &a, majority(a, b, c), &d, 0x8f1b_bcdc &+ w[t + 1])
      step(d, &e, majority(e, a, b), &c, 0x8f1b_bcdc &+ w[t + 2])
      step(c, &d, majority(d, e, a), &b, 0x8f1b_bcdc &+ w[t + 3])
      step(b, &c, majority(c, d, e), &a, 0x8f1b_bcdc &+ w[t + 4])
    }
    for t in stride(from: 60, to: 80, by: 5) {
      step(a, &b, b ^ c ^ d, &e, 0xca62_c1d6 &+ w[t])
      step(e, &a, a ^ b ^ c, &d, 0xca62_c1d6 &+ w[t + 1])
      step(d, &e, e ^ a ^ b, &c, 0xca62_c1d6 &+ w[t + 2])
      step(c, &d, d ^ e ^ a, &b, 0xca62_c1d6 &+ w[t + 3])
      step(b, &c, c ^ d ^ e, &a, 0xca62_c1d6 &+ w[t + 4])
    }
    state.a &+= a
    state.b &+= b
    state.c &+= c
    state.d &+= d
    state.e &+= e
  }

  @inline(__always)
  private static func step(
    _ a: UInt32,
    _ b: inout UInt32,
    _ mixed: UInt32,
    _ e: inout UInt32,
    _ word: UInt32
  ) {
    e = e &+ rotate(a, 5) &+ mixed &+ word
    b = rotate(b, 30)
  }

  @inline(__always)
  private static func rotate(_ x: UInt32, _ n: UInt32) -> UInt32 { x &<< n | x &>> (32 &- n) }

  @inline(__always)
  private static func choose(_ x: UInt32, _ y: UInt32, _ z: UInt32) -> UInt32 { z ^ (x & (y ^ z)) }

  @inline(__always)
  private static func majority(_ x: UInt32, _ y: UInt32, _ z: UInt32) -> UInt32 { (x & y) | (z & (x | y)) }
}
