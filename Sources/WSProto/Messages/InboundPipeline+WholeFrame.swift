// SPDX-License-Identifier: Apache-2.0

/// A whole, unfragmented data frame inside a window, as offsets. Its payload is unmasked, and text is
/// validated.
@usableFromInline
struct WholeFrame {
  @usableFromInline let isText: Bool
  /// The offset of the payload.
  @usableFromInline let start: Int
  @usableFromInline let count: Int

  /// Where the next frame begins. In bounds, so it can't overflow.
  @inline(__always) var end: Int { start &+ count }
}

// The common case, in one step.
extension InboundPipeline {
  /// The frame at `position`, if it is a data frame with FIN and no reserved bit, of at most 65,535 bytes,
  /// within the limits and completely inside the window. Otherwise `nil`, with the window unchanged; the
  /// steps then handle it.
  ///
  /// - Parameter alone: whether nothing may follow it in the window.
  ///
  /// Must not be called unless ``isBetween``.
  /// Bounds: `0 <= position <= end`, and [position, end) are writable bytes at `base`.
  @inline(__always)
  func wholeFrame(
    _ base: UnsafeMutableRawPointer,
    at position: Int,
    _ end: Int,
    alone: Bool = false
  ) -> WholeFrame? {
    // The header has two to eight bytes and is read by loads within eight bytes.
    guard end &- position >= 8 else { return nil }
    let first = base.load(fromByteOffset: position, as: UInt8.self)
    let second = base.load(fromByteOffset: position &+ 1, as: UInt8.self) ^ (isServer ? 0x80 : 0)
    // FIN with text or binary, no reserved bits, the right mask bit: `second` is then the short length.
    guard first &- 0x81 <= 1, second <= 126 else { return nil }
    var count = Int(second)
    var start = position &+ (isServer ? 6 : 2)
    if second == 126 {
      count = Int(UInt16(bigEndian: base.loadUnaligned(fromByteOffset: position &+ 2, as: UInt16.self)))
      // A 16-bit length that would fit the short form is refused by the steps.
      guard count > FrameSizes.maxShortPayload else { return nil }
      start &+= 2
    }
    // start <= position + 8 <= end, so the difference is not negative.
    guard alone ? count == end &- start : count <= end &- start, count <= wholeFrameLimit else { return nil }
    let frame = WholeFrame(isText: first == 0x81, start: start, count: count)
    let payload = base + start
    if isServer {
      // The key is at the end of the header.
      let key = UInt32(littleEndian: base.loadUnaligned(fromByteOffset: start &- 4, as: UInt32.self))
      if count < Masking.kernelMinimum {
        let isASCII = Masking.applyToShort(key, to: payload, count: count)
        return !frame.isText || isASCII || isText(payload, count, key) ? frame : nil
      }
      if !frame.isText {
        Masking.apply(key, to: payload, count: count)
        return frame
      }
      return unmaskText(payload, count, key) ? frame : nil
    }
    return !frame.isText || isText(payload, count, 0) ? frame : nil
  }

  /// Whether unmasked bytes are UTF-8. If not, they are masked again.
  @inline(__always)
  private func isText(_ payload: UnsafeMutableRawPointer, _ count: Int, _ key: UInt32) -> Bool {
    var validator = UTF8Validator()
    if validator.validate(payload, count: count) == nil, validator.isComplete { return true }
    Masking.apply(key, to: payload, count: count)
    return false
  }

  /// Unmasks text of ``Masking/kernelMinimum`` bytes or more. If it isn't UTF-8, it is masked again.
  @inline(never)
  private func unmaskText(_ payload: UnsafeMutableRawPointer, _ count: Int, _ key: UInt32) -> Bool {
    var validator = UTF8Validator()
    if validator.unmask(payload, count: count, key: key) == nil, validator.isComplete { return true }
    Masking.apply(key, to: payload, count: count)
    return false
  }
}
