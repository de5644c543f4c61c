// SPDX-License-Identifier: Apache-2.0

#if NIO
public import HTTPTypes
import NIOCore
internal import WSProto

/// The proxies that a server trusts to tell the client's address, and the field in which they send it.
///
/// A field that any client can send proves nothing by itself. Therefore the field is read from the right, where the
/// proxy next to the server added its part, and only as long as the addresses belong to the trusted proxies: the first
/// address that doesn't is the client.
///
/// ```swift
/// import HTTPTypes
///
/// func clientAddress(of peer: IPAddress, _ request: HTTPRequest) throws -> IPAddress {
///   let proxies = TrustedProxies([try IPNetwork("10.0.0.0/8")], field: .xForwardedFor)
///   return proxies.client(of: peer, request.headerFields).address
/// }
/// ```
public struct TrustedProxies: Sendable, Hashable {
  /// The networks that the proxies' own addresses belong to.
  public var networks: [IPNetwork]
  /// The field that the proxies write. Only this one is read: a proxy may pass on the other one as the client sent it.
  public var field: Field

  /// A field in which proxies send the client's address.
  public enum Field: Sendable, Hashable {
    /// The `for` parameters of `Forwarded` (RFC 7239 §5.2).
    case forwarded
    /// `X-Forwarded-For`: a list of addresses, each with or without a port.
    case xForwardedFor
  }

  /// Creates a list of trusted networks whose proxies write the given field.
  public init(_ networks: [IPNetwork], field: Field) {
    self.networks = networks
    self.field = field
  }

  /// Whether `address` belongs to a trusted proxy.
  public func contains(_ address: IPAddress) -> Bool { networks.contains { $0.contains(address) } }

  /// The client that a request comes from.
  ///
  /// - Parameters:
  ///   - peer: the peer of the connection, as the socket or the PROXY protocol reports it.
  ///   - fields: the fields of the request.
  /// - Returns: `peer` itself, unless it is a trusted proxy. If a proxy sends something that can't be parsed as an
  ///   address, such as `unknown` or an obfuscated identifier (RFC 7239 §6), that proxy's address: limits per client
  ///   then apply to all of its clients together.
  public func client(of peer: IPAddress, _ fields: HTTPFields) -> ForwardedNode {
    let own = ForwardedNode(address: peer.unmapped, port: nil)
    return contains(own.address) ? client(toldIn: fields) ?? own : own
  }

  /// The client according to the proxy next to the server; `nil` if it sends nothing that can be parsed.
  func client(toldIn fields: HTTPFields) -> ForwardedNode? {
    var client: ForwardedNode?
    let name = field == .forwarded ? "forwarded" : "x-forwarded-for"
    for line in fields.lazy.filter({ $0.name.canonicalName == name }).map(\.value).reversed() {
      // An invalid line may hide what a proxy added to it.
      guard let nodes = field == .forwarded ? Forwarded.nodes(line) : Self.elements(line) else {
        return client
      }
      for node in nodes.reversed() {
        if let client, !contains(client.address) { return client }
        guard let next = node else { return client }
        client = next
      }
    }
    return client
  }

  private static func elements(_ line: String) -> [ForwardedNode?]? {
    line.utf8.split(separator: UInt8(ascii: ",")).map { element in
      ForwardedNode(Forwarded.trimmed(Array(element)[...]), bareIPv6: true)
    }
  }
}

/// A client or a proxy, as a proxy reports it.
public struct ForwardedNode: Sendable, Hashable {
  /// The address. An IPv4-mapped IPv6 address is converted to IPv4.
  public var address: IPAddress
  /// The port, if it was sent.
  public var port: Int?

  /// Creates a node from an address and, if known, a port.
  public init(address: IPAddress, port: Int?) {
    self.address = address
    self.port = port
  }

  /// The socket address, with port 0 if none was sent.
  var socketAddress: SocketAddress? { try? SocketAddress(ipAddress: "\(address)", port: port ?? 0) }

  /// Parses an IPv4 address or a bracketed IPv6 address, with or without a port (RFC 7239 §6). Returns `nil` for
  /// anything else.
  ///
  /// - Parameter bareIPv6: whether an IPv6 address may lack brackets, as in `X-Forwarded-For`.
  init?(_ text: ArraySlice<UInt8>, bareIPv6: Bool) {
    if bareIPv6, let address = IPAddress(String(decoding: text, as: UTF8.self)) {
      self.init(address: address.unmapped, port: nil)
      return
    }
    let bracket = text.lastIndex(of: UInt8(ascii: "]")) ?? text.startIndex
    let colon = text[bracket...].firstIndex(of: UInt8(ascii: ":"))
    var host = text[..<(colon ?? text.endIndex)]
    let isBracketed = host.first == UInt8(ascii: "[") && host.last == UInt8(ascii: "]")
    if isBracketed { host = host.dropFirst().dropLast() }
    guard let address = IPAddress(String(decoding: host, as: UTF8.self)) else { return nil }
    switch address {
    case .v4: if isBracketed { return nil }
    case .v6: if !isBracketed { return nil }
    }
    // An obfuscated or missing port isn't a number.
    let digits = colon.map { String(decoding: text[($0 + 1)...], as: UTF8.self) }
    self.init(address: address.unmapped, port: digits.flatMap { UInt16($0) }.map { Int($0) })
  }
}

/// The `Forwarded` field (RFC 7239 §4).
enum Forwarded {
  /// The address in the `for` parameter of each element; `nil` for an element without one.
  ///
  /// - Returns: `nil` if the line doesn't match the field's grammar.
  static func nodes(_ line: String) -> [ForwardedNode?]? {
    var nodes: [ForwardedNode?] = []
    var rest = Array(line.utf8)[...]
    while true {
      var node: ForwardedNode?
      var hasFor = false
      while true {
        skipWhitespace(&rest)
        // Empty elements and pairs are skipped (RFC 9110 §5.6.1).
        if let name = token(&rest) {
          guard rest.popFirst() == UInt8(ascii: "="), let value = value(&rest) else { return nil }
          if String(decoding: name, as: UTF8.self).lowercased() == "for" {
            // Allowed once per element (RFC 7239 §4).
            if hasFor { return nil }
            hasFor = true
            node = ForwardedNode(value[...], bareIPv6: false)
          }
          skipWhitespace(&rest)
        }
        guard rest.first == UInt8(ascii: ";") else { break }
        rest.removeFirst()
      }
      nodes.append(node)
      guard let separator = rest.popFirst() else { return nodes }
      if separator != UInt8(ascii: ",") { return nil }
    }
  }

  /// Removes spaces and tabs at both ends.
  static func trimmed(_ text: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
    var text = text
    skipWhitespace(&text)
    while let last = text.last, isWhitespace(last) { text.removeLast() }
    return text
  }

  private static func value(_ rest: inout ArraySlice<UInt8>) -> [UInt8]? {
    guard rest.first == UInt8(ascii: "\"") else { return token(&rest).map { Array($0) } }
    rest.removeFirst()
    var value: [UInt8] = []
    while let byte = rest.popFirst() {
      switch byte {
      case UInt8(ascii: "\""): return value
      case UInt8(ascii: "\\"):
        guard let escaped = rest.popFirst() else { return nil }
        value.append(escaped)
      default: value.append(byte)
      }
    }
    return nil
  }

  private static func token(_ rest: inout ArraySlice<UInt8>) -> ArraySlice<UInt8>? {
    let token = rest.prefix(while: HTTP1Bytes.isToken)
    rest = rest[token.endIndex...]
    return token.isEmpty ? nil : token
  }

  private static func skipWhitespace(_ rest: inout ArraySlice<UInt8>) {
    rest = rest.drop(while: isWhitespace)
  }

  private static func isWhitespace(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 }
}
#endif
