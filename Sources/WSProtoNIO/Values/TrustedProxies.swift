// SPDX-License-Identifier: Apache-2.0

#if NIO
public import HTTPTypes
import NIOCore
internal import WSProto

/// Which proxies a server believes what they say about the client, and in which field they say it.
///
/// A field that any client can send says nothing by itself. What counts is read from the right, where the proxy next to
/// the server has added its part, and only as far as the addresses are those of the proxies that are named here: the
/// first one that is not is the client.
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
  /// Where the proxies' own addresses are.
  public var networks: [IPNetwork]
  /// The field that they write. Only one is read: a proxy passes on the other one as the client has sent it.
  public var field: Field

  /// A field that proxies tell the client's address in.
  public enum Field: Sendable, Hashable {
    /// `Forwarded`, its parameters `for` (RFC 7239 §5.2).
    case forwarded
    /// `X-Forwarded-For`: a list of addresses, each with or without a port.
    case xForwardedFor
  }

  /// Proxies in these networks, which write that field.
  public init(_ networks: [IPNetwork], field: Field) {
    self.networks = networks
    self.field = field
  }

  /// Whether `address` is that of a proxy.
  public func contains(_ address: IPAddress) -> Bool { networks.contains { $0.contains(address) } }

  /// The client that a request comes from.
  ///
  /// - Parameters:
  ///   - peer: the other end of the connection, as the socket or the PROXY protocol tells it.
  ///   - fields: those of the request.
  /// - Returns: `peer` itself, unless it is a proxy's. Where a proxy says nothing that can be read, such as `unknown` or
  ///   a name of its own making (RFC 7239 §6), that proxy: whoever limits clients by address limits its clients together.
  public func client(of peer: IPAddress, _ fields: HTTPFields) -> ForwardedNode {
    let own = ForwardedNode(address: peer.unmapped, port: nil)
    return contains(own.address) ? client(toldIn: fields) ?? own : own
  }

  /// The client that the proxy next to the server tells of; `nil` where it says nothing that can be read.
  func client(toldIn fields: HTTPFields) -> ForwardedNode? {
    var client: ForwardedNode?
    let name = field == .forwarded ? "forwarded" : "x-forwarded-for"
    for line in fields.lazy.filter({ $0.name.canonicalName == name }).map(\.value).reversed() {
      // A line that cannot be read may hide what a proxy has added to it.
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

/// A client, or a proxy, as a proxy tells of it.
public struct ForwardedNode: Sendable, Hashable {
  /// The address, that of IPv4 where it came in IPv6's form.
  public var address: IPAddress
  /// The port, where it was told.
  public var port: Int?

  /// An address, and a port if it is known.
  public init(address: IPAddress, port: Int?) {
    self.address = address
    self.port = port
  }

  /// The same for sockets, with port 0 where none was told.
  var socketAddress: SocketAddress? { try? SocketAddress(ipAddress: "\(address)", port: port ?? 0) }

  /// `IPv4address`, `"[" IPv6address "]"`, with or without a port (RFC 7239 §6); `nil` for what names no address.
  ///
  /// - Parameter bareIPv6: whether an address of IPv6 may stand without brackets, as in `X-Forwarded-For`.
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
    // A port that is obfuscated, or none at all, is no number.
    let digits = colon.map { String(decoding: text[($0 + 1)...], as: UTF8.self) }
    self.init(address: address.unmapped, port: digits.flatMap { UInt16($0) }.map { Int($0) })
  }
}

/// The field `Forwarded` (RFC 7239 §4).
enum Forwarded {
  /// What the `for` of each element tells: `nil` where there is none, or none that is an address.
  ///
  /// - Returns: `nil` if the line is not of the field's grammar.
  static func nodes(_ line: String) -> [ForwardedNode?]? {
    var nodes: [ForwardedNode?] = []
    var rest = Array(line.utf8)[...]
    while true {
      var node: ForwardedNode?
      var hasFor = false
      while true {
        skipWhitespace(&rest)
        // Empty elements and pairs are passed over (RFC 9110 §5.6.1).
        if let name = token(&rest) {
          guard rest.popFirst() == UInt8(ascii: "="), let value = value(&rest) else { return nil }
          if String(decoding: name, as: UTF8.self).lowercased() == "for" {
            // Once an element (RFC 7239 §4).
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

  /// Without spaces and tabs at both ends.
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
