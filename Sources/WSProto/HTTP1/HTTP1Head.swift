// SPDX-License-Identifier: Apache-2.0

import HTTPTypes

/// The head of one HTTP/1.1 message: its bytes, and where the parts lie in them.
///
/// Nothing is copied out of the bytes before it is asked for.
struct HTTP1Head: Sendable, Hashable {
  /// The head from its start line to its empty line, in full. What follows it in the stream is not part of it.
  private(set) var bytes: [UInt8] = []
  /// The field lines in the order of the wire; repeated fields are several entries.
  private(set) var fields: [HTTP1Field] = []
  /// The recognised fields that occur, and those that occur more than once.
  private(set) var present = HTTP1FieldSet()
  private(set) var repeated = HTTP1FieldSet()
  /// The minor version: 0 or 1 (a higher one counts as 1, RFC 9110 §2.5).
  var minorVersion = 1
  /// 100...599 for a response, 0 for a request.
  var statusCode = 0
  /// The method of a request, or the reason phrase of a response.
  var methodOrReason = 0..<0
  /// The target of a request.
  var targetRange = 0..<0
  /// What `Content-Length` says.
  var contentLength: Int?
  /// Whether `Transfer-Encoding` says chunked.
  var isChunked = false

  /// Keeps a field.
  mutating func append(_ field: HTTP1Field) {
    if fields.isEmpty { fields.reserveCapacity(16) }
    if field.id != .other {
      if present.contains(field.id) { repeated.insert(HTTP1FieldSet(field.id)) }
      present.insert(HTTP1FieldSet(field.id))
    }
    fields.append(field)
  }

  /// Takes the bytes that all ranges refer to.
  mutating func finish(bytes: consuming [UInt8]) { self.bytes = bytes }

  /// Whether the message announces a body of at least one byte, or one of unknown length (RFC 9112 §6).
  var announcesBody: Bool { isChunked || (contentLength ?? 0) > 0 }

  /// Whether the method of this request is GET (methods are case-sensitive, RFC 9110 §9.1).
  var isGET: Bool {
    let start = methodOrReason.lowerBound
    return methodOrReason.count == 3 && bytes[start] == 0x47 && bytes[start + 1] == 0x45
      && bytes[start + 2] == 0x54
  }

  /// The method of a request.
  var method: String { text(methodOrReason) }

  /// The target of a request: visible ASCII.
  var target: String { text(targetRange) }

  /// The reason phrase of a response, which may be empty.
  var reason: String { text(methodOrReason) }

  /// The first field of that kind.
  func first(_ id: HTTP1FieldID) -> HTTP1Field? {
    guard present.contains(id) else { return nil }
    return fields.first { $0.id == id }
  }

  /// The name of a field as it was sent.
  func name(of field: HTTP1Field) -> String { text(field.name) }

  /// The value of a field. An octet above ASCII, which has no meaning of its own (RFC 9110 §5.5), becomes the
  /// character of that number (ISO-8859-1), so that nothing is lost.
  func value(of field: HTTP1Field) -> String { text(field.value) }

  /// The bytes of a field's value.
  func valueBytes(of field: HTTP1Field) -> ArraySlice<UInt8> { bytes[field.value] }

  /// Lends the bytes of a field's value.
  func withValue<Result, Failure: Error>(
    of field: HTTP1Field,
    _ body: (Span<UInt8>) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    try body(bytes.span.extracting(field.value))
  }

  /// Whether a value is `lowercase` in any case.
  func value(of field: HTTP1Field, equals lowercase: StaticString) -> Bool {
    equalsIgnoringCase(bytes.span, field.value, lowercase)
  }

  /// Whether the comma-separated list in a value has the element `lowercase`, in any case (RFC 9110 §5.6.1).
  func value(of field: HTTP1Field, hasElement lowercase: StaticString) -> Bool {
    let span = bytes.span
    let end = field.value.upperBound
    var start = field.value.lowerBound
    while start <= end {
      var stop = start
      while stop < end, span[stop] != HTTP1Bytes.comma { stop &+= 1 }
      if equalsIgnoringCase(span, trimmed(start..<stop, in: span), lowercase) { return true }
      start = stop &+ 1
    }
    return false
  }

  /// The fields as a collection of swift-http-types, in order, repeated ones kept, without those in `excluded`.
  ///
  /// Octets above ASCII stay the octets they are.
  func makeHeaders(excluding excluded: HTTP1FieldSet = []) -> Headers {
    var headers = Headers()
    headers.reserveCapacity(fields.count)
    for field in fields where field.id == .other || !excluded.contains(field.id) {
      // Names are tokens, checked when they were read: neither way refuses one here.
      guard
        let name = CommonFieldNames.name(spelled: bytes.span, field.name)
          ?? HTTPField.Name(text(field.name))
      else { continue }
      let value = bytes[field.value]
      if value.allSatisfy({ $0 < 0x80 }) {
        headers.append(HTTPField(name: name, value: String(decoding: value, as: UTF8.self)))
      } else {
        headers.append(HTTPField(name: name, value: value))
      }
    }
    return headers
  }

  private func text(_ range: Range<Int>) -> String {
    let slice = bytes[range]
    if slice.allSatisfy({ $0 < 0x80 }) { return String(decoding: slice, as: UTF8.self) }
    var text = ""
    for byte in slice { text.unicodeScalars.append(Unicode.Scalar(byte)) }
    return text
  }
}

/// `range` without the spaces and tabs at its ends; it must lie within `bytes`.
func trimmed(_ range: Range<Int>, in bytes: Span<UInt8>) -> Range<Int> {
  var start = range.lowerBound
  var end = range.upperBound
  while start < end, HTTP1Bytes.isWhitespace(bytes[start]) { start &+= 1 }
  while start < end, HTTP1Bytes.isWhitespace(bytes[end &- 1]) { end &-= 1 }
  return start..<end
}

extension HTTP1Head {
  /// Whether any of the fields of this kind lists `element`, in any case.
  func contains(_ id: HTTP1FieldID, element: StaticString) -> Bool {
    guard present.contains(id) else { return false }
    return fields.contains { $0.id == id && value(of: $0, hasElement: element) }
  }
}
