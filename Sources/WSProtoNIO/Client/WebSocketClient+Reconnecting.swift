// SPDX-License-Identifier: Apache-2.0

#if NIO
import NIOCore
import WSProto

extension WebSocketClient {
  /// Runs `body` once for each connection, and reconnects when a connection is lost or can't be opened, as `policy`
  /// says.
  ///
  /// ```swift
  /// import HTTPTypes
  ///
  /// func follow(token: () async throws -> String, show: (WebSocketMessage) -> Void) async throws {
  ///   try await WebSocketClient.reconnecting(to: "wss://example.com/feed") { options in
  ///     // Before each attempt: what has been valid a minute ago may not be any more.
  ///     options.extraHeaders[.authorization] = "Bearer \(try await token())"
  ///   } _: { socket in
  ///     for try await message in socket.messages { show(message) }
  ///   }
  /// }
  /// ```
  ///
  /// A connection counts as lost if it ended with one of ``ReconnectPolicy/codes``, and `body` throws the
  /// ``WebSocketClosed`` of that end or returns after the peer's Close. If `body` returns while the connection is open,
  /// or after a Close with another code such as 1000, the call returns. If `body` throws another error, the call throws
  /// it.
  ///
  /// - Parameters:
  ///   - url: as for ``connect(to:options:isolation:_:)``.
  ///   - policy: how long to wait between attempts, and which failures to retry.
  ///   - options: the settings of the connections.
  ///   - isolation: the actor that the closures run on; by default the caller's.
  ///   - request: called before each attempt; may change the options of that attempt, for example to set a fresh token.
  ///     If it throws, the call throws that error.
  ///   - willWait: called before each wait with the failure and the length of the wait, for logging.
  ///   - body: uses the connection, which is closed when it returns.
  /// - Returns: the value that the last call of `body` returns.
  /// - Throws: the error of the last attempt, ``WebSocketClientError`` or ``WebSocketClosed``; the errors that
  ///   `request` and `body` throw; `CancellationError` if the task is cancelled while it waits.
  public static func reconnecting<Value>(
    to url: String,
    policy: ReconnectPolicy = ReconnectPolicy(),
    options: WebSocketClientOptions = WebSocketClientOptions(),
    isolation: isolated (any Actor)? = #isolation,
    request: (inout WebSocketClientOptions) async throws -> Void = { _ in },
    willWait: (any Error, Duration) -> Void = { _, _ in },
    _ body: (WebSocket) async throws -> Value
  ) async throws -> Value {
    try await reconnecting(policy: policy, clock: ContinuousClock()) {
      var current = options
      try await request(&current)
      return current
    } open: { current in
      try await open(url, current)
    } willWait: { failure, delay in
      willWait(failure, delay)
    } body: { socket in
      try await body(socket)
    }
  }

  /// The same with any clock, and with connections from anywhere.
  package static func reconnecting<Options, Value>(
    policy: ReconnectPolicy,
    clock: some Clock<Duration>,
    isolation: isolated (any Actor)? = #isolation,
    request: () async throws -> Options,
    open: (Options) async throws -> WebSocket,
    willWait: (any Error, Duration) -> Void,
    body: (WebSocket) async throws -> Value
  ) async throws -> Value {
    var reconnecting = Reconnecting(policy)
    while true {
      let current = try await request()
      let failure: any Error
      let cause: ReconnectPolicy.Cause
      var openFor = Duration.zero
      do {
        let socket = try await open(current)
        let start = clock.now
        switch try await use(socket, policy, body) {
        case .done(let value): return value
        case .lost(let closed):
          failure = closed
          cause = closed.reconnectCause
        }
        openFor = start.duration(to: clock.now)
      } catch let error as WebSocketClientError {
        failure = error
        cause = error.reconnectCause
      }
      guard case .wait(let delay) = reconnecting.next(after: cause, openFor: openFor) else { throw failure }
      willWait(failure, delay)
      try await clock.sleep(for: delay.clampedForClock)
    }
  }

  private enum Use<Value> {
    case done(Value)
    case lost(WebSocketClosed)
  }

  private static func use<Value>(
    _ socket: WebSocket,
    _ policy: ReconnectPolicy,
    isolation: isolated (any Actor)? = #isolation,
    _ body: (WebSocket) async throws -> Value
  ) async throws -> Use<Value> {
    do {
      var end: WebSocketClosed?
      let value = try await socket.use { socket in
        let value = try await body(socket)
        end = socket.end
        return value
      }
      guard let end, policy.isRetryable(end.reconnectCause) else { return .done(value) }
      return .lost(end)
    } catch let closed as WebSocketClosed where socket.end == closed {
      return .lost(closed)
    }
  }
}

extension WebSocketClosed {
  /// Whether reconnecting may help, for a ``ReconnectPolicy``. It doesn't if this end wanted the connection to end.
  public var reconnectCause: ReconnectPolicy.Cause {
    switch cause {
    case .local, .shutdown, .lifetime, .handlerFailed, .messageUnfinished: .final
    case .peer, .violation, .deadline, .slowConsumer, .rateLimit, .outOfMemory, .transport: .closed(code)
    }
  }
}
#endif
