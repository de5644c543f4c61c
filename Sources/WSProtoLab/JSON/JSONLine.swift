// SPDX-License-Identifier: Apache-2.0

/// A JSON object on one line, its members in the order in which they were added (RFC 8259). Members whose value is `nil` are
/// left out.
package struct JSONLine {
  private var members: [String] = []

  package init() {}

  package mutating func add(_ name: String, _ value: String?) {
    if let value { add(name, raw: Self.quoted(value)) }
  }

  package mutating func add(_ name: String, _ value: (some BinaryInteger)?) {
    if let value { add(name, raw: String(value)) }
  }

  package mutating func add(_ name: String, _ value: Double?) {
    // JSON has neither infinity nor NaN.
    if let value, value.isFinite { add(name, raw: "\(value)") }
  }

  package mutating func add(_ name: String, _ value: Bool) { add(name, raw: value ? "true" : "false") }

  package mutating func add(_ name: String, _ value: JSONLine) { add(name, raw: value.text) }

  mutating func add(_ name: String, _ values: [String]) {
    add(name, raw: "[" + values.map(Self.quoted).joined(separator: ",") + "]")
  }

  /// Adds a member whose value is JSON already.
  mutating func add(_ name: String, raw value: String) { members.append("\(Self.quoted(name)):\(value)") }

  package var text: String { "{" + members.joined(separator: ",") + "}" }

  /// A JSON string that is safe to show: what ``shown(_:)`` escapes is escaped, in JSON's way.
  static func quoted(_ text: String) -> String {
    var result = "\""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"": result += "\\\""
      case "\\": result += "\\\\"
      case "\n": result += "\\n"
      case "\t": result += "\\t"
      case _ where scalar.mustBeEscaped: for unit in String(scalar).utf16 { result += escape(unit) }
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result + "\""
  }

  private static func escape(_ unit: UInt16) -> String {
    let digits = String(unit, radix: 16)
    return "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
  }
}
