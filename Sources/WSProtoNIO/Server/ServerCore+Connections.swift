// SPDX-License-Identifier: Apache-2.0

#if NIO
import Logging
import NIOCore
import NIOPosix
import NIOSSL
import NIOTLS
import Synchronization
import WSProto

// Listening and accepting: from the socket to the HTTP handlers.
extension ServerCore {
  // MARK: Listeners

  /// Listens on all listeners, or on none.
  func listen() async throws {
    var channels: [any Channel] = []
    for (index, listener) in listeners.enumerated() {
      do {
        channels.append(try await Self.bind(listener, bootstrap(index)))
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
    // The shutdown began before the server listened.
    if isShuttingDown { for channel in channels { channel.close(promise: nil) } }
    logger.info("listening", metadata: ["addresses": "\(addresses)"])
    listening.resume(with: .success(addresses))
    options.onListening?(addresses)
  }

  /// Makes the channel of `listeners[index]`.
  ///
  /// - Parameter failures: the number of failures before, if it takes the place of another channel.
  private func bootstrap(_ index: Int, failures: Int = 0) -> ServerBootstrap {
    ServerBootstrap(group: options.eventLoopGroup ?? MultiThreadedEventLoopGroup.singleton)
      .serverChannelOption(.backlog, value: 1024)
      .serverChannelOption(.maxMessagesPerRead, value: 1)
      .serverChannelInitializer { [limits] channel in
        channel.eventLoop.makeCompletedFuture {
          let gate = AcceptGate(limits, failures: failures) { self.accepting($0, index) }
          try channel.pipeline.syncOperations.addHandler(gate)
        }
      }
      .childChannelInitializer { channel in
        channel.eventLoop.makeCompletedFuture { try self.prepare(channel) }
      }
  }

  private static func bind(
    _ listener: WebSocketListener,
    _ bootstrap: ServerBootstrap
  ) async throws -> any Channel {
    switch listener {
    case .host(let host, let port):
      // Not for Unix domain sockets, which don't have this option.
      try await bootstrap.serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
        .bind(host: host, port: port).get()
    case .unix(let path):
      try await bootstrap.bind(unixDomainSocketPath: path, cleanupExistingSocketFile: true).get()
    case .inherited(let descriptor):
      try await bootstrap.withBoundSocket(descriptor).get()
    }
  }

  /// Logs and counts events of accepting, and replaces or gives up a listener.
  private func accepting(_ event: AcceptGate.Event, _ index: Int) {
    switch event {
    case .failing(let error, let isNews): acceptFailed(error, isNews: isNews)
    case .interrupted(let error, let failures, let socket):
      acceptFailed(error, isNews: failures == 0)
      Task { await listenAgain(index, failures: failures + 1, socket, after: error) }
    case .recovered(let failures):
      logger.notice("connections are accepted again", metadata: ["failures": "\(failures)"])
    case .failed(let error): fail(WebSocketListenError(listener: listeners[index], cause: error))
    }
  }

  private func acceptFailed(_ error: IOError, isNews: Bool) {
    metrics.acceptFailed()
    guard isNews else { return }
    logger.error("accepting connections fails, and is tried again", metadata: ["error": "\(error)"])
  }

  /// Replaces a listener that NIO closed because of a connection, after a pause. It uses the same socket, so that the
  /// connections in the backlog are served.
  private func listenAgain(_ index: Int, failures: Int, _ socket: CInt?, after error: IOError) async {
    var place = listeners[index]
    switch (place, socket) {
    // NIO has removed the path with the channel.
    case (.unix, let socket?): Descriptors.closeDuplicate(socket)
    case (.unix, nil): break
    case (_, let socket?): place = .inherited(descriptor: socket)
    case (_, nil): return fail(WebSocketListenError(listener: place, cause: error))
    }
    try? await Task.sleep(for: .nanoseconds(AcceptGate.pause.nanoseconds))
    guard !isShuttingDown else {
      if case .inherited(let socket) = place { Descriptors.closeDuplicate(socket) }
      return
    }
    do {
      let channel = try await Self.bind(place, bootstrap(index, failures: failures))
      let (isKept, isShuttingDown) = state.withLock { state in
        // Another listener may still be on its way.
        let isKept = state.listeners.indices.contains(index)
        if isKept { state.listeners[index] = channel }
        return (isKept, state.isShuttingDown)
      }
      if isShuttingDown || !isKept { channel.close(promise: nil) }
      if !isKept { fail(WebSocketListenError(listener: listeners[index], cause: error)) }
    } catch {
      fail(WebSocketListenError(listener: listeners[index], cause: error))
    }
  }

  /// Shuts the server down because one of its listeners is lost.
  private func fail(_ error: WebSocketListenError) {
    let isNews = state.withLock { state in
      guard !state.isShuttingDown, state.failure == nil else { return false }
      state.failure = error
      return true
    }
    guard isNews else { return }
    logger.critical("a listener has failed", metadata: ["error": "\(error)"])
    beginShutdown()
  }

  // MARK: Connections

  /// Sets up an accepted connection, on its event loop.
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
    let peer = channel.remoteAddress
    switch options.proxyProtocol.expectation(of: peer) {
    case .none: try begin(channel, pending, peer)
    case .refused:
      refused(.proxyProtocol, "the peer is none of the proxies", from: peer)
      channel.close(promise: nil)
    case .header(let isRequired):
      let handler = ProxyProtocolHandler(isRequired: isRequired) { outcome in
        do {
          switch outcome {
          case .begins(let source): try self.begin(channel, pending, source?.socketAddress ?? peer)
          case .failed(let error): throw error
          }
        } catch {
          self.refused(.proxyProtocol, "\(error)", from: peer)
          channel.close(promise: nil)
        }
      }
      try channel.pipeline.syncOperations.addHandler(handler)
    }
  }

  /// Continues with a connection whose peer is known, from its socket or from the PROXY protocol.
  private func begin(_ channel: any Channel, _ pending: PendingConnection, _ peer: SocketAddress?) throws {
    // Behind a trusted proxy, the WebSockets of its clients are counted instead.
    if let clients, !isProxy(peer) {
      guard clients.takePlace(peer) else {
        refused(.client, "a connection beyond the limit of a client", from: peer)
        return channel.close(promise: nil)
      }
      channel.closeFuture.whenComplete { _ in clients.givePlace(peer) }
    }
    try configure(channel, pending, peer)
  }

  /// Adds the handlers of a connection: TLS if configured, and the HTTP version that it agrees on.
  private func configure(_ channel: any Channel, _ pending: PendingConnection, _ peer: SocketAddress?) throws
  {
    let pipeline = channel.pipeline.syncOperations
    guard let context = tls.withLock({ $0 }) else {
      return try pipeline.addHandler(HTTP1ServerHandler(self, pending, peer: peer))
    }
    try pipeline.addHandler(NIOSSLServerHandler(context: context))
    let negotiation = ApplicationProtocolNegotiationHandler { result, channel in
      channel.eventLoop.makeCompletedFuture {
        if case .negotiated("h2") = result {
          return try HTTP2Connection.configure(channel, self, pending, peer: peer)
        }
        try channel.pipeline.syncOperations.addHandler(HTTP1ServerHandler(self, pending, peer: peer))
      }
    }
    try pipeline.addHandler(negotiation)
  }

  /// Applies a certificate, key and other TLS settings to new connections.
  ///
  /// - Throws: `NIOSSLError` if the configuration can't be used. Nothing changes then.
  func setTLS(_ configuration: TLSConfiguration) throws {
    var configuration = configuration
    configuration.applicationProtocols = options.http2 ? ["h2", "http/1.1"] : ["http/1.1"]
    let context = try NIOSSLContext(configuration: configuration)
    tls.withLock { $0 = context }
  }

  // MARK: Proxies

  /// Whether this peer is a trusted proxy, which forwards the requests of others.
  func isProxy(_ peer: SocketAddress?) -> Bool {
    guard let proxies = options.trustedProxies, let peer else { return false }
    return peer.isProxy(in: proxies.networks)
  }
}
#endif
