// SPDX-License-Identifier: Apache-2.0

/// A regular expression as its parts.
indirect enum PatternNode: Sendable {
  /// Each of these, one after the other; nothing if there are none.
  case sequence([PatternNode])
  /// One of these, the first that fits.
  case alternatives([PatternNode])
  case scalar(ScalarSet)
  case place(PatternPlace)
  /// A pair of parentheses that captures; the first one has the number 1.
  case capture(Int, PatternNode)
  /// - Parameters:
  ///   - most: `nil` for any number.
  ///   - isLazy: whether as few as possible are taken.
  case repeated(PatternNode, least: Int, most: Int?, isLazy: Bool)
}

/// A place between two characters.
enum PatternPlace: Sendable {
  case start
  /// The end, also before a last line feed.
  case end
  /// The end alone.
  case absoluteEnd
  case wordBoundary
  case noWordBoundary
}

/// Characters (Unicode scalars) that fit at a place.
struct ScalarSet: Sendable {
  enum Member: Sendable {
    case range(ClosedRange<UInt32>)
    case digit, word, space, lineFeed
    case not(_ one: Shorthand)
  }

  /// The classes of which there is an opposite.
  enum Shorthand: Sendable { case digit, word, space }

  var members: [Member] = []
  var isNegated = false

  init(_ members: [Member], isNegated: Bool = false) {
    self.members = members
    self.isNegated = isNegated
  }

  init(_ scalar: Unicode.Scalar) { self.init([.range(scalar.value...scalar.value)]) }

  func contains(_ scalar: Unicode.Scalar, ignoringCase: Bool) -> Bool {
    var isMember = hasMember(scalar)
    if !isMember, ignoringCase {
      isMember =
        Self.only(scalar.properties.lowercaseMapping).map(hasMember) ?? false
        || Self.only(scalar.properties.uppercaseMapping).map(hasMember) ?? false
    }
    return isMember != isNegated
  }

  private func hasMember(_ scalar: Unicode.Scalar) -> Bool {
    members.contains { member in
      switch member {
      case .range(let range): range.contains(scalar.value)
      case .digit: Self.isDigit(scalar)
      case .word: Self.isWord(scalar)
      case .space: scalar.properties.isWhitespace
      case .lineFeed: scalar == "\n"
      case .not(.digit): !Self.isDigit(scalar)
      case .not(.word): !Self.isWord(scalar)
      case .not(.space): !scalar.properties.isWhitespace
      }
    }
  }

  private static func only(_ text: String) -> Unicode.Scalar? {
    let scalars = text.unicodeScalars
    return scalars.count == 1 ? scalars.first : nil
  }

  static func isDigit(_ scalar: Unicode.Scalar) -> Bool { scalar.properties.numericType == .decimal }

  /// A letter, a mark, a digit or a connector such as `_`.
  static func isWord(_ scalar: Unicode.Scalar) -> Bool {
    if scalar.isASCII {
      return ("a"..."z" ~= scalar) || ("A"..."Z" ~= scalar) || ("0"..."9" ~= scalar) || scalar == "_"
    }
    if scalar.properties.isAlphabetic { return true }
    switch scalar.properties.generalCategory {
    case .nonspacingMark, .spacingMark, .enclosingMark, .decimalNumber, .connectorPunctuation: return true
    default: return false
    }
  }
}
