// SPDX-License-Identifier: Apache-2.0

public import HTTPTypes

// The server's side (RFC 6455 §4.2).
extension H11Handshake {
  /// What may follow the request before it is decided on, in bytes.
  private static let maxEarlyBytes = 64 << 10

  /// Starts with a request that an HTTP server has read and parsed already. Call ``nextEvent()`` afterwards.
  ///
  /// - Parameters:
  ///   - headers: all fields of the request, `Host` included.
  ///   - path: the request target.
  /// - Throws: `ProtocolError.local` for a client, or when a request was read before; `ProtocolError.remote` as for
  ///   received bytes.
  public func initiateUpgradeConnection(headers: Headers, path: String) throws(ProtocolError) {
    guard type == .server else {
      throw .local(
        LocalProtocolError("a client cannot start from a request that was received", .state(state))
      )
    }
    var head: [UInt8] = []
    do throws(LocalProtocolError) {
      try writing { () throws(HTTP1WriteError) in
        try HTTP1HeadWriter.appendRequestLine(target: path, to: &head)
        try HTTP1HeadWriter.appendFields(headers, to: &head)
        HTTP1HeadWriter.appendEnd(to: &head)
      }
    } catch {
      throw .local(error)
    }
    try receiveData(head)
  }

  func receiveRequest(_ data: UnsafeRawBufferPointer) throws(ProtocolError) {
    reader.receive(data)
    guard machine.state == .awaitingRequest else {
      return try checkEarlyBytes()
    }
    let head: HTTP1Head
    do throws(HTTP1Error) {
      guard let complete = try reader.next() else { return }
      head = complete
    } catch {
      throw fail(error)
    }
    do throws(RemoteProtocolError) {
      let (received, subprotocols) = try process(head)
      let request = Request(received, subprotocols: subprotocols)
      self.received = received
      self.request = request
      queue.append(.request(request))
    } catch {
      throw fail(error)
    }
    do throws(LocalProtocolError) {
      try machine.apply(.receiveRequest)
    } catch {
      throw .local(error)
    }
    try checkEarlyBytes()
  }

  /// Bytes that come before the decision are kept for the connection, within bounds.
  private func checkEarlyBytes() throws(ProtocolError) {
    guard reader.bufferedCount > Self.maxEarlyBytes else { return }
    throw fail(
      RemoteProtocolError("too many bytes before the handshake was answered", eventHint: Self.badRequest)
    )
  }

  /// The fields that ``Request`` tells by properties of their own.
  private static let fieldsOfRequest = HTTP1FieldSet([.host, .secWebSocketExtensions, .secWebSocketProtocol])

  private static var badRequest: Event { .rejectConnection(RejectConnection()) }

  /// The requirements of RFC 6455 §4.2.1, one by one.
  private func process(_ head: HTTP1Head) throws(RemoteProtocolError) -> (
    ReceivedHead, subprotocols: [String]
  ) {
    func refuse(_ message: String, _ detail: String) -> RemoteProtocolError {
      RemoteProtocolError(message, detail: detail, eventHint: Self.badRequest)
    }
    func single(_ id: HTTP1FieldID, _ what: String) throws(RemoteProtocolError) -> HTTP1Field {
      guard let field = head.first(id) else { throw refuse("Missing header, '\(what)'", "RFC 6455 §4.2.1") }
      if head.repeated.contains(id) { throw refuse("Repeated header, '\(what)'", "RFC 6455 §11.3") }
      return field
    }

    guard head.isGET else {
      throw RemoteProtocolError(
        "Request method must be GET",
        detail: "RFC 6455 §4.2.1",
        eventHint: .rejectConnection(RejectConnection(statusCode: 405, headers: [.allow: "GET"]))
      )
    }
    if head.announcesBody {
      throw refuse("Bad HTTP message", "a handshake request with a body (RFC 9110 §9.3.1)")
    }
    guard head.contains(.connection, element: "upgrade") else {
      throw refuse("Missing header, 'Connection: Upgrade'", "RFC 6455 §4.2.1")
    }
    try checkVersion(head)
    let keyField = try single(.secWebSocketKey, "Sec-WebSocket-Key")
    guard head.withValue(of: keyField, { isWebSocketKey($0) }) else {
      throw refuse("Bad header, 'Sec-WebSocket-Key'", "not the Base64 form of 16 bytes (RFC 6455 §4.2.1)")
    }
    guard head.contains(.upgrade, element: "websocket") else {
      throw refuse("Missing header, 'Upgrade: WebSocket'", "RFC 6455 §4.2.1")
    }
    let host = try single(.host, "Host")
    guard head.withValue(of: host, { HTTP1Host.isLegal($0) }) else {
      throw refuse("Bad header, 'Host'", "not host [\":\" port] (RFC 9110 §7.2)")
    }

    var subprotocols: [String] = []
    var offers: [ExtensionHeader] = []
    for field in head.fields {
      if field.id == .secWebSocketProtocol {
        subprotocols += splitCommaHeader(head.value(of: field))
      } else if field.id == .secWebSocketExtensions {
        do throws(ExtensionHeaderError) {
          let list = try ExtensionHeader.parseList(head.valueBytes(of: field))
          if offers.isEmpty { offers = list } else { offers += list }
        } catch {
          throw refuse("Bad header, 'Sec-WebSocket-Extensions'", "\(error) (RFC 6455 §9.1)")
        }
      }
    }
    guard subprotocols.allSatisfy(\.isHTTPToken) else {
      throw refuse("Bad header, 'Sec-WebSocket-Protocol'", "a subprotocol is no token (RFC 6455 §4.1)")
    }
    let received = ReceivedHead(head, offers: offers, excluding: Self.fieldsOfRequest)
    return (received, subprotocols)
  }

  /// RFC 6455 §4.4: another version is answered with 426 and the one spoken here.
  private func checkVersion(_ head: HTTP1Head) throws(RemoteProtocolError) {
    let field = head.first(.secWebSocketVersion)
    if let field, !head.repeated.contains(.secWebSocketVersion), head.value(of: field, equals: "13") {
      return
    }
    let reject = RejectConnection(
      statusCode: field == nil ? 400 : 426,
      headers: Headers([HTTPField(name: .secWebSocketVersion, value: "13")])
    )
    throw RemoteProtocolError(
      "Missing header, 'Sec-WebSocket-Version'",
      detail: "version 13 is spoken here (RFC 6455 §4.4)",
      eventHint: .rejectConnection(reject)
    )
  }

  /// RFC 6455 §4.2.2.
  func accept(_ event: AcceptConnection, into output: inout [UInt8]) throws(LocalProtocolError) {
    var next = machine
    try next.apply(.sendAccept)
    if let subprotocol = event.subprotocol, request?.subprotocols.contains(subprotocol) != true {
      throw LocalProtocolError("the subprotocol \(subprotocol) was not requested", .subprotocol)
    }
    try Self.checkExtraHeaders(event.extraHeaders)
    // There is a request that was received, with one legal key: the state says so.
    guard let received, let key = received.head.first(.secWebSocketKey) else { return }
    let offers = received.offers
    var extensions = event.extensions
    received.head.withValue(of: key) { HTTP1HeadWriter.appendSwitchingProtocols(key: $0, to: &output) }
    try writing { () throws(HTTP1WriteError) in
      if let subprotocol = event.subprotocol {
        try HTTP1HeadWriter.appendField("Sec-WebSocket-Protocol", subprotocol, to: &output)
      }
      if !offers.isEmpty {
        try HTTP1HeadWriter.appendExtensions(to: &output) { output in
          appendServerExtensionsHandshake(offers, &extensions, to: &output)
        }
      }
      try HTTP1HeadWriter.appendFields(event.extraHeaders, to: &output)
      HTTP1HeadWriter.appendEnd(to: &output)
    }
    machine = next
    let trailing = Bytes(reader.takeTrailingBytes())
    connection = Connection(
      .server,
      extensions: extensions,
      trailingData: trailing,
      configuration: configuration
    )
  }

  /// The handshake is refused; the connection ends with the response (RFC 9112 §9.6), and what followed the request
  /// is dropped.
  func reject(_ event: RejectConnection, into output: inout [UInt8]) throws(LocalProtocolError) {
    var next = machine
    guard 200...599 ~= event.statusCode else {
      throw LocalProtocolError("\(event.statusCode) is no status of a rejection", .head)
    }
    var headers = event.headers
    if !event.hasBody {
      headers[.transferEncoding] = nil
      headers[.contentLength] = 200...599 ~= event.statusCode && event.statusCode != 204 ? "0" : nil
    }
    headers[.connection] = "close"
    try next.apply(event.hasBody ? .sendRejectHead : .sendReject)
    try writing { () throws(HTTP1WriteError) in
      let (framing, addsCoding) = try HTTP1BodyWriter.framing(status: event.statusCode, headers: headers)
      if addsCoding { headers[.transferEncoding] = "chunked" }
      try HTTP1HeadWriter.appendStatusLine(event.statusCode, to: &output)
      try HTTP1HeadWriter.appendFields(headers, to: &output)
      HTTP1HeadWriter.appendEnd(to: &output)
      bodyWriter = event.hasBody ? HTTP1BodyWriter(framing) : nil
    }
    machine = next
    _ = reader.takeTrailingBytes()
  }

  func sendRejectData(_ event: RejectData, into output: inout [UInt8]) throws(LocalProtocolError) {
    var next = machine
    try next.apply(event.bodyFinished ? .sendRejectEnd : .sendRejectData)
    try writing { () throws(HTTP1WriteError) in
      try bodyWriter?.append(event.data, finished: event.bodyFinished, to: &output)
    }
    machine = next
  }
}

extension HTTP1HeadWriter {
  /// Appends the part of a 101 response that is the same for all, and the accept token for `key`
  /// (RFC 6455 §4.2.2 item 5). The caller goes on with more fields or with the end.
  static func appendSwitchingProtocols(key: Span<UInt8>, to out: inout [UInt8]) {
    append(
      "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ",
      to: &out
    )
    appendAcceptToken(key: key, to: &out)
    appendLineEnd(to: &out)
  }
}
