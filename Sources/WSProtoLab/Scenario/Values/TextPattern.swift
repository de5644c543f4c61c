// SPDX-License-Identifier: Apache-2.0

/// A regular expression in Swift's syntax, which is nearly that of Perl, for text.
package struct TextPattern: Sendable, CustomStringConvertible {
  /// Between the slashes.
  package let pattern: String
  package let ignoresCase: Bool

  /// The longest pattern, and how many of its brackets may be open at once: the compiler of patterns is recursive.
  private static let maxLength = 1024
  private static let maxDepth = 32

  /// - Throws: ``ScenarioFailure`` if it is no pattern.
  package init(_ pattern: String, ignoresCase: Bool = false) throws(ScenarioFailure) {
    guard pattern.utf8.count <= Self.maxLength else {
      throw ScenarioFailure("a pattern has \(Self.maxLength) bytes at most")
    }
    guard pattern.unicodeScalars.allSatisfy({ !$0.mustBeEscaped }) else {
      throw ScenarioFailure("a pattern has no control characters: use \\u{…}")
    }
    var depth = 0
    for byte in pattern.utf8 {
      if byte == UInt8(ascii: "(") || byte == UInt8(ascii: "[") { depth += 1 }
      guard depth <= Self.maxDepth else {
        throw ScenarioFailure("a pattern has \(Self.maxDepth) brackets at most")
      }
    }
    self.pattern = pattern
    self.ignoresCase = ignoresCase
    _ = try compiled()
  }

  /// `Regex` cannot be sent between tasks.
  private func compiled() throws(ScenarioFailure) -> Regex<AnyRegexOutput> {
    do {
      return try Regex(pattern).ignoresCase(ignoresCase)
    } catch {
      throw ScenarioFailure("no regular expression: \(shown(String("\(error)".prefix(160))))")
    }
  }

  /// What the first pair of parentheses matches in the first match, or the match itself; `nil` without a match.
  package func firstMatch(in text: String) -> String? {
    guard let regex = try? compiled(), let match = try? regex.firstMatch(in: text) else { return nil }
    let part = match.output.count > 1 ? match.output[1].substring : match.output[0].substring
    return part.map(String.init)
  }

  package var description: String { "/\(pattern)/" + (ignoresCase ? "i" : "") }
}
