// SPDX-License-Identifier: Apache-2.0

/// A frame's header on the wire: 2 to 14 bytes (RFC 6455 §5.2).
///
/// For a gather write: send these bytes, then the payload. A client must mask the payload first with
/// ``FrameEncoder/mask(_:key:)``.
public struct FrameHeaderBytes: Sendable, Hashable, RandomAccessCollection {
  // The bytes in wire order, starting at the lowest byte of `low`; the rest is zero.
  @usableFromInline var low: UInt64
  @usableFromInline var high: UInt64

  /// The number of bytes.
  public let count: Int

  /// The masking key, which is in the last four bytes, with the first wire byte lowest; 0 for an unmasked
  /// frame.
  public let maskingKey: UInt32

  /// Uses the shortest form of the length. `length` must not be negative.
  @inline(__always)
  init(firstByte: UInt8, length: Int, masked: Bool, key: UInt32) {
    let maskBit: UInt64 = masked ? 0x8000 : 0
    var low = UInt64(firstByte) | maskBit
    var high: UInt64 = 0
    var size = 2
    if length <= FrameSizes.maxShortPayload {
      low |= UInt64(truncatingIfNeeded: length) << 8
    } else if length <= FrameSizes.maxMediumPayload {
      low |= 126 << 8 | UInt64(UInt16(truncatingIfNeeded: length).byteSwapped) << 16
      size = 4
    } else {
      let swapped = UInt64(length).byteSwapped
      low |= 127 << 8 | swapped << 16
      high = swapped >> 48
      size = 10
    }
    if masked {
      switch size {
      case 2: low |= UInt64(key) << 16
      case 4: low |= UInt64(key) << 32
      default: high |= UInt64(key) << 16
      }
      size += 4
    }
    self.low = low
    self.high = high
    count = size
    maskingKey = masked ? key : 0
  }

  /// The number of bytes of the header of a payload of `length` bytes.
  @inline(__always)
  static func size(length: Int, masked: Bool) -> Int {
    let unmasked = length <= FrameSizes.maxShortPayload ? 2 : length <= FrameSizes.maxMediumPayload ? 4 : 10
    return unmasked &+ (masked ? 4 : 0)
  }

  /// Always 0.
  @inlinable public var startIndex: Int { 0 }
  /// Same as ``count``.
  @inlinable public var endIndex: Int { count }

  /// The byte at `position`. Traps out of bounds, like an array.
  @inlinable public subscript(position: Int) -> UInt8 {
    precondition(position >= 0 && position < count, "index out of bounds")
    return position < 8
      ? UInt8(truncatingIfNeeded: low >> UInt64(8 * position))
      : UInt8(truncatingIfNeeded: high >> UInt64(8 * (position - 8)))
  }
}

extension FrameHeaderBytes {
  /// Writes the frame: this header, then the payload, masked while it is copied (§5.3). The number of its bytes must be
  /// the one in the header.
  ///
  /// Bounds: `source` has `payloadCount` bytes, and `target` has room for them behind `count` bytes. A payload that is
  /// not short has at least 126, so that the wide stores of its header stay within that room; the payload then overwrites
  /// what they wrote past the header.
  @inline(__always)
  func write(_ source: UnsafeRawPointer, count payloadCount: Int, to target: UnsafeMutableRawPointer) {
    if payloadCount <= FrameSizes.maxShortPayload {
      target.storeBytes(of: UInt16(truncatingIfNeeded: low).littleEndian, as: UInt16.self)
      if count > 2 { target.storeBytes(of: maskingKey.littleEndian, toByteOffset: 2, as: UInt32.self) }
    } else {
      target.storeBytes(of: low.littleEndian, as: UInt64.self)
      target.storeBytes(of: high.littleEndian, toByteOffset: 8, as: UInt64.self)
    }
    if maskingKey == 0 {
      Self.copy(source, to: target + count, count: payloadCount)
    } else {
      Masking.copy(from: source, to: target + count, count: payloadCount, key: maskingKey)
    }
  }

  /// With a key of 0, masking is a copy. It copies short payloads without a call, and payloads of a few KiB faster than
  /// memcpy, which doesn't align its stores and here starts in the middle of a cache line: for 1 KiB memcpy takes 80 ns,
  /// masking 44.
  @inline(__always)
  private static func copy(_ source: UnsafeRawPointer, to target: UnsafeMutableRawPointer, count: Int) {
    if count > longestMaskedCopy || 33..<Masking.kernelMinimum ~= count {
      target.copyMemory(from: source, byteCount: count)
    } else {
      Masking.copy(from: source, to: target, count: count, key: 0)
    }
  }

  /// In bytes. Larger payloads are copied by memcpy, which is optimised for them.
  private static let longestMaskedCopy = 32 << 10
}
