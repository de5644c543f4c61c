// SPDX-License-Identifier: Apache-2.0

#if NIO
import NIOCore
import NIOPosix
import Synchronization

/// The result of an attempt to open a connection.
enum ClientTransport: Sendable {
  /// An open WebSocket over HTTP/1.1.
  case socket(WebSocket)
  /// An HTTP/2 connection without any request so far.
  case http2(HTTP2ClientConnection)

  /// Closes the transport when nobody needs it any more.
  func drop() {
    switch self {
    case .socket(let socket): socket.drop(.local)
    case .http2(let connection): connection.close()
    }
  }
}

/// One attempt to open a connection according to a plan. A task waits for it and can cancel it.
final class ClientAttempt: Sendable {
  private enum State {
    case connecting
    case settingUp(any Channel)
    case over
  }

  private let plan: ClientPlan
  private let eventLoop: any EventLoop
  private let promise: EventLoopPromise<ClientTransport>
  private let state = Mutex(State.connecting)

  init(_ plan: ClientPlan) {
    self.plan = plan
    eventLoop = plan.eventLoopGroup.next()
    promise = eventLoop.makePromise()
  }

  /// Opens a WebSocket over HTTP/1.1.
  ///
  /// - Throws: as ``run()`` does.
  static func byHTTP1(_ plan: ClientPlan) async throws -> WebSocket {
    switch try await ClientAttempt(plan.byHTTP1).run() {
    case .socket(let socket): return socket
    case .http2(let connection):
      // Impossible: HTTP/2 wasn't offered.
      connection.close()
      throw WebSocketClientError.disconnected(.handshake, nil)
    }
  }

  /// Runs the attempt, once.
  ///
  /// - Throws: ``WebSocketClientError``; `CancellationError` if the task is cancelled, in which case the transport is
  ///   dropped.
  func run() async throws -> ClientTransport {
    do throws(WebSocketClientError) {
      try plan.prepare()
    } catch {
      promise.fail(error)
      throw error
    }
    return try await withTaskCancellationHandler {
      start()
      return try await promise.futureResult.get()
    } onCancel: {
      finish(.failure(CancellationError()))
    }
  }

  private func start() {
    // Cancelled before the attempt began.
    if case .over = state.withLock({ $0 }) { return }
    let limit = TimeAmount(clamped: plan.connectTimeout)
    plan.firstBytes?.reset()
    let bootstrap = ClientBootstrap(group: eventLoop)
      .connectTimeout(limit)
      // A server may speak first: a preface of HTTP/2 (RFC 9113 §3.4), or a banner. It's read when the handshake begins.
      .channelOption(.autoRead, value: false)
      .channelInitializer { [plan] channel in
        channel.eventLoop.makeCompletedFuture {
          let handler = ClientSetupHandler(plan) { self.finish($0) }
          try channel.pipeline.syncOperations.addHandler(handler)
        }
      }
    // One limit for name resolution and all addresses together: the bootstrap's own limit applies to each address.
    let timer = eventLoop.scheduleTask(in: limit) {
      self.finish(.failure(WebSocketClientError.timedOut(.connecting, limit: self.plan.connectTimeout)))
    }
    connect(bootstrap).whenComplete { result in
      timer.cancel()
      switch result {
      case .success(let channel): self.connected(channel)
      case .failure(let error): self.finish(.failure(self.plan.meaning(of: error)))
      }
    }
  }

  private func connect(_ bootstrap: ClientBootstrap) -> EventLoopFuture<any Channel> {
    if let path = plan.unixSocketPath { return bootstrap.connect(unixDomainSocketPath: path) }
    var bootstrap = bootstrap.channelOption(.socketOption(.tcp_nodelay), value: 1)
    if let address = plan.localAddress { bootstrap = bootstrap.bind(to: address) }
    let endpoint = plan.endpoint
    guard endpoint.host.address != nil else {
      return bootstrap.connect(host: endpoint.host.name, port: endpoint.port)
    }
    do {
      return bootstrap.connect(to: try SocketAddress(ipAddress: endpoint.host.name, port: endpoint.port))
    } catch {
      return eventLoop.makeFailedFuture(error)
    }
  }

  private func connected(_ channel: any Channel) {
    let isInTime = state.withLock { state in
      guard case .connecting = state else { return false }
      state = .settingUp(channel)
      return true
    }
    guard isInTime else { return channel.close(promise: nil) }
    do {
      let handler = try channel.pipeline.syncOperations.handler(type: ClientSetupHandler.self)
      // Before the first write: if that fails, NIO hands over what the server has said, only where bytes are wanted.
      try channel.syncOptions?.setOption(.autoRead, value: true)
      handler.begin()
    } catch {
      finish(.failure(WebSocketClientError.disconnected(.connecting, nil)))
    }
  }

  /// Finishes with the first result, and closes a transport that isn't needed any more.
  private func finish(_ result: Result<ClientTransport, any Error>) {
    let before = state.withLock { state in
      let before = state
      state = .over
      return before
    }
    switch (before, result) {
    case (.over, .success(let transport)): transport.drop()
    case (.over, .failure): break
    case (.connecting, _): promise.completeWith(result)
    case (.settingUp, .success): promise.completeWith(result)
    case (.settingUp(let channel), .failure):
      promise.completeWith(result)
      channel.close(promise: nil)
    }
  }
}

extension ClientPlan {
  fileprivate func meaning(of error: any Error) -> WebSocketClientError {
    WebSocketClientError(connecting: error, to: endpoint, limit: connectTimeout)
  }
}

extension WebSocketClientError {
  /// What a bootstrap's error means.
  package init(connecting error: any Error, to endpoint: Endpoint, limit: Duration) {
    guard let error = error as? NIOConnectionError else {
      self.init(connectingToOne: error, endpoint, limit)
      return
    }
    // What is told of several addresses is the first failure: that of the address which is preferred.
    if let first = error.connectionErrors.first {
      self.init(connectingToOne: first.error, endpoint, limit)
      return
    }
    let cause = error.dnsAError ?? error.dnsAAAAError ?? error
    self = .unresolved(endpoint, systemText(cause))
  }

  private init(connectingToOne error: any Error, _ endpoint: Endpoint, _ limit: Duration) {
    switch error {
    case let error as IOError where error.errnoCode == ECONNREFUSED: self = .refused(endpoint)
    case ChannelError.connectTimeout: self = .timedOut(.connecting, limit: limit)
    default: self = .unreachable(endpoint, systemText(error))
    }
  }
}
#endif
