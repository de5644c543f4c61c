// SPDX-License-Identifier: Apache-2.0

#if NIO
import NIOCore
import NIOPosix
import Synchronization

/// What an attempt to open a connection has come to.
enum ClientTransport: Sendable {
  /// An open WebSocket, by HTTP/1.1.
  case socket(WebSocket)
  /// A connection of HTTP/2, on which nothing was asked yet.
  case http2(HTTP2ClientConnection)

  /// Nobody wants it any more.
  func drop() {
    switch self {
    case .socket(let socket): socket.drop(.local)
    case .http2(let connection): connection.close()
    }
  }
}

/// One attempt to open a connection, by a plan, which a task waits for and can give up.
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

  /// Opens a WebSocket by HTTP/1.1.
  ///
  /// - Throws: as ``run()`` does.
  static func byHTTP1(_ plan: ClientPlan) async throws -> WebSocket {
    switch try await ClientAttempt(plan.byHTTP1).run() {
    case .socket(let socket): return socket
    case .http2(let connection):
      // Not offered, so not agreed on.
      connection.close()
      throw WebSocketClientError.disconnected(.handshake, nil)
    }
  }

  /// Runs it, once.
  ///
  /// - Throws: ``WebSocketClientError``; `CancellationError` if the task is cancelled: the transport is dropped then.
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
    // Cancelled before it has begun.
    if case .over = state.withLock({ $0 }) { return }
    let limit = TimeAmount(clamped: plan.connectTimeout)
    plan.firstBytes?.reset()
    let bootstrap = ClientBootstrap(group: eventLoop)
      .connectTimeout(limit)
      .channelInitializer { [plan] channel in
        channel.eventLoop.makeCompletedFuture {
          let handler = ClientSetupHandler(plan) { self.finish($0) }
          try channel.pipeline.syncOperations.addHandler(handler)
        }
      }
    // All addresses together, and the search for them: the bootstrap's own limit is for each.
    let timer = eventLoop.scheduleTask(in: limit) {
      self.finish(.failure(WebSocketClientError.timedOut(.connecting, limit: self.plan.connectTimeout)))
    }
    connect(bootstrap).whenComplete { result in
      timer.cancel()
      switch result {
      case .success(let channel): self.connected(channel)
      case .failure(let error): self.finish(.failure(self.meaning(of: error)))
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
      try channel.pipeline.syncOperations.handler(type: ClientSetupHandler.self).begin()
    } catch {
      finish(.failure(WebSocketClientError.disconnected(.connecting, nil)))
    }
  }

  /// The first result counts; with it, a transport that is of no use any more goes.
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

  // MARK: What has failed

  private func meaning(of error: any Error) -> WebSocketClientError {
    guard let error = error as? NIOConnectionError else { return meaning(ofOne: error) }
    // What is told of several addresses is the first failure: that of the address which is preferred.
    if let first = error.connectionErrors.first { return meaning(ofOne: first.error) }
    let cause = error.dnsAError ?? error.dnsAAAAError ?? error
    return .unresolved(plan.endpoint, "\(cause)")
  }

  private func meaning(ofOne error: any Error) -> WebSocketClientError {
    switch error {
    case let error as IOError where error.errnoCode == ECONNREFUSED: .refused(plan.endpoint)
    case ChannelError.connectTimeout: .timedOut(.connecting, limit: plan.connectTimeout)
    default: .unreachable(plan.endpoint, "\(error)")
    }
  }
}
#endif
