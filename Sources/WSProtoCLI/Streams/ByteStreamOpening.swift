// SPDX-License-Identifier: Apache-2.0

#if Tool && NIO
import NIOCore
import NIOPosix
import NIOSSL
import NIOTLS
import Synchronization
import WSProtoNIO
import WSProtoTool

extension ByteStream {
  /// Where a stream leads to.
  struct Target: Sendable {
    var host: URLHost
    var port: Int
    /// The Unix socket to connect to, in place of host and port.
    var unixSocketPath: String?

    /// The host and port of a URL.
    init(_ address: WebSocketAddress, unixSocketPath: String? = nil) {
      host = address.host
      port = address.port
      self.unixSocketPath = unixSocketPath
    }

    fileprivate var endpoint: WebSocketClientError.Endpoint {
      WebSocketClientError.Endpoint(host: host, port: port, isProxy: false)
    }
  }

  /// What is offered by ALPN: the laboratory speaks HTTP/1.1.
  static let protocols = ["http/1.1"]

  /// Connects, and agrees on TLS.
  ///
  /// - Parameters:
  ///   - target: where to.
  ///   - tls: `nil` for none. Make it once for many connections: reading the system's certificates takes long.
  ///   - limit: for all of it.
  /// - Throws: ``WebSocketClientError``; `CancellationError`.
  static func connect(
    to target: Target,
    tls: ClientTLSLayer? = nil,
    timeout limit: Duration
  ) async throws -> ByteStream {
    try tls?.prepare(offering: protocols)
    let eventLoop = MultiThreadedEventLoopGroup.singleton.next()
    let opening = ByteStreamOpening(eventLoop, tls)
    let time = TimeAmount(clamped: limit)
    let timer = eventLoop.scheduleTask(in: time) {
      opening.finish(.failure(WebSocketClientError.timedOut(opening.stage, limit: limit)))
    }
    let bootstrap = ClientBootstrap(group: eventLoop)
      .connectTimeout(time)
      .channelOption(.allowRemoteHalfClosure, value: true)
      .channelInitializer { channel in
        channel.eventLoop.makeCompletedFuture { try opening.setUp(channel) }
      }
    let connecting =
      if let path = target.unixSocketPath {
        bootstrap.connect(unixDomainSocketPath: path)
      } else {
        bootstrap.channelOption(.socketOption(.tcp_nodelay), value: 1)
          .connect(host: target.host.name, port: target.port)
      }
    connecting.whenFailure { error in
      opening.finish(.failure(WebSocketClientError(connecting: error, to: target.endpoint, limit: limit)))
    }
    return try await withTaskCancellationHandler {
      defer { timer.cancel() }
      return try await opening.stream.get()
    } onCancel: {
      opening.finish(.failure(CancellationError()))
    }
  }
}

/// A connection on its way to being open, TLS included. The first result counts.
final class ByteStreamOpening: Sendable {
  private struct State {
    var channel: (any Channel)?
    var isSecuring = false
    var isOver = false
  }

  private let tls: ClientTLSLayer?
  private let promise: EventLoopPromise<ByteStream>
  private let state = Mutex(State())

  init(_ eventLoop: any EventLoop, _ tls: ClientTLSLayer?) {
    self.tls = tls
    promise = eventLoop.makePromise()
  }

  /// The stream, when it is open.
  var stream: EventLoopFuture<ByteStream> { promise.futureResult }

  /// What is under way.
  var stage: WebSocketClientError.Stage { state.withLock { $0.isSecuring ? .tls : .connecting } }

  /// Puts the handlers in, on the event loop. Where a name has several addresses, one of several channels opens.
  func setUp(_ channel: any Channel) throws {
    let pipeline = channel.pipeline.syncOperations
    try pipeline.addHandler(TransportEnd())
    let stream = ByteStream(channel)
    let handler = try tls?.makeHandler(offering: ByteStream.protocols)
    if let handler { try pipeline.addHandler(handler) }
    try pipeline.addHandler(OpeningHandler(self, stream, tls, handler))
    try pipeline.addHandler(ByteStreamHandler(stream))
  }

  fileprivate func connected(_ channel: any Channel) {
    let isOver = state.withLock { state in
      state.channel = channel
      state.isSecuring = true
      return state.isOver
    }
    if isOver { channel.close(promise: nil) }
  }

  func finish(_ result: Result<ByteStream, any Error>) {
    let (isFirst, channel) = state.withLock { state in
      defer { state.isOver = true }
      return (!state.isOver, state.channel)
    }
    switch (isFirst, result) {
    case (true, .success): promise.completeWith(result)
    case (true, .failure):
      promise.completeWith(result)
      channel?.close(promise: nil)
    case (false, .success(let late)): late.close()
    case (false, .failure): break
    }
  }

  /// What an error means for the stream; `nil` if it goes on.
  static func end(_ error: any Error) -> Result<Void, ByteStream.Failure>? {
    switch error as? NIOSSLError {
    // The peer has ended TCP without saying so by TLS before: common, and its protocol says whether all was there.
    case .uncleanShutdown?: .success(())
    default: .failure(ByteStream.Failure(error))
    }
  }
}

/// Sees a client's connection open, and leaves the pipeline.
private final class OpeningHandler: ChannelInboundHandler, RemovableChannelHandler {
  typealias InboundIn = ByteBuffer

  private let opening: ByteStreamOpening
  private let stream: ByteStream
  private let tls: ClientTLSLayer?
  private let handler: NIOSSLClientHandler?

  init(
    _ opening: ByteStreamOpening,
    _ stream: ByteStream,
    _ tls: ClientTLSLayer?,
    _ handler: NIOSSLClientHandler?
  ) {
    self.opening = opening
    self.stream = stream
    self.tls = tls
    self.handler = handler
  }

  func channelActive(context: ChannelHandlerContext) {
    opening.connected(context.channel)
    if tls == nil { opened(context) }
    context.fireChannelActive()
  }

  func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
    if case .some(.handshakeCompleted) = event as? TLSUserEvent, let tls, let handler {
      if let failure = tls.failure(of: handler) {
        opening.finish(.failure(failure))
      } else {
        opened(context)
      }
    }
    context.fireUserInboundEventTriggered(event)
  }

  private func opened(_ context: ChannelHandlerContext) {
    opening.finish(.success(stream))
    context.pipeline.syncOperations.removeHandler(context: context, promise: nil)
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    opening.finish(.failure(WebSocketClientError(error, during: opening.stage)))
    context.fireErrorCaught(error)
  }

  func channelInactive(context: ChannelHandlerContext) {
    opening.finish(.failure(WebSocketClientError.disconnected(opening.stage, nil)))
    context.fireChannelInactive()
  }
}

@available(*, unavailable)
extension OpeningHandler: Sendable {}
#endif
