// SPDX-License-Identifier: Apache-2.0

/// The lines of one field in a head, in order, as bytes.
///
/// This type implements what HTTP says about repeated fields and lists (RFC 9110 §5.3, §5.6.1): lines with
/// the same name form one list, and empty elements of a list are ignored.
enum FieldLines: Sendable, Hashable {
  case none
  case one(HeadPart)
  case several([HeadPart])

  /// Adds a line after the others.
  mutating func append(_ value: consuming HeadPart) {
    switch self {
    case .none: self = .one(value)
    case .one(let first): self = .several([first, value])
    case .several(var values):
      self = .none
      values.append(value)
      self = .several(values)
    }
  }

  /// Calls `body` with the value of each line.
  func forEach<Failure: Error>(_ body: (HeadPart) throws(Failure) -> Void) throws(Failure) {
    switch self {
    case .none: return
    case .one(let value): try body(value)
    case .several(let values): for value in values { try body(value) }
    }
  }

  /// Whether the list has the element `lowercase`, ignoring case.
  func lists(_ lowercase: StaticString) -> Bool {
    var found = false
    forEachElement { span, range in found = found || equalsIgnoringCase(span, range, lowercase) }
    return found
  }

  /// The elements of the list.
  var elements: [HeadPart] {
    var elements: [HeadPart] = []
    forEach { line in
      WSProto.forEachElement(of: line.span) { elements.append(line.part($0)) }
    }
    return elements
  }

  /// Calls `body` with the range of each element and the bytes that the range refers to.
  func forEachElement(_ body: (Span<UInt8>, Range<Int>) -> Void) {
    forEach { line in
      let span = line.span
      WSProto.forEachElement(of: span) { body(span, $0) }
    }
  }

  /// The field for an error message.
  var inWords: String {
    switch self {
    case .none: "it is missing"
    case .one(let value): "its value is \(quoted(value))"
    case .several(let values):
      "its \(values.count) lines are \(quoted(values.map(\.slice).joined(separator: ", ".utf8)))"
    }
  }
}

/// Calls `body` with the range of each element of a comma-separated list, without surrounding whitespace;
/// empty elements are skipped (RFC 9110 §5.6.1). Not for lists with quoted strings.
@inline(__always)
func forEachElement(of list: Span<UInt8>, _ body: (Range<Int>) -> Void) {
  var start = 0
  while start < list.count {
    var end = start
    while end < list.count, list[end] != HTTP1Bytes.comma { end &+= 1 }
    let element = trimmed(start..<end, in: list)
    if !element.isEmpty { body(element) }
    start = end &+ 1
  }
}
