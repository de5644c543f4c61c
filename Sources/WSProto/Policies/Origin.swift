// SPDX-License-Identifier: Apache-2.0

/// Where a page that opens a connection comes from: the value of the `Origin` field (RFC 6454 §7, RFC 6455 §10.2).
///
/// Two origins are the same if scheme, host and port are, which is what `==` compares.
public enum Origin: Sendable, Hashable {
  /// `null`: a page whose origin the browser hides or does not know, such as a sandboxed frame or a local file. All of
  /// them look alike, so whoever lets one in lets in any.
  case opaque
  /// Scheme, host and port.
  case tuple(Tuple)

  /// The origin in a field's value: `null`, or `scheme://host` with or without `:port`.
  ///
  /// `nil` for anything else: a path, a slash at the end, a user, a fragment, `%`, `*` or another character that no
  /// domain name has, a list of origins, an empty or too large port, whitespace. `null` is spelled in lower case.
  public init?(_ serialized: String) {
    if serialized == "null" {
      self = .opaque
    } else if let tuple = Tuple(serialized) {
      self = .tuple(tuple)
    } else {
      return nil
    }
  }

  /// An origin that is not opaque: what makes two pages the same site to a browser (RFC 6454 §4).
  public struct Tuple: Sendable, Hashable {
    /// The scheme in lower case: `https`.
    public let scheme: String
    /// The host in lower case, as a browser writes it: A-labels for an international name, brackets around an IPv6
    /// address. A dot at the end makes it another host.
    public let host: String
    /// The port, that of the scheme where none was written (80, 443); `nil` for a scheme that has none, such as
    /// `chrome-extension`.
    public let port: UInt16?

    /// Whether a browser got the page over TLS: the scheme is `https` or `wss`.
    public var isSecure: Bool { scheme == "https" || scheme == "wss" }

    /// The tuple in a field's value; see ``Origin/init(_:)``. `nil` for `null`, too.
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
  /// As in the field: the port is left out where it is that of the scheme (RFC 6454 §6.2).
  public var description: String {
    switch self {
    case .opaque: "null"
    case .tuple(let tuple): tuple.description
    }
  }
}

extension Origin.Tuple: CustomStringConvertible {
  /// As in the field: the port is left out where it is that of the scheme (RFC 6454 §6.2).
  public var description: String {
    guard let port, port != Self.defaultPort(scheme) else { return "\(scheme)://\(host)" }
    return "\(scheme)://\(host):\(port)"
  }
}

/// `host [":" port]`, as in an origin and in the `Host` field.
struct HostAndPort: Hashable {
  /// In lower case.
  let host: String
  let port: UInt16?

  /// `nil` for anything but a domain name, an IPv4 address or an IPv6 address in brackets, and a port in numbers.
  init?(_ text: String) {
    let bytes = Array(text.utf8)
    guard HTTP1Host.isLegal(bytes.span) else { return nil }
    // Legal: colons stand within brackets, but for the one before the port.
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
    // Legal: nothing but digits. None at all are no number.
    guard let number = UInt16(String(decoding: bytes[(colon + 1)...], as: UTF8.self)) else { return nil }
    port = number
  }

  /// A byte of an IPv6 address, which may end in an IPv4 address. No browser has pages of another IP literal.
  private static func isIPv6Byte(_ byte: UInt8) -> Bool {
    (byte | 0x20) &- 0x61 < 6 || byte &- 0x30 < 10 || byte == HTTP1Bytes.colon || byte == 0x2e
  }

  /// Letters, digits, hyphen, dot and underscore. A `reg-name` may have more (RFC 3986 §3.2.2), but a browser resolves
  /// `%` before it writes an origin, and `*` in a list of origins would look like a wildcard.
  private static func isDomainByte(_ byte: UInt8) -> Bool {
    (byte | 0x20) &- 0x61 < 26 || byte &- 0x30 < 10 || byte == 0x2d || byte == 0x2e || byte == 0x5f
  }
}
