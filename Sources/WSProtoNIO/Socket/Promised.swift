// SPDX-License-Identifier: Apache-2.0

#if NIO
import NIOConcurrencyHelpers

/// A value that is set once and that any number of tasks can await.
final class Promised<Value: Sendable>: Sendable {
  private struct State {
    var result: Result<Value, any Error>?
    var waiters: [UInt64: CheckedContinuation<Value, any Error>] = [:]
    var lastNumber: UInt64 = 0
  }

  private let state = NIOLockedValueBox(State())

  /// Sets the value or an error. Only the first call counts.
  func resume(with result: Result<Value, any Error>) {
    let waiters = state.withLockedValue { state in
      guard state.result == nil else { return [:] as [UInt64: CheckedContinuation<Value, any Error>] }
      state.result = result
      defer { state.waiters = [:] }
      return state.waiters
    }
    for waiter in waiters.values { waiter.resume(with: result) }
  }

  /// Waits for the value.
  ///
  /// - Throws: the error that was set; `CancellationError` if the task is cancelled while it waits.
  func value() async throws -> Value {
    let number = state.withLockedValue { state in
      state.lastNumber += 1
      return state.lastNumber
    }
    return try await withTaskCancellationHandler {
      try await withCheckedThrowingContinuation { continuation in
        let result: Result<Value, any Error>? = state.withLockedValue { state in
          if let result = state.result { return result }
          // Cancelled before this point, when the cancellation handler found no waiter.
          if Task.isCancelled { return .failure(CancellationError()) }
          state.waiters[number] = continuation
          return nil
        }
        if let result { continuation.resume(with: result) }
      }
    } onCancel: {
      state.withLockedValue { $0.waiters.removeValue(forKey: number) }?.resume(throwing: CancellationError())
    }
  }

  /// Waits for the value, up to a time limit or until the task is cancelled.
  func value(within limit: Duration) async {
    await withTaskGroup(of: Void.self) { group in
      group.addTask { _ = try? await self.value() }
      group.addTask { try? await Task.sleep(for: limit.clampedForClock) }
      await group.next()
      group.cancelAll()
    }
  }
}
#endif
