// SPDX-License-Identifier: Apache-2.0

#if NIO
/// A proxy that a client connects through: `http://user:password@proxy.example:3128`, `socks5://localhost`.
///
/// The name of the server is left to the proxy to look up, with SOCKS5 as with HTTP.
public struct ProxyAddress: Sendable, Hashable {
  /// How the proxy is asked.
  public enum Kind: Sendable, Hashable {
    /// HTTP/1.1 CONNECT (RFC 9110 §9.3.6).
    case http
    /// The same over TLS.
    case https
    /// SOCKS5 (RFC 1928).
    case socks5
  }

  /// How the proxy is asked.
  public let kind: Kind
  /// The proxy's host.
  public let host: URLHost
  /// The proxy's port, 1…65535: 80, 443 or 1080 where the URL names none.
  public let port: Int
  /// What the proxy knows its users by; `nil` for none. Sent unencrypted unless the proxy is asked over TLS.
  public let credentials: BasicCredentials?

  /// Takes a URL apart, or a host and a port, which name an HTTP proxy. A path is ignored.
  ///
  /// The schemes are `http`, `https`, `socks5` and `socks5h`; the last two mean the same.
  /// - Throws: ``InvalidURL``, which says what is wrong with it.
  public init(_ url: String) throws(InvalidURL) {
    let schemes = ["http", "https", "socks5", "socks5h"]
    let parts = try URLParts(URLBytes.checked(url)[...], schemes: schemes, default: "http")
    let authority = try URLAuthority(parts.authority)
    switch parts.scheme {
    case "http": kind = .http
    case "https": kind = .https
    default: kind = .socks5
    }
    host = authority.host
    port = authority.port ?? kind.defaultPort
    credentials = authority.credentials
  }
}

extension ProxyAddress.Kind {
  fileprivate var defaultPort: Int {
    switch self {
    case .http: 80
    case .https: 443
    case .socks5: 1080
    }
  }
}

extension ProxyAddress: CustomStringConvertible {
  /// The URL, without user and password.
  public var description: String { "\(kind)://\(host):\(port)" }
}
#endif
