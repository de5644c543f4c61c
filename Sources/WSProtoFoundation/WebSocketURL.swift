// SPDX-License-Identifier: Apache-2.0

public import Foundation

/// The parts of a `ws:` or `wss:` URL: where to connect, and what to request (RFC 6455 §3).
///
/// `http:` and `https:` are accepted in place of `ws:` and `wss:`, as in browsers.
public struct WebSocketURL: Sendable, Hashable {
  /// Whether the transport must use TLS: `wss:` and `https:`.
  public var isSecure: Bool
  /// The host to connect to: IDNA A-labels, an IPv4 address, or an IPv6 address without its brackets.
  public var host: String
  /// The port to connect to, 1…65535: the scheme's default, 80 or 443, if the URL has none.
  public var port: Int
  /// The request target: path and query, percent-encoded, starting with a slash.
  public var target: String

  /// Parses `url`; a host that isn't ASCII is converted (UTS #46).
  ///
  /// - Throws: `WebSocketURLError`, which says why a client can't request this URL.
  public init(_ url: URL) throws(WebSocketURLError) {
    switch url.scheme?.lowercased() {
    case "ws", "http": isSecure = false
    case "wss", "https": isSecure = true
    case let other: throw .scheme(other)
    }
    guard url.user(percentEncoded: true) == nil, url.password(percentEncoded: true) == nil else {
      throw .userInformation
    }
    guard url.fragment(percentEncoded: true) == nil else { throw .fragment }

    // Decoded, because only the decoded form has the A-labels.
    let name = url.host(percentEncoded: false) ?? ""
    guard !name.isEmpty, name.utf8.allSatisfy(Self.isHostByte) else { throw .host(name) }
    host = name

    let port = url.port ?? (isSecure ? 443 : 80)
    guard 1...65535 ~= port else { throw .port(port) }
    self.port = port

    let path = url.path(percentEncoded: true)
    target = (path.isEmpty ? "/" : path) + (url.query(percentEncoded: true).map { "?" + $0 } ?? "")
  }

  /// The value of the `Host` field: an IPv6 address in brackets, the port only if it isn't the default
  /// (RFC 6455 §4.1, RFC 9110 §7.2).
  public var hostField: String {
    let name = host.contains(":") ? "[\(host)]" : host
    return port == (isSecure ? 443 : 80) ? name : "\(name):\(port)"
  }

  /// The bytes of host names and addresses (RFC 3986 §3.2.2). The percent sign is excluded: neither encoded
  /// names nor zone identifiers, which mean nothing on another machine (RFC 6874 §1), belong in a `Host`
  /// field.
  private static func isHostByte(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
      UInt8(ascii: "0")...UInt8(ascii: "9"):
      true
    default: "-._~!$&'()*+,;=:".utf8.contains(byte)
    }
  }
}

/// Why a URL is not one that a WebSocket client can open.
public enum WebSocketURLError: Error, Sendable, Hashable {
  /// The scheme is not `ws`, `wss`, `http` or `https`; `nil` if there is none.
  case scheme(String?)
  /// The host is missing or has no ASCII form.
  case host(String)
  /// The port is not in 1…65535.
  case port(Int)
  /// The URL has a fragment, which is not allowed (RFC 6455 §3).
  case fragment
  /// The URL has a user or a password, which is not allowed (RFC 6455 §3): send an `Authorization` field
  /// instead.
  case userInformation
}

extension WebSocketURLError: CustomStringConvertible {
  /// What is wrong with the URL.
  public var description: String {
    switch self {
    case .scheme(nil): "the URL has no scheme: it must be ws or wss"
    case .scheme(let scheme?): "the scheme of the URL is \(scheme.debugDescription): it must be ws or wss"
    case .host(""): "the URL has no host"
    case .host(let host): "the host \(host.debugDescription) has no ASCII form"
    case .port(let port): "the port \(port) is not in 1...65535"
    case .fragment: "a WebSocket URL has no fragment (RFC 6455 section 3)"
    case .userInformation: "a WebSocket URL has no user information: send an Authorization field"
    }
  }
}
