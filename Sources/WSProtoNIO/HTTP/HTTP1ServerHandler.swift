// SPDX-License-Identifier: Apache-2.0

#if NIO
import HTTPTypes
import NIOCore
import WSProto

/// The server side of HTTP/1.1 on a channel, until one of its requests has opened a WebSocket (RFC 9112, RFC 6455
/// §4.2).
///
/// Requests are handled one at a time. The transport isn't read from the end of a request until the last byte of its
/// answer has left, so that a peer that pipelines requests, or doesn't read the answers, uses no more memory than one
/// read loop and one answer. If the core rejects a request, the handler sends the core's answer and ends the connection
/// without examining any more bytes.
final class HTTP1ServerHandler: ChannelDuplexHandler, RemovableChannelHandler {
  typealias InboundIn = ByteBuffer
  typealias InboundOut = ByteBuffer
  typealias OutboundIn = ByteBuffer
  typealias OutboundOut = ByteBuffer

  private enum State {
    /// Requests are read.
    case reading
    /// A request is being decided on or answered. Input that arrives meanwhile waits in the reader.
    case answering
    /// The last response was sent. Input is dropped until the peer ends the transport.
    case closing
    /// A WebSocket handler has taken over.
    case upgraded
  }

  /// An ordinary request that isn't complete.
  private struct Exchange {
    let request: HTTPRequest
    let body: RequestBody
  }

  private let responder: any HandshakeResponder
  private let pending: PendingConnection
  /// The peer of the connection.
  private let peer: SocketAddress?
  /// The client of the current request: the peer, or the client that a trusted proxy reports.
  private var client: SocketAddress?
  private var reader: HTTP1RequestReader
  private var state = State.reading
  private var exchange: Exchange?
  private var requestCount = 0
  /// Whether the server is shutting down, so that the next answer is the last one.
  private var isQuiescing = false
  private var holdsRead = false
  /// Whether the peer has ended its direction of the transport.
  private var hasInputEnded = false
  /// Whether `readOn` is running, so that an answer available at once doesn't call it recursively.
  private var isReadingOn = false
  private var context: ChannelHandlerContext?

  init(_ responder: any HandshakeResponder, _ pending: PendingConnection, peer: SocketAddress?) {
    self.responder = responder
    self.pending = pending
    self.peer = peer
    client = peer
    reader = HTTP1RequestReader(limits: responder.socketOptions.configuration.limits)
  }

  // MARK: The pipeline

  func handlerAdded(context: ChannelHandlerContext) {
    self.context = context
    // A peer that ends its direction after a request still gets the answer.
    setHalfClosure(true, context)
  }

  private func setHalfClosure(_ isAllowed: Bool, _ context: ChannelHandlerContext) {
    try? context.channel.syncOptions?.setOption(.allowRemoteHalfClosure, value: isAllowed)
  }

  func handlerRemoved(context: ChannelHandlerContext) { self.context = nil }

  func read(context: ChannelHandlerContext) {
    if state == .answering { holdsRead = true } else { context.read() }
  }

  private func releaseRead() {
    guard holdsRead, state != .answering, let context else { return }
    holdsRead = false
    context.read()
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    switch state {
    case .closing: return
    case .upgraded: context.fireChannelRead(data)
    case .answering: Self.unwrapInboundIn(data).withUnsafeReadableBytes { reader.receive($0) }
    case .reading:
      Self.unwrapInboundIn(data).withUnsafeReadableBytes { reader.receive($0) }
      readOn()
    }
  }

  func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
    if event is ChannelShouldQuiesceEvent { isQuiescing = true }
    if case .some(.inputClosed) = event as? ChannelEvent {
      hasInputEnded = true
      if state == .reading { context.close(promise: nil) }
    }
    context.fireUserInboundEventTriggered(event)
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    responder.refused(.transport, "the transport has failed: \(error)", from: client)
    context.close(promise: nil)
  }

  // MARK: Requests

  /// Processes input up to the next request that must be answered.
  private func readOn() {
    guard !isReadingOn else { return }
    isReadingOn = true
    defer { isReadingOn = false }
    do throws(RemoteProtocolError) {
      while state == .reading, let part = try reader.next() { take(part) }
    } catch {
      refuse(error)
    }
  }

  private func take(_ part: HTTP1RequestReader.Part) {
    switch part {
    case .head(let request, let minorVersion):
      client = responder.client(of: peer, request.headerFields)
      if Self.asksForWebSocket(request) { return negotiate(request, minorVersion) }
      exchange = Exchange(request: request, body: RequestBody(responder))
      // A body that is too long by its Content-Length is neither asked for nor read.
      if let count = request.headerFields[.contentLength].flatMap({ Int($0) }), count > responder.maxBodyBytes
      {
        return respond(HTTPServerResponse(status: .contentTooLarge), to: request, closes: true)
      }
      if request.headerFields[.expect]?.lowercased() == "100-continue" {
        write(Array("HTTP/1.1 100 Continue\r\n\r\n".utf8))
      }
    case .body(let bytes):
      guard let status = bytes.withUnsafeBytes({ exchange?.body.append($0) }) else { return }
      respond(HTTPServerResponse(status: status), to: exchange?.request, closes: true)
    case .end: answer()
    }
  }

  /// Whether a request is meant to open a WebSocket, well-formed or not.
  private static func asksForWebSocket(_ request: HTTPRequest) -> Bool {
    let fields = request.headerFields
    if fields[.secWebSocketKey] != nil || fields[.secWebSocketVersion] != nil { return true }
    return splitCommaHeader(fields[.upgrade] ?? "").contains { $0.lowercased() == "websocket" }
  }

  /// Answers an ordinary request.
  private func answer() {
    guard let exchange, let context else { return }
    self.exchange = nil
    requestCount += 1
    state = .answering
    pending.disarm()
    let request = HTTPServerRequest(
      head: exchange.request,
      body: exchange.body.finish(),
      remoteAddress: client
    )
    let options = splitCommaHeader(exchange.request.headerFields[.connection] ?? "").map { $0.lowercased() }
    let closes =
      options.contains("close") || isQuiescing
      || requestCount >= responder.maxRequestsPerConnection
    let upgradeRequired = HTTPServerResponse(
      status: .upgradeRequired,
      headerFields: [.upgrade: "websocket", .connection: "Upgrade"]
    )
    let answer = responder.answer(request) ?? .now(upgradeRequired)
    answer.whenKnown(on: context.eventLoop) { response in
      self.respond(response, to: exchange.request, closes: closes)
    }
  }

  // MARK: Handshakes

  /// Decides on a request for a WebSocket.
  private func negotiate(_ request: HTTPRequest, _ minorVersion: Int) {
    guard let context else { return }
    let negotiation: ServerNegotiation
    do throws(RemoteProtocolError) {
      negotiation = try ServerNegotiation(
        upgrade: request,
        minorVersion: minorVersion,
        configuration: responder.socketOptions.configuration
      )
    } catch {
      return refuse(error)
    }
    state = .answering
    let origin = HandshakeOrigin(client: client, peer: peer, channel: context.channel, isStream: false)
    responder.decide(negotiation.request, origin).whenKnown(on: context.eventLoop) { decision in
      self.carryOut(decision, negotiation)
    }
  }

  private func carryOut(_ decision: WebSocketDecision, _ negotiation: ServerNegotiation) {
    guard let context, context.channel.isActive else { return }
    do {
      switch decision {
      case .refuse(let response):
        // Checks that the status is a refusal.
        let head = try negotiation.reject(
          RejectConnection(
            statusCode: response.status.code,
            headers: response.headerFields,
            hasBody: response.body.readableBytes > 0
          )
        )
        let refusal = HTTPServerResponse(
          status: head.status,
          headerFields: head.headerFields,
          body: response.body
        )
        respond(refusal, to: nil, closes: true)
      case .accept where hasInputEnded:
        responder.refused(.transport, "the peer has ended its direction behind a handshake", from: client)
        context.close(promise: nil)
      case .accept(let subprotocol, let fields):
        let opening = try ServerOpening(negotiation, subprotocol, fields, responder)
        // Bytes after the request belong to the connection.
        let isOpen = try responder.open { try upgrade(opening, reader.takeUnreadBytes(), context) }
        guard isOpen else {
          responder.refused(.shutdown, "the server shuts down", from: client)
          return respond(HTTPServerResponse(status: .serviceUnavailable), to: nil, closes: true)
        }
        releaseRead()
        context.pipeline.syncOperations.removeHandler(context: context, promise: nil)
      }
    } catch {
      responder.refused(.decision, "the answer to a handshake cannot be sent: \(error)", from: client)
      respond(HTTPServerResponse(status: .internalServerError), to: nil, closes: true)
    }
  }

  private func upgrade(
    _ opening: ServerOpening,
    _ trailingData: Bytes,
    _ context: ChannelHandlerContext
  ) throws -> WebSocket {
    var head: [UInt8] = []
    try opening.response.appendHead(to: &head)
    context.write(Self.wrapOutboundOut(ByteBuffer(bytes: head)), promise: nil)
    state = .upgraded
    setHalfClosure(false, context)
    pending.end()
    // Flushes, together with replies to bytes that followed the request.
    return try opening.open(on: context.channel, trailingData, client, responder)
  }

  // MARK: Responses

  /// Refuses an invalid request with the core's answer.
  private func refuse(_ error: RemoteProtocolError) {
    responder.refused(.request, error.description, from: client)
    respond(HTTPServerResponse(error), to: nil, closes: true)
  }

  /// - Parameter closes: whether this is the last response.
  private func respond(_ response: HTTPServerResponse, to request: HTTPRequest?, closes: Bool) {
    guard let context, state == .reading || state == .answering else { return }
    var response = response
    response.headerFields[.transferEncoding] = nil
    response.headerFields[.contentLength] = response.mayHaveBody ? String(response.body.readableBytes) : nil
    if closes { response.closeConnection() }
    let head = HTTPResponse(status: response.status, headerFields: response.headerFields)
    var bytes: [UInt8] = []
    do throws(LocalProtocolError) {
      try head.appendHead(to: &bytes)
    } catch {
      responder.refused(.decision, "a response cannot be sent: \(error)", from: client)
      return context.close(promise: nil)
    }
    exchange = nil
    // The next request, or the end of the transport, must come in time.
    pending.arm()
    state = closes ? .closing : .answering
    let written = context.eventLoop.makePromise(of: Void.self)
    let sendsBody = response.sendsBody(to: request?.method)
    context.write(Self.wrapOutboundOut(ByteBuffer(bytes: bytes)), promise: sendsBody ? nil : written)
    if sendsBody { context.write(Self.wrapOutboundOut(response.body), promise: written) }
    context.flush()
    guard closes else {
      return written.futureResult.assumeIsolated().whenSuccess { self.answered() }
    }
    // Behind the answer: if the peer has ended its direction, NIO closes at once and drops what isn't written.
    written.futureResult.assumeIsolated().whenComplete { _ in
      let promise = context.eventLoop.makePromise(of: Void.self)
      promise.futureResult.assumeIsolated().whenFailure { _ in context.close(promise: nil) }
      context.close(mode: .output, promise: promise)
    }
    releaseRead()
  }

  /// Continues after an answer has left.
  private func answered() {
    guard state == .answering else { return }
    state = .reading
    readOn()
    if hasInputEnded, state == .reading, let context { context.close(promise: nil) }
    releaseRead()
  }

  private func write(_ bytes: [UInt8]) {
    context?.writeAndFlush(Self.wrapOutboundOut(ByteBuffer(bytes: bytes)), promise: nil)
  }
}
#endif
