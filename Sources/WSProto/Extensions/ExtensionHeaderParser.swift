// SPDX-License-Identifier: Apache-2.0

/// What is wrong with the value of a `Sec-WebSocket-Extensions` field (RFC 6455 §9.1).
public enum ExtensionHeaderError: Error, Sendable, Hashable {
  /// There is no element: the value is empty or has only commas (RFC 9110 §5.6.1).
  case empty
  /// A token was expected at this byte, counted from zero.
  case expectedToken(offset: Int)
  /// An element, a parameter or a value is followed, at this byte, by neither a separator nor the end.
  case unexpectedByte(offset: Int)
  /// The quoted string that begins at this byte is not closed.
  case unterminatedQuotedString(offset: Int)
  /// The quoted string that begins at this byte is not a token once its escapes are resolved.
  case quotedValueNotToken(offset: Int)
  /// There are more elements and parameters than this.
  case tooMany(limit: Int)
}

extension ExtensionHeaderError: CustomStringConvertible {
  /// What is wrong, in words.
  public var description: String {
    switch self {
    case .empty: "Sec-WebSocket-Extensions names no extension (RFC 6455 §9.1)"
    case .expectedToken(let offset): "a token is missing at byte \(offset) (RFC 6455 §9.1)"
    case .unexpectedByte(let offset): "unexpected byte at \(offset) (RFC 6455 §9.1)"
    case .unterminatedQuotedString(let offset):
      "the quoted string at byte \(offset) has no end (RFC 9110 §5.6.4)"
    case .quotedValueNotToken(let offset):
      "the quoted string at byte \(offset) does not hold a token (RFC 6455 §9.1)"
    case .tooMany(let limit): "more than \(limit) extensions and parameters"
    }
  }
}

/// A recursive-descent parser. Every step moves at least one byte forward and none goes back, so the time is
/// linear.
struct ExtensionHeaderParser {
  /// The limit for extensions and parameters together. Browsers send two.
  static let maxItems = 128

  private let bytes: ArraySlice<UInt8>
  private var index = 0
  private var items = 0

  init(bytes: ArraySlice<UInt8>) { self.bytes = bytes }

  /// The byte at `index`, counted from the start of the slice; `nil` at the end.
  private var current: UInt8? { index < bytes.count ? bytes[bytes.startIndex &+ index] : nil }

  /// `1#extension`; empty elements are skipped (RFC 9110 §5.6.1.2).
  mutating func list() throws(ExtensionHeaderError) -> [ExtensionHeader] {
    var elements: [ExtensionHeader] = []
    while true {
      skipWhitespace()
      guard let byte = current else { break }
      if byte == HTTP1Bytes.comma {
        index += 1
        continue
      }
      elements.append(try element())
      guard let separator = current else { break }
      guard separator == HTTP1Bytes.comma else { throw .unexpectedByte(offset: index) }
      index += 1
    }
    guard !elements.isEmpty else { throw .empty }
    return elements
  }

  /// `token *( ";" extension-param )`, with whitespace around the separators.
  private mutating func element() throws(ExtensionHeaderError) -> ExtensionHeader {
    try countItem()
    var element = ExtensionHeader(name: try token())
    skipWhitespace()
    while current == 0x3b {
      index += 1
      skipWhitespace()
      element.parameters.append(try parameter())
      skipWhitespace()
    }
    return element
  }

  /// `token [ "=" ( token / quoted-string ) ]`. RFC 6455 uses the grammar of RFC 2616, whose §2.1 also allows
  /// whitespace around "=".
  private mutating func parameter() throws(ExtensionHeaderError) -> ExtensionParameter {
    try countItem()
    let name = try token()
    skipWhitespace()
    guard current == 0x3d else { return ExtensionParameter(name: name) }
    index += 1
    skipWhitespace()
    let value: String
    if current == 0x22 {
      value = try quotedString()
    } else {
      value = try token()
    }
    return ExtensionParameter(name: name, value: value)
  }

  private mutating func countItem() throws(ExtensionHeaderError) {
    items += 1
    guard items <= Self.maxItems else { throw .tooMany(limit: Self.maxItems) }
  }

  private mutating func token() throws(ExtensionHeaderError) -> String {
    guard let (end, text) = token(at: index) else { throw .expectedToken(offset: index) }
    index = end
    return text
  }

  /// The token that begins at `start`, which must not be past the end. Never steps past the end of the bytes.
  private func token(at start: Int) -> (end: Int, text: String)? {
    let span = bytes.span
    let end = HTTP1Bytes.endOfToken(in: span.bytes, start..<span.count)
    guard end > start else { return nil }
    let token = span.extracting(start..<end)
    let text =
      PerMessageDeflateParameters.knownName(token)
      ?? token.withUnsafeBufferPointer { String(decoding: $0, as: UTF8.self) }
    return (end, text)
  }

  /// A quoted string whose content, without its escapes, must be a token (RFC 6455 §9.1).
  private mutating func quotedString() throws(ExtensionHeaderError) -> String {
    let start = index
    var content: [UInt8] = []
    index += 1
    while let byte = current {
      index += 1
      switch byte {
      case 0x22:
        guard !content.isEmpty else { throw .quotedValueNotToken(offset: start) }
        return String(decoding: content, as: UTF8.self)
      case 0x5c:
        guard let escaped = current else { throw .unterminatedQuotedString(offset: start) }
        index += 1
        guard HTTP1Bytes.isToken(escaped) else { throw .quotedValueNotToken(offset: start) }
        content.append(escaped)
      default:
        guard HTTP1Bytes.isToken(byte) else { throw .quotedValueNotToken(offset: start) }
        content.append(byte)
      }
    }
    throw .unterminatedQuotedString(offset: start)
  }

  private mutating func skipWhitespace() {
    while let byte = current, HTTP1Bytes.isWhitespace(byte) { index += 1 }
  }
}
