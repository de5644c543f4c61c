// SPDX-License-Identifier: Apache-2.0

#if NIO
import CoreMetrics
import HTTPTypes
import Logging
import NIOCore
import NIOPosix
import NIOSSL
import NIOTLS
import ServiceLifecycle
import Synchronization
import WSProto

/// What runs behind a ``WebSocketServer``.
final class ServerCore: HandshakeResponder {
  private let listeners: [WebSocketListener]
  let options: WebSocketServerOptions
  private let handler: WebSocketServer.Handler
  private let logger: Logger
  private let metrics: ServerMetrics
  let limits: ConnectionLimits
  let budget: MemoryBudget?
  private let tls = Mutex<NIOSSLContext?>(nil)
  /// Where the server listens.
  let listening = Promised<[SocketAddress]>()
  /// Succeeds when no closure has a socket any more, after the shutdown has begun.
  private let idle = Promised<Void>()

  private struct State {
    var hasRun = false
    var isShuttingDown = false
    var listeners: [any Channel] = []
    var channels: [ObjectIdentifier: any Channel] = [:]
    /// Those that a closure has, or waits for.
    var sockets: [UInt64: WebSocket] = [:]
    var opened: AsyncStream<WebSocket>.Continuation?
    var pools: [ObjectIdentifier: NIOLoopBound<DeflatePool>] = [:]
  }

  private let state = Mutex(State())

  init(
    _ listeners: [WebSocketListener],
    _ options: WebSocketServerOptions,
    _ handler: @escaping WebSocketServer.Handler
  ) {
    self.listeners = listeners
    self.options = options
    self.handler = handler
    logger = options.logger
    metrics = ServerMetrics(options.metrics ?? MetricsSystem.factory)
    budget = options.maxMessageMemory.map { MemoryBudget(limit: $0) }
    let logger = options.logger
    limits = ConnectionLimits(maxOpen: options.maxConnections, maxPending: options.maxPendingConnections) {
      logger.warning(
        "no more connections are accepted for now",
        metadata: ["connections": "\($0)", "pending": "\($1)"]
      )
    }
  }

  // MARK: Running

  func run() async throws {
    let isFirst = state.withLock { state in
      defer { state.hasRun = true }
      return !state.hasRun
    }
    guard isFirst else { throw WebSocketServerAlreadyRun() }
    let (opened, continuation) = AsyncStream<WebSocket>.makeStream()
    let isShuttingDown = state.withLock { state in
      state.opened = continuation
      return state.isShuttingDown
    }
    // Told to shut down before it ran.
    if isShuttingDown { continuation.finish() }
    do {
      if let configuration = options.tls { try setTLS(configuration) }
      try await listen()
    } catch {
      listening.resume(with: .failure(error))
      throw error
    }
    await withTaskCancellationHandler {
      await withGracefulShutdownHandler {
        await serve(opened)
      } onGracefulShutdown: {
        self.beginShutdown()
      }
    } onCancel: {
      beginShutdown()
    }
    await dropAll()
    logger.info("the server has shut down")
  }

  /// Listens in all places, or in none.
  private func listen() async throws {
    let bootstrap = ServerBootstrap(group: options.eventLoopGroup ?? MultiThreadedEventLoopGroup.singleton)
      .serverChannelOption(.backlog, value: 1024)
      .serverChannelOption(.maxMessagesPerRead, value: 1)
      .serverChannelInitializer { [limits] channel in
        channel.eventLoop.makeCompletedFuture {
          try channel.pipeline.syncOperations.addHandler(AcceptGate(limits))
        }
      }
      .childChannelInitializer { channel in
        channel.eventLoop.makeCompletedFuture { try self.prepare(channel) }
      }
    var channels: [any Channel] = []
    for listener in listeners {
      do {
        channels.append(try await Self.bind(listener, bootstrap))
      } catch {
        for channel in channels { try? await channel.close() }
        throw WebSocketListenError(listener: listener, cause: error)
      }
    }
    let addresses = channels.compactMap { $0.localAddress }
    let isShuttingDown = state.withLock { state in
      state.listeners = channels
      return state.isShuttingDown
    }
    // Told to shut down before it listened.
    if isShuttingDown { for channel in channels { channel.close(promise: nil) } }
    logger.info("listening", metadata: ["addresses": "\(addresses)"])
    listening.resume(with: .success(addresses))
    options.onListening?(addresses)
  }

  private static func bind(
    _ listener: WebSocketListener,
    _ bootstrap: ServerBootstrap
  ) async throws -> any Channel {
    switch listener {
    case .host(let host, let port):
      // Not for Unix sockets, whose paths know no such thing.
      try await bootstrap.serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
        .bind(host: host, port: port).get()
    case .unix(let path):
      try await bootstrap.bind(unixDomainSocketPath: path, cleanupExistingSocketFile: true).get()
    case .inherited(let descriptor):
      try await bootstrap.withBoundSocket(descriptor).get()
    }
  }

  // MARK: Connections

  /// Sets up a connection that was accepted; on its event loop.
  private func prepare(_ channel: any Channel) throws {
    let key = ObjectIdentifier(channel)
    let isShuttingDown = state.withLock { state in
      state.channels[key] = channel
      return state.isShuttingDown
    }
    let pending = PendingConnection(channel, limit: options.socket.timeouts.opening) { [limits] in
      limits.pendingEnded()
    }
    channel.closeFuture.whenComplete { _ in
      self.limits.ended()
      self.state.withLock { $0.channels[key] = nil }
    }
    if isShuttingDown { return channel.close(promise: nil) }
    try configure(channel, pending)
  }

  /// The handlers of a connection: TLS, if there is any, and the version of HTTP that it agrees on.
  private func configure(_ channel: any Channel, _ pending: PendingConnection) throws {
    let pipeline = channel.pipeline.syncOperations
    guard let context = tls.withLock({ $0 }) else {
      return try pipeline.addHandler(HTTP1ServerHandler(self, pending, remoteAddress: channel.remoteAddress))
    }
    try pipeline.addHandler(NIOSSLServerHandler(context: context))
    let negotiation = ApplicationProtocolNegotiationHandler { result, channel in
      channel.eventLoop.makeCompletedFuture {
        if case .negotiated("h2") = result { return try HTTP2Connection.configure(channel, self, pending) }
        let http = HTTP1ServerHandler(self, pending, remoteAddress: channel.remoteAddress)
        try channel.pipeline.syncOperations.addHandler(http)
      }
    }
    try pipeline.addHandler(negotiation)
  }

  /// Connections from now on use this certificate, this key and what else TLS is told.
  ///
  /// - Throws: `NIOSSLError` if the configuration is of no use; nothing has changed then.
  func setTLS(_ configuration: TLSConfiguration) throws {
    var configuration = configuration
    configuration.applicationProtocols = options.http2 ? ["h2", "http/1.1"] : ["http/1.1"]
    let context = try NIOSSLContext(configuration: configuration)
    tls.withLock { $0 = context }
  }

  /// Runs a closure for each socket until the shutdown, then waits for them.
  private func serve(_ opened: AsyncStream<WebSocket>) async {
    await withDiscardingTaskGroup { group in
      for await socket in opened {
        group.addTask(executorPreference: socket.executor) { await self.serve(socket) }
      }
      // The end of the stream is the shutdown.
      let timeout = options.shutdownTimeout.clampedForClock
      let dropping = Task {
        try await Task.sleep(for: timeout)
        await self.dropAll()
      }
      await idle.value(within: timeout * 2 / 3)
      group.cancelAll()
      await Task { await idle.value(within: timeout) }.value
      dropping.cancel()
    }
  }

  private func serve(_ socket: WebSocket) async {
    let failure: (any Error)?
    do {
      try await handler(socket)
      failure = nil
    } catch {
      failure = error
    }
    await close(socket, after: failure)
  }

  /// Closes a connection whose closure has returned.
  ///
  /// A function of its own, so that its memory is not held by each connection.
  @inline(never)
  private func close(_ socket: WebSocket, after failure: (any Error)?) async {
    var close = CloseConnection(code: .normalClosure)
    var cause = WebSocketClosed.Cause.local
    if let failure {
      if socket.hasEnded || (failure is CancellationError && isShuttingDown) {
        logger.debug("a connection has ended: \(failure)", metadata: metadata(socket))
      } else {
        logger.error("the closure has thrown: \(failure)", metadata: metadata(socket))
        close = CloseConnection(code: .internalError)
        cause = .handlerFailed
      }
    }
    if isShuttingDown, cause == .local {
      close = CloseConnection(code: .goingAway)
      cause = .shutdown
    }
    // Not cancelled with this task: the closing handshake has a deadline of its own.
    await Task { [close, cause] in _ = try? await socket.close(close, cause: cause) }.value
    forget(socket)
  }

  /// What the log says of a connection.
  private func metadata(_ socket: WebSocket) -> Logger.Metadata {
    let peer = socket.remoteAddress.map { "\($0)" } ?? "unknown"
    return ["connection": "\(socket.id)", "peer": "\(peer)"]
  }

  private func forget(_ socket: WebSocket) {
    let (isIdle, openCount) = state.withLock { state in
      state.sockets[socket.id] = nil
      return (state.isShuttingDown && state.sockets.isEmpty, state.sockets.count)
    }
    if let closed = socket.closed {
      metrics.closed(closed, openCount: openCount)
      logger.debug("closed: \(closed)", metadata: metadata(socket))
    }
    if isIdle { idle.resume(with: .success(())) }
  }

  // MARK: Shutting down

  var isShuttingDown: Bool { state.withLock { $0.isShuttingDown } }

  /// Stops accepting and reading; `run` does the rest.
  func beginShutdown() {
    let begun: State? = state.withLock { state in
      if state.isShuttingDown { return nil }
      state.isShuttingDown = true
      return state
    }
    guard let begun else { return }
    logger.info("shutting down", metadata: ["connections": "\(begun.sockets.count)"])
    for listener in begun.listeners { listener.close(promise: nil) }
    for socket in begun.sockets.values { socket.stopReceiving() }
    begun.opened?.finish()
    if begun.sockets.isEmpty { idle.resume(with: .success(())) }
  }

  /// Ends what is left, and waits until it has ended.
  private func dropAll() async {
    let (channels, sockets) = state.withLock { (Array($0.channels.values), $0.sockets.count) }
    if sockets > 0 { logger.warning("connections are dropped", metadata: ["connections": "\(sockets)"]) }
    for channel in channels { channel.close(promise: nil) }
    for channel in channels { try? await channel.closeFuture.get() }
  }

  // MARK: HandshakeResponder

  var socketOptions: WebSocketOptions { options.socket }
  var maxBodyBytes: Int { options.maxBodyBytes }
  var maxRequestsPerConnection: Int { options.maxRequestsPerConnection }

  func decide(_ request: Request, from address: SocketAddress?) -> Eventual<WebSocketDecision> {
    if isShuttingDown {
      refused(.shutdown, "the server shuts down", from: address)
      return .now(.refuse(.serviceUnavailable))
    }
    do throws(OriginRefusal) {
      try request.checkOrigin(options.origin)
    } catch {
      refused(.origin, error.description, from: address)
      return .now(.refuse(HTTPResponse.Status(code: error.rejection.statusCode)))
    }
    guard let decide = options.decide else {
      return .now(.accept(subprotocol: request.subprotocol(from: options.subprotocols)))
    }
    return .later {
      do {
        return try await decide(request)
      } catch {
        self.refused(.decision, "the decision on a request has thrown: \(error)", from: address)
        return .refuse(.internalServerError)
      }
    }
  }

  func admitStream() -> Bool { limits.admitStream() }

  func streamEnded() { limits.ended() }

  func answer(_ request: HTTPServerRequest) -> Eventual<HTTPServerResponse>? {
    guard let answer = options.answer else { return nil }
    return .later {
      do {
        return try await answer(request)
      } catch {
        self.logger.error("the closure that answers requests has thrown: \(error)")
        return HTTPServerResponse(status: .internalServerError)
      }
    }
  }

  func deflatePool(on eventLoop: any EventLoop) -> DeflatePool? {
    guard options.socket.compression != nil else { return nil }
    return state.withLock { state in
      let key = ObjectIdentifier(eventLoop)
      if let pool = state.pools[key] { return pool }
      let pool = NIOLoopBound(DeflatePool(), eventLoop: eventLoop)
      state.pools[key] = pool
      return pool
    }.value
  }

  func opened(_ socket: WebSocket) {
    let (opened, openCount) = state.withLock { state in
      state.sockets[socket.id] = socket
      return (state.isShuttingDown ? nil : state.opened, state.sockets.count)
    }
    metrics.opened(openCount: openCount)
    logger.debug("opened", metadata: metadata(socket))
    if case .enqueued = opened?.yield(socket) { return }
    // Accepted in the last moment: the shutdown waits for its end, too.
    Task {
      _ = try? await socket.close(CloseConnection(code: .goingAway), cause: .shutdown)
      forget(socket)
    }
  }

  func refused(_ cause: RefusalCause, _ details: String, from address: SocketAddress?) {
    metrics.refused(cause)
    let peer = address.map { "\($0)" } ?? "unknown"
    logger.debug("refused: \(details)", metadata: ["peer": "\(peer)", "cause": "\(cause.rawValue)"])
  }
}
#endif
