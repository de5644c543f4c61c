// SPDX-License-Identifier: Apache-2.0

#if NIO
import NIOCore
import NIOHTTP2
import NIOHTTPTypesHTTP2
import Synchronization
import WSProto

/// A client's side of a connection of HTTP/2: the server's settings, the streams on it, its end (RFC 9113, RFC 8441).
///
/// The windows of a stream follow what its socket's reader takes: a stream that nobody reads holds 64 KiB, and keeps no
/// other one waiting. The server may not push.
final class HTTP2ClientConnection: Sendable {
  private struct State {
    /// No further stream may be opened.
    var isRetired = false
    /// The most streams at once, as the server says; it says nothing in most cases.
    var maxStreams = 100
    /// Streams that are open, or about to be.
    var count = 0
    /// Streams since the beginning: their numbers have an end (RFC 9113 §5.1.1).
    var openedCount = 0
    /// Grows with each stream, so that a timer can tell whether the connection has been idle all along.
    var idleNumber = 0
    var idleTimeout: Duration
    /// The last stream that the server has looked at, once it has said so with GOAWAY (RFC 9113 §6.8).
    var lastProcessed: HTTP2StreamID?
  }

  private static let maxOpenedCount = 1 << 29

  private let channel: any Channel
  private let multiplexer: NIOHTTP2Handler.StreamMultiplexer
  private let state = Mutex(State(idleTimeout: .zero))
  /// Whether extended CONNECT may be sent, once the server's first settings have come.
  private let settled = Promised<Bool>()

  /// Puts HTTP/2 into a channel's pipeline, at its end. On the event loop.
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
      // Not legal without push, which is refused before this.
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

  // MARK: What the server says

  /// Whether the server takes extended CONNECT; waits for its settings.
  ///
  /// - Throws: ``WebSocketClientError``; `CancellationError`.
  func takesExtendedConnect() async throws -> Bool { try await settled.value() }

  fileprivate func received(_ settings: HTTP2Settings) {
    if let setting = settings.last(where: { $0.parameter == .maxConcurrentStreams }) {
      state.withLock { $0.maxStreams = setting.value }
    }
    let setting = settings.last { $0.parameter == .enableConnectProtocol }
    // Only the first counts: the setting is not to be taken back (RFC 8441 §3).
    settled.resume(with: .success(setting?.value == 1))
  }

  fileprivate func receivedGoAway(_ last: HTTP2StreamID) {
    state.withLock { state in
      state.isRetired = true
      state.lastProcessed = min(last, state.lastProcessed ?? last)
    }
    closeIfUnused()
  }

  /// - Parameter error: what has gone wrong, if anything has.
  fileprivate func ended(_ error: (any Error)?) {
    retire()
    let failure = error.map { WebSocketClientError($0, during: .handshake) } ?? .disconnected(.handshake, nil)
    settled.resume(with: .failure(failure))
  }

  /// Whether the server has said that it won't look at that stream: it can be asked for elsewhere.
  func isUnprocessed(_ stream: HTTP2StreamID) -> Bool {
    state.withLock { state in state.lastProcessed.map { stream > $0 } ?? false }
  }

  // MARK: Streams

  /// Whether further streams may be opened, now or later.
  var isUsable: Bool { state.withLock { !$0.isRetired } }

  /// No further stream is opened.
  func retire() { state.withLock { $0.isRetired = true } }

  /// Takes the place of a stream that is about to be opened, if there is one.
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

  /// From now on the connection is closed when it has been without a stream for so long.
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

  /// Ends the connection, and all streams on it.
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

  /// Opens a WebSocket on a stream, whose place was reserved.
  ///
  /// - Throws: ``WebSocketClientError``; ``HTTP2StreamUnprocessed``; `CancellationError` if the task is cancelled: the stream
  ///   is reset then.
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
      // Nobody waits for it any more, even if it has been opened in the last moment.
      if error is CancellationError { created.futureResult.whenSuccess { $0.close(promise: nil) } }
      throw error
    }
  }
}

/// The server has not looked at a request, which can be sent again on another connection (RFC 9113 §8.7).
enum HTTP2StreamUnprocessed: Error {
  /// RST_STREAM with REFUSED_STREAM.
  case refused
  /// The connection has ended, or the server has said that it takes no further stream.
  case connectionGone
}

/// The place of a stream among those of its connection, which is given back once.
private final class StreamPlace: Sendable {
  private let isFree = Atomic<Bool>(false)
  private let onFree: @Sendable () -> Void

  init(onFree: @escaping @Sendable () -> Void) { self.onFree = onFree }

  func free() {
    if !isFree.exchange(true, ordering: .relaxed) { onFree() }
  }
}

/// Sees the frames of a connection as a whole, and its end.
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
    // That of a stream is the stream's.
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
