// SPDX-License-Identifier: Apache-2.0

// What a peer has sent never reaches a terminal as it is, but in the raw modes. Which characters are escaped is decided in
// one place, `mustBeEscaped`, for the laboratory and the command alike. There are three ways to write the result: `shown`
// for text among words of our own, `Escaping.quoted` for bytes as a literal from which they can be read back, and
// `JSONLine`.

extension Unicode.Scalar {
  /// Whether a character of a peer's must not be shown as it is: it steers a terminal, begins a line of its own, turns the
  /// direction of what follows, cannot be seen, or has no meaning.
  ///
  /// Tabs, and the joiners that scripts and emoji need (U+200C, U+200D), are shown.
  package var mustBeEscaped: Bool {
    switch value {
    case 0x09, 0x200C, 0x200D: false
    case 0x00..<0x20, 0x7F...0x9F: true
    case 0..<0xAD: false
    default:
      switch properties.generalCategory {
      // Direction marks, zero widths, tags, byte order marks; line and paragraph separators; what no font or only a
      // particular one knows.
      case .control, .format, .lineSeparator, .paragraphSeparator, .surrogate, .privateUse, .unassigned: true
      default: false
      }
    }
  }

  /// `\u{…}`, with the number in hexadecimal.
  fileprivate var escape: String { "\\u{\(String(value, radix: 16))}" }
}

/// A text from a peer as it is shown, everywhere but in the raw modes: on one line, and with every character escaped as
/// `\u{…}` that could steer the terminal, forge a line or hide.
///
/// A backslash stays as it is, so that JSON stays JSON: the result is for people, not for parsing.
package func shown(_ text: String) -> String {
  if text.utf8.allSatisfy({ 0x20...0x7E ~= $0 }) { return text }
  var result = ""
  result.reserveCapacity(text.utf8.count)
  for scalar in text.unicodeScalars {
    if scalar.mustBeEscaped {
      result += scalar.escape
    } else {
      result.unicodeScalars.append(scalar)
    }
  }
  return result
}

/// The same in quotes, cut after `limit` characters: for names and reasons within a sentence.
package func shownInQuotes(_ text: String, limit: Int = 120) -> String {
  let head = text.unicodeScalars.prefix(limit)
  let isCut = head.endIndex < text.unicodeScalars.endIndex
  return "\"\(shown(String(head)))\"" + (isCut ? "…" : "")
}

/// The same for several lines, such as the body of a refusal: line ends stay line ends.
package func shownLines(_ text: String) -> [String] {
  text.split(omittingEmptySubsequences: true) { $0.isNewline }.map { shown(String($0)) }
}

/// Bytes as a literal: quotes and backslashes are escaped too, so that the bytes can be read back.
package enum Escaping {
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
        result += bytes[position] < 16 ? "\\x0" : "\\x"
        result += String(bytes[position], radix: 16)
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
    case _ where scalar.mustBeEscaped: result += scalar.escape
    default: result.unicodeScalars.append(scalar)
    }
  }

  /// Bytes in hexadecimal, `separator` between them, cut after `limit`.
  package static func hex(
    _ bytes: some Collection<UInt8>,
    limit: Int = .max,
    separator: String = " "
  ) -> String {
    var result = ""
    for (index, byte) in bytes.prefix(limit).enumerated() {
      if index > 0 { result += separator }
      if byte < 16 { result += "0" }
      result += String(byte, radix: 16)
    }
    return bytes.count > limit ? result + "…" : result
  }
}
