// SPDX-License-Identifier: Apache-2.0

#if NIO
internal import WSProto

/// A parsed `ws:` or `wss:` URL: where to connect, and what to request (RFC 6455 §3).
///
/// `http:` and `https:` mean `ws:` and `wss:`, as in browsers.
///
/// The host must be ASCII. For international names, use `WebSocketURL` of WSProtoFoundation: without Foundation,
/// WSProtoNIO has no Unicode tables.
public struct WebSocketAddress: Sendable, Hashable {
  /// Whether the transport must use TLS: true for `wss:` and `https:`.
  public let isSecure: Bool
  /// The host to connect to.
  public let host: URLHost
  /// The port to connect to, 1…65535. Without a port in the URL: 80 or 443.
  public let port: Int
  /// The request target: the path and query, percent-encoded, beginning with a slash.
  public let target: String
  /// The user and password of the URL, which are sent in `Authorization`; `nil` for none.
  public let credentials: BasicCredentials?

  /// Parses a URL. Characters in the path and query that must not be sent unencoded, such as those outside ASCII, are
  /// percent-encoded.
  ///
  /// - Throws: ``InvalidURL`` if a client can't open the URL.
  public init(_ url: String) throws(InvalidURL) {
    let parts = try URLParts(URLBytes.checked(url)[...], schemes: Self.schemes, default: nil)
    if parts.fragment != nil { throw .fragment }
    try self.init(parts)
  }

  private static let schemes = ["ws", "wss", "http", "https"]

  private init(_ parts: URLParts) throws(InvalidURL) {
    let authority = try URLAuthority(parts.authority)
    let isSecure = parts.scheme == "wss" || parts.scheme == "https"
    self.init(
      isSecure: isSecure,
      host: authority.host,
      port: authority.port ?? (isSecure ? 443 : 80),
      target: Self.target(parts.resource),
      credentials: authority.credentials
    )
  }

  private init(isSecure: Bool, host: URLHost, port: Int, target: String, credentials: BasicCredentials?) {
    self.isSecure = isSecure
    self.host = host
    self.port = port
    self.target = target
    self.credentials = credentials
  }

  /// The value of the `Host` field: an IPv6 address in brackets, and the port only if it isn't the default (RFC 6455
  /// §4.1, RFC 9110 §7.2).
  public var hostField: String { port == (isSecure ? 443 : 80) ? host.description : authority }

  /// The host and always the port, as a proxy expects it (RFC 9110 §9.3.6).
  public var authority: String { "\(host):\(port)" }

  /// Whether `other` has the same scheme, host and port, so that secrets meant for this address may be sent there
  /// (RFC 6454 §5).
  public func isSameOrigin(as other: WebSocketAddress) -> Bool {
    isSecure == other.isSecure && host == other.host && port == other.port
  }

  /// Resolves a URL or relative reference from the response to a request for this address (RFC 3986 §5.2, RFC 9110
  /// §10.2.2). A fragment is dropped. The user and password are kept only if the origin stays the same.
  ///
  /// - Throws: ``InvalidURL`` if a client can't open the result.
  public func resolving(_ reference: String) throws(InvalidURL) -> WebSocketAddress {
    let text = try URLBytes.checked(reference).prefix { $0 != UInt8(ascii: "#") }
    let ownScheme = text.starts(with: "//".utf8) ? (isSecure ? "wss" : "ws") : nil
    if ownScheme != nil || URLParts.scheme(of: text) != nil {
      let other = try WebSocketAddress(URLParts(text, schemes: Self.schemes, default: ownScheme))
      return other.credentials == nil && isSameOrigin(as: other) ? with(other.target) : other
    }
    return with(Self.target(merged(with: text)))
  }

  /// The target of a reference without a host (RFC 3986 §5.2.2, §5.2.3).
  private func merged(with reference: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
    let own = Array(target.utf8)
    let ownPath = own.prefix { $0 != UInt8(ascii: "?") }
    guard let first = reference.first else { return own[...] }
    if first == UInt8(ascii: "?") { return Array(ownPath + reference)[...] }
    let path = reference.prefix { $0 != UInt8(ascii: "?") }
    let query = reference[path.endIndex...]
    let directory = ownPath.prefix((ownPath.lastIndex(of: UInt8(ascii: "/")) ?? 0) + 1)
    let whole = first == UInt8(ascii: "/") ? Array(path) : Array(directory + path)
    return (URLBytes.withoutDotSegments(whole[...]) + query)[...]
  }

  private func with(_ target: String) -> WebSocketAddress {
    WebSocketAddress(isSecure: isSecure, host: host, port: port, target: target, credentials: credentials)
  }

  private static func target(_ resource: ArraySlice<UInt8>) -> String {
    let target = URLBytes.target(resource)
    return target.utf8.first == UInt8(ascii: "/") ? target : "/" + target
  }
}

extension WebSocketAddress: CustomStringConvertible {
  /// The URL without the user and password.
  public var description: String { "\(isSecure ? "wss" : "ws")://\(hostField)\(target)" }
}

/// The parts of a URL that has a host (RFC 3986 §3).
struct URLParts {
  /// The scheme in lower case.
  let scheme: String
  let authority: ArraySlice<UInt8>
  /// The path and query.
  let resource: ArraySlice<UInt8>
  let fragment: ArraySlice<UInt8>?

  /// - Parameters:
  ///   - schemes: the allowed schemes in lower case.
  ///   - defaultScheme: the scheme of a text without one; `nil` if a scheme is required.
  init(_ text: ArraySlice<UInt8>, schemes: [String], default defaultScheme: String?) throws(InvalidURL) {
    var rest = text
    let named = Self.scheme(of: text)
    let behind = named.map { text.dropFirst($0.utf8.count + 1) }
    if let named, let behind, behind.starts(with: "//".utf8) || defaultScheme == nil {
      // In `localhost:8080`, the host stands where other URLs have the scheme.
      if behind.first.map(URLBytes.isDigit) == true { throw .noScheme }
      guard schemes.contains(named.lowercased()) else { throw .scheme(named, expected: schemes) }
      guard behind.starts(with: "//".utf8) else { throw .host("", .empty) }
      scheme = named.lowercased()
      rest = behind
    } else {
      guard let defaultScheme else { throw .noScheme }
      scheme = defaultScheme
    }
    if rest.starts(with: "//".utf8) { rest = rest.dropFirst(2) }
    authority = rest.prefix { byte in
      byte != UInt8(ascii: "/") && byte != UInt8(ascii: "?") && byte != UInt8(ascii: "#")
        && byte != UInt8(ascii: "\\")
    }
    rest = rest[authority.endIndex...]
    resource = rest.prefix { $0 != UInt8(ascii: "#") }
    rest = rest[resource.endIndex...]
    fragment = rest.isEmpty ? nil : rest
  }

  /// The text before the first colon, if it is a scheme (RFC 3986 §3.1).
  static func scheme(of text: ArraySlice<UInt8>) -> String? {
    let scheme = text.prefix { byte in
      URLBytes.isLetter(byte) || URLBytes.isDigit(byte) || byte == UInt8(ascii: "+")
        || byte == UInt8(ascii: "-") || byte == UInt8(ascii: ".")
    }
    guard let first = scheme.first, URLBytes.isLetter(first), scheme.endIndex < text.endIndex,
      text[scheme.endIndex] == UInt8(ascii: ":")
    else { return nil }
    return String(decoding: scheme, as: UTF8.self)
  }
}
#endif
