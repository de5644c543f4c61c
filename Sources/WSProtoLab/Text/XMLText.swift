// SPDX-License-Identifier: Apache-2.0

/// Text in XML documents (XML 1.0 §2.2, §2.4).
enum XMLText {
  /// Text between tags, or in an attribute. What ``shown(_:)`` escapes cannot stand there.
  static func escaped(_ text: String) -> String {
    var result = ""
    for scalar in shown(text).unicodeScalars {
      switch scalar {
      case "&": result += "&amp;"
      case "<": result += "&lt;"
      case ">": result += "&gt;"
      case "\"": result += "&quot;"
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result
  }
}
