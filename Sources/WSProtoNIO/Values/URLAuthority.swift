// SPDX-License-Identifier: Apache-2.0

#if NIO
internal import WSProto

/// A host to connect to: a name or an IP address.
public struct URLHost: Sendable, Hashable, CustomStringConvertible {
  /// The name in lower case, or the address as ``IPAddress`` formats it, without brackets: what a resolver expects.
  public let name: String
  /// The address, if the host is one.
  public let address: IPAddress?

  /// Creates a host from an address.
  init(_ address: IPAddress) { self.init(name: address.description, address: address) }

  private init(name: String, address: IPAddress?) {
    self.name = name
    self.address = address
  }

  /// Parses the host of a URL: a domain name, an IPv4 address, or an IPv6 address in brackets.
  init(_ text: ArraySlice<UInt8>) throws(InvalidURL) {
    let shown = String(decoding: text, as: UTF8.self)
    if text.first == UInt8(ascii: "[") {
      guard text.last == UInt8(ascii: "]"),
        let address = IPAddress(String(decoding: text.dropFirst().dropLast(), as: UTF8.self)),
        case .v6 = address
      else { throw .host(shown, .addressLiteral) }
      self.init(address)
      return
    }
    if let address = IPAddress(shown), case .v4 = address {
      self.init(address)
      return
    }
    if let fault = Self.fault(of: text) { throw .host(shown, fault) }
    self.init(name: shown.lowercased(), address: nil)
  }

  /// The host for a `Host` field or a URL, with brackets around an IPv6 address.
  public var description: String {
    if case .v6 = address { "[\(name)]" } else { name }
  }

  /// Why `text` isn't a domain name (RFC 1034 §3.1, RFC 1123 §2.1). Underscores are allowed, since they are in use.
  private static func fault(of text: ArraySlice<UInt8>) -> InvalidURL.HostFault? {
    if text.isEmpty { return .empty }
    if text.contains(where: { $0 >= 0x80 }) { return .notASCII }
    if text.contains(UInt8(ascii: "%")) { return .percentEncoding }
    let isName = text.allSatisfy { byte in
      URLBytes.isLetter(byte) || URLBytes.isDigit(byte) || byte == UInt8(ascii: "-")
        || byte == UInt8(ascii: ".") || byte == UInt8(ascii: "_")
    }
    guard isName else { return .character }
    // A trailing dot marks a fully qualified name.
    let dot = UInt8(ascii: ".")
    let relative = text.last == dot ? text.dropLast() : text
    let labels = relative.split(separator: dot, omittingEmptySubsequences: false)
    guard relative.count <= 253, labels.allSatisfy({ 1...63 ~= $0.count }) else { return .label }
    // Resolvers would take this for an address in an old form: 127.1, 0x7f.1 (WHATWG URL, "ends in a number").
    if let last = labels.last, last.first.map(URLBytes.isDigit) == true {
      let isHexadecimal =
        last.starts(with: "0x".utf8) || last.starts(with: "0X".utf8)
      if last.allSatisfy(URLBytes.isDigit)
        || (isHexadecimal && last.dropFirst(2).allSatisfy { HexDigits.value($0) != nil })
      {
        return .number
      }
    }
    return nil
  }
}

/// The part of a URL between `//` and the path (RFC 3986 §3.2).
struct URLAuthority {
  let credentials: BasicCredentials?
  let host: URLHost
  /// `nil` if the URL has none.
  let port: Int?

  init(_ text: ArraySlice<UInt8>) throws(InvalidURL) {
    var rest = text
    if let at = rest.lastIndex(of: UInt8(ascii: "@")) {
      credentials = try BasicCredentials(userInformation: rest[..<at])
      rest = rest[(at + 1)...]
    } else {
      credentials = nil
    }
    // A colon inside brackets belongs to the address.
    let bracket = rest.lastIndex(of: UInt8(ascii: "]")) ?? rest.startIndex
    guard let colon = rest[bracket...].firstIndex(of: UInt8(ascii: ":")) else {
      host = try URLHost(rest)
      port = nil
      return
    }
    let digits = rest[(colon + 1)...]
    if rest.first != UInt8(ascii: "["), digits.contains(UInt8(ascii: ":")) {
      throw .host(String(decoding: rest, as: UTF8.self), .addressLiteral)
    }
    host = try URLHost(rest[..<colon])
    // An empty port means the default one (RFC 3986 §3.2.3).
    port = digits.isEmpty ? nil : try Self.port(digits)
  }

  private static func port(_ digits: ArraySlice<UInt8>) throws(InvalidURL) -> Int {
    let text = String(decoding: digits, as: UTF8.self)
    guard digits.allSatisfy(URLBytes.isDigit), let port = UInt16(text), port > 0 else { throw .port(text) }
    return Int(port)
  }
}

/// Why a client can't open a URL, of a WebSocket or of a proxy.
public enum InvalidURL: Error, Sendable, Hashable {
  /// The URL has no scheme before `//`.
  case noScheme
  /// The scheme isn't one of those in `expected`.
  case scheme(String, expected: [String])
  /// The host is missing or invalid.
  case host(String, HostFault)
  /// The port isn't a number from 1 to 65535.
  case port(String)
  /// The URL has a fragment, which is not allowed (RFC 6455 §3).
  case fragment
  /// The user or password can't be sent, because of invalid percent-encoding or a control character (RFC 7617 §2).
  case credentials
  /// The URL has a space or a control character, which must be percent-encoded (RFC 3986 §2.1).
  case character(UInt8)

  /// Why a text isn't a host.
  public enum HostFault: Sendable, Hashable {
    /// It is empty.
    case empty
    /// It has characters outside ASCII.
    case notASCII
    /// It has a percent sign.
    case percentEncoding
    /// It has a character that isn't allowed in domain names.
    case character
    /// A label is empty or longer than 63 characters, or the whole name is longer than 253 (RFC 1035 §2.3.4).
    case label
    /// It ends in a number, as IPv4 addresses do, but isn't an IPv4 address.
    case number
    /// It has colons or brackets, but isn't an IPv6 address in brackets.
    case addressLiteral
  }
}

extension InvalidURL: CustomStringConvertible {
  /// The cause, with the invalid part truncated and escaped. Never includes a password.
  public var description: String {
    switch self {
    case .noScheme: "the URL has no scheme: begin it with ws:// or wss://"
    case .scheme(let scheme, let expected):
      "the scheme of the URL is \(quoted(scheme)), not one of \(expected.joined(separator: ", "))"
    case .host(_, .empty): "the URL has no host"
    case .host(let host, let fault): "the host \(quoted(host)) cannot be connected to: \(fault)"
    case .port(let port): "the port \(quoted(port)) is not in 1...65535"
    case .fragment: "a WebSocket URL has no fragment: percent-encode a # that belongs to it (RFC 6455 §3)"
    case .credentials:
      "user and password of the URL cannot be sent: they are not percent-encoded UTF-8 (RFC 7617 §2)"
    case .character(let byte):
      "the URL has the character \(quoted([byte])), which must be percent-encoded (RFC 3986 §2.1)"
    }
  }
}

extension InvalidURL.HostFault: CustomStringConvertible {
  /// What is wrong, and how to fix it.
  public var description: String {
    switch self {
    case .empty: "there is none"
    case .notASCII:
      "it is not ASCII; convert it to IDNA A-labels (RFC 5890), as WebSocketURL of WSProtoFoundation does"
    case .percentEncoding: "a name of the DNS has no percent sign, and an address no zone (RFC 6874 §1)"
    case .character: "it has a character that no domain name has (RFC 1123 §2.1)"
    case .label: "a label has 1 to 63 characters, and all of them 253 at most (RFC 1035 §2.3.4)"
    case .number: "it ends in a number, but is no IPv4 address of four decimal numbers"
    case .addressLiteral: "an IPv6 address stands in brackets (RFC 3986 §3.2.2)"
    }
  }
}
#endif
