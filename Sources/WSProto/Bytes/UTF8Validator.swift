// SPDX-License-Identifier: Apache-2.0
internal import CWSProtoKernels

/// Validates UTF-8 (RFC 3629, RFC 6455 §8.1) as it arrives, even if characters are split between pieces.
///
/// Its only state is the bytes of an unfinished character.
package struct UTF8Validator {
  /// The bytes of the unfinished character at the end of the input so far, the first in the lowest byte.
  ///
  /// None of these bytes is ever zero, so the value is zero exactly when no character is unfinished.
  package private(set) var pendingBytes: UInt32 = 0

  package init() {}

  /// How many bytes (0...3) at the end of the input so far belong to an unfinished character.
  @inline(__always)
  package var pendingCount: Int {
    4 &- pendingBytes.leadingZeroBitCount &>> 3
  }

  /// Calls `body` with the ``pendingCount`` bytes of the unfinished character, in the order they arrived.
  func withPendingBytes(_ body: (UnsafeRawBufferPointer) -> Void) {
    withUnsafeBytes(of: pendingBytes.littleEndian) {
      body(UnsafeRawBufferPointer(rebasing: $0.prefix(pendingCount)))
    }
  }

  /// Whether the input so far ends with a complete character (or is empty).
  @inline(__always)
  package var isComplete: Bool { pendingBytes == 0 }

  /// Starts over, for the next message.
  @inline(__always)
  package mutating func reset() { pendingBytes = 0 }

  /// Validates the next `count` bytes.
  ///
  /// - Returns: `nil` if the bytes are valid so far, even if they end inside a character. Otherwise the
  ///   offset, from `base`, of the earliest byte that no continuation could make valid; reset the validator
  ///   before using it again.
  @inline(__always)
  package mutating func validate(_ base: UnsafeRawPointer, count: Int) -> Int? {
    if pendingBytes == 0 && count <= 32 && Self.isShortASCII(base, count: count) { return nil }
    return validateAny(base, count: count)
  }

  /// Unmasks the next `count` bytes (RFC 6455 §5.3) and validates the result. Returns what
  /// ``validate(_:count:)`` would; all bytes are unmasked in any case.
  ///
  /// Works in blocks, so that validation finds the bytes in the L1 cache. A block that is all ASCII isn't
  /// read a second time.
  mutating func unmask(_ base: UnsafeMutableRawPointer, count: Int, key: UInt32) -> Int? {
    var offset = 0
    while offset < count {
      // Make the last block longer rather than short.
      let left = count &- offset
      let block = left < 2 &* Self.blockSize ? left : Self.blockSize
      let start = base + offset
      let isASCII =
        block < Masking.kernelMinimum
        ? Masking.applyToShort(key, to: start, count: block)
        : Masking.applyToLong(key, to: start, count: block)
      if !isASCII || pendingBytes != 0, let failsAt = validateAny(start, count: block) {
        let next = offset &+ block
        Masking.apply(Masking.rotated(key, by: block), to: base + next, count: count &- next)
        return offset &+ failsAt
      }
      offset &+= block
    }
    return nil
  }

  /// The block size in bytes; a multiple of 4, so that every block starts with an unrotated key.
  private static let blockSize = 8 << 10

  /// The same without the C kernel: used where there is no kernel, and by the tests to check the kernel.
  mutating func validatePortably(_ base: UnsafeRawPointer, count: Int) -> Int? {
    var offset = 0
    if let failure = finishPending(base, count: count, offset: &offset) { return failure }
    return scan(base, from: offset, count: count)
  }

  @inline(never)
  private mutating func validateAny(_ base: UnsafeRawPointer, count: Int) -> Int? {
    var offset = 0
    if let failure = finishPending(base, count: count, offset: &offset) { return failure }
    guard offset < count else { return nil }
    let bytes = (base + offset).assumingMemoryBound(to: UInt8.self)
    offset &+= cwsproto_utf8_verified(bytes, count &- offset)
    guard offset < count else { return nil }
    // An unfinished character, or the block with the error.
    let rest = count &- offset
    if rest == 2 || rest == 3 {
      // It is unfinished if it becomes valid once continuation bytes are added that suit every lead byte.
      let middle = UInt32(load1(base, offset &+ 1)) &<< 8
      let last = rest == 3 ? UInt32(load1(base, offset &+ 2)) &<< 16 : 0x80_0000
      let word = UInt32(load1(base, offset)) | middle | last | 0x8000_0000
      if Self.characterLength(word) > rest {
        pendingBytes = rest == 3 ? word & 0xFF_FFFF : word & 0xFFFF
        return nil
      }
    }
    return scan(base, from: offset, count: count)
  }

  /// Whether at most 32 bytes are all ASCII, using overlapping loads.
  ///
  /// Bounds: each branch's condition makes `count` at least the width of the loads at either end.
  @inline(__always)
  private static func isShortASCII(_ base: UnsafeRawPointer, count: Int) -> Bool {
    var bits: UInt64
    if count >= 8 {
      bits = load8(base, 0) | load8(base, count &- 8)
      if count > 16 { bits |= load8(base, 8) | load8(base, count &- 16) }
    } else if count >= 4 {
      bits = UInt64(load4(base, 0) | load4(base, count &- 4))
    } else if count > 0 {
      bits = UInt64(load1(base, 0) | load1(base, count &>> 1) | load1(base, count &- 1))
    } else {
      return true
    }
    return bits & 0x8080_8080_8080_8080 == 0
  }

  /// Takes bytes for the unfinished character until it's complete or the bytes run out.
  @inline(__always)
  private mutating func finishPending(_ base: UnsafeRawPointer, count: Int, offset: inout Int) -> Int? {
    while pendingBytes != 0 && offset < count {
      guard take(load1(base, offset)) else { return offset }
      offset &+= 1
    }
    return nil
  }

  /// Validates from `offset`, where a character starts, byte by byte where it isn't ASCII.
  @inline(never)
  private mutating func scan(_ base: UnsafeRawPointer, from start: Int, count: Int) -> Int? {
    var offset = start
    while offset < count {
      // Take eight bytes of ASCII, or a whole character, per load where the bounds allow it.
      while count &- offset >= 8 && load8(base, offset) & 0x8080_8080_8080_8080 == 0 { offset &+= 8 }
      if count &- offset >= 4 {
        let length = Self.characterLength(load4(base, offset).littleEndian)
        if length > 0 {
          offset &+= length
          continue
        }
      }
      // Near the end, or invalid. No character is unfinished here, so the first `take` sees a lead byte.
      repeat {
        guard offset < count else { return nil }
        guard take(load1(base, offset)) else { return offset }
        offset &+= 1
      } while pendingBytes != 0
    }
    return nil
  }

  /// The length of the well-formed character at the start of these four bytes (the first is the lowest), or
  /// 0.
  @inline(__always)
  private static func characterLength(_ word: UInt32) -> Int {
    if word & 0x80 == 0 { return 1 }
    // Check lead and continuation bits, then exclude illegal values of the lead and the second byte.
    if word & 0xC0E0 == 0x80C0 { return word & 0x1E != 0 ? 2 : 0 }
    if word & 0xC0_C0F0 == 0x80_80E0 {
      // E0 requires A0 or more, ED less than A0.
      let value = word & 0x200F
      return value != 0 && value != 0x200D ? 3 : 0
    }
    if word & 0xC0C0_C0F8 == 0x8080_80F0 {
      // F0 requires 90 or more, F4 less than 90; F5 and above don't exist.
      let lead = word & 0x07
      let second = word & 0x3000
      return (lead == 0 ? second != 0 : lead < 4 || (lead == 4 && second == 0)) ? 4 : 0
    }
    return 0
  }

  /// Takes one byte; `false` if it isn't allowed here.
  @inline(__always)
  private mutating func take(_ byte: UInt8) -> Bool {
    if pendingBytes == 0 {
      if byte < 0x80 { return true }
      guard byte >= 0xC2 && byte <= 0xF4 else { return false }
      pendingBytes = UInt32(byte)
      return true
    }
    let lead = UInt8(truncatingIfNeeded: pendingBytes)
    let have = pendingCount
    var lowest: UInt8 = 0x80
    var highest: UInt8 = 0xBF
    if have == 1 {
      // RFC 3629 §4: no overlong forms, no surrogates, nothing above U+10FFFF.
      switch lead {
      case 0xE0: lowest = 0xA0
      case 0xED: highest = 0x9F
      case 0xF0: lowest = 0x90
      case 0xF4: highest = 0x8F
      default: break
      }
    }
    guard byte >= lowest && byte <= highest else { return false }
    let length = lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4
    if have &+ 1 == length {
      pendingBytes = 0
    } else {
      pendingBytes |= UInt32(byte) &<< UInt32(truncatingIfNeeded: have &* 8)
    }
    return true
  }
}

@inline(__always)
private func load8(_ base: UnsafeRawPointer, _ offset: Int) -> UInt64 {
  base.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
}

@inline(__always)
private func load4(_ base: UnsafeRawPointer, _ offset: Int) -> UInt32 {
  base.loadUnaligned(fromByteOffset: offset, as: UInt32.self)
}

@inline(__always)
private func load1(_ base: UnsafeRawPointer, _ offset: Int) -> UInt8 {
  base.load(fromByteOffset: offset, as: UInt8.self)
}
