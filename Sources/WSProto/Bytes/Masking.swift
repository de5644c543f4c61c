// SPDX-License-Identifier: Apache-2.0
internal import CWSProtoKernels

/// The masking of payloads (RFC 6455 §5.3): byte `i` is XORed with byte `i % 4` of the key.
///
/// A key is its four wire bytes read as a little-endian number: the first wire byte is the lowest.
///
/// Every size works the same way: instead of a loop over a remainder, the first and the last word (of 1, 4, 8
/// or 16 bytes) overlap. Both are loaded before either is stored, so masking in place never masks a byte
/// twice.
package enum Masking {
  /// XORs `count` bytes at `base` in place with `key`, whose first byte applies to the first of them.
  @inline(__always)
  package static func apply(_ key: UInt32, to base: UnsafeMutableRawPointer, count: Int) {
    if count < kernelMinimum {
      _ = transform(UnsafeRawPointer(base), into: base, count: count, key: key)
    } else {
      cwsproto_mask(base, base, count, key.littleEndian)
    }
  }

  /// The same for fewer than ``kernelMinimum`` bytes. Also returns whether the result is all ASCII, which is
  /// cheap to tell while the words are in registers.
  @inline(__always)
  static func applyToShort(_ key: UInt32, to base: UnsafeMutableRawPointer, count: Int) -> Bool {
    transform(UnsafeRawPointer(base), into: base, count: count, key: key) & 0x8080_8080_8080_8080 == 0
  }

  /// The same for ``kernelMinimum`` bytes or more.
  @inline(__always)
  static func applyToLong(_ key: UInt32, to base: UnsafeMutableRawPointer, count: Int) -> Bool {
    cwsproto_mask_is_ascii(base, base, count, key.littleEndian) != 0
  }

  /// The smallest count for which the C kernel is called. Below it, the call and the dispatch cost more than
  /// the wider vectors save.
  static let kernelMinimum = 256

  /// Writes `count` bytes of `source`, masked, to `destination`. The two must not overlap.
  @inline(__always)
  package static func copy(
    from source: UnsafeRawPointer,
    to destination: UnsafeMutableRawPointer,
    count: Int,
    key: UInt32
  ) {
    if count < kernelMinimum {
      _ = transform(source, into: destination, count: count, key: key)
    } else {
      cwsproto_mask(destination, source, count, key.littleEndian)
    }
  }

  /// The key to continue with after `count` bytes (`count` >= 0).
  @inline(__always)
  package static func rotated(_ key: UInt32, by count: Int) -> UInt32 {
    let bits = UInt32(truncatingIfNeeded: count & 3) &* 8
    return (key &>> bits) | (key &<< ((32 &- bits) & 31))
  }

  /// Masks up to 32 bytes without a loop. Returns the masked words ORed together, with short words repeated
  /// or zero-extended: its high bits tell whether any byte had its high bit set.
  ///
  /// Bounds: each branch reads and writes only `0..<count`, because its condition makes `count` at least as
  /// large as the words it uses.
  @inline(__always)
  private static func transform(
    _ source: UnsafeRawPointer,
    into destination: UnsafeMutableRawPointer,
    count: Int,
    key: UInt32
  ) -> UInt64 {
    if count > 32 {
      return portable(source, into: destination, count: count, key: key)
    } else if count >= 8 {
      let head = wide(key)
      let tail = wide(rotated(key, by: count))
      let first = load8(source, 0) ^ head
      let last = load8(source, count &- 8) ^ tail
      var all = first | last
      if count > 16 {
        let second = load8(source, 8) ^ head
        let third = load8(source, count &- 16) ^ tail
        destination.storeBytes(of: second, toByteOffset: 8, as: UInt64.self)
        destination.storeBytes(of: third, toByteOffset: count &- 16, as: UInt64.self)
        all |= second | third
      }
      destination.storeBytes(of: first, as: UInt64.self)
      destination.storeBytes(of: last, toByteOffset: count &- 8, as: UInt64.self)
      return all
    } else if count >= 4 {
      let first = source.loadUnaligned(as: UInt32.self) ^ key.littleEndian
      let last =
        source.loadUnaligned(fromByteOffset: count &- 4, as: UInt32.self)
        ^ rotated(key, by: count).littleEndian
      destination.storeBytes(of: first, as: UInt32.self)
      destination.storeBytes(of: last, toByteOffset: count &- 4, as: UInt32.self)
      return UInt64(first | last)
    } else if count > 0 {
      // One to three bytes: the first, the middle and the last, which may coincide.
      let middle = count &>> 1
      let end = count &- 1
      let a = source.load(as: UInt8.self) ^ UInt8(truncatingIfNeeded: key)
      let b =
        source.load(fromByteOffset: middle, as: UInt8.self)
        ^ UInt8(truncatingIfNeeded: rotated(key, by: middle))
      let c =
        source.load(fromByteOffset: end, as: UInt8.self) ^ UInt8(truncatingIfNeeded: rotated(key, by: end))
      destination.storeBytes(of: a, as: UInt8.self)
      destination.storeBytes(of: b, toByteOffset: middle, as: UInt8.self)
      destination.storeBytes(of: c, toByteOffset: end, as: UInt8.self)
      return UInt64(a | b | c)
    }
    return 0
  }

  /// The loop in Swift, for `count` >= 32. The tests compare the C kernel with it. Returns what ``transform``
  /// returns.
  ///
  /// Bounds: the loop runs while 32 bytes remain before the last 32, which are `count - 32 ..< count`.
  @inline(never)
  @discardableResult
  static func portable(
    _ source: UnsafeRawPointer,
    into destination: UnsafeMutableRawPointer,
    count: Int,
    key: UInt32
  ) -> UInt64 {
    let head = SIMD4<UInt64>(repeating: wide(key))
    let tail = SIMD4<UInt64>(repeating: wide(rotated(key, by: count)))
    let end = count &- 32
    let last = source.loadUnaligned(fromByteOffset: end, as: SIMD4<UInt64>.self) ^ tail
    var all = last
    var offset = 0
    while offset < end {
      let block = source.loadUnaligned(fromByteOffset: offset, as: SIMD4<UInt64>.self) ^ head
      destination.storeBytes(of: block, toByteOffset: offset, as: SIMD4<UInt64>.self)
      all |= block
      offset &+= 32
    }
    destination.storeBytes(of: last, toByteOffset: end, as: SIMD4<UInt64>.self)
    return all.x | all.y | all.z | all.w
  }

  @inline(__always)
  private static func load8(_ source: UnsafeRawPointer, _ offset: Int) -> UInt64 {
    source.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
  }

  /// The key repeated twice, as it lies in memory.
  @inline(__always)
  private static func wide(_ key: UInt32) -> UInt64 {
    (UInt64(key) &* 0x1_0000_0001).littleEndian
  }
}
