// SPDX-License-Identifier: Apache-2.0

import CWSProtoKernels
import Testing

@testable import WSProto

/// The grammar of RFC 3629 §4, one byte at a time: the continuation bytes each lead byte allows, as ranges.
private struct UTF8Oracle {
  var open: [ClosedRange<UInt8>] = []
  var pending: [UInt8] = []

  mutating func accepts(_ byte: UInt8) -> Bool {
    let tail: ClosedRange<UInt8> = 0x80...0xBF
    if let next = open.first {
      guard next.contains(byte) else { return false }
      open.removeFirst()
      pending.append(byte)
      if open.isEmpty { pending = [] }
      return true
    }
    switch byte {
    case 0x00...0x7F: return true
    case 0xC2...0xDF: open = [tail]
    case 0xE0: open = [0xA0...0xBF, tail]
    case 0xE1...0xEC, 0xEE...0xEF: open = [tail, tail]
    case 0xED: open = [0x80...0x9F, tail]
    case 0xF0: open = [0x90...0xBF, tail, tail]
    case 0xF1...0xF3: open = [tail, tail, tail]
    case 0xF4: open = [0x80...0x8F, tail, tail]
    default: return false
    }
    pending = [byte]
    return true
  }

  mutating func validate(_ bytes: some Collection<UInt8>) -> Int? {
    for (offset, byte) in bytes.enumerated() where !accepts(byte) { return offset }
    return nil
  }

  var pendingBytes: UInt32 { pending.reversed().reduce(0) { $0 << 8 | UInt32($1) } }
}

extension UTF8Validator {
  fileprivate mutating func validate(_ bytes: ArraySlice<UInt8>, portably: Bool = false) -> Int? {
    bytes.withUnsafeBytes { buffer in
      // An empty array may have no address; use any.
      guard let base = buffer.baseAddress ?? UnsafeRawPointer(bitPattern: 1) else { return nil }
      return portably
        ? validatePortably(base, count: buffer.count) : validate(base, count: buffer.count)
    }
  }
}

@Suite struct UTF8ValidatorTests {
  /// Compares both ways of validating with the oracle; returns what differs.
  private static func difference(_ bytes: ArraySlice<UInt8>) -> String? {
    var oracle = UTF8Oracle()
    let expected = oracle.validate(bytes)
    for portably in [false, true] {
      var validator = UTF8Validator()
      let failure = validator.validate(bytes, portably: portably)
      if failure != expected {
        return "\(bytes) failed at \(failure as Int?), not \(expected as Int?), portably: \(portably)"
      }
      if expected == nil
        && (validator.pendingBytes != oracle.pendingBytes || validator.pendingCount != oracle.pending.count
          || validator.isComplete != oracle.pending.isEmpty)
      {
        return "\(bytes) left \(validator.pendingBytes), not \(oracle.pending), portably: \(portably)"
      }
    }
    return nil
  }

  private static func differences(_ inputs: some Sequence<[UInt8]>) -> [String] {
    var found: [String] = []
    for input in inputs {
      if let difference = difference(input[...]) { found.append(difference) }
      if found.count >= 5 { break }
    }
    return found
  }

  /// One byte of each kind that the grammar distinguishes, and both ends of each range.
  private static let classes: [UInt8] = [
    0x00, 0x41, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0, 0xC1, 0xC2, 0xDF, 0xE0, 0xE1, 0xEC, 0xED,
    0xEE,
    0xEF, 0xF0, 0xF1, 0xF3, 0xF4, 0xF5, 0xF8, 0xFF,
  ]

  static let texts: [[UInt8]] = [
    Array(
      "plain ASCII, a good deal longer than one vector of any width: 0123456789 0123456789 0123456789".utf8
    ),
    Array("Съешь же ещё этих мягких французских булок, да выпей чаю. Съешь же ещё этих мягких булок".utf8),
    Array("色は匂へど散りぬるを我が世誰ぞ常ならむ有為の奥山今日越えて浅き夢見じ酔ひもせず色は匂へど散りぬるを".utf8),
    Array(
      "aß水𝄞bé🙂z€—naïve 🧑‍🚀 Ωмегα 𐍈 ok, a̐éö̲, ﷽ , \u{0}\u{7F}\u{80}\u{7FF}\u{800}\u{FFFF}\u{10000}\u{10FFFF}\u{D7FF}\u{E000}"
        .utf8
    ),
    Array("𝄞🙂𐍈🧑🚀𝄞🙂𐍈🧑🚀𝄞🙂𐍈🧑🚀𝄞🙂𐍈🧑🚀𝄞🙂𐍈🧑🚀𝄞🙂𐍈🧑🚀𝄞🙂𐍈🧑🚀𝄞🙂𐍈🧑🚀".utf8),
  ]

  @Test("all sequences of one and two bytes are accepted or refused as RFC 3629 §4 says")
  func oneAndTwoBytes() {
    #expect(Self.differences((0...0xFF).map { [UInt8($0)] }) == [])
    #expect(Self.differences((0...0xFFFF).lazy.map { [UInt8($0 >> 8), UInt8($0 & 0xFF)] }) == [])
  }

  @Test("three-byte leads: every lead, every second byte, every class of third byte (RFC 3629 §4)")
  func threeBytes() {
    let inputs = (0xE0...0xEF).lazy.flatMap { lead in
      (0...0xFF).lazy.flatMap { second in
        Self.classes.lazy.map { [UInt8(lead), UInt8(second), $0] }
      }
    }
    #expect(Self.differences(inputs) == [])
  }

  @Test("four-byte leads and above: every lead, every second byte, every class of the rest (RFC 3629 §4)")
  func fourBytes() {
    let inputs = (0xF0...0xFF).lazy.flatMap { lead in
      (0...0xFF).lazy.flatMap { second -> [[UInt8]] in
        let thirds: [UInt8] = [0x7F, 0x80, 0xBF, 0xC2]
        return thirds.flatMap { third in
          thirds.map { [UInt8(lead), UInt8(second), third, $0] }
        }
      }
    }
    #expect(Self.differences(inputs) == [])
  }

  @Test("all sequences of four byte classes give the right result wherever they lie in the vectors")
  func classesInContext() {
    // In the short path, across 16, 32 and 64 byte borders, and in the last block.
    let places = [(0, 60), (13, 80), (14, 3), (30, 40), (31, 2), (61, 90), (62, 0), (63, 5), (125, 4)]
    var number = 0
    var found: [String] = []
    for a in Self.classes where a >= 0x80 {
      for b in Self.classes {
        for c in Self.classes {
          for d: UInt8 in [0x41, 0x80, 0x8F, 0xBF, 0xC1, 0xC2, 0xED, 0xF4] where found.count < 5 {
            // Each sequence at one position, each position with thousands of sequences.
            let (before, after) = places[number % places.count]
            number += 1
            let input =
              [UInt8](repeating: 0x61, count: before) + [a, b, c, d] + [UInt8](repeating: 0x62, count: after)
            if let difference = Self.difference(input[...]) { found.append(difference) }
          }
        }
      }
    }
    #expect(found == [])
    #expect(number > 120_000)
  }

  @Test("the earliest impossible byte is reported (RFC 6455 §8.1, fail fast)")
  func earliestByte() {
    let cases: [([UInt8], Int)] = [
      ([0xE0, 0x80, 0x80], 1), ([0xF4, 0x90, 0x80, 0x80], 1), ([0xC0, 0x80], 0), ([0xED, 0xA0, 0x80], 1),
      ([0x80], 0), ([0xF5, 0x80], 0), ([0xFF], 0), ([0xE2, 0x82, 0x41], 2), ([0xF0, 0x9F, 0x99, 0x41], 3),
      ([0xC3, 0xC3], 1), ([0xF0, 0x8F], 1), ([0xC1], 0), ([0xE2, 0xC3], 1),
      ([0xF0, 0x90, 0x80, 0xE2, 0x80], 3),
      ([0xF0, 0xF0, 0x90, 0x80], 1), ([0xE2, 0x82, 0xF0, 0x90], 2),
    ]
    for (bytes, offset) in cases {
      for lead in [0, 1, 15, 16, 17, 31, 32, 33, 61, 62, 63, 64, 65, 127, 200] {
        for trail in [0, 1, 15, 30, 70] {
          let input = [UInt8](repeating: 0x41, count: lead) + bytes + [UInt8](repeating: 0x42, count: trail)
          var validator = UTF8Validator()
          #expect(validator.validate(input[...]) == lead + offset, "\(bytes) after \(lead) before \(trail)")
        }
      }
    }
  }

  @Test("split at any two places, a text stays valid and the pending bytes are reported", arguments: texts)
  func everySplit(text: [UInt8]) {
    for portably in [false, true] {
      for first in 0...text.count {
        for second in stride(from: first, through: text.count, by: first % 3 == 0 ? 1 : 17) {
          var validator = UTF8Validator()
          var oracle = UTF8Oracle()
          var failures = 0
          for part in [text[..<first], text[first..<second], text[second...]] {
            if validator.validate(part, portably: portably) != oracle.validate(part) { failures += 1 }
            if validator.pendingBytes != oracle.pendingBytes { failures += 1 }
          }
          #expect(failures == 0 && validator.isComplete, "\(first), \(second), portably: \(portably)")
        }
      }
    }
  }

  @Test("validating a text byte by byte gives the same as validating it whole", arguments: texts)
  func singleBytes(text: [UInt8]) {
    var validator = UTF8Validator()
    var oracle = UTF8Oracle()
    for offset in text.indices {
      let part = text[offset...offset]
      #expect(validator.validate(part) == oracle.validate(part))
      #expect(validator.pendingCount == oracle.pending.count)
    }
    #expect(validator.isComplete)
  }

  @Test("every prefix of a text leaves the right bytes pending", arguments: texts)
  func prefixes(text: [UInt8]) {
    let long = Array((0..<4).map { _ in text }.joined())
    #expect(Self.differences((0...long.count).lazy.map { Array(long[..<$0]) }) == [])
  }

  @Test("mutated texts fail at the oracle's offset, also in parts", arguments: 0..<texts.count)
  func mutations(index: Int) {
    var random = SplitMix(state: UInt64(index) &+ 42)
    let text = Array((0..<4).map { _ in Self.texts[index] }.joined())
    var invalid = 0
    for _ in 0..<4000 {
      let start = Int.random(in: 0..<text.count, using: &random)
      var bytes = Array(text[start..<Int.random(in: start...text.count, using: &random)])
      if bytes.isEmpty { continue }
      for _ in 0..<Int.random(in: 0...2, using: &random) {
        let place = Int.random(in: 0..<bytes.count, using: &random)
        switch Int.random(in: 0..<4, using: &random) {
        case 0: bytes[place] = UInt8.random(in: 0...0xFF, using: &random)
        case 1: bytes[place] ^= 1 << UInt8.random(in: 0..<8, using: &random)
        case 2: bytes[place] = Self.classes.randomElement(using: &random) ?? 0
        default: bytes.insert(Self.classes.randomElement(using: &random) ?? 0, at: place)
        }
      }
      if let difference = Self.difference(bytes[...]) {
        Issue.record("\(difference)")
        return
      }
      // In two parts, the failure counts from the start of the part that holds it.
      let cut = Int.random(in: 0...bytes.count, using: &random)
      var whole = UTF8Oracle()
      let expected = whole.validate(bytes)
      var validator = UTF8Validator()
      let first = validator.validate(bytes[..<cut])
      let failure = first ?? validator.validate(bytes[cut...]).map { $0 + cut }
      #expect(failure == expected, "\(bytes) cut at \(cut)")
      if expected != nil { invalid += 1 }
    }
    #expect(invalid > 500)
  }

  @Test("each C version for this processor fulfils its contract on mutated texts", arguments: [0, 1, 2])
  func everyLevel(level: Int32) {
    guard cwsproto_utf8_verified_at_level(level, [0x41], 1) >= 0 else { return }
    var random = SplitMix(state: 7)
    let all = Array((Self.texts + Self.texts.reversed()).joined())
    var invalid = 0
    for round in 0..<12_000 {
      var start = Int.random(in: 0..<all.count, using: &random)
      while all[start] & 0xC0 == 0x80 { start -= 1 }
      let longest = min(all.count - start, round % 2 == 0 ? 70 : 600)
      var bytes = Array(all[start..<start + Int.random(in: 1...longest, using: &random)])
      for _ in 0..<Int.random(in: 0...1, using: &random) {
        bytes[Int.random(in: 0..<bytes.count, using: &random)] =
          Self.classes.randomElement(using: &random) ?? 0
      }
      var oracle = UTF8Oracle()
      let failure = oracle.validate(bytes)
      let verified = cwsproto_utf8_verified_at_level(level, bytes, bytes.count)
      // The verified part is complete and valid; the rest is an unfinished character or contains the error.
      var prefix = UTF8Oracle()
      let prefixFailure = prefix.validate(bytes.prefix(verified))
      #expect(prefixFailure == nil && prefix.pending.isEmpty, "\(bytes)")
      if let failure {
        #expect(failure >= verified && failure - verified < 132, "\(bytes)")
        invalid += 1
      } else {
        #expect(bytes.count - verified == oracle.pending.count, "\(bytes)")
      }
    }
    #expect(invalid > 3000)
  }

  @Test("unmasking and validating in one pass equals doing one after the other, for any length and split")
  func unmasking() {
    let key: UInt32 = 0xA55A_C33C
    var random = SplitMix(state: 11)
    let all = Array((Self.texts + Self.texts.reversed()).joined())
    var invalid = 0
    for round in 0..<600 {
      // Around the blocks of 8 KiB, and short.
      let count = [0, 1, 200, 300, 8191, 8193, 16383, 16384, 16390, 24577][round % 10]
      let mostly = UInt8.random(in: 0...2, using: &random)
      var text: [UInt8] = []
      while text.count < count {
        text += mostly > 0 ? Array(repeating: 0x61, count: Int.random(in: 1...3000, using: &random)) : []
        text += all
      }
      text.removeLast(text.count - count)
      for _ in 0..<(round % 3 == 0 && count > 0 ? 1 : 0) {
        text[Int.random(in: 0..<count, using: &random)] = Self.classes.randomElement(using: &random) ?? 0
      }
      let cut = Int.random(in: 0...count, using: &random)
      var expected = UTF8Validator()
      var found = UTF8Validator()
      var offset = 0
      for part in [text[..<cut], text[cut...]] {
        let expectedFailure = expected.validate(part)
        var masked = Array(part)
        let failure = masked.withUnsafeMutableBytes { buffer -> Int? in
          guard let base = buffer.baseAddress else { return nil }
          let rotated = Masking.rotated(key, by: offset)
          Masking.apply(rotated, to: base, count: buffer.count)
          return found.unmask(base, count: buffer.count, key: rotated)
        }
        #expect(failure == expectedFailure, "\(count), cut at \(cut), round \(round)")
        #expect(masked == Array(part), "\(count), cut at \(cut), round \(round)")
        if failure != nil { invalid += 1 }
        if failure != nil || expectedFailure != nil { break }
        #expect(found.pendingBytes == expected.pendingBytes)
        offset += part.count
      }
    }
    #expect(invalid > 100)
  }

  @Test("a reset validator starts over")
  func reset() {
    var validator = UTF8Validator()
    #expect(validator.validate([0xE2, 0x82]) == nil)
    #expect(validator.pendingCount == 2 && validator.pendingBytes == 0x82E2 && !validator.isComplete)
    validator.reset()
    #expect(validator.isComplete && validator.pendingCount == 0)
    #expect(validator.validate([0x41]) == nil)
  }

  @Test("bytes outside the input have no effect")
  func neighbours() {
    // The same input between continuation bytes and between lead bytes.
    for around in [UInt8(0x80), 0xE2, 0xFF] {
      for count in 0...140 {
        let input = (0..<count).map { Self.texts[3][$0 % Self.texts[3].count] }
        let framed = [UInt8](repeating: around, count: 64) + input + [UInt8](repeating: around, count: 64)
        let difference = Self.difference(framed[64..<64 + count])
        #expect(difference == nil)
      }
    }
  }
}

/// A small reproducible generator.
struct SplitMix: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var word = state
    word = (word ^ (word >> 30)) &* 0xBF58_476D_1CE4_E5B9
    word = (word ^ (word >> 27)) &* 0x94D0_49BB_1331_11EB
    return word ^ (word >> 31)
  }
}
