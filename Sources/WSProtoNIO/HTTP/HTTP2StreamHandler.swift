// SPDX-License-Identifier: Apache-2.0

#if NIO
import HTTPTypes
import NIOCore
import NIOHTTPTypes
import WSProto

/// The server side of one HTTP/2 stream: an ordinary request, or an extended CONNECT after which the stream carries a
/// WebSocket (RFC 8441 §5).
///
/// The handler stays in the pipeline and converts between bytes and DATA frames. The end of the stream in either
/// direction is that of the transport. A stream that is closed before its end is reset.
final class HTTP2StreamHandler: ChannelDuplexHandler {
  typealias InboundIn = HTTPRequestPart
  typealias InboundOut = ByteBuffer
  typealias OutboundIn = ByteBuffer
  typealias OutboundOut = HTTPResponsePart

  private enum State {
    /// The request is being read.
    case reading
    /// The request is being decided on or answered. DATA that arrives meanwhile waits.
    case answering
    /// A WebSocket handler follows this one.
    case open
    /// The response was sent.
    case over
  }

  private let responder: any HandshakeResponder
  /// The stream's deadline.
  private let pending: PendingConnection
  /// Called when the stream carries a WebSocket.
  private let onOpen: () -> Void
  /// The peer of the connection.
  private let peer: SocketAddress?
  /// The client of the request: the peer, or the client that a trusted proxy reports.
  private var client: SocketAddress?
  private var state = State.reading
  private var request: HTTPRequest?
  /// The body of an ordinary request.
  private var body: RequestBody
  /// Data that followed an extended CONNECT before the decision on it.
  private var early = ByteBuffer()
  private var hasInputEnded = false
  private var holdsRead = false
  private var context: ChannelHandlerContext?

  init(
    _ responder: any HandshakeResponder,
    _ pending: PendingConnection,
    peer: SocketAddress?,
    onOpen: @escaping () -> Void
  ) {
    self.responder = responder
    body = RequestBody(responder)
    self.peer = peer
    client = peer
    self.pending = pending
    self.onOpen = onOpen
  }

  // MARK: The pipeline

  func handlerAdded(context: ChannelHandlerContext) { self.context = context }

  func handlerRemoved(context: ChannelHandlerContext) { self.context = nil }

  func read(context: ChannelHandlerContext) {
    if state == .answering { holdsRead = true } else { context.read() }
  }

  private func releaseRead() {
    guard holdsRead, let context else { return }
    holdsRead = false
    context.read()
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    switch (Self.unwrapInboundIn(data), state) {
    case (.head(let request), .reading): take(request)
    case (.body(let bytes), .reading):
      guard let status = bytes.withUnsafeReadableBytes({ body.append($0) }) else { return }
      respond(HTTPServerResponse(status: status))
    case (.body(let bytes), .answering): early.writeImmutableBuffer(bytes)
    case (.body(let bytes), .open): context.fireChannelRead(Self.wrapInboundOut(bytes))
    case (.end, .reading): answer()
    case (.end, .answering): hasInputEnded = true
    case (.end, .open): context.fireUserInboundEventTriggered(ChannelEvent.inputClosed)
    case (.head, _), (_, .over): break
    }
  }

  func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
    context.write(Self.wrapOutboundOut(.body(Self.unwrapOutboundIn(data))), promise: promise)
  }

  func close(context: ChannelHandlerContext, mode: CloseMode, promise: EventLoopPromise<Void>?) {
    guard mode == .output else { return context.close(mode: mode, promise: promise) }
    context.writeAndFlush(Self.wrapOutboundOut(.end(nil)), promise: promise)
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    if state == .open { return context.fireErrorCaught(error) }
    responder.refused(.transport, "a stream has failed: \(error)", from: client)
    context.close(promise: nil)
  }

  // MARK: The request

  private func take(_ request: HTTPRequest) {
    self.request = request
    client = responder.client(of: peer, request.headerFields)
    guard request.method == .connect || request.extendedConnectProtocol != nil, let context else {
      // A body that is too long by its Content-Length isn't read.
      let count = request.headerFields[.contentLength].flatMap { Int($0) } ?? 0
      if count > responder.maxBodyBytes { respond(HTTPServerResponse(status: .contentTooLarge)) }
      return
    }
    state = .answering
    let negotiation: ServerNegotiation
    do throws(RemoteProtocolError) {
      negotiation = try ServerNegotiation(
        extendedConnect: request,
        // Every connection's settings include it; see `HTTP2Connection`.
        enableConnectProtocol: true,
        configuration: responder.socketOptions.configuration
      )
    } catch {
      responder.refused(.request, error.description, from: client)
      return respond(HTTPServerResponse(error))
    }
    let origin = HandshakeOrigin(client: client, peer: peer, channel: context.channel, isStream: true)
    responder.decide(negotiation.request, origin).whenKnown(on: context.eventLoop) {
      self.carryOut($0, negotiation)
    }
  }

  private func answer() {
    guard let request, let context else { return }
    state = .answering
    pending.disarm()
    let received = HTTPServerRequest(head: request, body: body.finish(), remoteAddress: client)
    // Unlike in HTTP/1.1, there is no upgrade to ask for.
    let answer = responder.answer(received) ?? .now(HTTPServerResponse(status: .notFound))
    answer.whenKnown(on: context.eventLoop) { self.respond($0) }
  }

  private func carryOut(_ decision: WebSocketDecision, _ negotiation: ServerNegotiation) {
    guard let context, context.channel.isActive, state == .answering else { return }
    do {
      switch decision {
      case .refuse(let response):
        // Checks that the status is a refusal.
        _ = try negotiation.reject(RejectConnection(statusCode: response.status.code))
        respond(response)
      case .accept(let subprotocol, let fields):
        let opening = try ServerOpening(negotiation, subprotocol, fields, responder)
        let isOpen = try responder.open {
          context.write(Self.wrapOutboundOut(.head(opening.response)), promise: nil)
          state = .open
          pending.end()
          onOpen()
          let trailingData = early.withUnsafeReadableBytes { Bytes(copying: $0) }
          early = ByteBuffer()
          return try opening.open(on: context.channel, trailingData, client, responder)
        }
        guard isOpen else {
          responder.refused(.shutdown, "the server shuts down", from: client)
          return respond(HTTPServerResponse(status: .serviceUnavailable))
        }
        if hasInputEnded { context.fireUserInboundEventTriggered(ChannelEvent.inputClosed) }
        releaseRead()
      }
    } catch {
      responder.refused(.decision, "the answer to a handshake cannot be sent: \(error)", from: client)
      respond(HTTPServerResponse(status: .internalServerError))
    }
  }

  /// Sends the response and ends the stream.
  private func respond(_ response: HTTPServerResponse) {
    guard let context, state != .over else { return }
    state = .over
    // The body received so far isn't needed any more.
    body = RequestBody(responder)
    // The peer must end its direction in time.
    pending.arm()
    var fields = response.headerFields
    // These fields belong to HTTP/1.1 connections and are forbidden here (RFC 9113 §8.2.2).
    for name in [HTTPField.Name.connection, .upgrade, .transferEncoding] { fields[name] = nil }
    if response.mayHaveBody { fields[.contentLength] = String(response.body.readableBytes) }
    let head = HTTPResponse(status: response.status, headerFields: fields)
    context.write(Self.wrapOutboundOut(.head(head)), promise: nil)
    if response.sendsBody(to: request?.method) {
      context.write(Self.wrapOutboundOut(.body(response.body)), promise: nil)
    }
    context.writeAndFlush(Self.wrapOutboundOut(.end(nil)), promise: nil)
    releaseRead()
  }
}
#endif
