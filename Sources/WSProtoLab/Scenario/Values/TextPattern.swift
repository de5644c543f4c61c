// SPDX-License-Identifier: Apache-2.0

/// A regular expression for text, matched in a time that grows with the text, whatever the pattern is.
package struct TextPattern: Sendable, CustomStringConvertible {
  /// Between the slashes.
  package let pattern: String
  package let ignoresCase: Bool
  private let program: PatternProgram

  private static let maxLength = 1024
  /// How many steps a match may take: a second or two of an optimized build.
  static let maxSteps = 50_000_000

  /// - Throws: ``ScenarioFailure`` if it is no pattern.
  package init(_ pattern: String, ignoresCase: Bool = false) throws(ScenarioFailure) {
    guard pattern.utf8.count <= Self.maxLength else {
      throw ScenarioFailure("a pattern has \(Self.maxLength) bytes at most")
    }
    guard pattern.unicodeScalars.allSatisfy({ !$0.mustBeEscaped }) else {
      throw ScenarioFailure("a pattern has no control characters: use \\u{…}")
    }
    self.pattern = pattern
    self.ignoresCase = ignoresCase
    do throws(PatternError) {
      program = try PatternProgram(try PatternParser.parse(pattern))
    } catch {
      throw ScenarioFailure("no regular expression: \(error.message)")
    }
  }

  /// What the first pair of parentheses matches in the first match, or the match itself; `nil` without a match. Parentheses
  /// that the match does without match nothing.
  ///
  /// - Throws: ``ScenarioFailure`` if that takes more than `maxSteps`.
  package func firstMatch(in text: String, maxSteps: Int = maxSteps) throws(ScenarioFailure) -> String? {
    var machine = PatternMachine(program, ignoresCase: ignoresCase, maxSteps: maxSteps)
    let places: PatternMachine.Places?
    do throws(PatternMachine.TooManySteps) {
      places = try machine.firstMatch(in: text)
    } catch {
      throw ScenarioFailure("\(self) takes more than \(maxSteps) steps on a text of \(text.utf8.count) bytes")
    }
    guard let places else { return nil }
    let part = capturesFirst ? places.capture : places.match
    guard let start = part.start, let end = part.end else { return "" }
    return String(text[start..<end])
  }

  /// Whether there is a pair of parentheses.
  private var capturesFirst: Bool {
    program.instructions.contains { if case .remember(2) = $0 { true } else { false } }
  }

  package var description: String { "/\(pattern)/" + (ignoresCase ? "i" : "") }
}
