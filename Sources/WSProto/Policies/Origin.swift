// SPDX-License-Identifier: Apache-2.0

/// The origin of a page that opens a connection: the value of the `Origin` field (RFC 6454 §7,
/// RFC 6455 §10.2).
///
/// `==` compares scheme, host and port: two origins are the same if all three are equal.
public enum Origin: Sendable, Hashable {
  /// `null`: the browser hides or doesn't know the page's origin, for example for a sandboxed frame or a
  /// local file. All such pages look alike, so accepting one means accepting all of them.
  case opaque
  /// Scheme, host and port.
  case tuple(Tuple)

  /// Parses a field's value: `null`, or `scheme://host` with or without `:port`.
  ///
  /// Returns `nil` for anything else: a path, a trailing slash, user information, a fragment, `%`, `*` or
  /// another character that domain names don't have, a list of origins, an empty or too large port,
  /// whitespace. `null` must be in lower case.
  public init?(_ serialized: String) {
    if serialized == "null" {
      self = .opaque
    } else if let tuple = Tuple(serialized) {
      self = .tuple(tuple)
    } else {
      return nil
    }
  }

  /// An origin that is not opaque: browsers treat two pages with the same tuple as the same site
  /// (RFC 6454 §4).
  public struct Tuple: Sendable, Hashable {
    /// The scheme in lower case: `https`.
    public let scheme: String
    /// The host in lower case, as a browser writes it: A-labels for an international name, brackets around an
    /// IPv6 address. With a trailing dot it is a different host.
    public let host: String
    /// The port; the scheme's default (80, 443) if none is given; `nil` for a scheme without a default, such
    /// as `chrome-extension`.
    public let port: UInt16?

    /// Whether the browser loaded the page over TLS: the scheme is `https` or `wss`.
    public var isSecure: Bool { scheme == "https" || scheme == "wss" }

    /// Parses a field's value; see ``Origin/init(_:)``. `nil` also for `null`.
    public init?(_ serialized: String) {
      guard let colon = serialized.utf8.firstIndex(of: HTTP1Bytes.colon) else { return nil }
      let scheme = serialized[..<colon]
      let behind = serialized[colon...]
      guard Self.isScheme(scheme), behind.utf8.starts(with: "://".utf8) else { return nil }
      guard let authority = HostAndPort(String(behind.dropFirst(3))) else { return nil }
      self.scheme = scheme.lowercased()
      host = authority.host
      port = authority.port ?? Self.defaultPort(self.scheme)
    }

    /// `ALPHA *( ALPHA / DIGIT / "+" / "-" / "." )` (RFC 3986 §3.1).
    private static func isScheme(_ text: Substring) -> Bool {
      guard let first = text.utf8.first, isLetter(first) else { return false }
      return text.utf8.allSatisfy { byte in
        isLetter(byte) || (0x30...0x39).contains(byte) || byte == 0x2b || byte == 0x2d || byte == 0x2e
      }
    }

    private static func isLetter(_ byte: UInt8) -> Bool { (byte | 0x20) &- 0x61 < 26 }

    private static func defaultPort(_ scheme: String) -> UInt16? {
      switch scheme {
      case "http", "ws": 80
      case "https", "wss": 443
      default: nil
      }
    }
  }
}

extension Origin: CustomStringConvertible {
  /// Formatted as in the field: the port is omitted if it is the scheme's default (RFC 6454 §6.2).
  public var description: String {
    switch self {
    case .opaque: "null"
    case .tuple(let tuple): tuple.description
    }
  }
}

extension Origin.Tuple: CustomStringConvertible {
  /// Formatted as in the field: the port is omitted if it is the scheme's default (RFC 6454 §6.2).
  public var description: String {
    guard let port, port != Self.defaultPort(scheme) else { return "\(scheme)://\(host)" }
    return "\(scheme)://\(host):\(port)"
  }
}

/// `host [":" port]`, as in an origin and in the `Host` field.
struct HostAndPort: Hashable {
  /// The host in lower case.
  let host: String
  let port: UInt16?

  /// `nil` unless it is a domain name, an IPv4 address or an IPv6 address in brackets, with an optional
  /// numeric port.
  init?(_ text: String) {
    let bytes = Array(text.utf8)
    guard HTTP1Host.isLegal(bytes.span) else { return nil }
    // Colons are legal inside brackets, and once before the port.
    let bracket = bytes.lastIndex(of: 0x5d) ?? -1
    let colon = bytes.lastIndex(of: HTTP1Bytes.colon).flatMap { $0 > bracket ? $0 : nil }
    let name = bytes[..<(colon ?? bytes.count)]
    let isHost =
      bracket < 0
      ? name.allSatisfy(Self.isDomainByte) : name.dropFirst().dropLast().allSatisfy(Self.isIPv6Byte)
    guard isHost else { return nil }
    host = String(decoding: name, as: UTF8.self).lowercased()
    guard let colon else {
      port = nil
      return
    }
    // The port must have digits only, and at least one.
    guard let number = UInt16(String(decoding: bytes[(colon + 1)...], as: UTF8.self)) else { return nil }
    port = number
  }

  /// A byte of an IPv6 address, which may end with an IPv4 address. Browsers have no pages on other IP
  /// literals.
  private static func isIPv6Byte(_ byte: UInt8) -> Bool {
    (byte | 0x20) &- 0x61 < 6 || byte &- 0x30 < 10 || byte == HTTP1Bytes.colon || byte == 0x2e
  }

  /// Letters, digits, hyphen, dot and underscore. A `reg-name` may contain more (RFC 3986 §3.2.2), but
  /// browsers decode `%` before they write an origin, and `*` in a list of origins would look like a
  /// wildcard.
  private static func isDomainByte(_ byte: UInt8) -> Bool {
    (byte | 0x20) &- 0x61 < 26 || byte &- 0x30 < 10 || byte == 0x2d || byte == 0x2e || byte == 0x5f
  }
}
