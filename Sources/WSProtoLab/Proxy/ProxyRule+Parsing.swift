// SPDX-License-Identifier: Apache-2.0

import WSProto

/// A syntax error in a rule: where it is, and what was expected.
package struct ProxyRuleError: Error, Equatable, CustomStringConvertible {
  /// The rule as it was written.
  package var rule: String
  /// The position in characters, counted from 1.
  package var column: Int
  /// What was expected, and what is there.
  package var message: String

  package var description: String { "the rule \(shownInQuotes(rule)), column \(column): \(message)" }
}

extension ProxyRule {
  /// Parses a rule: `[to-server|to-client|both] [KIND] [PATTERN] [N%] ACTION`.
  ///
  /// A pattern is `/part/`, or `'glob'` for the whole payload, in which `*` matches any bytes and `?` one byte. In patterns
  /// and quoted texts, `\n`, `\r`, `\t` and `\xNN` stand for bytes, and a backslash makes any other character literal.
  package init(_ text: String) throws(ProxyRuleError) {
    var words = RuleWords(text)
    self.init(action: .drop)
    if let scope = words.takeWord(of: Scope.allCases) { self.scope = scope }
    // `close` is a kind and an action. It is the action if a code follows, since no action begins with a number.
    if !words.isCloseAction, let kind = words.takeWord(of: Kind.allCases) { self.kind = kind }
    pattern = try words.takePattern()
    if let percent = try words.takePercent() { probability = percent / 100 }
    action = try words.takeAction()
    try words.expectEnd()
  }
}

/// Reads a rule from left to right.
private struct RuleWords {
  private let text: String
  private let characters: [Character]
  private var place = 0

  init(_ text: String) {
    self.text = text
    characters = Array(text)
    skipSpaces()
  }

  // MARK: Words

  private mutating func skipSpaces() {
    while place < characters.count, characters[place].isWhitespace { place += 1 }
  }

  /// The next word, up to a space.
  private var word: String { String(characters[place...].prefix { !$0.isWhitespace }) }

  private mutating func pass(_ word: String) {
    place += word.count
    skipSpaces()
  }

  private func fail(_ message: String, at index: Int? = nil) -> ProxyRuleError {
    ProxyRuleError(rule: text, column: (index ?? place) + 1, message: message)
  }

  /// The next word, for error messages.
  private var found: String { word.isEmpty ? "the end" : shownInQuotes(word, limit: 40) }

  mutating func takeWord<Word: RawRepresentable<String>>(of all: [Word]) -> Word? {
    let here = word
    guard let known = all.first(where: { $0.rawValue == here }) else { return nil }
    pass(here)
    return known
  }

  /// Whether `close` and a code come next.
  var isCloseAction: Bool {
    guard word == "close" else { return false }
    var ahead = self
    ahead.pass("close")
    let next = ahead.word
    return !next.isEmpty && next.allSatisfy(\.isNumber)
  }

  mutating func takePercent() throws(ProxyRuleError) -> Double? {
    let here = word
    guard here.last == "%" else { return nil }
    guard let number = Double(here.dropLast()), 0...100 ~= number else {
      throw fail("expected a probability from 0% to 100%, not \(found)")
    }
    pass(here)
    return number
  }

  func expectEnd() throws(ProxyRuleError) {
    if place < characters.count { throw fail("expected the end of the rule, not \(found)") }
  }

  // MARK: Texts

  mutating func takePattern() throws(ProxyRuleError) -> PayloadPattern? {
    let start = place
    switch characters[place...].first {
    case "/":
      let bytes = try takeBytes("/")
      guard !bytes.isEmpty else { throw fail("there is nothing between the slashes", at: start) }
      return .containing(bytes)
    case "'": return .glob(try takeDelimited("'", isGlob: true))
    default: return nil
    }
  }

  private mutating func takeText(_ what: String) throws(ProxyRuleError) -> [UInt8] {
    guard characters[place...].first == "'" else {
      throw fail("expected \(what) in quotes ('), not \(found)")
    }
    return try takeBytes("'")
  }

  private mutating func takeBytes(_ delimiter: Character) throws(ProxyRuleError) -> [UInt8] {
    try takeDelimited(delimiter, isGlob: false).compactMap { part in
      if case .byte(let byte) = part { byte } else { nil }
    }
  }

  /// Reads what is between the delimiter at the current position and the next one.
  private mutating func takeDelimited(
    _ delimiter: Character,
    isGlob: Bool
  ) throws(ProxyRuleError) -> [PayloadPattern.Part] {
    let start = place
    var parts: [PayloadPattern.Part] = []
    place += 1
    while place < characters.count {
      let character = characters[place]
      place += 1
      switch character {
      case delimiter:
        guard place == characters.count || characters[place].isWhitespace else {
          throw fail("expected a space behind \(delimiter)")
        }
        skipSpaces()
        return parts
      case "\\": parts += try takeEscape().map { .byte($0) }
      case "*" where isGlob: parts.append(.anyBytes)
      case "?" where isGlob: parts.append(.anyByte)
      default: parts += String(character).utf8.map { .byte($0) }
      }
    }
    throw fail("no \(delimiter) ends what begins here", at: start)
  }

  /// Reads the rest of an escape sequence, after its backslash.
  private mutating func takeEscape() throws(ProxyRuleError) -> [UInt8] {
    guard place < characters.count else { throw fail("expected a character behind the backslash") }
    let character = characters[place]
    place += 1
    switch character {
    case "n": return [0x0A]
    case "r": return [0x0D]
    case "t": return [0x09]
    case "x":
      let digits = characters[place...].prefix(2)
      guard digits.count == 2, let byte = UInt8(String(digits), radix: 16), digits.allSatisfy(\.isHexDigit)
      else { throw fail("expected two hexadecimal digits behind \\x") }
      place += 2
      return [byte]
    default: return Array(String(character).utf8)
    }
  }

  // MARK: Actions

  mutating func takeAction() throws(ProxyRuleError) -> ProxyRule.Action {
    let name = word
    let start = place
    if name.isEmpty { throw fail("expected an action: \(ProxyRule.Action.forms.joined(separator: ", "))") }
    pass(name)
    switch name {
    case "delay": return .delay(try takeDuration())
    case "drop": return .drop
    case "split": return .split(try takeCount(from: 1))
    case "coalesce": return .coalesce
    case "segments": return .segments(try takeCount(from: 1))
    case "corrupt": return .corrupt(try takeCorruption())
    case "truncate": return .truncate(try takeCount(from: 0))
    case "duplicate": return .duplicate
    case "close": return try takeClose()
    case "reset": return .reset
    case "replace":
      let old = place
      let pair = (try takeText("the old text"), try takeText("the new text"))
      guard !pair.0.isEmpty else { throw fail("the old text is empty", at: old) }
      return .replace(pair.0, pair.1)
    case "hold": return .hold
    default:
      throw fail(
        "expected an action, not \(shownInQuotes(name, limit: 40)): "
          + ProxyRule.Action.forms.joined(separator: ", "),
        at: start
      )
    }
  }

  private mutating func takeDuration() throws(ProxyRuleError) -> Int64 {
    let here = word
    guard let duration = DurationText.parse(here), duration <= .seconds(3600) else {
      throw fail("expected a time up to 1h, such as 200ms or 2s, not \(found)")
    }
    pass(here)
    return Int64(duration / .nanoseconds(1))
  }

  private mutating func takeCount(from least: Int) throws(ProxyRuleError) -> Int {
    let here = word
    guard let count = SizeText.parse(here), count >= least else {
      throw fail("expected a number of bytes, at least \(least), not \(found)")
    }
    pass(here)
    return count
  }

  private mutating func takeCorruption() throws(ProxyRuleError) -> ProxyRule.Corruption {
    var corruption = ProxyRule.Corruption()
    if let place = takeWord(of: ProxyRule.Corruption.Place.allCases) { corruption.place = place }
    let here = word
    guard !here.isEmpty else { return corruption }
    let parts = here.split(separator: ".", maxSplits: 1, omittingEmptySubsequences: false)
    guard let byte = Int(parts[0]), byte >= 0 else {
      throw fail("expected a byte's number, such as 0 or 0.7 with a bit's, not \(found)")
    }
    corruption.byte = byte
    if parts.count > 1 {
      guard let bit = Int(parts[1]), 0...7 ~= bit else {
        throw fail("expected a bit's number from 0 to 7 behind the point, not \(found)")
      }
      corruption.bit = bit
    }
    pass(here)
    return corruption
  }

  private mutating func takeClose() throws(ProxyRuleError) -> ProxyRule.Action {
    let here = word
    guard let code = UInt16(here) else { throw fail("expected a close code, such as 1011, not \(found)") }
    pass(here)
    guard place < characters.count else { return .close(CloseReason(code), "") }
    let start = place
    let reason = String(decoding: try takeText("the reason"), as: UTF8.self)
    guard reason.utf8.count <= 123 else { throw fail("a reason has 123 bytes at most", at: start) }
    return .close(CloseReason(code), reason)
  }
}
