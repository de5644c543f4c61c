// SPDX-License-Identifier: Apache-2.0

/// What is wrong with a regular expression.
struct PatternError: Error, Equatable {
  var message: String
}

/// Reads a regular expression: the syntax of Perl without what cannot be matched in linear time.
struct PatternParser {
  private var rest: Substring.UnicodeScalarView
  private var captures = 0
  private var depth = 0

  /// How many pairs of parentheses may be open at once: reading is recursive.
  private static let maxDepth = 32
  /// The highest number in braces.
  private static let maxCount = 1000

  static func parse(_ pattern: String) throws(PatternError) -> PatternNode {
    var parser = PatternParser(rest: Substring(pattern).unicodeScalars)
    let node = try parser.alternatives()
    if parser.rest.first == ")" { throw PatternError(message: "a ) without its (") }
    return node
  }

  private init(rest: Substring.UnicodeScalarView) { self.rest = rest }

  private mutating func take(_ scalar: Unicode.Scalar) -> Bool {
    guard rest.first == scalar else { return false }
    rest.removeFirst()
    return true
  }

  private mutating func take(_ text: String) -> Bool {
    guard rest.starts(with: text.unicodeScalars) else { return false }
    rest.removeFirst(text.unicodeScalars.count)
    return true
  }

  // MARK: Parts

  private mutating func alternatives() throws(PatternError) -> PatternNode {
    var all = [try sequence()]
    while take("|") { all.append(try sequence()) }
    return all.count == 1 ? all[0] : .alternatives(all)
  }

  private mutating func sequence() throws(PatternError) -> PatternNode {
    var parts: [PatternNode] = []
    while let first = rest.first, first != "|", first != ")" {
      let isPlace = first == "^" || first == "$"
      let part = try atom()
      parts.append(isPlace ? part : try repeated(part))
    }
    return .sequence(parts)
  }

  private mutating func atom() throws(PatternError) -> PatternNode {
    let first = rest.removeFirst()
    switch first {
    case "(": return try group()
    case "[": return .scalar(try set())
    case ".": return .scalar(ScalarSet([.lineFeed], isNegated: true))
    case "^": return .place(.start)
    case "$": return .place(.end)
    case "*", "+", "?": throw PatternError(message: "nothing that \(first) could repeat")
    case "\\":
      for (letter, place): (Unicode.Scalar, PatternPlace) in [
        ("b", .wordBoundary), ("B", .noWordBoundary), ("A", .start), ("Z", .end), ("z", .absoluteEnd),
      ] where take(letter) { return .place(place) }
      return .scalar(ScalarSet([try escaped()]))
    default: return .scalar(ScalarSet(first))
    }
  }

  private mutating func group() throws(PatternError) -> PatternNode {
    depth += 1
    defer { depth -= 1 }
    guard depth <= Self.maxDepth else {
      throw PatternError(message: "more than \(Self.maxDepth) parentheses are open at once")
    }
    var number: Int?
    if isNamed {
      _ = take("?P<") || take("?<")
      while let letter = rest.first, ScalarSet.isWord(letter) { rest.removeFirst() }
      guard take(">") else { throw PatternError(message: "a group's name is not ended by >") }
      captures += 1
      number = captures
    } else if rest.first == "?" {
      guard take("?:") else {
        throw PatternError(
          message: "behind (? only : or <name> is taken; looking ahead or behind takes no linear time"
        )
      }
    } else {
      captures += 1
      number = captures
    }
    let inner = try alternatives()
    guard take(")") else { throw PatternError(message: "a ( without its )") }
    return number.map { .capture($0, inner) } ?? inner
  }

  /// Whether a group with a name begins: not one that looks behind.
  private var isNamed: Bool {
    let next = rest.starts(with: "?P<".unicodeScalars) ? rest.dropFirst(3) : rest.dropFirst(2)
    return (rest.starts(with: "?<".unicodeScalars) || rest.starts(with: "?P<".unicodeScalars))
      && next.first != "=" && next.first != "!"
  }

  // MARK: Repetition

  private mutating func repeated(_ part: PatternNode) throws(PatternError) -> PatternNode {
    let counts: (least: Int, most: Int?)
    if take("*") {
      counts = (0, nil)
    } else if take("+") {
      counts = (1, nil)
    } else if take("?") {
      counts = (0, 1)
    } else if rest.first == "{", let found = try braces() {
      counts = found
    } else {
      // As in Perl, a brace that is no count stands for itself: JSON has many of them.
      return part
    }
    let isLazy = take("?")
    if rest.first == "+" {
      throw PatternError(message: "possessive quantifiers such as ++ are not supported")
    }
    if rest.first == "*" || rest.first == "?" {
      throw PatternError(message: "a quantifier behind a quantifier")
    }
    return .repeated(part, least: counts.least, most: counts.most, isLazy: isLazy)
  }

  /// Reads `{n}`, `{n,}`, `{,m}` or `{n,m}`; reads nothing, and returns `nil`, if there is something else.
  private mutating func braces() throws(PatternError) -> (least: Int, most: Int?)? {
    var ahead = self
    _ = ahead.take("{")
    let least = ahead.digits()
    var most = least
    if ahead.take(",") { most = ahead.digits() } else if least == nil { return nil }
    guard ahead.take("}"), least != nil || most != nil else { return nil }
    self = ahead
    for count in [least, most] {
      guard count ?? 0 <= Self.maxCount else {
        throw PatternError(message: "a count in braces is \(Self.maxCount) at most")
      }
    }
    guard most == nil || least ?? 0 <= most ?? 0 else {
      throw PatternError(message: "the counts in braces are the wrong way round")
    }
    return (least ?? 0, most)
  }

  /// A number; beyond the highest that is taken, all are alike.
  private mutating func digits() -> Int? {
    var value: Int?
    while let digit = rest.first, "0"..."9" ~= digit {
      rest.removeFirst()
      value = min(100_000, (value ?? 0) * 10 + Int(digit.value - 48))
    }
    return value
  }

  // MARK: Characters

  /// Reads a set, after its opening bracket.
  private mutating func set() throws(PatternError) -> ScalarSet {
    var set = ScalarSet([])
    set.isNegated = take("^")
    var isFirst = true
    while true {
      guard let first = rest.first else { throw PatternError(message: "a [ without its ]") }
      if first == "]", !isFirst { break }
      isFirst = false
      let low = try member()
      guard rest.first == "-", rest.dropFirst().first != "]", rest.dropFirst().first != nil else {
        set.members.append(low)
        continue
      }
      rest.removeFirst()
      guard case .range(let from) = low, case .range(let to) = try member(), from.lowerBound <= to.lowerBound
      else {
        throw PatternError(message: "a range in brackets needs two characters in order, such as a-z")
      }
      set.members.append(.range(from.lowerBound...to.lowerBound))
    }
    rest.removeFirst()
    return set
  }

  private mutating func member() throws(PatternError) -> ScalarSet.Member {
    guard let first = rest.popFirst() else { throw PatternError(message: "a [ without its ]") }
    if first == "[", rest.first == ":" {
      throw PatternError(message: "classes such as [:alpha:] are not supported: use \\w, \\d, \\s or ranges")
    }
    if first == "\\" { return take("b") ? .range(8...8) : try escaped() }
    return .range(first.value...first.value)
  }

  /// Reads what stands behind a backslash.
  private mutating func escaped() throws(PatternError) -> ScalarSet.Member {
    guard let letter = rest.popFirst() else {
      throw PatternError(message: "nothing behind the last backslash")
    }
    switch letter {
    case "d": return .digit
    case "w": return .word
    case "s": return .space
    case "D": return .not(.digit)
    case "W": return .not(.word)
    case "S": return .not(.space)
    case "n": return .range(0x0A...0x0A)
    case "r": return .range(0x0D...0x0D)
    case "t": return .range(0x09...0x09)
    case "f": return .range(0x0C...0x0C)
    case "e": return .range(0x1B...0x1B)
    case "0": return .range(0...0)
    case "x", "u": return try number(behind: letter)
    case "1"..."9", "k":
      throw PatternError(message: "references to a group, such as \\1, cannot be matched in linear time")
    default:
      guard !ScalarSet.isWord(letter) else { throw PatternError(message: "\\\(letter) has no meaning here") }
      return .range(letter.value...letter.value)
    }
  }

  /// `\xHH`, `\x{H…}`, `\uHHHH` or `\u{H…}`.
  private mutating func number(behind letter: Unicode.Scalar) throws(PatternError) -> ScalarSet.Member {
    var digits = ""
    let isInBraces = take("{")
    let count = isInBraces ? 8 : letter == "x" ? 2 : 4
    while digits.count < count, let digit = rest.first, digit.properties.isASCIIHexDigit {
      digits.unicodeScalars.append(digit)
      rest.removeFirst()
    }
    guard isInBraces ? take("}") : digits.count == count, let value = UInt32(digits, radix: 16),
      Unicode.Scalar(value) != nil
    else { throw PatternError(message: "\\\(letter) needs the hexadecimal number of a character") }
    return .range(value...value)
  }
}
