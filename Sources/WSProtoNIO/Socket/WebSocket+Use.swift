// SPDX-License-Identifier: Apache-2.0

#if NIO
import NIOCore
import WSProto

extension WebSocket {
  /// Runs `body` with the socket, then closes the connection: with 1000 when `body` returns, with 1011 when it throws,
  /// or with 1001 when the task is cancelled. Waits for the peer's Close.
  ///
  /// Use this for sockets that an upgrader opens. The closures of a server and of a client are run like this already.
  ///
  /// - Returns: the value that `body` returns.
  /// - Throws: the error that `body` throws.
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
    // A task that isn't cancelled closes the connection, within a short time limit.
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
