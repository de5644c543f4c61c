// SPDX-License-Identifier: Apache-2.0

#if NIO
public import HTTPTypes
internal import WSProto

/// Which redirects a client follows, and what it sends to the new address (RFC 6455 §4.1, RFC 9110 §15.4).
///
/// If the scheme, host or port change, the caller's additional fields are sent only if they are among
/// ``fieldsAcrossOrigins``, and the URL's user and password and an overridden `Host` aren't sent: what is meant for one
/// server isn't revealed to another. A redirect from `wss:` to `ws:` is an error unless ``allowsInsecure`` is set.
public struct RedirectPolicy: Sendable, Hashable {
  /// The number of redirects followed in a row, 0…10.
  public let limit: Int
  /// Whether a redirect may lead from TLS to an unencrypted connection.
  public var allowsInsecure: Bool
  /// The fields that are also sent to another origin. None of them should hold a secret.
  public var fieldsAcrossOrigins: Set<HTTPField.Name>

  /// Follows no redirects. A redirect is then a refusal with its status and its `Location` field.
  public static let refuse = RedirectPolicy(limit: 0)

  /// Creates a policy that follows up to `limit` redirects, at most ten.
  public init(limit: Int = 10, allowsInsecure: Bool = false) {
    self.limit = min(max(0, limit), 10)
    self.allowsInsecure = allowsInsecure
    fieldsAcrossOrigins = [.userAgent, .origin, .accept, .acceptLanguage]
  }

  /// The address that a response redirects to.
  ///
  /// - Parameters:
  ///   - asked: the addresses requested so far, in order; the last one is that of this response.
  ///   - status: the response's status code.
  ///   - fields: the response's fields.
  /// - Returns: the address to request next; `nil` if the response isn't a redirect, or redirects aren't followed.
  /// - Throws: ``RedirectError`` if the redirect must not be followed.
  public func next(
    after asked: [WebSocketAddress],
    status: Int,
    _ fields: HTTPFields
  ) throws(RedirectError) -> WebSocketAddress? {
    guard limit > 0, [301, 302, 303, 307, 308].contains(status), let last = asked.last else { return nil }
    let locations = fields[values: .location]
    guard let location = locations.first else { return nil }
    if locations.count > 1 { throw .severalLocations(locations) }
    if asked.count > limit { throw .tooMany(limit: limit, asked: asked) }
    let address: WebSocketAddress
    do throws(InvalidURL) {
      address = try last.resolving(location)
    } catch {
      throw .location(location, error)
    }
    if last.isSecure, !address.isSecure, !allowsInsecure { throw .insecure(address) }
    if asked.contains(address) { throw .loop(asked + [address]) }
    return address
  }

  /// The fields to send to `address`, from those that the caller added to the first request.
  public func fields(
    _ fields: HTTPFields,
    for address: WebSocketAddress,
    firstAsked first: WebSocketAddress
  ) -> HTTPFields {
    if address.isSameOrigin(as: first) { return fields }
    return HTTPFields(fields.filter { fieldsAcrossOrigins.contains($0.name) })
  }
}

/// Why a redirect isn't followed.
public enum RedirectError: Error, Sendable, Hashable {
  /// It leads to an address that was requested before. The value is all addresses in order.
  case loop([WebSocketAddress])
  /// There were more redirects than the policy allows.
  case tooMany(limit: Int, asked: [WebSocketAddress])
  /// It leads from TLS to an unencrypted connection.
  case insecure(WebSocketAddress)
  /// Its `Location` isn't an address that a client can open.
  case location(String, InvalidURL)
  /// It has several `Location` fields.
  case severalLocations([String])
}

extension RedirectError: CustomStringConvertible {
  /// The cause, with the server's values truncated and escaped.
  public var description: String {
    switch self {
    case .loop(let asked): "the redirects lead back: \(Self.shown(asked))"
    case .tooMany(let limit, let asked): "more than \(limit) redirects: \(Self.shown(asked))"
    case .insecure(let address):
      "a redirect from TLS to \(quoted(address.description)), which is without"
    case .location(let text, let error): "a redirect to \(quoted(text)): \(error)"
    case .severalLocations(let texts):
      "a redirect with \(texts.count) Location fields, the first of which is \(quoted(texts.first ?? ""))"
    }
  }

  private static func shown(_ addresses: [WebSocketAddress]) -> String {
    addresses.map { quoted($0.description) }.joined(separator: ", ")
  }
}
#endif
