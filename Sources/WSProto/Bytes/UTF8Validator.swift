// SPDX-License-Identifier: Apache-2.0
internal import CWSProtoKernels

/// Validates UTF-8 (RFC 3629, RFC 6455 §8.1) as it arrives, however the characters are cut.
///
/// Its whole state are the bytes of a character that isn't finished yet.
package struct UTF8Validator {
  /// The bytes of the unfinished character at the end of what was seen, the first in the lowest byte.
  ///
  /// None of them is zero, so that this is zero exactly when no character is open.
  package private(set) var pendingBytes: UInt32 = 0

  package init() {}

  /// How many bytes (0...3) at the end of what was seen belong to an unfinished character.
  @inline(__always)
  package var pendingCount: Int {
    4 &- pendingBytes.leadingZeroBitCount &>> 3
  }

  /// Calls `body` with the ``pendingCount`` bytes of the unfinished character, in the order in which they came.
  func withPendingBytes(_ body: (UnsafeRawBufferPointer) -> Void) {
    withUnsafeBytes(of: pendingBytes.littleEndian) {
      body(UnsafeRawBufferPointer(rebasing: $0.prefix(pendingCount)))
    }
  }

  /// Whether what was seen ends with a finished character (or nothing was seen).
  @inline(__always)
  package var isComplete: Bool { pendingBytes == 0 }

  /// Starts anew, for the next message.
  @inline(__always)
  package mutating func reset() { pendingBytes = 0 }

  /// Validates the next `count` bytes.
  ///
  /// - Returns: nil when they're right so far, maybe ending inside a character. Else the offset, from `base`, of the
  ///   earliest byte that no continuation could make valid; the validator must be reset before it's used again.
  @inline(__always)
  package mutating func validate(_ base: UnsafeRawPointer, count: Int) -> Int? {
    if pendingBytes == 0 && count <= 32 && Self.isShortASCII(base, count: count) { return nil }
    return validateAny(base, count: count)
  }

  /// Unmasks the next `count` bytes (RFC 6455 §5.3) and validates what comes out; the result is that of
  /// ``validate(_:count:)``, and all bytes are unmasked in any case.
  ///
  /// In blocks that the validation finds in the first-level cache. One that is all ASCII isn't read a second time.
  mutating func unmask(_ base: UnsafeMutableRawPointer, count: Int, key: UInt32) -> Int? {
    var offset = 0
    while offset < count {
      // The last block is longer rather than short.
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

  /// In bytes; a multiple of 4, so that the key begins anew with each block.
  private static let blockSize = 8 << 10

  /// The same without the C kernel: what runs where there is none, and what the tests hold the kernel against.
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
    // An unfinished character, or the block with the fault.
    let rest = count &- offset
    if rest == 2 || rest == 3 {
      // It can be finished if it's whole with continuation bytes that suit every lead byte.
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

  /// Whether at most 32 bytes are all ASCII, by loads that overlap.
  ///
  /// Bounds: each branch's condition makes `count` at least the width of what it loads from either end.
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

  /// Takes bytes for the open character until it's finished or the bytes are used up.
  @inline(__always)
  private mutating func finishPending(_ base: UnsafeRawPointer, count: Int, offset: inout Int) -> Int? {
    while pendingBytes != 0 && offset < count {
      guard take(load1(base, offset)) else { return offset }
      offset &+= 1
    }
    return nil
  }

  /// Validates from the start of a character at `offset`, byte for byte where it isn't ASCII.
  @inline(never)
  private mutating func scan(_ base: UnsafeRawPointer, from start: Int, count: Int) -> Int? {
    var offset = start
    while offset < count {
      // Eight bytes of ASCII, or a whole character by one load, where the bounds allow the load.
      while count &- offset >= 8 && load8(base, offset) & 0x8080_8080_8080_8080 == 0 { offset &+= 8 }
      if count &- offset >= 4 {
        let length = Self.characterLength(load4(base, offset).littleEndian)
        if length > 0 {
          offset &+= length
          continue
        }
      }
      // Near the end, or wrong. No character is open here, so that the first `take` sees a lead byte.
      repeat {
        guard offset < count else { return nil }
        guard take(load1(base, offset)) else { return offset }
        offset &+= 1
      } while pendingBytes != 0
    }
    return nil
  }

  /// The length of the well-formed character that four bytes (the first the lowest) begin with, or 0.
  @inline(__always)
  private static func characterLength(_ word: UInt32) -> Int {
    if word & 0x80 == 0 { return 1 }
    // Lead bits and continuation bits, then what the lead's and the second byte's values exclude.
    if word & 0xC0E0 == 0x80C0 { return word & 0x1E != 0 ? 2 : 0 }
    if word & 0xC0_C0F0 == 0x80_80E0 {
      // E0 wants A0 or more, ED less than A0.
      let value = word & 0x200F
      return value != 0 && value != 0x200D ? 3 : 0
    }
    if word & 0xC0C0_C0F8 == 0x8080_80F0 {
      // F0 wants 90 or more, F4 less than 90, and F5 and up don't exist.
      let lead = word & 0x07
      let second = word & 0x3000
      return (lead == 0 ? second != 0 : lead < 4 || (lead == 4 && second == 0)) ? 4 : 0
    }
    return 0
  }

  /// Takes one byte; false when it can't come here.
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
