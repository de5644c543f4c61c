// SPDX-License-Identifier: Apache-2.0

/// The character classes of RFC 9110 §5, and scans for them that look at eight bytes at a time.
package enum HTTP1Bytes {
  static let carriageReturn: UInt8 = 0x0d
  static let lineFeed: UInt8 = 0x0a
  static let space: UInt8 = 0x20
  static let tab: UInt8 = 0x09
  static let colon: UInt8 = 0x3a
  static let comma: UInt8 = 0x2c

  /// Whether the byte may be part of a token (RFC 9110 §5.6.2).
  @inline(__always)
  package static func isToken(_ byte: UInt8) -> Bool {
    let set: UInt64 = byte & 0x40 == 0 ? 0x03ff_6cfa_0000_0000 : 0x57ff_ffff_c7ff_fffe
    return byte < 0x80 && (set &>> UInt64(byte & 63)) & 1 == 1
  }

  /// Whether the byte may be part of a field's value: HTAB, SP, visible ASCII, or an opaque octet above ASCII
  /// (RFC 9110 §5.5).
  @inline(__always)
  package static func isFieldContent(_ byte: UInt8) -> Bool {
    byte == tab || (byte >= 0x20 && byte != 0x7f)
  }

  /// Whether the byte is SP or HTAB, the characters of optional whitespace (RFC 9110 §5.6.3).
  @inline(__always)
  static func isWhitespace(_ byte: UInt8) -> Bool { byte == space || byte == tab }

  private static let ones: UInt64 = 0x0101_0101_0101_0101
  private static let highs: UInt64 = 0x8080_8080_8080_8080

  /// The first line feed in `range`, which must lie within `bytes`.
  static func firstLineFeed(in bytes: RawSpan, _ range: Range<Int>) -> Int? {
    var index = range.lowerBound
    while range.upperBound &- index >= 8 {
      let word = load(bytes, index) ^ (ones &* 0x0a)
      // Marks every zero byte of `word`. Only the lowest mark is reliable, so only that one is used.
      let marks = (word &- ones) & ~word & highs
      if marks != 0 { return index &+ marks.trailingZeroBitCount &>> 3 }
      index &+= 8
    }
    while index < range.upperBound {
      if bytes.unsafeLoad(fromByteOffset: index, as: UInt8.self) == lineFeed { return index }
      index &+= 1
    }
    return nil
  }

  /// The end of the token at the start of `range`, which must lie within `bytes`.
  static func endOfToken(in bytes: RawSpan, _ range: Range<Int>) -> Int {
    var index = range.lowerBound
    while range.upperBound &- index >= 8 {
      let word = load(bytes, index)
      // Marks everything that is neither a letter nor a hyphen. Works on seven bits of each byte, so that no
      // sum carries over.
      let low = (word | ones &* 0x20) & ~highs
      let letters = (low &+ ones &* 0x1f) & ~(low &+ ones &* 0x05)
      let hyphens = ((word ^ ones &* 0x2d) & ~highs) &+ ones &* 0x7f
      let marks = (~(letters | ~hyphens) | word) & highs
      guard marks != 0 else {
        index &+= 8
        continue
      }
      index &+= marks.trailingZeroBitCount &>> 3
      guard isToken(bytes.unsafeLoad(fromByteOffset: index, as: UInt8.self)) else { return index }
      index &+= 1
    }
    while index < range.upperBound, isToken(bytes.unsafeLoad(fromByteOffset: index, as: UInt8.self)) {
      index &+= 1
    }
    return index
  }

  /// The first byte in `range` that is not allowed in a field value. `range` must lie within `bytes`.
  static func firstNonFieldContent(in bytes: RawSpan, _ range: Range<Int>) -> Int? {
    var index = range.lowerBound
    while range.upperBound &- index >= 8 {
      let word = load(bytes, index)
      let deletes = word ^ (ones &* 0x7f)
      let marks =
        ((word &- ones &* 0x20) & ~word & highs) | ((deletes &- ones) & ~deletes & highs)
      guard marks != 0 else {
        index &+= 8
        continue
      }
      let hit = index &+ marks.trailingZeroBitCount &>> 3
      // A tab is the only legal control byte: continue right after it.
      guard bytes.unsafeLoad(fromByteOffset: hit, as: UInt8.self) == tab else { return hit }
      index = hit &+ 1
    }
    while index < range.upperBound {
      if !isFieldContent(bytes.unsafeLoad(fromByteOffset: index, as: UInt8.self)) { return index }
      index &+= 1
    }
    return nil
  }

  /// Eight bytes, the first one lowest. Checks its bounds.
  @inline(__always)
  private static func load(_ bytes: RawSpan, _ index: Int) -> UInt64 {
    UInt64(littleEndian: bytes.unsafeLoadUnaligned(fromByteOffset: index, as: UInt64.self))
  }
}

extension String {
  /// Whether this is a token (RFC 9110 §5.6.2).
  var isHTTPToken: Bool {
    let bytes = utf8Span.span.bytes
    return !bytes.isEmpty && HTTP1Bytes.endOfToken(in: bytes, 0..<bytes.byteCount) == bytes.byteCount
  }
}
