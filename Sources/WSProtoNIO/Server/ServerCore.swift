// SPDX-License-Identifier: Apache-2.0

#if NIO
import CoreMetrics
import Logging
import NIOCore
import NIOSSL
import ServiceLifecycle
import Synchronization
import WSProto

/// The implementation of ``WebSocketServer``: its life cycle here, its other parts in extensions.
final class ServerCore: Sendable {
  let listeners: [WebSocketListener]
  let options: WebSocketServerOptions
  private let handler: WebSocketServer.Handler
  let logger: Logger
  let metrics: ServerMetrics
  let limits: ConnectionLimits
  let clients: ClientLimits?
  let budget: MemoryBudget?
  let tls = Mutex<NIOSSLContext?>(nil)
  /// The addresses that the server listens on.
  let listening = Promised<[SocketAddress]>()
  /// Succeeds when the shutdown has begun and no closure has a socket any more.
  let idle = Promised<Void>()

  struct State {
    var hasRun = false
    var isShuttingDown = false
    /// Why the server shuts down, if nobody asked for it.
    var failure: WebSocketListenError?
    var listeners: [any Channel] = []
    var channels: [ObjectIdentifier: any Channel] = [:]
    /// Sockets whose closure runs or is about to run.
    var sockets: [UInt64: WebSocket] = [:]
    /// The number of sockets about to be added: the response to their handshake is on its way.
    var openingCount = 0
    /// Whether no closure has a socket or is about to get one.
    var isIdle: Bool { sockets.isEmpty && openingCount == 0 }
    /// The timers that end sockets at their maximum lifetime.
    var lifetimes: [UInt64: Scheduled<Void>] = [:]
    var opened: AsyncStream<WebSocket>.Continuation?
    /// What the connections of an event loop share.
    var loops: [ObjectIdentifier: NIOLoopBound<ServerLoop>] = [:]
  }

  let state = Mutex(State())

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
    budget = options.limits.maxMessageMemory.map {
      MemoryBudget(limit: $0, messageTime: options.limits.messageMemoryTime)
    }
    clients = ClientLimits(options.limits)
    let logger = options.logger
    limits = ConnectionLimits(
      maxOpen: options.limits.maxConnections,
      maxPending: options.limits.maxPendingConnections
    ) {
      logger.warning(
        "the limit on connections is reached: further ones wait, and streams are refused",
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
    // The shutdown began before the server ran.
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
    await endLoops()
    logger.info("the server has shut down")
    if let failure = state.withLock({ $0.failure }) { throw failure }
  }

  /// Runs a closure for each socket until the shutdown begins, then waits for the closures.
  private func serve(_ opened: AsyncStream<WebSocket>) async {
    await withDiscardingTaskGroup { group in
      for await socket in opened {
        group.addTask(executorPreference: socket.executor) { await self.serve(socket) }
      }
      // The stream ends when the shutdown begins.
      let timeout = options.shutdown.timeout.clampedForClock
      let dropping = Task {
        try await Task.sleep(for: timeout)
        await self.dropAll()
      }
      let stopping = Task { await self.stopInBatches(within: timeout / 3) }
      await idle.value(within: timeout * 2 / 3)
      // If this task was cancelled, some batches haven't stopped yet: cancelling `stopping` skips its remaining pauses.
      stopping.cancel()
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

  /// Closes a connection whose closure returned.
  ///
  /// A separate function, so that connections don't hold its memory while their closures run.
  @inline(never)
  private func close(_ socket: WebSocket, after failure: (any Error)?) async {
    var close = CloseConnection(code: .normalClosure)
    var cause = WebSocketClosed.Cause.local
    if let failure {
      if socket.hasEnded || (failure is CancellationError && isShuttingDown) {
        logger.debug("a closure has thrown at the end of its connection", metadata: metadata(socket, failure))
      } else {
        logger.error("the closure has thrown", metadata: metadata(socket, failure))
        close = CloseConnection(code: .internalError)
        cause = .handlerFailed
      }
    }
    if isShuttingDown, cause == .local {
      close = CloseConnection(code: .goingAway)
      cause = .shutdown
    }
    // In a task of its own, which isn't cancelled with this one: the closing handshake has its own deadline.
    await Task { [close, cause] in _ = try? await socket.close(close, cause: cause) }.value
    forget(socket)
  }

  /// Removes a closed socket, and logs how it ended.
  func forget(_ socket: WebSocket) {
    let (isIdle, openCount, lifetime) = state.withLock { state in
      state.sockets[socket.id] = nil
      let lifetime = state.lifetimes.removeValue(forKey: socket.id)
      return (state.isShuttingDown && state.isIdle, state.sockets.count, lifetime)
    }
    lifetime?.cancel()
    if let closed = socket.closed {
      metrics.closed(closed, openCount: openCount)
      var metadata = metadata(socket)
      metadata["code"] = "\(closed.code.rawValue)"
      metadata["cause"] = "\(closed.cause.label)"
      logger.debug("closed: \(closed)", metadata: metadata)
    }
    if isIdle { idle.resume(with: .success(())) }
  }

  /// The log metadata of a connection, including an error if there is one.
  func metadata(_ socket: WebSocket, _ error: (any Error)? = nil) -> Logger.Metadata {
    var metadata: Logger.Metadata = [
      "connection": "\(socket.id)", "peer": "\(socket.remoteAddress.map { "\($0)" } ?? "unknown")",
    ]
    if let error { metadata["error"] = "\(error)" }
    return metadata
  }

  // MARK: Event loops

  /// What the connections of the current event loop share.
  func loop(_ eventLoop: any EventLoop) -> ServerLoop {
    let key = ObjectIdentifier(eventLoop)
    if let loop = state.withLock({ $0.loops[key] }) { return loop.value }
    // Only this event loop adds its own entry.
    let loop = NIOLoopBound(ServerLoop(metrics, on: eventLoop), eventLoop: eventLoop)
    state.withLock { $0.loops[key] = loop }
    return loop.value
  }

  /// Reports what was carried since the last report, and stops reporting.
  private func endLoops() async {
    for loop in state.withLock({ Array($0.loops.values) }) {
      try? await loop.eventLoop.submit { loop.value.end() }.get()
    }
  }
}
#endif
