// SPDX-License-Identifier: Apache-2.0

/// Makes what a peer has sent safe to show: nothing of it steers a terminal, forges a line, or changes the order of what
/// stands beside it.
enum Escaping {
  /// Text in quotes, cut after `limit` bytes, with an ellipsis behind it then. Bytes that aren't UTF-8 become `\xNN`.
  static func quoted(_ bytes: some Collection<UInt8>, limit: Int, isCut: Bool = false) -> String {
    let shown = Array(bytes.prefix(limit))
    return "\"" + escaped(shown) + "\"" + (isCut || bytes.count > limit ? "…" : "")
  }

  /// Text without quotes.
  static func escaped(_ bytes: [UInt8]) -> String {
    var result = ""
    result.reserveCapacity(bytes.count)
    var decoder = UTF8()
    var iterator = bytes.makeIterator()
    var position = 0
    while true {
      switch decoder.decode(&iterator) {
      case .emptyInput: return result
      case .scalarValue(let scalar):
        position += UTF8.width(scalar)
        append(scalar, to: &result)
      case .error:
        // The decoder doesn't say how many bytes it has gone past: go on behind the first.
        append(byte: bytes[position], to: &result)
        position += 1
        decoder = UTF8()
        iterator = Array(bytes[position...]).makeIterator()
      }
    }
  }

  private static func append(_ scalar: Unicode.Scalar, to result: inout String) {
    switch scalar {
    case "\"": result += "\\\""
    case "\\": result += "\\\\"
    case "\n": result += "\\n"
    case "\r": result += "\\r"
    case "\t": result += "\\t"
    default:
      if isHarmless(scalar) {
        result.unicodeScalars.append(scalar)
      } else {
        result += "\\u{\(String(scalar.value, radix: 16))}"
      }
    }
  }

  private static func append(byte: UInt8, to result: inout String) {
    result += byte < 16 ? "\\x0" : "\\x"
    result += String(byte, radix: 16)
  }

  /// Whether a character is seen as itself. Controls, formats (those that change the direction of text among them), line
  /// separators and what has no meaning are not.
  private static func isHarmless(_ scalar: Unicode.Scalar) -> Bool {
    if scalar.value < 0x7F { return scalar.value >= 0x20 }
    switch scalar.properties.generalCategory {
    case .control, .format, .lineSeparator, .paragraphSeparator, .surrogate, .privateUse, .unassigned:
      return false
    default: return true
    }
  }

  /// Bytes in hexadecimal with spaces, cut after `limit`.
  static func hex(_ bytes: some Collection<UInt8>, limit: Int = .max, separator: String = " ") -> String {
    var result = ""
    for (index, byte) in bytes.prefix(limit).enumerated() {
      if index > 0 { result += separator }
      if byte < 16 { result += "0" }
      result += String(byte, radix: 16)
    }
    return bytes.count > limit ? result + "…" : result
  }
}

extension Escaping {
  /// Text in which quotes and backslashes stay as they are: messages of our own, lines of a head.
  static func escapedKeepingQuotes(_ text: String) -> String {
    var result = ""
    for scalar in text.unicodeScalars {
      if scalar == "\"" || scalar == "\\" {
        result.unicodeScalars.append(scalar)
      } else {
        append(scalar, to: &result)
      }
    }
    return result
  }
}
