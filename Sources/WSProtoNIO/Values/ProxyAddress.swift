// SPDX-License-Identifier: Apache-2.0

#if NIO
/// A proxy that a client connects through, such as `http://user:password@proxy.example:3128` or `socks5://localhost`.
///
/// The proxy resolves the server's name, with SOCKS5 as well as with HTTP.
public struct ProxyAddress: Sendable, Hashable {
  /// The protocol of the proxy.
  public enum Kind: Sendable, Hashable {
    /// HTTP/1.1 CONNECT (RFC 9110 §9.3.6).
    case http
    /// HTTP/1.1 CONNECT over TLS.
    case https
    /// SOCKS5 (RFC 1928).
    case socks5
  }

  /// The protocol of the proxy.
  public let kind: Kind
  /// The proxy's host.
  public let host: URLHost
  /// The proxy's port, 1…65535. Without a port in the URL: 80, 443 or 1080.
  public let port: Int
  /// The credentials for the proxy; `nil` for none. They are sent unencrypted unless the proxy is an HTTPS proxy.
  public let credentials: BasicCredentials?

  /// Parses a URL. A host and port without a scheme mean an HTTP proxy. A path is ignored.
  ///
  /// The schemes are `http`, `https`, `socks5` and `socks5h`; the last two mean the same.
  /// - Throws: ``InvalidURL``.
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
  /// The URL without the user and password.
  public var description: String { "\(kind)://\(host):\(port)" }
}
#endif
