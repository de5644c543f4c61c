// SPDX-License-Identifier: Apache-2.0

/// A JSON value (RFC 8259) whose numbers are as they were written, and whose members are in their order.
package enum JSONValue: Sendable {
  case null
  case bool(Bool)
  case number(String)
  case string(String)
  case array([JSONValue])
  case object([Member])

  /// A member of an object.
  package struct Member: Sendable {
    package var name: String
    package var value: JSONValue
  }

  /// What a value is.
  package enum Kind: String, Sendable, CaseIterable {
    case null, boolean, number, string, array, object
  }

  package var kind: Kind {
    switch self {
    case .null: .null
    case .bool: .boolean
    case .number: .number
    case .string: .string
    case .array: .array
    case .object: .object
    }
  }

  /// The whole of `bytes`.
  init(parsing bytes: [UInt8]) throws(JSONSyntaxError) {
    var builder = JSONValueBuilder()
    var tokenizer = JSONTokenizer(maxStringBytes: .max)
    try tokenizer.read(bytes) { builder.take($0) }
    try tokenizer.finish { builder.take($0) }
    guard let value = builder.value else {
      throw JSONSyntaxError(offset: bytes.count, message: "expected a value")
    }
    self = value
  }

  /// The elements of an array, the members of an object, the characters of a string.
  package var length: Int? {
    switch self {
    case .array(let elements): elements.count
    case .object(let members): members.count
    case .string(let text): text.count
    case .null, .bool, .number: nil
    }
  }

  /// The last member with this name, as most readers take it.
  package func member(_ name: String) -> JSONValue? {
    guard case .object(let members) = self else { return nil }
    return members.last { $0.name == name }?.value
  }

  /// Whether it is `other`, or an object with at least the members of `other`, at any depth. Arrays must have the same
  /// number of elements.
  package func includes(_ other: JSONValue) -> Bool {
    switch (self, other) {
    case (.object, .object(let wanted)):
      // Of members with one name the last counts, on both sides.
      Set(wanted.map(\.name)).allSatisfy { name in
        if let own = member(name), let value = other.member(name) { own.includes(value) } else { false }
      }
    case (.array(let own), .array(let wanted)):
      own.count == wanted.count && zip(own, wanted).allSatisfy { $0.includes($1) }
    default: self == other
    }
  }

  // MARK: Text

  /// Without white space, and safe to show.
  package var compact: String {
    var text = ""
    write(to: &text)
    return text
  }

  private func write(to text: inout String) {
    switch self {
    case .null: text += "null"
    case .bool(let value): text += value ? "true" : "false"
    case .number(let number): text += number
    case .string(let string): text += JSONLine.quoted(string)
    case .array(let elements):
      text += "["
      for (index, element) in elements.enumerated() {
        if index > 0 { text += "," }
        element.write(to: &text)
      }
      text += "]"
    case .object(let members):
      text += "{"
      for (index, member) in members.enumerated() {
        if index > 0 { text += "," }
        text += JSONLine.quoted(member.name) + ":"
        member.value.write(to: &text)
      }
      text += "}"
    }
  }

  /// In lines, indented; short values on one line.
  package var lines: [String] {
    var lines: [String] = []
    addLines(to: &lines, before: "", indentation: "", after: "")
    return lines
  }

  /// What fits one line.
  private static let width = 60

  private func addLines(to lines: inout [String], before: String, indentation: String, after: String) {
    switch self {
    case .array(let elements) where !elements.isEmpty && !isShort:
      lines.append(indentation + before + "[")
      for (index, element) in elements.enumerated() {
        let comma = index + 1 < elements.count ? "," : ""
        element.addLines(to: &lines, before: "", indentation: indentation + "  ", after: comma)
      }
      lines.append(indentation + "]" + after)
    case .object(let members) where !members.isEmpty:
      lines.append(indentation + before + "{")
      // In one order, so that two objects can be compared by eye.
      for (index, member) in members.sorted(by: { $0.name < $1.name }).enumerated() {
        let comma = index + 1 < members.count ? "," : ""
        let name = JSONLine.quoted(member.name) + ": "
        member.value.addLines(to: &lines, before: name, indentation: indentation + "  ", after: comma)
      }
      lines.append(indentation + "}" + after)
    default: lines.append(indentation + before + compact + after)
    }
  }

  /// Whether it is an array of a few simple values.
  private var isShort: Bool {
    guard case .array(let elements) = self, elements.count <= Self.width else { return false }
    let isSimple = elements.allSatisfy { element in
      switch element {
      case .array(let inner): inner.isEmpty
      case .object(let members): members.isEmpty
      default: true
      }
    }
    return isSimple && compact.utf8.count <= Self.width
  }
}

extension JSONValue: Equatable {
  /// Numbers by their value, objects whatever the order of their members.
  package static func == (left: JSONValue, right: JSONValue) -> Bool {
    switch (left, right) {
    case (.null, .null): return true
    case (.bool(let one), .bool(let other)): return one == other
    case (.string(let one), .string(let other)): return Array(one.utf8) == Array(other.utf8)
    case (.number(let one), .number(let other)): return one == other || isSameNumber(one, other)
    case (.array(let one), .array(let other)): return one == other
    case (.object(let one), .object(let other)):
      let (own, wanted) = (Set(one.map(\.name)), Set(other.map(\.name)))
      return own == wanted && own.allSatisfy { left.member($0) == right.member($0) }
    default: return false
    }
  }

  /// Beyond 2⁵³ whole numbers differ that a Double takes for one.
  private static func isSameNumber(_ one: String, _ other: String) -> Bool {
    if let one = Int64(one), let other = Int64(other) { return one == other }
    guard let one = Double(one), let other = Double(other) else { return false }
    return one == other
  }
}
