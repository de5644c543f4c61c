// SPDX-License-Identifier: Apache-2.0

#if Tool
/// A JSON object on one line, its members in the order in which they were added (RFC 8259).
struct JSONLine {
  private var members: [String] = []

  mutating func add(_ name: String, _ value: String?) {
    if let value { members.append("\(Self.quoted(name)):\(Self.quoted(value))") }
  }

  mutating func add(_ name: String, _ value: Int?) {
    if let value { members.append("\(Self.quoted(name)):\(value)") }
  }

  mutating func add(_ name: String, _ value: Bool) {
    members.append("\(Self.quoted(name)):\(value)")
  }

  var text: String { "{" + members.joined(separator: ",") + "}" }

  private static func quoted(_ text: String) -> String {
    var result = "\""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"": result += "\\\""
      case "\\": result += "\\\\"
      case "\n": result += "\\n"
      case "\u{0}"..."\u{1f}", "\u{7f}", "\u{2028}", "\u{2029}":
        let digits = String(scalar.value, radix: 16)
        result += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result + "\""
  }
}

/// Bytes in hexadecimal, `separator` between them.
func hex(_ bytes: some Sequence<UInt8>, separator: String = " ") -> String {
  bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined(separator: separator)
}
#endif
