// SPDX-License-Identifier: Apache-2.0

/// An unmasked frame of at most 125 bytes, which is a whole message: two bytes of header, then the payload (RFC 6455 §5.2).
/// Small enough to be compiled into the code of whoever sends it.
@usableFromInline
enum ShortFrame {
  /// Appends the frame if it is short.
  ///
  /// - Returns: whether it was.
  @inlinable @inline(__always)
  static func append(_ opcode: Opcode, _ payload: RawSpan, to output: inout [UInt8]) -> Bool {
    let count = payload.byteCount
    guard count <= FrameSizes.maxShortPayload else { return false }
    output.append(exactly: count &+ 2) { write(opcode, payload, to: $0) }
    return true
  }

  /// Writes the frame if it is short and there is the room that any frame needs.
  ///
  /// - Returns: whether it was written.
  @inlinable @inline(__always)
  static func append(_ opcode: Opcode, _ payload: RawSpan, to output: inout OutputRawSpan) -> Bool {
    let count = payload.byteCount
    guard count <= FrameSizes.maxShortPayload, output.freeCapacity >= count &+ FrameSizes.maxHeader else {
      return false
    }
    // Not by `append(exactly:)`, which takes 110 instructions for 16 bytes where this takes 61.
    return output.withUnsafeMutableBytes { room, initialized in
      // In bounds: the free capacity begins after the initialised part.
      guard let base = room.baseAddress else { return false }
      write(opcode, payload, to: base + initialized)
      initialized &+= count &+ 2
      return true
    }
  }

  /// Bounds: `target` has room for two bytes more than the payload, which has at most 125.
  @inlinable @inline(__always)
  static func write(_ opcode: Opcode, _ payload: RawSpan, to target: UnsafeMutableRawPointer) {
    let header = 0x80 | UInt16(opcode.rawValue) | UInt16(truncatingIfNeeded: payload.byteCount) << 8
    target.storeBytes(of: header.littleEndian, as: UInt16.self)
    payload.withUnsafeBytes {
      if let source = $0.baseAddress { copy(source, to: target + 2, count: $0.count) }
    }
  }

  /// Copies up to 128 bytes without a call, which would cost as much as the copy: by words that overlap in the middle.
  ///
  /// Bounds: each branch reads and writes only `0..<count`, because its condition makes `count` at least as large as the
  /// words it uses.
  @inlinable @inline(__always)
  static func copy(_ source: UnsafeRawPointer, to target: UnsafeMutableRawPointer, count: Int) {
    if 8...16 ~= count {
      copyEnds(source, to: target, count: count, by: UInt64.self)
    } else if count >= 64 {
      copyEnds(source, to: target, count: count, by: SIMD8<UInt64>.self)
    } else {
      target.copyMemory(from: source, byteCount: count)
    }
  }

  @inlinable @inline(__always)
  static func copyEnds<Word: BitwiseCopyable>(
    _ source: UnsafeRawPointer,
    to target: UnsafeMutableRawPointer,
    count: Int,
    by _: Word.Type
  ) {
    let end = count &- MemoryLayout<Word>.size
    let first = source.loadUnaligned(as: Word.self)
    let last = source.loadUnaligned(fromByteOffset: end, as: Word.self)
    target.storeBytes(of: first, as: Word.self)
    target.storeBytes(of: last, toByteOffset: end, as: Word.self)
  }
}
