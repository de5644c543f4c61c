// SPDX-License-Identifier: Apache-2.0

import HTTPTypes

/// Which pages a server lets its users' browsers connect from (RFC 6455 §4.2.2, §10.2).
///
/// Browsers let any page open a WebSocket to any server, and send that server's cookies along. A server that knows its
/// users by cookies, or serves whoever can reach it, must therefore check the `Origin`; otherwise any page can talk to it
/// in the user's name (cross-site WebSocket hijacking, CWE-1385):
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
/// Programs that aren't browsers send what they like: an origin is no proof of who the client is.
public enum OriginPolicy: Sendable, Hashable {
  /// Any request, whatever its origin. For servers that know their users by something that a page of others does not
  /// have, such as a token in the first message.
  case any
  /// The server's own pages: scheme `https` (`secure`) or `http`, and host and port of the request's `Host` field. A
  /// missing origin is let in, `null` is not.
  ///
  /// `secure` is whether browsers reach this server by TLS, also where a proxy ends it. A page whose name was made to point
  /// to this server's address has the same origin (DNS rebinding); use ``list(_:missing:)`` where the names are known.
  case sameOrigin(secure: Bool)
  /// As ``sameOrigin(secure:)``, for a server that does not know whether browsers reach it by TLS: `https` and `http`
  /// both pass. Somebody on the network who can forge an `http` page of this host then gets in, too.
  case sameHost
  /// These, exactly; ``Origin/opaque`` among them lets `null` in. Whether a missing origin is let in has to be said.
  case list(Set<Origin>, missing: Missing)

  /// What becomes of a request without an `Origin` field. Browsers always send one, other clients need not (RFC 6455
  /// §4.1, item 8).
  public enum Missing: Sendable, Hashable {
    /// Programs that aren't browsers are let in.
    case allowed
    /// Clients must say an origin.
    case refused
  }

  /// A list of origins as texts, from a file of settings for example: `https://example.com`, `null`.
  ///
  /// - Throws: ``InvalidOrigin`` for the first text that is no origin.
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

/// A text that was to be an origin and is none.
public struct InvalidOrigin: Error, Sendable, Hashable, CustomStringConvertible {
  /// The text.
  public var text: String

  /// An error.
  public init(text: String) { self.text = text }

  /// What is wrong, with the text, cut and escaped.
  public var description: String {
    "\(quoted(text)) is not an origin: null, or a scheme, ://, a host and perhaps a port (RFC 6454 §7.1)"
  }
}

/// A request that an ``OriginPolicy`` does not let in. Send ``rejection``, then close the transport.
public struct OriginRefusal: Error, Sendable, Hashable, CustomStringConvertible {
  /// Why.
  public enum Cause: Sendable, Hashable {
    /// There is no `Origin`.
    case missing
    /// This many `Origin` fields, where one says it all.
    case repeated(Int)
    /// The field's value is no single origin.
    case malformed(String)
    /// The policy does not name this origin, which may be `null`.
    case notAllowed(Origin)
    /// The request's `Host` has nothing that an origin could be compared with.
    case hostUnusable(String)
  }

  /// Why.
  public let cause: Cause

  /// A refusal.
  public init(cause: Cause) { self.cause = cause }

  /// What to answer: 403 (RFC 6455 §4.2.2). It does not say why, so that a page learns nothing of the policy.
  public var rejection: RejectConnection { RejectConnection(statusCode: 403) }

  /// The cause in words, for the server's log; values of the peer's are cut and escaped.
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
  /// Whether a server may accept this request as far as its `Origin` goes: returns if so.
  ///
  /// - Returns: the origin; `nil` if the request has none, or under ``OriginPolicy/any`` none that can be read.
  /// - Throws: ``OriginRefusal``, which has the ``RejectConnection`` to answer with.
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
  /// Whether a request with this origin and this `Host` passes.
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

  /// Whether `page` is the origin that a server of `scheme` has under the name in `host`.
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
