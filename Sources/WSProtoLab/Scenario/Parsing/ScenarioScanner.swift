// SPDX-License-Identifier: Apache-2.0

import WSProto

/// Reads a file of tests word by word.
struct ScenarioScanner {
  let file: String
  let bytes: [UInt8]
  var position = 0

  /// A mistake at a byte of the file. Its line is looked up when it is reported.
  struct Failure: Error {
    var offset: Int
    var message: String
  }

  init(file: String, bytes: [UInt8]) {
    self.file = file
    self.bytes = bytes
  }

  // MARK: Places

  /// The line of a byte, from 1, if the search begins at an earlier one whose line is known.
  static func line(of offset: Int, in bytes: [UInt8], after known: (offset: Int, line: Int) = (0, 1)) -> Int {
    var line = known.line
    for byte in bytes[min(known.offset, offset)..<min(offset, bytes.count)] where byte == 0x0A { line += 1 }
    return line
  }

  /// The error for a mistake.
  func error(_ failure: Failure) -> ScenarioSyntaxError {
    let end = min(failure.offset, bytes.count)
    let start = bytes[..<end].lastIndex(of: 0x0A).map { $0 + 1 } ?? 0
    // Characters, not bytes: those that continue one are not counted.
    let column = bytes[start..<end].count { $0 & 0xC0 != 0x80 } + 1
    return ScenarioSyntaxError(
      file: file,
      line: Self.line(of: end, in: bytes),
      column: column,
      message: failure.message
    )
  }

  func fail(_ message: String, at offset: Int? = nil) -> Failure {
    Failure(offset: offset ?? position, message: message)
  }

  /// What is at a place, within a sentence.
  func found(at offset: Int? = nil) -> String {
    let start = offset ?? position
    let word = bytes[start...].prefix { !Self.isSpace($0) && $0 != 0x0A }
    return word.isEmpty ? "the end of the line" : Escaping.quoted(word, limit: 40)
  }

  // MARK: Words

  static func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 || byte == 0x0D }

  var isAtEnd: Bool { position >= bytes.count }

  var next: UInt8? { position < bytes.count ? bytes[position] : nil }

  mutating func skipSpace() {
    while let byte = next, Self.isSpace(byte) { position += 1 }
  }

  /// Whether nothing but a comment follows on this line. A `#` within a word begins none.
  mutating func isAtLineEnd() -> Bool {
    let start = position
    skipSpace()
    guard let byte = next, byte != 0x0A else { return true }
    return byte == UInt8(ascii: "#") && (position > start || position == 0 || bytes[position - 1] == 0x0A)
  }

  /// Goes to the next line.
  mutating func endLine(_ expected: String = "the end of the line") throws(Failure) {
    guard isAtLineEnd() else { throw fail("expected \(expected), not \(found())") }
    skipLine()
  }

  mutating func skipLine() {
    while let byte = next {
      position += 1
      if byte == 0x0A { return }
    }
  }

  /// Goes to the next line with content, and returns its indentation; `nil` at the end of the file. The position is that of
  /// the line's first byte then.
  mutating func nextContent() -> Int? {
    while !isAtEnd {
      let start = position
      skipSpace()
      let indentation = position - start
      guard let byte = next else { return nil }
      if byte == 0x0A || byte == UInt8(ascii: "#") {
        skipLine()
        continue
      }
      position = start
      return indentation
    }
    return nil
  }

  /// The next word; empty at the end of the line.
  mutating func word() -> String {
    guard !isAtLineEnd() else { return "" }
    let start = position
    while let byte = next, !Self.isSpace(byte), byte != 0x0A { position += 1 }
    return String(decoding: bytes[start..<position], as: UTF8.self)
  }

  /// The next word, without going past it.
  func peekWord() -> String {
    var copy = self
    return copy.word()
  }

  /// Goes past the next word if it is `word`.
  mutating func take(_ word: String) -> Bool {
    var copy = self
    guard copy.word() == word else { return false }
    self = copy
    return true
  }

  /// A word that must be there.
  mutating func word(_ expected: String) throws(Failure) -> String {
    let word = word()
    guard !word.isEmpty else { throw fail("expected \(expected), not the end of the line") }
    return word
  }

  /// One of several words.
  mutating func choice(_ words: [String]) throws(Failure) -> String {
    guard !isAtLineEnd() else { throw fail(Self.oneOf(words) + ", not the end of the line") }
    let start = position
    let word = word()
    guard words.contains(word) else { throw fail("\(Self.oneOf(words)), not \(found(at: start))", at: start) }
    return word
  }

  static func oneOf(_ words: [String]) -> String {
    guard let last = words.last, words.count > 1 else { return "expected \(words.first ?? "nothing")" }
    return "expected \(words.dropLast().joined(separator: ", ")) or \(last)"
  }

  /// What is left of the line, without a comment and white space at its end.
  mutating func rest() -> ArraySlice<UInt8> {
    guard !isAtLineEnd() else { return [] }
    let start = position
    var end = position
    while let byte = next, byte != 0x0A {
      if byte == UInt8(ascii: "#"), Self.isSpace(bytes[position - 1]) { break }
      position += 1
      if !Self.isSpace(byte) { end = position }
    }
    return bytes[start..<end]
  }
}
