// SPDX-License-Identifier: Apache-2.0

public import HTTPTypes

/// Header fields in wire order; repeated fields have several entries.
public typealias Headers = HTTPFields

/// A dictionary from field names in lower case to values.
///
/// The values of a repeated field are joined by ", " in order (RFC 9110 §5.3). That doesn't work for
/// `Set-Cookie`; read it from the fields themselves.
public func normedHeaderDict(_ headers: Headers) -> [String: String] {
  var values: [String: String] = [:]
  for field in headers {
    let name = field.name.canonicalName
    if let earlier = values[name] {
      values[name] = earlier + ", " + field.value
    } else {
      values[name] = field.value
    }
  }
  return values
}

/// The elements of a comma-separated field value, without surrounding whitespace.
///
/// A comma inside a quoted string is not a separator (RFC 9110 §5.6.1, §5.6.4); the quotes are kept. A quoted
/// string that is not closed extends to the end. Empty elements are omitted.
public func splitCommaHeader(_ value: String) -> [String] {
  var pieces: [String] = []
  let bytes = Array(value.utf8)
  let span = bytes.span
  var start = 0
  var isQuoted = false
  var isEscaped = false
  for index in 0...bytes.count {
    if index < bytes.count {
      let byte = bytes[index]
      if isEscaped {
        isEscaped = false
        continue
      }
      if byte == 0x22 { isQuoted.toggle() }
      if isQuoted, byte == 0x5c { isEscaped = true }
      if isQuoted || byte != HTTP1Bytes.comma { continue }
    }
    let piece = trimmed(start..<index, in: span)
    if !piece.isEmpty { pieces.append(String(decoding: bytes[piece], as: UTF8.self)) }
    start = index + 1
  }
  return pieces
}
