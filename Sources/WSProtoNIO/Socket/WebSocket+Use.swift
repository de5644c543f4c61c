// SPDX-License-Identifier: Apache-2.0

#if NIO
import NIOCore
import WSProto

extension WebSocket {
  /// Runs `body` with the socket, and closes the connection in order: with 1000 when `body` returns, with 1011 when it
  /// throws, with 1001 when the task is cancelled; the peer's Close is waited for.
  ///
  /// For sockets that an upgrader gives out. A server's closure, and a client's, are run like that already.
  ///
  /// - Returns: what `body` returns.
  /// - Throws: what `body` throws.
  public func use<Value>(
    isolation: isolated (any Actor)? = #isolation,
    _ body: (WebSocket) async throws -> Value
  ) async throws -> Value {
    let value: Value
    do {
      value = try await withTaskExecutorPreference(executor) { try await body(self) }
    } catch {
      await closeInOrder(CloseConnection(code: .internalError), cause: .handlerFailed)
      throw error
    }
    await closeInOrder(CloseConnection(code: .normalClosure), cause: .local)
    return value
  }

  private func closeInOrder(_ close: CloseConnection, cause: WebSocketClosed.Cause) async {
    guard Task.isCancelled else {
      _ = try? await self.close(close, cause: cause)
      return
    }
    // Closed in order by a task that is not cancelled, which has little time.
    let closing = Task {
      _ = try? await self.close(CloseConnection(code: .goingAway), cause: .local)
    }
    let limit = Task {
      try await Task.sleep(for: .seconds(1))
      closing.cancel()
    }
    await closing.value
    limit.cancel()
  }
}
#endif
