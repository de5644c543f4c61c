// SPDX-License-Identifier: Apache-2.0

import HTTPTypes

/// The head of one HTTP/1.1 message: its bytes, and the positions of its parts.
///
/// Nothing is copied out of the bytes until it is asked for.
struct HTTP1Head: Sendable, Hashable {
  /// The whole head, from its start line to its empty line, and nothing that follows it in the stream.
  private(set) var bytes: [UInt8] = []
  /// The field lines in wire order; repeated fields have several entries.
  private(set) var fields: [HTTP1Field] = []
  /// The minor version: 0 or 1. A higher one counts as 1 (RFC 9110 §2.5).
  var minorVersion = 1
  /// The status code of a response; 0 for a request.
  var statusCode = 0
  /// The method of a request, or the reason phrase of a response.
  var methodOrReason = 0..<0
  /// The target of a request.
  var targetRange = 0..<0

  /// Whether a field determines how the body is framed.
  private(set) var hasFraming = false

  /// Adds a field.
  mutating func append(_ field: HTTP1Field) {
    if fields.isEmpty { fields.reserveCapacity(16) }
    if field.id == .contentLength || field.id == .transferEncoding { hasFraming = true }
    fields.append(field)
  }

  /// Changes the value of the last field.
  mutating func replaceLastValue(with value: Range<Int>) {
    guard let last = fields.popLast() else { return }
    fields.append(HTTP1Field(id: last.id, name: last.name, value: value))
  }

  /// Takes the bytes that all ranges refer to.
  mutating func finish(bytes: consuming [UInt8]) { self.bytes = bytes }

  /// The method of a request.
  var method: HeadPart { HeadPart(bytes, methodOrReason) }

  /// The target of a request, which is visible ASCII.
  var target: HeadPart { HeadPart(bytes, targetRange) }

  /// The reason phrase of a response; may be empty.
  var reason: String { text(methodOrReason) }

  /// The lines of a field.
  func lines(of id: HTTP1FieldID) -> FieldLines {
    var lines = FieldLines.none
    for field in fields where field.id == id { lines.append(valueBytes(of: field)) }
    return lines
  }

  /// The name of a field as it was sent.
  func name(of field: HTTP1Field) -> String { text(field.name) }

  /// The value of a field. An octet above ASCII has no defined meaning (RFC 9110 §5.5). It becomes the
  /// character with that number (ISO-8859-1), so that nothing is lost.
  func value(of field: HTTP1Field) -> String { text(field.value) }

  /// The bytes of a field's value.
  func valueBytes(of field: HTTP1Field) -> HeadPart { HeadPart(bytes, field.value) }

  /// The fields as a collection of swift-http-types, in order, with repeated fields, but without those in
  /// `excluded`.
  ///
  /// Octets above ASCII are kept as they are.
  func makeHeaders(excluding excluded: HTTP1FieldSet = []) -> Headers {
    var headers = Headers()
    headers.reserveCapacity(fields.count)
    for field in fields where field.id == .other || !excluded.contains(field.id) {
      // Never fails: names are tokens, which was checked when they were read.
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

/// `range` without spaces and tabs at its ends; it must lie within `bytes`.
func trimmed(_ range: Range<Int>, in bytes: Span<UInt8>) -> Range<Int> {
  var start = range.lowerBound
  var end = range.upperBound
  while start < end, HTTP1Bytes.isWhitespace(bytes[start]) { start &+= 1 }
  while start < end, HTTP1Bytes.isWhitespace(bytes[end &- 1]) { end &-= 1 }
  return start..<end
}
