// SPDX-License-Identifier: Apache-2.0

#if NIO
import HTTPTypes
import NIOCore
import NIOHTTP2
import NIOHTTPTypes
import WSProto

/// The client side of one HTTP/2 stream: sends an extended CONNECT, after whose answer the stream carries a WebSocket
/// (RFC 8441 §5).
///
/// The handler stays in the pipeline and converts between bytes and DATA frames. The end of the stream in either
/// direction is that of the transport. A stream that is closed before its end is reset with CANCEL.
final class HTTP2ClientStreamHandler: ChannelDuplexHandler {
  typealias InboundIn = HTTPResponsePart
  typealias InboundOut = ByteBuffer
  typealias OutboundIn = ByteBuffer
  typealias OutboundOut = HTTPRequestPart

  private enum State {
    /// The stream isn't active yet.
    case idle
    /// The request was sent.
    case asked
    /// The body of a refusal is being read.
    case refused(HTTPRefusal)
    /// A WebSocket handler follows this one.
    case open
    case over
  }

  private var negotiation: ClientNegotiation
  private let plan: ClientPlan
  private let connection: HTTP2ClientConnection
  private let complete: (Result<WebSocket, any Error>) -> Void
  private var state = State.idle
  private var deadline: Scheduled<Void>?
  private var hasInputEnded = false
  private var hasOutputEnded = false
  private var context: ChannelHandlerContext?

  /// - Parameter complete: called once with the socket, a ``WebSocketClientError`` or an ``HTTP2StreamUnprocessed``.
  init(
    _ negotiation: ClientNegotiation,
    _ plan: ClientPlan,
    _ connection: HTTP2ClientConnection,
    complete: @escaping (Result<WebSocket, any Error>) -> Void
  ) {
    self.negotiation = negotiation
    self.plan = plan
    self.connection = connection
    self.complete = complete
  }

  // MARK: The pipeline

  func handlerAdded(context: ChannelHandlerContext) {
    self.context = context
    // From this point on, since a stream beyond the server's limit waits until there is room.
    if let limit = plan.options.timeouts.opening {
      deadline = context.eventLoop.assumeIsolated().scheduleTask(in: TimeAmount(clamped: limit)) {
        self.deadlinePassed(limit)
      }
    }
    if context.channel.isActive { ask() }
  }

  func handlerRemoved(context: ChannelHandlerContext) {
    lost()
    self.context = nil
  }

  func channelActive(context: ChannelHandlerContext) {
    ask()
    context.fireChannelActive()
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    switch (Self.unwrapInboundIn(data), state) {
    case (.head(let response), .asked): take(response)
    case (.body(let bytes), .refused(let refusal)):
      refuse(
        refusal,
        RejectData(data: bytes.withUnsafeReadableBytes { Bytes(copying: $0) }, bodyFinished: false)
      )
    case (.end, .refused(let refusal)): refuse(refusal, RejectData(data: Bytes(), bodyFinished: true))
    case (.body(let bytes), .open): context.fireChannelRead(Self.wrapInboundOut(bytes))
    case (.end, .open):
      hasInputEnded = true
      context.fireUserInboundEventTriggered(ChannelEvent.inputClosed)
    case (.body, .asked), (.end, .asked): fail(WebSocketClientError.disconnected(.handshake, nil))
    case (.head, _), (_, .idle), (_, .over): break
    }
  }

  func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
    context.write(Self.wrapOutboundOut(.body(Self.unwrapOutboundIn(data))), promise: promise)
  }

  func close(context: ChannelHandlerContext, mode: CloseMode, promise: EventLoopPromise<Void>?) {
    switch mode {
    case .output: endOutput(context, promise)
    case .all where hasInputEnded && !hasOutputEnded:
      // The server has ended its direction in order, so this end does the same. It resets the stream only if that must
      // wait.
      let ended = context.eventLoop.makePromise(of: Void.self)
      ended.futureResult.assumeIsolated().whenFailure { _ in context.close(promise: nil) }
      endOutput(context, ended)
      context.channel.closeFuture.cascade(to: promise)
    case .all, .input: context.close(mode: mode, promise: promise)
    }
  }

  private func endOutput(_ context: ChannelHandlerContext, _ promise: EventLoopPromise<Void>?) {
    hasOutputEnded = true
    context.writeAndFlush(Self.wrapOutboundOut(.end(nil)), promise: promise)
  }

  // MARK: The handshake

  private func ask() {
    guard case .idle = state, let context else { return }
    state = .asked
    context.writeAndFlush(Self.wrapOutboundOut(.head(negotiation.httpRequest)), promise: nil)
  }

  private func take(_ response: HTTPResponse) {
    do throws(RemoteProtocolError) {
      switch try negotiation.receive(response) {
      case .informational: break
      case .rejected(let reject): state = .refused(HTTPRefusal(reject))
      case .accepted(let accept, let connection): open(accept, connection)
      }
    } catch {
      fail(WebSocketClientError.handshake(error))
    }
  }

  private func open(_ accept: AcceptConnection, _ connection: Connection) {
    guard let context else { return }
    deadline?.cancel()
    state = .open
    let opening = WebSocket.Opening(plan.request, accepted: accept, on: context.channel)
    do {
      complete(.success(try WebSocket.open(connection, on: context.channel, opening, options: plan.options)))
    } catch {
      state = .over
      complete(.failure(error))
      context.close(promise: nil)
    }
  }

  private func refuse(_ refusal: HTTPRefusal, _ data: RejectData) {
    var refusal = refusal
    let isComplete = refusal.append(data)
    state = .refused(refusal)
    if isComplete { fail(WebSocketClientError.refusal(refusal)) }
  }

  // MARK: The end

  private func fail(_ error: any Error) {
    switch state {
    case .open, .over: return
    case .idle, .asked, .refused: break
    }
    deadline?.cancel()
    state = .over
    complete(.failure(error))
    context?.close(promise: nil)
  }

  /// Fails with the refusal if there is one: the status counts, whatever happens to the body.
  private func failUnlessRefused(_ error: any Error) {
    if case .refused(let refusal) = state { fail(WebSocketClientError.refusal(refusal)) } else { fail(error) }
  }

  /// Fails because the stream ended without an answer.
  private func lost() {
    // A request that wasn't sent can be sent elsewhere.
    if case .idle = state { return fail(HTTP2StreamUnprocessed.connectionGone) }
    failUnlessRefused(WebSocketClientError.disconnected(.handshake, nil))
  }

  private func deadlinePassed(_ limit: Duration) {
    failUnlessRefused(WebSocketClientError.timedOut(.handshake, limit: limit))
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    if case .open = state { return context.fireErrorCaught(error) }
    guard let closed = error as? NIOHTTP2Errors.StreamClosed else {
      return failUnlessRefused(WebSocketClientError.disconnected(.handshake, "\(error)"))
    }
    // The server's GOAWAY is reported after the end of the streams that it ends.
    let connection = connection
    context.eventLoop.assumeIsolated().execute {
      self.failUnlessRefused(Self.meaning(of: closed, connection))
    }
  }

  private static func meaning(
    of closed: NIOHTTP2Errors.StreamClosed,
    _ connection: HTTP2ClientConnection
  ) -> any Error {
    switch closed.errorCode {
    case .refusedStream: HTTP2StreamUnprocessed.refused
    case .http11Required: WebSocketClientError.http2Unavailable(.http1Required)
    case _ where connection.isUnprocessed(closed.streamID): HTTP2StreamUnprocessed.connectionGone
    case let code: WebSocketClientError.streamReset(code: code.networkCode)
    }
  }

  func channelInactive(context: ChannelHandlerContext) {
    // After the stream reset, which may be what ended the stream.
    context.eventLoop.assumeIsolated().execute { self.lost() }
    context.fireChannelInactive()
  }
}

@available(*, unavailable)
extension HTTP2ClientStreamHandler: Sendable {}
#endif
