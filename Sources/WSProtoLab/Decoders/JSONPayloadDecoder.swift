// SPDX-License-Identifier: Apache-2.0

/// JSON (RFC 8259): whether it is, and what its top level is.
struct JSONPayloadDecoder: PayloadDecoder {
  static var name: String { "json" }
  static var subprotocols: [String] { ["json"] }

  func lines(_ content: [UInt8], isText: Bool, isCut: Bool) throws(PayloadError) -> [String] {
    ["json " + (try JSONSummary(content[...], isCut: isCut, format: "JSON").description)]
  }
}

/// The top level of a JSON text.
struct JSONSummary: CustomStringConvertible {
  /// The members of an object whose values are strings or numbers, as text; the first few.
  private(set) var members: [(name: String, value: String)] = []
  private var count = 0
  private var kind = ""
  private var isWhole = true
  /// How deep the containers are nested.
  private var depth = 0

  private static let maxMembers = 32
  private static let maxValueBytes = 128

  /// The first string or number with this name at the top level.
  func value(_ name: String) -> String? { members.first { $0.name == name }?.value }

  /// Reads a text, or its beginning.
  ///
  /// - Parameter base: where it begins in its message, for errors.
  init(_ bytes: ArraySlice<UInt8>, isCut: Bool, format: String, at base: Int = 0) throws(PayloadError) {
    var tokenizer = JSONTokenizer(maxStringBytes: Self.maxValueBytes)
    var name: String?
    do throws(JSONSyntaxError) {
      for byte in bytes {
        for token in try tokenizer.tokens(completedBy: byte) { take(token, &name) }
      }
      var last: JSONTokenizer.Token?
      if !isCut { try tokenizer.finish { last = $0 } }
      if let last { take(last, &name) }
    } catch {
      throw PayloadError(format: format, offset: base + error.offset, message: error.message)
    }
    isWhole = !isCut
  }

  private mutating func take(_ token: JSONTokenizer.Token, _ name: inout String?) {
    if token == .beginObject || token == .beginArray { depth += 1 }
    switch token {
    case .endObject, .endArray: depth -= 1
    case .name(let given) where depth == 1:
      name = given
      count += 1
    case .beginObject where depth == 1: kind = "object"
    case .beginArray where depth == 1: kind = "array"
    case .beginObject where depth == 2: add(&name, "{…}")
    case .beginArray where depth == 2: add(&name, "[…]")
    case .string(let text, let size) where depth <= 1:
      let shown = Escaping.quoted(text, limit: Self.maxValueBytes, isCut: size > text.count)
      if depth == 0 { kind = "string \(shown)" } else { add(&name, shown) }
    case .number(let number) where depth <= 1:
      if depth == 0 { kind = "number \(number)" } else { add(&name, number) }
    case .bool(let value) where depth <= 1:
      if depth == 0 { kind = "\(value)" } else { add(&name, "\(value)") }
    case .null where depth <= 1:
      if depth == 0 { kind = "null" } else { add(&name, "null") }
    default: break
    }
  }

  private mutating func add(_ name: inout String?, _ value: String) {
    defer { name = nil }
    if name == nil { count += 1 }
    if members.count < Self.maxMembers { members.append((name ?? "", value)) }
  }

  var description: String {
    guard kind == "object" || kind == "array" else { return kind }
    let shown = members.map { member in
      kind == "array"
        ? member.value : Escaping.escaped(Array(member.name.utf8.prefix(64))) + ": " + member.value
    }
    let more = count > members.count || !isWhole ? (shown.isEmpty ? "…" : ", …") : ""
    let text = shown.joined(separator: ", ") + more
    return kind == "object" ? "{\(text)}" : "[\(text)]"
  }
}
