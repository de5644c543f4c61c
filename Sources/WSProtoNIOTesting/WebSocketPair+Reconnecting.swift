// SPDX-License-Identifier: Apache-2.0

#if NIO
public import WSProtoNIO

extension WebSocketPair {
  /// `WebSocketClient.reconnecting` in memory: the same rules, with the connections of a test, and by its clock.
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
  ///   - policy: the waits, and what is worth another attempt.
  ///   - clock: what the waits go by.
  ///   - isolation: the actor that the closures run on: the caller's.
  ///   - connect: gives the client's end for each attempt, which are numbered from 0, or throws a `WebSocketClientError`.
  ///   - willWait: is called before each wait with what has failed and how long the wait is.
  ///   - body: uses the connection, which is closed when it returns.
  /// - Returns: what `body` returns in the end.
  /// - Throws: as `WebSocketClient.reconnecting` does, and what else `connect` throws.
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
