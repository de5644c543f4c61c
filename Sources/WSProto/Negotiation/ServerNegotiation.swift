// SPDX-License-Identifier: Apache-2.0

public import HTTPTypes

/// A server's half of the opening handshake, as values: for frameworks that read the request and write the
/// response themselves.
///
/// An HTTP/1.1 request asks for an upgrade (RFC 6455 §4.2). In HTTP/2 and HTTP/3 it is an extended CONNECT
/// (RFC 8441, RFC 9220), and the stream that it opens replaces the transport.
///
/// ```swift
/// import HTTPTypes
///
/// func serve(_ request: HTTPRequest, minorVersion: Int) throws -> (HTTPResponse, Connection?) {
///   let negotiation: ServerNegotiation
///   do throws(RemoteProtocolError) {
///     negotiation = try ServerNegotiation(upgrade: request, minorVersion: minorVersion)
///   } catch {
///     return (error.response, nil)
///   }
///   guard negotiation.request.target == "/chat" else {
///     return (try negotiation.reject(RejectConnection(statusCode: 404)), nil)
///   }
///   return try negotiation.accept(AcceptConnection(extensions: [PerMessageDeflate()]))
/// }
/// ```
///
/// The framework must:
///
/// - read the head by the rules of its version of HTTP, and limit its size. Only what concerns WebSocket is
///   checked here, and the fields must be the ones that were sent;
/// - for an upgrade: read no further than the end of the head, and keep the bytes that arrived after it;
/// - for HTTP/2 and HTTP/3: refuse what their RFCs call malformed (RFC 9113 §8.1.1). `Connection`, `Upgrade`
///   and similar fields are refused here as well.
///
/// Afterwards it writes the whole response, passes the bytes of the transport, or of the stream's DATA
/// frames, to the ``Connection``, and writes the output of the connection. The end of the stream is the end
/// of the transport: call ``Connection/receiveEndOfStream()``. Call it also when the stream is reset; that
/// gives 1006 unless a Close arrived before (RFC 8441 §5, RFC 6455 §7.1.5). When the connection's state is
/// ``ConnectionState/closed``, the framework ends the stream.
public struct ServerNegotiation: Sendable {
  /// The request to decide on.
  public var request: Request { Request(received) }

  private let received: ReceivedHead
  private let configuration: Configuration

  /// Reads an HTTP/1.1 request for an upgrade (RFC 6455 §4.2.1).
  ///
  /// - Parameters:
  ///   - request: the request. `path` is its target as sent. The host is `authority`, or the field `Host` if
  ///     the framework keeps it among the fields.
  ///   - minorVersion: the minor version of the request, 1 for HTTP/1.1, which `HTTPRequest` doesn't contain.
  ///   - configuration: for the connection.
  /// - Throws: `RemoteProtocolError` with the response to send.
  public init(
    upgrade request: HTTPRequest,
    minorVersion: Int,
    configuration: Configuration = Configuration()
  ) throws(RemoteProtocolError) {
    do throws(HandshakeFault) {
      let opening = try RequestHead(request, minorVersion: minorVersion).readUpgrade()
      received = ReceivedHead(opening, .fields(request.headerFields))
    } catch {
      throw RemoteProtocolError(error, for: .server)
    }
    self.configuration = configuration
  }

  /// Reads an extended CONNECT of HTTP/2 or HTTP/3 (RFC 8441 §4, §5, RFC 9220 §3).
  ///
  /// - Parameters:
  ///   - request: the request; `:protocol` is its `extendedConnectProtocol`.
  ///   - enableConnectProtocol: whether this server has sent SETTINGS_ENABLE_CONNECT_PROTOCOL with the value
  ///     1 on this connection. Otherwise clients must not send such a request.
  ///   - configuration: for the connection.
  /// - Throws: `RemoteProtocolError` with a response. Send it and end the stream. If the RFC calls the
  ///   request malformed, also treat it as a stream error: PROTOCOL_ERROR in HTTP/2, H3_MESSAGE_ERROR in
  ///   HTTP/3.
  public init(
    extendedConnect request: HTTPRequest,
    enableConnectProtocol: Bool,
    configuration: Configuration = Configuration()
  ) throws(RemoteProtocolError) {
    do throws(HandshakeFault) {
      guard enableConnectProtocol else {
        throw HandshakeFault(
          "Extended CONNECT was not announced",
          "a client must wait for SETTINGS_ENABLE_CONNECT_PROTOCOL (RFC 8441 §4)"
        )
      }
      let opening = try RequestHead(request, minorVersion: 1).readExtendedConnect(request)
      received = ReceivedHead(opening, .fields(request.headerFields))
    } catch {
      throw RemoteProtocolError(error, for: .server)
    }
    self.configuration = configuration
  }

  /// Accepts the connection with a 101 response, or a 200 response to an extended CONNECT (RFC 6455 §4.2.2,
  /// RFC 8441 §5).
  ///
  /// - Parameters:
  ///   - event: the subprotocol (one of those requested), the extensions that the server supports, and
  ///     additional fields.
  ///   - trailingData: bytes that arrived after the request.
  ///   - deflatePool: as for `Connection.init`.
  /// - Throws: `LocalProtocolError` if `event` is not legal; another one can be tried.
  public func accept(
    _ event: AcceptConnection = AcceptConnection(),
    trailingData: Bytes = Bytes(),
    deflatePool: DeflatePool? = nil
  ) throws(LocalProtocolError) -> (response: HTTPResponse, connection: Connection) {
    let acceptance = try Acceptance.make(event, of: received)
    let connection = Connection(
      .server,
      extensions: acceptance.extensions,
      trailingData: trailingData,
      configuration: configuration,
      deflatePool: deflatePool
    )
    return (acceptance.response, connection)
  }

  /// Refuses the connection.
  ///
  /// With ``RejectConnection/hasBody``, the response has a `Content-Length` only if you give one, and the
  /// framework sends the body.
  ///
  /// - Throws: `LocalProtocolError` if the status is not one for a refusal, or a field must not be sent.
  public func reject(_ event: RejectConnection) throws(LocalProtocolError) -> HTTPResponse {
    let fields = try event.fields(inUpgrade: received.key != nil)
    return HTTPResponse(status: HTTPResponse.Status(code: event.statusCode), headerFields: fields)
  }
}

/// An acceptance that has been decided on but not written (RFC 6455 §4.2.2, RFC 8441 §5).
struct Acceptance {
  /// The key from which `Sec-WebSocket-Accept` is computed; `nil` for an extended CONNECT.
  let key: HeadPart?
  let subprotocol: String?
  /// The value of `Sec-WebSocket-Extensions`; empty if there is none.
  let extensionsValue: [UInt8]
  /// Additional fields.
  let fields: Headers
  /// The server's extensions, as negotiated.
  let extensions: [any Extension]

  /// - Throws: `LocalProtocolError` if the request cannot be accepted in this way.
  static func make(
    _ event: AcceptConnection,
    of request: ReceivedHead
  ) throws(LocalProtocolError) -> Acceptance {
    if let subprotocol = event.subprotocol, !request.subprotocols.contains(subprotocol) {
      throw LocalProtocolError("the subprotocol \(quoted(subprotocol)) was not requested", .subprotocol)
    }
    let fields = try event.extraHeaders.checkedToSend(
      inUpgrade: request.key != nil,
      receivedIn: event.received
    )
    var extensions = event.extensions
    var value: [UInt8] = []
    if !request.offers.isEmpty {
      value.reserveCapacity(128)
      try appendServerExtensionsHandshake(request.offers, &extensions, to: &value)
    }
    return Acceptance(
      key: request.key,
      subprotocol: event.subprotocol,
      extensionsValue: value,
      fields: fields,
      extensions: extensions
    )
  }

  /// The response as a value.
  var response: HTTPResponse {
    var headers = Headers()
    if let key {
      var token: [UInt8] = []
      appendAcceptToken(key: key.span, to: &token)
      headers.append(HTTPField(name: .upgrade, value: "websocket"))
      headers.append(HTTPField(name: .connection, value: "Upgrade"))
      headers.append(HTTPField(name: .secWebSocketAccept, value: token))
    }
    if let subprotocol { headers.append(HTTPField(name: .secWebSocketProtocol, value: subprotocol)) }
    if !extensionsValue.isEmpty {
      headers.append(HTTPField(name: .secWebSocketExtensions, value: extensionsValue))
    }
    headers.append(contentsOf: fields)
    return HTTPResponse(status: key == nil ? .ok : .switchingProtocols, headerFields: headers)
  }
}

extension RejectConnection {
  /// The fields of the refusal as sent, except those that only HTTP/1.1 has.
  func fields(inUpgrade isUpgrade: Bool) throws(LocalProtocolError) -> Headers {
    // A 2xx would accept an extended CONNECT (RFC 8441 §5).
    guard (isUpgrade ? 200 : 300)...599 ~= statusCode else {
      throw LocalProtocolError("\(statusCode) is not the status of a refusal", .head)
    }
    try headers.checkValues()
    var fields = headers
    if !hasBody {
      fields[.transferEncoding] = nil
      fields[.contentLength] = statusCode == 204 ? nil : "0"
    }
    if isUpgrade {
      // A 426 names the protocol to upgrade to, and a sender of Upgrade must list it in Connection
      // (RFC 9110 §15.5.22, §7.8).
      if statusCode == 426, !fields.contains(.upgrade) { fields[.upgrade] = "websocket" }
      if fields.contains(.upgrade) { fields.addConnectionOption("Upgrade") }
    } else if let field = HandshakeFields.connectionSpecific(in: fields) {
      throw LocalProtocolError(
        "the field \(field.name.rawName) belongs to a connection of HTTP/1.1 (RFC 9113 §8.2.2)",
        .head
      )
    }
    return fields
  }
}

extension RemoteProtocolError {
  /// The response with which a server answers a request that failed with this error: the one in
  /// ``eventHint``, or 400 if there is none.
  public var response: HTTPResponse {
    guard case .rejectConnection(let reject) = eventHint, let fields = try? reject.fields(inUpgrade: true)
    else {
      return HTTPResponse(status: .badRequest)
    }
    return HTTPResponse(status: HTTPResponse.Status(code: reject.statusCode), headerFields: fields)
  }
}
