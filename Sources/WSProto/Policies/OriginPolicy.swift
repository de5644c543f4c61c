// SPDX-License-Identifier: Apache-2.0

import HTTPTypes

/// Which pages may connect to a server from a browser (RFC 6455 §4.2.2, §10.2).
///
/// Browsers let any page open a WebSocket to any server, and send that server's cookies along. A server that
/// identifies users by cookies, or that serves everyone who can reach it, must therefore check the `Origin`.
/// Otherwise any page can talk to it in the user's name (cross-site WebSocket hijacking, CWE-1385):
///
/// ```swift
/// func decide(
///   _ request: Request,
///   on server: WSConnection,
///   into output: inout [UInt8]
/// ) throws(LocalProtocolError) {
///   do throws(OriginRefusal) {
///     try request.checkOrigin(.sameOrigin(secure: true))
///   } catch {
///     return try server.send(error.rejection, into: &output)
///   }
///   try server.send(AcceptConnection(), into: &output)
/// }
/// ```
///
/// Programs that aren't browsers can send any origin: it doesn't prove who the client is.
public enum OriginPolicy: Sendable, Hashable {
  /// Any request, whatever its origin. For servers that identify users by something that other sites' pages
  /// don't have, such as a token in the first message.
  case any
  /// The server's own pages: scheme `https` (if `secure`) or `http`, and the host and port in the request's
  /// `Host` field. A missing origin is allowed; `null` is not.
  ///
  /// `secure` is whether browsers reach this server over TLS, including TLS terminated by a proxy. With DNS
  /// rebinding, a page whose name resolves to this server's address has the same origin; use
  /// ``list(_:missing:)`` if the names are known.
  case sameOrigin(secure: Bool)
  /// Like ``sameOrigin(secure:)``, for a server that doesn't know whether browsers reach it over TLS: both
  /// `https` and `http` are allowed. An attacker on the network who can forge an `http` page of this host is
  /// then allowed too.
  case sameHost
  /// Exactly these origins; include ``Origin/opaque`` to allow `null`. You must say whether a missing origin
  /// is allowed.
  case list(Set<Origin>, missing: Missing)

  /// What to do with a request without an `Origin` field. Browsers always send one; other clients need not
  /// (RFC 6455 §4.1, item 8).
  public enum Missing: Sendable, Hashable {
    /// The request is allowed, as programs that aren't browsers need.
    case allowed
    /// The request is refused: every client must send an origin.
    case refused
  }

  /// A list of origins given as text, for example from a configuration file: `https://example.com`, `null`.
  ///
  /// - Throws: ``InvalidOrigin`` for the first text that is not an origin.
  public static func list(
    parsing origins: some Sequence<String>,
    missing: Missing
  ) throws(InvalidOrigin) -> OriginPolicy {
    var parsed: Set<Origin> = []
    for text in origins {
      guard let origin = Origin(text) else { throw InvalidOrigin(text: text) }
      parsed.insert(origin)
    }
    return .list(parsed, missing: missing)
  }
}

/// A text that is not an origin.
public struct InvalidOrigin: Error, Sendable, Hashable, CustomStringConvertible {
  /// The text.
  public var text: String

  /// An error.
  public init(text: String) { self.text = text }

  /// What is wrong, including the text, shortened and escaped.
  public var description: String {
    "\(quoted(text)) is not an origin: null, or a scheme, ://, a host and perhaps a port (RFC 6454 §7.1)"
  }
}

/// A request that an ``OriginPolicy`` refuses. Send ``rejection``, then close the transport.
public struct OriginRefusal: Error, Sendable, Hashable, CustomStringConvertible {
  /// Why.
  public enum Cause: Sendable, Hashable {
    /// The request has no `Origin` field.
    case missing
    /// The request has this many `Origin` fields instead of one.
    case repeated(Int)
    /// The field's value is not a single origin.
    case malformed(String)
    /// The policy doesn't allow this origin, which may be `null`.
    case notAllowed(Origin)
    /// The request's `Host` can't be compared with an origin.
    case hostUnusable(String)
  }

  /// Why.
  public let cause: Cause

  /// A refusal.
  public init(cause: Cause) { self.cause = cause }

  /// The answer: 403 (RFC 6455 §4.2.2). It doesn't say why, so that a page learns nothing about the policy.
  public var rejection: RejectConnection { RejectConnection(statusCode: 403) }

  /// The cause in words, for the server's log. Values from the peer are shortened and escaped.
  public var description: String {
    switch cause {
    case .missing: "a request without an Origin"
    case .repeated(let count): "\(count) Origin fields"
    case .malformed(let value): "the Origin \(quoted(value)) is none (RFC 6454 §7.1)"
    case .notAllowed(let origin): "the Origin \(quoted(origin.description)) is not allowed"
    case .hostUnusable(let host): "the Host \(quoted(host)) cannot be compared with an Origin"
    }
  }
}

extension Request {
  /// Checks whether a server may accept this request, as far as its `Origin` is concerned.
  ///
  /// - Returns: the origin; `nil` if the request has none, or, under ``OriginPolicy/any``, if it isn't legal.
  /// - Throws: ``OriginRefusal``, which contains the ``RejectConnection`` to answer with.
  @discardableResult
  public func checkOrigin(_ policy: OriginPolicy) throws(OriginRefusal) -> Origin? {
    let values = extraHeaders[values: .origin]
    if policy == .any { return values.count == 1 ? Origin(values[0]) : nil }
    guard let value = values.first else {
      if case .list(_, missing: .refused) = policy { throw OriginRefusal(cause: .missing) }
      return nil
    }
    if values.count > 1 { throw OriginRefusal(cause: .repeated(values.count)) }
    guard let origin = Origin(value) else { throw OriginRefusal(cause: .malformed(value)) }
    guard try policy.allows(origin, host: host) else { throw OriginRefusal(cause: .notAllowed(origin)) }
    return origin
  }
}

extension OriginPolicy {
  /// Whether a request with this origin and this `Host` is allowed.
  fileprivate func allows(_ origin: Origin, host: String) throws(OriginRefusal) -> Bool {
    switch self {
    case .any: return true
    case .list(let origins, _): return origins.contains(origin)
    case .sameHost:
      guard case .tuple(let page) = origin else { return false }
      return try Self.sameOrigin(page, host, scheme: page.isSecure ? "https" : "http")
    case .sameOrigin(let secure):
      guard case .tuple(let page) = origin else { return false }
      return try Self.sameOrigin(page, host, scheme: secure ? "https" : "http")
    }
  }

  /// Whether `page` is the origin of a server that is reached by `scheme` under the name in `host`.
  private static func sameOrigin(
    _ page: Origin.Tuple,
    _ host: String,
    scheme: String
  ) throws(OriginRefusal) -> Bool {
    guard let server = Origin.Tuple("\(scheme)://\(host)") else {
      throw OriginRefusal(cause: .hostUnusable(host))
    }
    return page == server
  }
}
