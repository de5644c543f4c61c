// SPDX-License-Identifier: Apache-2.0

#if NIO
public import WSProtoNIO

extension WebSocketPair {
  /// Runs `WebSocketClient.reconnecting` in memory: the same rules, with the connections and the clock of a test.
  ///
  /// ```swift
  /// import WSProtoNIO
  /// import WSProtoNIOTesting
  ///
  /// /// A connection that is reset is there again after a wait.
  /// func comesBack(_ body: @escaping @Sendable (WebSocket) async throws -> Void) async throws {
  ///   let clock = VirtualClock()
  ///   let pairs = [try await WebSocketPair.open(clock: clock), try await WebSocketPair.open(clock: clock)]
  ///   let client = Task {
  ///     try await WebSocketPair.reconnecting(clock: clock) { attempt in pairs[attempt].client } _: { try await body($0) }
  ///   }
  ///   pairs[0].toClient.inject(.reset(after: 0))
  ///   await clock.advanceToNextSleeper()
  ///   try await pairs[1].server.close()
  ///   try await client.value
  ///   for pair in pairs { await pair.end() }
  /// }
  /// ```
  ///
  /// - Parameters:
  ///   - policy: how long to wait between attempts, and which failures to retry.
  ///   - clock: the clock for the waits.
  ///   - isolation: the actor that the closures run on; by default the caller's.
  ///   - connect: returns the client's end for each attempt, numbered from 0, or throws a `WebSocketClientError`.
  ///   - willWait: called before each wait with the failure and the length of the wait.
  ///   - body: uses the connection, which is closed when it returns.
  /// - Returns: the value that the last call of `body` returns.
  /// - Throws: as `WebSocketClient.reconnecting` does, and any other error that `connect` throws.
  public static func reconnecting<Value>(
    policy: ReconnectPolicy = ReconnectPolicy(),
    clock: VirtualClock,
    isolation: isolated (any Actor)? = #isolation,
    connect: (_ attempt: Int) async throws -> WebSocket,
    willWait: (any Error, Duration) -> Void = { _, _ in },
    _ body: (WebSocket) async throws -> Value
  ) async throws -> Value {
    var attempt = -1
    return try await WebSocketClient.reconnecting(policy: policy, clock: clock) {
      attempt += 1
      return attempt
    } open: { attempt in
      try await connect(attempt)
    } willWait: { failure, delay in
      willWait(failure, delay)
    } body: { socket in
      try await body(socket)
    }
  }
}
#endif
