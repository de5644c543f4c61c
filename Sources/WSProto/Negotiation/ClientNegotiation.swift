// SPDX-License-Identifier: Apache-2.0

public import HTTPTypes

/// A client's half of the opening handshake, as values: for frameworks that write the request and read the
/// response themselves.
///
/// Over HTTP/1.1 the request asks for an upgrade (RFC 6455 §4.1). Over HTTP/2 and HTTP/3 it is an extended
/// CONNECT (RFC 8441, RFC 9220), and the stream that it opens replaces the transport.
///
/// ```swift
/// import HTTPTypes
///
/// func open(
///   _ request: Request,
///   serverTakesExtendedConnect: Bool,
///   exchange: (HTTPRequest) throws -> HTTPResponse
/// ) throws -> Connection? {
///   var negotiation = try ClientNegotiation(
///     extendedConnect: request,
///     enableConnectProtocol: serverTakesExtendedConnect
///   )
///   let response = try exchange(negotiation.httpRequest)
///   switch try negotiation.receive(response) {
///   case .accepted(_, let connection): return connection
///   case .rejected(let reject): print("refused with \(reject.statusCode)")
///   case .informational: break  // the final response is still to come
///   }
///   return nil
/// }
/// ```
///
/// The framework must read the response by the rules of its version of HTTP, and limit its size. It uses the
/// ``Connection`` as a server does; see ``ServerNegotiation``.
public struct ClientNegotiation: Sendable {
  /// The request.
  public let request: Request

  let form: Form
  /// The value of `Sec-WebSocket-Extensions`; empty if there is none.
  let offers: [UInt8]
  /// Additional fields.
  let fields: Headers
  private let configuration: Configuration
  /// The number of 1xx responses so far.
  private var informationalCount = 0

  /// How the connection is requested.
  enum Form: Sendable {
    /// An HTTP/1.1 upgrade with this key.
    case upgrade(key: InlineArray<24, UInt8>)
    case extendedConnect(scheme: String)
  }

  /// What a response means.
  public enum Answer {
    /// A 1xx response (RFC 9110 §15.2): wait for the final response and pass it too.
    case informational
    /// The connection is open.
    case accepted(AcceptConnection, Connection)
    /// The server has refused. If a body follows, the framework reads it.
    case rejected(RejectConnection)
  }

  /// How many 1xx responses may precede the final one. Real servers send at most two: 100 and 103.
  static let maxInformationalResponses = 16

  /// An HTTP/1.1 request for an upgrade.
  ///
  /// - Throws: `LocalProtocolError`, with the reason, if the request must not be sent.
  public init(
    upgrade request: Request,
    configuration: Configuration = Configuration()
  ) throws(LocalProtocolError) {
    try Self.check(request, inUpgrade: true)
    var bytes = InlineArray<16, UInt8>(repeating: 0)
    var span = bytes.mutableSpan
    span.withUnsafeMutableBytes { configuration.randomSource.fill($0) }
    try self.init(request, .upgrade(key: nonceCharacters(from: bytes)), configuration)
  }

  /// An extended CONNECT of HTTP/2 or HTTP/3.
  ///
  /// - Parameters:
  ///   - request: what to ask for.
  ///   - isSecure: whether the URL's scheme is `wss`, for which `:scheme` is `https` (RFC 8441 §5).
  ///   - enableConnectProtocol: whether the server has sent SETTINGS_ENABLE_CONNECT_PROTOCOL with the value 1.
  ///   - configuration: for the connection.
  /// - Throws: `LocalProtocolError` if that setting is missing, because the request must not be sent without
  ///   it (RFC 8441 §4), or if the request itself is not legal.
  public init(
    extendedConnect request: Request,
    isSecure: Bool = true,
    enableConnectProtocol: Bool,
    configuration: Configuration = Configuration()
  ) throws(LocalProtocolError) {
    guard enableConnectProtocol else {
      throw LocalProtocolError(
        "the server has not sent SETTINGS_ENABLE_CONNECT_PROTOCOL, so :protocol must not be sent (RFC 8441 §4)",
        .head
      )
    }
    try Self.check(request, inUpgrade: false)
    try self.init(request, .extendedConnect(scheme: isSecure ? "https" : "http"), configuration)
  }

  private init(
    _ request: Request,
    _ form: Form,
    _ configuration: Configuration
  ) throws(LocalProtocolError) {
    let isUpgrade = if case .upgrade = form { true } else { false }
    self.request = request
    self.form = form
    self.configuration = configuration
    offers = try extensionOffers(of: request.extensions)
    fields = try request.extraHeaders.checkedToSend(inUpgrade: isUpgrade, receivedIn: request.received)
  }

  /// The request to send, as a value.
  ///
  /// For an upgrade, `authority` is the value of the field `Host`, and `scheme` is left to the framework.
  public var httpRequest: HTTPRequest {
    var headers = Headers()
    var made: HTTPRequest
    switch form {
    case .upgrade(let key):
      made = HTTPRequest(method: .get, scheme: nil, authority: request.host, path: request.target)
      headers.append(HTTPField(name: .upgrade, value: "websocket"))
      headers.append(HTTPField(name: .connection, value: "Upgrade"))
      headers.append(HTTPField(name: .secWebSocketKey, value: key.indices.map { key[$0] }))
    case .extendedConnect(let scheme):
      made = HTTPRequest(method: .connect, scheme: scheme, authority: request.host, path: request.target)
      made.extendedConnectProtocol = "websocket"
    }
    headers.append(HTTPField(name: .secWebSocketVersion, value: "13"))
    if !request.subprotocols.isEmpty {
      headers.append(
        HTTPField(name: .secWebSocketProtocol, value: request.subprotocols.joined(separator: ", "))
      )
    }
    if !offers.isEmpty { headers.append(HTTPField(name: .secWebSocketExtensions, value: offers)) }
    headers.append(contentsOf: fields)
    made.headerFields = headers
    return made
  }

  /// Takes a response.
  ///
  /// - Parameters:
  ///   - response: the response.
  ///   - minorVersion: the minor version of an HTTP/1 response: a 101 of HTTP/1.0 is not legal
  ///     (RFC 9110 §15.2).
  ///   - trailingData: bytes that arrived after the response.
  ///   - deflatePool: as for `Connection.init`.
  /// - Throws: `RemoteProtocolError` if it is not legal: close the transport, or reset the stream.
  public mutating func receive(
    _ response: HTTPResponse,
    minorVersion: Int = 1,
    trailingData: Bytes = Bytes(),
    deflatePool: DeflatePool? = nil
  ) throws(RemoteProtocolError) -> Answer {
    let head = ResponseHead(
      status: response.status.code,
      minorVersion: minorVersion,
      fields: HandshakeFields(response.headerFields),
      source: .fields(response.headerFields)
    )
    switch try receive(head) {
    case .informational: return .informational
    case .rejected(let reject): return .rejected(reject)
    case .accepted(let accept):
      let connection = Connection(
        .client,
        extensions: accept.extensions,
        trailingData: trailingData,
        configuration: configuration,
        deflatePool: deflatePool
      )
      return .accepted(accept, connection)
    }
  }

  /// What a response means, without the connection.
  enum Outcome {
    case informational
    case accepted(AcceptConnection)
    case rejected(RejectConnection)
  }

  /// Takes a response.
  mutating func receive(_ head: ResponseHead) throws(RemoteProtocolError) -> Outcome {
    do throws(HandshakeFault) {
      return try read(head)
    } catch {
      throw RemoteProtocolError(error, for: .client)
    }
  }

  private mutating func read(_ head: ResponseHead) throws(HandshakeFault) -> Outcome {
    switch form {
    case .upgrade(let key):
      if head.status == 101 {
        try head.checkUpgrade(key: key)
        return try accept(
          head,
          told: [
            .connection, .upgrade, .secWebSocketAccept, .secWebSocketExtensions, .secWebSocketProtocol,
          ]
        )
      }
    case .extendedConnect:
      try head.checkExtendedConnect()
      if 200..<300 ~= head.status {
        return try accept(head, told: [.secWebSocketExtensions, .secWebSocketProtocol])
      }
    }
    if 100..<200 ~= head.status {
      informationalCount += 1
      // There must be a limit (RFC 9110 §15.2).
      if informationalCount > Self.maxInformationalResponses {
        throw HandshakeFault("Bad HTTP message", "too many 1xx responses (RFC 9110 §15.2)")
      }
      return .informational
    }
    return .rejected(RejectConnection(statusCode: head.status, headers: head.source.headers(), hasBody: true))
  }

  /// - Parameter told: the fields that the event exposes in another way.
  private func accept(_ head: ResponseHead, told: [HTTP1FieldID]) throws(HandshakeFault) -> Outcome {
    let subprotocol = try head.subprotocol(among: request.subprotocols)
    let extensions = try extensionsInUse(try head.fields.extensionList(), request.extensions)
    let received = ReceivedHead(head.source, excluding: HTTP1FieldSet(told))
    return .accepted(AcceptConnection(received, subprotocol: subprotocol, extensions: extensions))
  }
}

extension ClientNegotiation {
  /// Checks a request before it is sent, by the rules that a server applies to it.
  private static func check(_ request: Request, inUpgrade isUpgrade: Bool) throws(LocalProtocolError) {
    let host = HeadPart(request.host)
    do throws(HTTP1Host.Fault) {
      try HTTP1Host.check(host.span)
    } catch {
      throw LocalProtocolError("the host \(quoted(request.host)) cannot be sent: \(error)", .head)
    }
    let target = HeadPart(request.target)
    do throws(RequestTarget.Fault) {
      if isUpgrade {
        let parts = try RequestTarget(target)
        if let authority = parts.authority, authority != host { throw .otherHost }
      } else {
        _ = try RequestTarget.originForm(target)
      }
    } catch {
      throw LocalProtocolError("the target \(quoted(request.target)) cannot be sent: \(error)", .head)
    }
    var seen: Set<String> = []
    for subprotocol in request.subprotocols {
      guard subprotocol.isHTTPToken else {
        throw LocalProtocolError(
          "the subprotocol \(quoted(subprotocol)) is not a token (RFC 6455 §4.1)",
          .subprotocol
        )
      }
      guard seen.insert(subprotocol).inserted else {
        throw LocalProtocolError(
          "the subprotocol \(quoted(subprotocol)) is there twice (RFC 6455 §4.1)",
          .subprotocol
        )
      }
    }
  }
}
