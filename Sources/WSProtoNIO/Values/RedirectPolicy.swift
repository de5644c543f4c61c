// SPDX-License-Identifier: Apache-2.0

#if NIO
public import HTTPTypes
internal import WSProto

/// Whether a client asks again where a server redirects it to, and what it then sends (RFC 6455 §4.1, RFC 9110 §15.4).
///
/// Where scheme, host or port change, fields that the caller has added go along only if they are among
/// ``fieldsAcrossOrigins``, and neither user and password of the URL nor an overridden `Host` do: what was meant for one
/// server is not told to another. From `wss:` to `ws:` a redirect is an error unless ``allowsInsecure`` is set.
public struct RedirectPolicy: Sendable, Hashable {
  /// How many redirects are followed one after the other, 0…10.
  public let limit: Int
  /// Whether a redirect may lead from TLS to a connection without.
  public var allowsInsecure: Bool
  /// The fields that are sent to another origin, too: none of them may hold a secret.
  public var fieldsAcrossOrigins: Set<HTTPField.Name>

  /// No redirect is followed: it is a refusal with its status, and its `Location` in the fields.
  public static let refuse = RedirectPolicy(limit: 0)

  /// Up to ten redirects, or `limit` of them; more than ten are taken for ten.
  public init(limit: Int = 10, allowsInsecure: Bool = false) {
    self.limit = min(max(0, limit), 10)
    self.allowsInsecure = allowsInsecure
    fieldsAcrossOrigins = [.userAgent, .origin, .accept, .acceptLanguage]
  }

  /// Where a response sends the client to.
  ///
  /// - Parameters:
  ///   - asked: the addresses that were asked, in order, the last one by the request of this response.
  ///   - status: the response's status.
  ///   - fields: the response's fields.
  /// - Returns: the address to ask next; `nil` if the response is no redirect, or none are followed.
  /// - Throws: ``RedirectError``, if it must not be followed.
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

  /// Those of `fields`, which the caller has added to the first request, that go to `address`.
  public func fields(
    _ fields: HTTPFields,
    for address: WebSocketAddress,
    firstAsked first: WebSocketAddress
  ) -> HTTPFields {
    if address.isSameOrigin(as: first) { return fields }
    return HTTPFields(fields.filter { fieldsAcrossOrigins.contains($0.name) })
  }
}

/// Why a redirect is not followed.
public enum RedirectError: Error, Sendable, Hashable {
  /// It leads to an address that was asked before: the addresses in order.
  case loop([WebSocketAddress])
  /// There were as many as the policy allows.
  case tooMany(limit: Int, asked: [WebSocketAddress])
  /// It leads from TLS to a connection without.
  case insecure(WebSocketAddress)
  /// Its `Location` is no address that a client can ask.
  case location(String, InvalidURL)
  /// It has several `Location` fields.
  case severalLocations([String])
}

extension RedirectError: CustomStringConvertible {
  /// Why, with the values of the server's, cut and escaped.
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
