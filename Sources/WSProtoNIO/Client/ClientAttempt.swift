// SPDX-License-Identifier: Apache-2.0

#if NIO
import NIOCore
import NIOPosix
import Synchronization

/// One attempt to open a connection, by a plan, which a task waits for and can give up.
final class ClientAttempt: Sendable {
  private enum State {
    case connecting
    case settingUp(any Channel)
    case over
  }

  private let plan: ClientPlan
  private let connectTimeout: Duration
  private let eventLoop: any EventLoop
  private let promise: EventLoopPromise<WebSocket>
  private let state = Mutex(State.connecting)

  init(_ plan: ClientPlan, connectTimeout: Duration, on eventLoop: any EventLoop) {
    self.plan = plan
    self.connectTimeout = connectTimeout
    self.eventLoop = eventLoop
    promise = eventLoop.makePromise()
  }

  /// Runs it, once.
  ///
  /// - Throws: ``WebSocketClientError``; `CancellationError` if the task is cancelled: the transport is dropped then.
  func run() async throws -> WebSocket {
    try await withTaskCancellationHandler {
      start()
      return try await promise.futureResult.get()
    } onCancel: {
      finish(.failure(CancellationError()))
    }
  }

  private func start() {
    // Cancelled before it has begun.
    if case .over = state.withLock({ $0 }) { return }
    let limit = TimeAmount(clamped: connectTimeout)
    let bootstrap = ClientBootstrap(group: eventLoop)
      .connectTimeout(limit)
      .channelOption(.socketOption(.tcp_nodelay), value: 1)
      .channelInitializer { [plan] channel in
        channel.eventLoop.makeCompletedFuture {
          let handler = ClientSetupHandler(plan) { self.finish($0) }
          try channel.pipeline.syncOperations.addHandler(handler)
        }
      }
    // All addresses together, and the search for them: the bootstrap's own limit is for each.
    let timer = eventLoop.scheduleTask(in: limit) {
      self.finish(.failure(WebSocketClientError.timedOut(.connecting, limit: self.connectTimeout)))
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
  private func finish(_ result: Result<WebSocket, any Error>) {
    let before = state.withLock { state in
      let before = state
      state = .over
      return before
    }
    switch (before, result) {
    case (.over, .success(let socket)): socket.drop(.local)
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
    case ChannelError.connectTimeout: .timedOut(.connecting, limit: connectTimeout)
    default: .unreachable(plan.endpoint, "\(error)")
    }
  }
}
#endif
