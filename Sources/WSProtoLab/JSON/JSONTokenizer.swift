// SPDX-License-Identifier: Apache-2.0

import WSProto

/// What is wrong with a JSON text (RFC 8259), and where.
struct JSONSyntaxError: Error, Hashable {
  /// The byte, counted from 0.
  var offset: Int
  /// What was expected there.
  var message: String
}

/// Reads a JSON text as it arrives, in pieces of any size. Holds one string at most, and of that one no more than it is told
/// to; the depth is limited.
struct JSONTokenizer {
  /// A part of the text.
  enum Token: Hashable {
    case beginObject, endObject, beginArray, endArray
    case name(String)
    /// A string's beginning, and how many bytes of UTF-8 the whole string has.
    case string([UInt8], size: Int)
    case number(String)
    case bool(Bool)
    case null
  }

  private enum State: Hashable {
    case value
    /// After `[`: a value or `]`.
    case firstElement
    /// After `{`: a name or `}`.
    case firstName
    case name
    case colon
    /// After a value: a comma or the end of what it stands in.
    case afterValue
    case string, escape
    case unicode(digits: Int, value: UInt32)
    case number(NumberPart)
    case literal(String, Int)
    case end
  }

  /// Where in a number the text is (RFC 8259 §6).
  private enum NumberPart: Hashable {
    case minus, zero, digits, point, fraction, exponent, exponentSign, exponentDigits

    /// Whether the number may end here.
    var isComplete: Bool {
      switch self {
      case .zero, .digits, .fraction, .exponentDigits: true
      case .minus, .point, .exponent, .exponentSign: false
      }
    }
  }

  private let maxStringBytes: Int
  private static let maxDepth = 256
  private static let maxNumberBytes = 512

  private var state = State.value
  /// Whether each open container is an object.
  private var containers: [Bool] = []
  private var isName = false
  private var text: [UInt8] = []
  private var size = 0
  private var highSurrogate: UInt32?
  /// How many bytes were read.
  private(set) var offset = 0

  /// - Parameter maxStringBytes: how much of a string is kept.
  init(maxStringBytes: Int) { self.maxStringBytes = maxStringBytes }

  /// Whether the text is complete: only white space may follow.
  var isComplete: Bool { state == .end }

  /// Reads a piece, and calls `each` with each token that it completes.
  mutating func read(
    _ bytes: some Sequence<UInt8>,
    _ each: (Token) throws(JSONSyntaxError) -> Void
  ) throws(JSONSyntaxError) {
    for byte in bytes {
      try step(byte, each)
      offset += 1
    }
  }

  /// Reads one byte. Returns the tokens that it completes: two where it ends both a number and what the number is in.
  mutating func tokens(completedBy byte: UInt8) throws(JSONSyntaxError) -> [Token] {
    var tokens: [Token] = []
    try read(CollectionOfOne(byte)) { tokens.append($0) }
    return tokens
  }

  /// The text has ended.
  mutating func finish(_ each: (Token) throws(JSONSyntaxError) -> Void) throws(JSONSyntaxError) {
    if case .number(let part) = state, part.isComplete, containers.isEmpty { try endNumber(each) }
    guard state == .end else { throw fail("the text ends too early") }
  }

  private mutating func step(
    _ byte: UInt8,
    _ each: (Token) throws(JSONSyntaxError) -> Void
  ) throws(JSONSyntaxError) {
    switch state {
    case .string: return try stepString(byte, each)
    case .escape: return try stepEscape(byte)
    case .unicode(let digits, let value): return try stepUnicode(byte, digits, value)
    case .number(let part):
      if let next = Self.next(part, byte) {
        guard text.count < Self.maxNumberBytes else { throw fail("a number of more than 512 digits") }
        text.append(byte)
        state = .number(next)
        return
      }
      guard part.isComplete else { throw fail("a number has no digit here") }
      try endNumber(each)
      return try step(byte, each)
    case .literal(let word, let position):
      guard byte == Array(word.utf8)[position] else { throw fail("expected \(word)") }
      guard position + 1 == word.utf8.count else {
        state = .literal(word, position + 1)
        return
      }
      endValue()
      return try each(word == "null" ? .null : .bool(word == "true"))
    default: break
    }
    if byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 { return }
    switch state {
    case .end: throw fail("text after the value")
    case .value: try beginValue(byte, each)
    case .firstElement:
      if byte == UInt8(ascii: "]") { return try endContainer(each) }
      try beginValue(byte, each)
    case .firstName, .name:
      if byte == UInt8(ascii: "}"), state == .firstName { return try endContainer(each) }
      guard byte == UInt8(ascii: "\"") else { throw fail("expected a name in quotes") }
      beginString(isName: true)
    case .colon:
      guard byte == UInt8(ascii: ":") else { throw fail("expected a colon") }
      state = .value
    default:
      let isObject = containers.last ?? false
      if byte == UInt8(ascii: ",") {
        state = isObject ? .name : .value
      } else if byte == UInt8(ascii: isObject ? "}" : "]") {
        try endContainer(each)
      } else {
        throw fail(isObject ? "expected a comma or }" : "expected a comma or ]")
      }
    }
  }

  private mutating func beginValue(
    _ byte: UInt8,
    _ each: (Token) throws(JSONSyntaxError) -> Void
  ) throws(JSONSyntaxError) {
    switch byte {
    case UInt8(ascii: "{"), UInt8(ascii: "["):
      guard containers.count < Self.maxDepth else { throw fail("nested deeper than \(Self.maxDepth)") }
      let isObject = byte == UInt8(ascii: "{")
      containers.append(isObject)
      state = isObject ? .firstName : .firstElement
      try each(isObject ? .beginObject : .beginArray)
    case UInt8(ascii: "\""): beginString(isName: false)
    case UInt8(ascii: "t"): state = .literal("true", 1)
    case UInt8(ascii: "f"): state = .literal("false", 1)
    case UInt8(ascii: "n"): state = .literal("null", 1)
    case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"):
      text = [byte]
      state = .number(byte == UInt8(ascii: "-") ? .minus : byte == UInt8(ascii: "0") ? .zero : .digits)
    default: throw fail("expected a value")
    }
  }

  private mutating func endContainer(
    _ each: (Token) throws(JSONSyntaxError) -> Void
  ) throws(JSONSyntaxError) {
    let isObject = containers.popLast() ?? false
    endValue()
    try each(isObject ? .endObject : .endArray)
  }

  private mutating func endValue() { state = containers.isEmpty ? .end : .afterValue }

  // MARK: Numbers

  private static func next(_ part: NumberPart, _ byte: UInt8) -> NumberPart? {
    switch byte {
    case UInt8(ascii: "0")...UInt8(ascii: "9"):
      switch part {
      case .minus: byte == UInt8(ascii: "0") ? .zero : .digits
      case .digits: .digits
      case .point, .fraction: .fraction
      case .exponent, .exponentSign, .exponentDigits: .exponentDigits
      case .zero: nil
      }
    case UInt8(ascii: "."): part == .zero || part == .digits ? .point : nil
    case UInt8(ascii: "e"), UInt8(ascii: "E"):
      part == .zero || part == .digits || part == .fraction ? .exponent : nil
    case UInt8(ascii: "+"), UInt8(ascii: "-"): part == .exponent ? .exponentSign : nil
    default: nil
    }
  }

  private mutating func endNumber(
    _ each: (Token) throws(JSONSyntaxError) -> Void
  ) throws(JSONSyntaxError) {
    endValue()
    try each(.number(String(decoding: text, as: UTF8.self)))
  }

  // MARK: Strings

  private mutating func beginString(isName: Bool) {
    self.isName = isName
    text = []
    size = 0
    highSurrogate = nil
    state = .string
  }

  private mutating func stepString(
    _ byte: UInt8,
    _ each: (Token) throws(JSONSyntaxError) -> Void
  ) throws(JSONSyntaxError) {
    switch byte {
    case UInt8(ascii: "\""):
      dropSurrogate()
      if isName {
        state = .colon
        try each(.name(String(decoding: text, as: UTF8.self)))
      } else {
        endValue()
        try each(.string(text, size: size))
      }
      text = []
    case UInt8(ascii: "\\"): state = .escape
    case 0..<0x20: throw fail("a control character in a string")
    default:
      dropSurrogate()
      keep(byte)
    }
  }

  private mutating func stepEscape(_ byte: UInt8) throws(JSONSyntaxError) {
    state = .string
    let meant: UInt8
    switch byte {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): meant = byte
    case UInt8(ascii: "b"): meant = 0x08
    case UInt8(ascii: "f"): meant = 0x0C
    case UInt8(ascii: "n"): meant = 0x0A
    case UInt8(ascii: "r"): meant = 0x0D
    case UInt8(ascii: "t"): meant = 0x09
    case UInt8(ascii: "u"):
      state = .unicode(digits: 0, value: 0)
      return
    default: throw fail("an unknown escape")
    }
    dropSurrogate()
    keep(meant)
  }

  private mutating func stepUnicode(
    _ byte: UInt8,
    _ digits: Int,
    _ value: UInt32
  ) throws(JSONSyntaxError) {
    guard let digit = HexDigits.value(byte) else { throw fail("expected four hexadecimal digits") }
    let value = value << 4 | UInt32(digit)
    guard digits == 3 else {
      state = .unicode(digits: digits + 1, value: value)
      return
    }
    state = .string
    if let high = highSurrogate, 0xDC00...0xDFFF ~= value {
      highSurrogate = nil
      return keep(scalar: 0x10000 + (high - 0xD800) << 10 + (value - 0xDC00))
    }
    dropSurrogate()
    if 0xD800...0xDBFF ~= value {
      highSurrogate = value
    } else {
      keep(scalar: value)
    }
  }

  /// A high surrogate without its other half, which is not a character.
  private mutating func dropSurrogate() {
    if highSurrogate == nil { return }
    highSurrogate = nil
    keep(scalar: 0xFFFD)
  }

  private mutating func keep(scalar value: UInt32) {
    let scalar = Unicode.Scalar(value) ?? "\u{FFFD}"
    for byte in UTF8.encode(scalar) ?? .init() { keep(byte) }
  }

  private mutating func keep(_ byte: UInt8) {
    size += 1
    if text.count < maxStringBytes { text.append(byte) }
  }

  private func fail(_ message: String) -> JSONSyntaxError {
    JSONSyntaxError(offset: offset, message: message)
  }
}
