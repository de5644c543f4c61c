// SPDX-License-Identifier: Apache-2.0

import HTTPTypes

/// The fields of a head that the handshake's rules use, independent of the head's form: HTTP/1.1 bytes or
/// values.
struct HandshakeFields: Sendable {
  private(set) var host = FieldLines.none
  private(set) var connection = FieldLines.none
  private(set) var upgrade = FieldLines.none
  private(set) var contentLength = FieldLines.none
  private(set) var transferEncoding = FieldLines.none
  private(set) var key = FieldLines.none
  private(set) var accept = FieldLines.none
  private(set) var version = FieldLines.none
  private(set) var subprotocols = FieldLines.none
  private(set) var extensions = FieldLines.none

  /// No fields.
  init() {}

  /// The fields of a message given as values.
  init(_ headers: Headers) {
    for field in headers {
      let id = HTTP1FieldID(canonicalName: field.name.canonicalName)
      if id == .other { continue }
      append(HeadPart(field.withUnsafeBytesOfValue { Array($0) }).trimmed, to: id)
    }
  }

  /// Adds a line. The value must have no whitespace around it.
  mutating func append(_ value: consuming HeadPart, to id: HTTP1FieldID) {
    switch id {
    case .host: host.append(value)
    case .connection: connection.append(value)
    case .upgrade: upgrade.append(value)
    case .contentLength: contentLength.append(value)
    case .transferEncoding: transferEncoding.append(value)
    case .secWebSocketKey: key.append(value)
    case .secWebSocketAccept: accept.append(value)
    case .secWebSocketVersion: version.append(value)
    case .secWebSocketProtocol: subprotocols.append(value)
    case .secWebSocketExtensions: extensions.append(value)
    case .origin, .other: break
    }
  }

  /// The value of a field that must occur exactly once.
  ///
  /// - Throws: that it is missing (citing `section`) or repeated (citing `singleBy`).
  static func single(
    _ lines: FieldLines,
    _ name: StaticString,
    _ section: StaticString,
    singleBy: StaticString
  ) throws(HandshakeFault) -> HeadPart {
    switch lines {
    case .one(let value): return value
    case .none: throw HandshakeFault("Missing header, '\(name)'", section.description)
    case .several: throw HandshakeFault("Repeated header, '\(name)'", "\(lines.inWords) (\(singleBy))")
    }
  }

  /// Checks that `Connection` has the option that `Upgrade` requires (RFC 9110 §7.8).
  func checkConnection(_ section: StaticString) throws(HandshakeFault) {
    if !connection.lists("upgrade") {
      throw HandshakeFault(
        "Missing header, 'Connection: Upgrade'",
        "\(connection.inWords) (RFC 6455 \(section))"
      )
    }
  }

  /// Whether the fields announce a body that is not empty, or whose length is unknown (RFC 9112 §6).
  var announcesBody: Bool {
    if case .none = transferEncoding {} else { return true }
    var isZero = true
    contentLength.forEach { line in
      isZero =
        isZero && line.allSatisfy { $0 == 0x30 || $0 == HTTP1Bytes.comma || HTTP1Bytes.isWhitespace($0) }
    }
    return !isZero
  }

  /// The elements of `Sec-WebSocket-Extensions` (RFC 6455 §9.1). A field without elements counts as absent,
  /// because recipients must ignore empty elements (RFC 9110 §5.6.1).
  func extensionList() throws(HandshakeFault) -> [ExtensionHeader] {
    var list: [ExtensionHeader] = []
    try extensions.forEach { (line) throws(HandshakeFault) in
      do throws(ExtensionHeaderError) {
        let elements = try ExtensionHeader.parseList(line.slice)
        if list.isEmpty { list = elements } else { list += elements }
      } catch .empty {
        return
      } catch {
        throw HandshakeFault("Bad header, 'Sec-WebSocket-Extensions'", "\(quoted(line)): \(error)")
      }
    }
    return list
  }

  /// The elements of `Sec-WebSocket-Protocol` in a request (RFC 6455 §11.3.4), each only once.
  func subprotocolList() throws(HandshakeFault) -> [String] {
    if case .none = subprotocols { return [] }
    var list: [String] = []
    var seen: Set<String> = []
    for element in subprotocols.elements {
      guard element.allSatisfy(HTTP1Bytes.isToken) else {
        throw HandshakeFault(
          "Bad header, 'Sec-WebSocket-Protocol'",
          "\(quoted(element)) is not a token (RFC 6455 §4.1)"
        )
      }
      let name = element.text
      if seen.insert(name).inserted { list.append(name) }
    }
    return list
  }

  /// A field that is specific to HTTP/1.1 connections and makes an HTTP/2 or HTTP/3 message malformed
  /// (RFC 9113 §8.2.2, RFC 9114 §4.2).
  static func connectionSpecific(in headers: Headers) -> HTTPField? {
    headers.first { isConnectionSpecific($0) }
  }

  static func isConnectionSpecific(_ field: HTTPField) -> Bool {
    switch field.name.canonicalName {
    case "connection", "upgrade", "keep-alive", "proxy-connection", "transfer-encoding": true
    case "te": field.value.lowercased() != "trailers"
    default: false
    }
  }
}

/// A violation by the peer in the handshake, before it is decided how to answer it.
struct HandshakeFault: Error, Sendable {
  let message: String
  let detail: String?
  /// The server's answer.
  let rejection: RejectConnection

  init(_ message: String, _ detail: String?, status: Int = 400, fields: Headers = Headers()) {
    self.message = message
    self.detail = detail
    rejection = RejectConnection(statusCode: status, headers: fields)
  }
}

extension RemoteProtocolError {
  /// Turns a fault of `role`'s peer into an error.
  init(_ fault: HandshakeFault, for role: ConnectionType) {
    self.init(
      fault.message,
      detail: fault.detail,
      eventHint: role == .server ? .rejectConnection(fault.rejection) : nil
    )
  }
}
