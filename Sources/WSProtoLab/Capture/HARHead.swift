// SPDX-License-Identifier: Apache-2.0

/// The fields of a request or a response in a HAR.
struct HARHead {
  struct Field {
    var name: [UInt8] = []
    var value: [UInt8] = []
    /// Whether the file has more of the value than is kept.
    var isCut = false
  }

  /// The lines, each a name and a value.
  private(set) var fields: [[UInt8]] = []
  /// The status of a response.
  var status: Int?
  private var cookies: [UInt8] = []
  private var size = 0
  private var isTaken = false

  /// The most bytes of all fields together; beyond, fields are passed over.
  private static let maxBytes = 64 << 10

  private static func hasName(_ name: String, _ line: [UInt8]) -> Bool {
    line.count > name.utf8.count && line[name.utf8.count] == UInt8(ascii: ":")
      && zip(line, name.utf8).allSatisfy { $0 | 0x20 == $1 }
  }

  private mutating func hasRoom(_ field: Field) -> Bool {
    size += field.name.count + field.value.count + 64
    let bytes = [field.name, field.value].joined()
    // What would be another line isn't a field, nor are the pseudo-fields of HTTP/2.
    return size <= Self.maxBytes && !field.isCut && !bytes.contains { $0 < 0x20 && $0 != 0x09 }
      && !field.name.isEmpty && !field.name.contains(UInt8(ascii: ":"))
  }

  mutating func add(_ field: Field) {
    if hasRoom(field) { fields.append(field.name + Array(": ".utf8) + field.value) }
  }

  /// Browsers list the cookies besides the fields; they stand in for a missing field (RFC 6265 §4.2.1).
  mutating func add(cookie: Field) {
    guard hasRoom(cookie) else { return }
    cookies += (cookies.isEmpty ? [] : Array("; ".utf8)) + cookie.name + Array("=".utf8) + cookie.value
  }

  /// The head, once; `nil` if nothing is known of it.
  mutating func take() -> HARHead? {
    guard !isTaken, !fields.isEmpty || !cookies.isEmpty || status != nil else { return nil }
    isTaken = true
    if !cookies.isEmpty, !fields.contains(where: { Self.hasName("cookie", $0) }) {
      fields.append(Array("Cookie: ".utf8) + cookies)
    }
    return self
  }
}
