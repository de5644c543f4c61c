// SPDX-License-Identifier: Apache-2.0

/// A range of bytes in a head, such as a field's value. It shares the storage of the head.
///
/// Used instead of `ArraySlice` because copying it takes a single reference count, even inside optionals and
/// enums.
struct HeadPart: Sendable {
  private let bytes: [UInt8]
  // 0 <= start <= end <= bytes.count
  private let start: Int
  private let end: Int

  /// `bytes[range]`. Traps if the range is out of bounds.
  init(_ bytes: [UInt8], _ range: Range<Int>) {
    precondition(range.lowerBound >= 0 && range.upperBound <= bytes.count, "range out of bounds")
    self.bytes = bytes
    start = range.lowerBound
    end = range.upperBound
  }

  /// All of `bytes`.
  init(_ bytes: [UInt8]) {
    self.bytes = bytes
    start = 0
    end = bytes.count
  }

  /// The bytes of `text`.
  init(_ text: String) { self.init(Array(text.utf8)) }

  var count: Int { end - start }
  var isEmpty: Bool { end == start }
  var first: UInt8? { isEmpty ? nil : bytes[start] }

  var span: Span<UInt8> {
    @_lifetime(borrow self)
    get { bytes.span.extracting(start..<end) }
  }

  /// The bytes as a collection.
  var slice: ArraySlice<UInt8> { bytes[start..<end] }

  /// A part of this part; the range is relative to its first byte.
  func part(_ range: Range<Int>) -> HeadPart {
    HeadPart(bytes, start + range.lowerBound..<start + range.upperBound)
  }

  /// This part without whitespace at its ends.
  var trimmed: HeadPart { part(WSProto.trimmed(0..<count, in: span)) }

  /// The bytes as text. Only for bytes known to be ASCII or UTF-8.
  var text: String { String(decoding: slice, as: UTF8.self) }

  /// Whether all bytes satisfy the predicate.
  func allSatisfy(_ property: (UInt8) -> Bool) -> Bool {
    let span = span
    for index in span.indices where !property(span[index]) { return false }
    return true
  }

  /// Whether the bytes equal `text`, including case.
  func isSpelled(_ text: StaticString) -> Bool {
    guard count == text.utf8CodeUnitCount else { return false }
    // `text` has the same number of bytes.
    let expected = text.utf8Start
    let span = span
    for index in span.indices where span[index] != expected[index] { return false }
    return true
  }

  /// Whether the bytes equal `lowercase`, ignoring case; see ``equalsIgnoringCase(_:_:_:)``.
  func equals(_ lowercase: StaticString) -> Bool { equalsIgnoringCase(span, 0..<count, lowercase) }
}

extension HeadPart: Hashable {
  static func == (left: HeadPart, right: HeadPart) -> Bool { left.slice == right.slice }

  func hash(into hasher: inout Hasher) { hasher.combine(slice) }
}

/// ``quoted(_:)-(String)`` for a part of a head.
func quoted(_ part: HeadPart) -> String { quoted(part.slice) }
