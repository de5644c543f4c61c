// SPDX-License-Identifier: Apache-2.0

/// A frame's header on the wire: 2 to 14 bytes (RFC 6455 §5.2).
///
/// For a gather write: send these bytes, then the payload, which for a client must be masked first with
/// ``FrameEncoder/mask(_:key:)``.
public struct FrameHeaderBytes: Sendable, Hashable, RandomAccessCollection {
  // The bytes in wire order from the lowest byte of `low` up; the rest is zero.
  @usableFromInline var low: UInt64
  @usableFromInline var high: UInt64

  /// How many bytes.
  public let count: Int

  /// The masking key in the last four bytes, the first wire byte lowest; 0 for an unmasked frame.
  public let maskingKey: UInt32

  /// Lengths take their shortest form. `length` is not negative.
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

  /// 0.
  @inlinable public var startIndex: Int { 0 }
  /// The count.
  @inlinable public var endIndex: Int { count }

  /// The byte at `position`. Traps out of bounds, like an array.
  @inlinable public subscript(position: Int) -> UInt8 {
    precondition(position >= 0 && position < count, "index out of bounds")
    return position < 8
      ? UInt8(truncatingIfNeeded: low >> UInt64(8 * position))
      : UInt8(truncatingIfNeeded: high >> UInt64(8 * (position - 8)))
  }
}

/// Header and payload of a frame as a sequence, so that an array takes both, masked on the way, in one append.
///
/// `_copyContents(initializing:)` is the standard library's door for that: it writes into the array's free capacity.
/// Without it the iterator gives the same bytes, one by one.
struct EncodedFrame: Sequence {
  let header: FrameHeaderBytes
  let payload: UnsafeRawBufferPointer

  var underestimatedCount: Int {
    @inline(__always) get { header.count &+ payload.count }
  }

  @inline(__always)
  func _copyContents(
    initializing buffer: UnsafeMutableBufferPointer<UInt8>
  ) -> (Iterator, UnsafeMutableBufferPointer<UInt8>.Index) {
    let total = underestimatedCount
    // Array reserves `underestimatedCount`; should it ever not, the iterator is the way.
    guard buffer.count >= total, let start = buffer.baseAddress else { return (makeIterator(), 0) }
    let target = UnsafeMutableRawPointer(start)
    write(header, to: target, room: buffer.count)
    if let source = payload.baseAddress {
      // Short payloads are copied without a call, by the masking, whose key is 0 for a server.
      if header.maskingKey == 0, payload.count > 32 {
        (target + header.count).copyMemory(from: source, byteCount: payload.count)
      } else {
        Masking.copy(from: source, to: target + header.count, count: payload.count, key: header.maskingKey)
      }
    }
    return (Iterator(header: header, payload: payload, position: total), total)
  }

  /// Bounds: `room` bytes at `target`, at least `header.count`.
  @inline(__always)
  private func write(_ header: FrameHeaderBytes, to target: UnsafeMutableRawPointer, room: Int) {
    if room >= 16 {
      // The bytes after the header are overwritten by the payload or beyond what is counted as initialised.
      target.storeBytes(of: header.low.littleEndian, as: UInt64.self)
      target.storeBytes(of: header.high.littleEndian, toByteOffset: 8, as: UInt64.self)
    } else {
      for (offset, byte) in header.enumerated() {
        target.storeBytes(of: byte, toByteOffset: offset, as: UInt8.self)
      }
    }
  }

  func makeIterator() -> Iterator { Iterator(header: header, payload: payload, position: 0) }

  struct Iterator: IteratorProtocol {
    let header: FrameHeaderBytes
    let payload: UnsafeRawBufferPointer
    var position: Int

    mutating func next() -> UInt8? {
      defer { position += 1 }
      if position < header.count { return header[position] }
      let index = position - header.count
      guard index < payload.count else { return nil }
      return payload[index] ^ UInt8(truncatingIfNeeded: header.maskingKey >> UInt32(8 * (index & 3)))
    }
  }
}
