// SPDX-License-Identifier: Apache-2.0

#if NIO
import NIOCore
import NIOHTTP2
import NIOHTTPTypesHTTP2
import Synchronization
import WSProto

/// The client side of an HTTP/2 connection: the server's settings, the streams, and the end (RFC 9113, RFC 8441).
///
/// The flow-control window of a stream follows what its socket's reader takes: an unread stream holds 64 KiB and
/// doesn't hold up the others. The server may not push.
final class HTTP2ClientConnection: Sendable {
  private struct State {
    /// Whether no more streams may be opened.
    var isRetired = false
    /// The server's limit on concurrent streams. Most servers send none.
    var maxStreams = 100
    /// The number of streams that are open or about to be opened.
    var count = 0
    /// The number of streams opened since the beginning. Stream identifiers are limited (RFC 9113 §5.1.1).
    var openedCount = 0
    /// Incremented for each stream, so that a timer can tell whether the connection was idle all the time.
    var idleNumber = 0
    var idleTimeout: Duration
    /// The last stream that the server may have processed, once it has sent GOAWAY (RFC 9113 §6.8).
    var lastProcessed: HTTP2StreamID?
  }

  private static let maxOpenedCount = 1 << 29

  private let channel: any Channel
  private let multiplexer: NIOHTTP2Handler.StreamMultiplexer
  private let state = Mutex(State(idleTimeout: .zero))
  /// Whether extended CONNECT may be sent; known once the server's first settings have arrived.
  private let settled = Promised<Bool>()

  /// Adds HTTP/2 to the end of a channel's pipeline. Call it on the event loop.
  static func open(on channel: any Channel, _ plan: ClientPlan) throws -> HTTP2ClientConnection {
    var configuration = NIOHTTP2Handler.ConnectionConfiguration()
    configuration.initialSettings = [
      HTTP2Setting(parameter: .enablePush, value: 0),
      HTTP2Setting(
        parameter: .maxHeaderListSize,
        value: min(max(0, plan.options.maxHeadBytes), Int(Int32.max))
      ),
    ]
    let multiplexer = try channel.pipeline.syncOperations.configureHTTP2Pipeline(
      mode: .client,
      connectionConfiguration: configuration,
      streamConfiguration: NIOHTTP2Handler.StreamConfiguration()
    ) { stream in
      // Can't happen: push is disabled, and NIO refuses it before this.
      stream.close()
    }
    let connection = HTTP2ClientConnection(channel, multiplexer)
    try channel.pipeline.syncOperations.addHandler(HTTP2FrameWatcher(connection))
    let limit = plan.settingsTimeout
    let timer = channel.eventLoop.scheduleTask(in: TimeAmount(clamped: limit)) {
      let error = WebSocketClientError.http2Unavailable(.noSettings(limit: limit))
      connection.settled.resume(with: .failure(error))
    }
    channel.closeFuture.whenComplete { _ in timer.cancel() }
    return connection
  }

  private init(_ channel: any Channel, _ multiplexer: NIOHTTP2Handler.StreamMultiplexer) {
    self.channel = channel
    self.multiplexer = multiplexer
  }

  // MARK: From the server

  /// Waits for the server's settings, and returns whether the server supports extended CONNECT.
  ///
  /// - Throws: ``WebSocketClientError``; `CancellationError`.
  func takesExtendedConnect() async throws -> Bool { try await settled.value() }

  fileprivate func received(_ settings: HTTP2Settings) {
    if let setting = settings.last(where: { $0.parameter == .maxConcurrentStreams }) {
      state.withLock { $0.maxStreams = setting.value }
    }
    let setting = settings.last { $0.parameter == .enableConnectProtocol }
    // Only the first settings count: the server must not withdraw this setting (RFC 8441 §3).
    settled.resume(with: .success(setting?.value == 1))
  }

  fileprivate func receivedGoAway(_ last: HTTP2StreamID) {
    state.withLock { state in
      state.isRetired = true
      state.lastProcessed = min(last, state.lastProcessed ?? last)
    }
    closeIfUnused()
  }

  /// - Parameter error: the error that ended the connection, if there was one.
  fileprivate func ended(_ error: (any Error)?) {
    retire()
    let failure = error.map { WebSocketClientError($0, during: .handshake) } ?? .disconnected(.handshake, nil)
    settled.resume(with: .failure(failure))
  }

  /// Whether the server has announced that it won't process this stream, so that the request can be sent elsewhere.
  func isUnprocessed(_ stream: HTTP2StreamID) -> Bool {
    state.withLock { state in state.lastProcessed.map { stream > $0 } ?? false }
  }

  // MARK: Streams

  /// Whether more streams may be opened, now or later.
  var isUsable: Bool { state.withLock { !$0.isRetired } }

  /// Stops opening streams.
  func retire() { state.withLock { $0.isRetired = true } }

  /// Reserves a place for a stream that is about to be opened. Returns false if there is none.
  func reserve(atMost bound: Int) -> Bool {
    state.withLock { state in
      guard !state.isRetired, state.count < min(bound, state.maxStreams) else { return false }
      state.count += 1
      state.openedCount += 1
      state.idleNumber += 1
      if state.openedCount >= Self.maxOpenedCount { state.isRetired = true }
      return true
    }
  }

  private func release() {
    let (isIdle, number, timeout) = state.withLock { state in
      state.count -= 1
      return (state.count == 0, state.idleNumber, state.isRetired ? .zero : state.idleTimeout)
    }
    if isIdle { closeIfUnused(after: timeout, number) }
  }

  /// From now on, closes the connection after it has had no stream for this time.
  func keepIdle(_ timeout: Duration) {
    let (isIdle, number) = state.withLock { state in
      state.idleTimeout = timeout
      return (state.count == 0, state.idleNumber)
    }
    if isIdle { closeIfUnused(after: timeout, number) }
  }

  private func closeIfUnused(after timeout: Duration, _ number: Int) {
    guard timeout > .zero else { return closeIfUnused() }
    channel.eventLoop.scheduleTask(in: TimeAmount(clamped: timeout)) {
      let isIdle = self.state.withLock { $0.count == 0 && $0.idleNumber == number }
      if isIdle { self.closeIfUnused() }
    }
  }

  private func closeIfUnused() {
    let isUnused = state.withLock { state in
      guard state.count == 0 else { return false }
      state.isRetired = true
      return true
    }
    if isUnused { close() }
  }

  /// Closes the connection and all streams on it.
  func close() {
    retire()
    channel.eventLoop.execute { [channel] in
      guard channel.isActive else { return }
      let last = HTTP2Frame(
        streamID: .rootStream,
        payload: .goAway(lastStreamID: .rootStream, errorCode: .noError, opaqueData: nil)
      )
      channel.pipeline.syncOperations.writeAndFlush(NIOAny(last), promise: nil)
      channel.close(promise: nil)
    }
  }

  /// Opens a WebSocket on a stream whose place was reserved.
  ///
  /// - Throws: ``WebSocketClientError``; ``HTTP2StreamUnprocessed``; `CancellationError` if the task is cancelled, in
  ///   which case the stream is reset.
  func open(_ plan: ClientPlan) async throws -> WebSocket {
    let place = StreamPlace { self.release() }
    let negotiation: ClientNegotiation
    do throws(LocalProtocolError) {
      negotiation = try ClientNegotiation(
        extendedConnect: plan.request,
        isSecure: plan.address.isSecure,
        enableConnectProtocol: true,
        configuration: plan.options.configuration
      )
    } catch {
      place.free()
      throw WebSocketClientError.request(error)
    }
    let opened = Promised<WebSocket>()
    let created = channel.eventLoop.makePromise(of: (any Channel).self)
    multiplexer.createStreamChannel(promise: created) { [channel] stream in
      stream.eventLoop.makeCompletedFuture {
        stream.closeFuture.whenComplete { _ in place.free() }
        guard channel.isActive, self.state.withLock({ $0.lastProcessed == nil }) else {
          throw HTTP2StreamUnprocessed.connectionGone
        }
        let handler = HTTP2ClientStreamHandler(negotiation, plan, self) { opened.resume(with: $0) }
        try stream.pipeline.syncOperations.addHandlers([HTTP2FramePayloadToHTTPClientCodec(), handler])
      }
    }
    created.futureResult.whenFailure { error in
      place.free()
      opened.resume(
        with: .failure(error is HTTP2StreamUnprocessed ? error : HTTP2StreamUnprocessed.connectionGone)
      )
    }
    do {
      return try await opened.value()
    } catch {
      // Nobody waits for the stream any more, even if it was opened at the last moment.
      if error is CancellationError { created.futureResult.whenSuccess { $0.close(promise: nil) } }
      throw error
    }
  }
}

/// The server hasn't processed a request, so that it can be sent again on another connection (RFC 9113 §8.7).
enum HTTP2StreamUnprocessed: Error {
  /// The server sent RST_STREAM with REFUSED_STREAM.
  case refused
  /// The connection has ended, or the server accepts no more streams on it.
  case connectionGone
}

/// The reserved place of a stream on its connection. It is freed once.
private final class StreamPlace: Sendable {
  private let isFree = Atomic<Bool>(false)
  private let onFree: @Sendable () -> Void

  init(onFree: @escaping @Sendable () -> Void) { self.onFree = onFree }

  func free() {
    if !isFree.exchange(true, ordering: .relaxed) { onFree() }
  }
}

/// Observes a connection's frames and its end.
private final class HTTP2FrameWatcher: ChannelInboundHandler {
  typealias InboundIn = HTTP2Frame

  private let connection: HTTP2ClientConnection
  private var error: (any Error)?

  init(_ connection: HTTP2ClientConnection) { self.connection = connection }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    switch Self.unwrapInboundIn(data).payload {
    case .settings(.settings(let settings)): connection.received(settings)
    case .goAway(let last, _, _): connection.receivedGoAway(last)
    default: break
    }
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    // A stream handles its own errors.
    if error is NIOHTTP2Errors.StreamError { return }
    self.error = self.error ?? error
    context.close(promise: nil)
  }

  func channelInactive(context: ChannelHandlerContext) {
    connection.ended(error)
    context.fireChannelInactive()
  }
}
#endif
