// SPDX-License-Identifier: Apache-2.0

#if Tool
extension Unicode.Scalar {
  /// Whether a character of the peer's must not be shown as it is: it steers a terminal, begins a line of its own, turns the
  /// direction of what follows, or cannot be seen.
  ///
  /// Tabs, and the joiners that scripts and emoji need (U+200C, U+200D), are shown.
  package var mustBeEscaped: Bool {
    switch value {
    case 0x09, 0x200C, 0x200D: false
    case 0x00..<0x20, 0x7F...0x9F: true
    case 0..<0xAD: false
    default:
      switch properties.generalCategory {
      // Direction marks, zero widths, tags, byte order marks; line and paragraph separators.
      case .control, .format, .lineSeparator, .paragraphSeparator, .surrogate: true
      default: false
      }
    }
  }
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
      result += "\\u{\(String(scalar.value, radix: 16))}"
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
#endif
