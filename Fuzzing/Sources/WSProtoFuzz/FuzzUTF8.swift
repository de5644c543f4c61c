// SPDX-License-Identifier: Apache-2.0

@testable import WSProto

/// The validator, with its kernel and without, in any pieces, against an oracle by code points.
enum FuzzUTF8 {
  static func run(_ input: inout Input) {
    let split = input.byte()
    let shift = Int(input.byte())
    // ASCII in front moves what follows across the kernel's blocks, sometimes across those of unmasking.
    let padding = shift < 200 ? shift % 80 : (shift - 200) * 310
    let bytes = Array(repeating: UInt8(ascii: "a"), count: padding) + input.rest
    let expected = oracle(bytes)
    for (name, pieces) in [("whole", cut(bytes, by: 0)), ("cut", cut(bytes, by: split))] {
      let kernel = validate(pieces) { validator, memory, _ in
        validator.validate(memory.base, count: memory.count)
      }
      let portable = validate(pieces) { validator, memory, _ in
        validator.validatePortably(memory.base, count: memory.count)
      }
      let unmasking = validate(pieces) { unmask(&$0, $1, key: Masking.rotated(0xA53C_01F7, by: $2)) }
      guard kernel != expected || portable != expected || unmasking != expected else { continue }
      disagree(
        "UTF-8, \(name)",
        [
          ("bytes", bytes), ("split", split), ("kernel", kernel), ("portable", portable),
          ("unmasking", unmasking), ("oracle", expected),
        ]
      )
    }
  }

  struct Verdict: Equatable {
    /// Where no continuation helps any more.
    var failure: Int?
    /// How many bytes at the end belong to a character that isn't finished.
    var pending = 0
  }

  /// A piece in memory of its own, so that the sanitizer sees its ends.
  private struct Memory {
    let base: UnsafeMutableRawPointer
    let count: Int
  }

  /// `step` takes a piece and where it begins.
  private static func validate(
    _ pieces: [ArraySlice<UInt8>],
    _ step: (inout UTF8Validator, Memory, Int) -> Int?
  ) -> Verdict {
    var validator = UTF8Validator()
    var start = 0
    for piece in pieces {
      let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: piece.count, alignment: 1)
      defer { memory.deallocate() }
      memory.copyBytes(from: piece)
      guard let base = memory.baseAddress else { continue }
      let failure = step(&validator, Memory(base: base, count: piece.count), start)
      guard memory.elementsEqual(piece) else { disagree("UTF-8, not unmasked", [("piece", piece)]) }
      if let failure { return Verdict(failure: start + failure) }
      start += piece.count
    }
    if validator.isComplete != (validator.pendingCount == 0) { fatalError("complete with bytes pending") }
    return Verdict(failure: nil, pending: validator.pendingCount)
  }

  private static func unmask(_ validator: inout UTF8Validator, _ memory: Memory, key: UInt32) -> Int? {
    Masking.apply(key, to: memory.base, count: memory.count)
    return validator.unmask(memory.base, count: memory.count, key: key)
  }

  /// By what the bytes can mean: a character's beginning is right while a scalar of its length begins so.
  private static func oracle(_ bytes: [UInt8]) -> Verdict {
    var position = 0
    while position < bytes.count {
      let lead = UInt32(bytes[position])
      let (length, least): (Int, UInt32)
      switch lead {
      case 0..<0x80: (length, least) = (1, 0)
      case 0xC0..<0xE0: (length, least) = (2, 0x80)
      case 0xE0..<0xF0: (length, least) = (3, 0x800)
      case 0xF0..<0xF8: (length, least) = (4, 0x10000)
      default: return Verdict(failure: position)
      }
      var value = length == 1 ? lead : lead & (0x7F >> UInt32(length))
      for index in 0..<length {
        if position + index == bytes.count { return Verdict(failure: nil, pending: index) }
        if index > 0 {
          let byte = UInt32(bytes[position + index])
          guard byte & 0xC0 == 0x80 else { return Verdict(failure: position + index) }
          value = value << 6 | byte & 0x3F
        }
        let open = UInt32(6 * (length - 1 - index))
        let lowest = max(value << open, least)
        let highest = min(value << open | ((1 << open) - 1), 0x10FFFF)
        let isSurrogate = lowest >= 0xD800 && highest <= 0xDFFF
        guard lowest <= highest, !isSurrogate else { return Verdict(failure: position + index) }
      }
      position += length
    }
    return Verdict()
  }

  static func seeds() -> [[UInt8]] {
    let texts = [
      "", "Hello", "Grüße, жизнь, 語言, 😀",
      "\u{7F}\u{80}\u{7FF}\u{800}\u{D7FF}\u{E000}\u{FFFF}\u{10000}\u{10FFFF}",
      String(repeating: "жизнь ", count: 30), String(repeating: "語言€", count: 40),
      String(repeating: "a😀", count: 30), String(repeating: "plain ", count: 50),
    ]
    var seeds: [[UInt8]] = []
    for (number, text) in texts.enumerated() {
      for bad: [UInt8] in [
        [], [0xC0, 0x80], [0xE0, 0x9F], [0xED, 0xA0, 0x80], [0xF4, 0x90], [0xF8], [0xE2, 0x82], [0xF0, 0x8F],
      ] {
        seeds.append([UInt8(number * 31), UInt8(bad.count * 17)] + Array(text.utf8) + bad + Array(text.utf8))
      }
    }
    return seeds
  }
}
