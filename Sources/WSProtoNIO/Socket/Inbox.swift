// SPDX-License-Identifier: Apache-2.0

#if NIO
import NIOConcurrencyHelpers
import NIOCore
import WSProto

/// The messages of a connection that nobody has taken yet: from its event loop to the task that reads them.
///
/// A read loop's messages come as one batch, which wakes the reader once. Beyond ``WebSocketOptions/maxUnreadBytes`` the
/// socket isn't read any more, until half of them are taken.
final class Inbox: Sendable {
  private let maxMessageBytes: Int
  /// Called when there is room again, on any thread.
  private let onRoom: @Sendable () -> Void
  /// Called when the connection has to be closed since a message is too long, on any thread.
  private let onOversize: @Sendable (CloseConnection, WebSocketClosed.Cause) -> Void
  private let state: NIOLockedValueBox<InboxState>

  init(
    _ options: WebSocketOptions,
    onRoom: @escaping @Sendable () -> Void,
    onOversize: @escaping @Sendable (CloseConnection, WebSocketClosed.Cause) -> Void = { _, _ in }
  ) {
    maxMessageBytes = min(max(0, options.maxMessageBytes), MessageAssembly.maxBytes)
    self.onRoom = onRoom
    self.onOversize = onOversize
    state = NIOLockedValueBox(InboxState(maxBytes: options.maxUnreadBytes, maxMessageBytes: maxMessageBytes))
  }

  // MARK: The event loop's side

  /// Takes a batch.
  ///
  /// - Parameter isBounded: from the first message on that goes beyond the bound, all are dropped rather than kept: this
  ///   end is closing, and reads on for the peer's Close, whoever takes the messages before it.
  /// - Returns: whether there is room for more.
  func deliver(_ batch: [MessagePart], isBounded: Bool) -> Bool {
    let (reader, hasRoom) = state.withLockedValue { state in
      let hasRoom = state.append(batch, isBounded: isBounded)
      return (state.reader.take(), hasRoom)
    }
    reader?.resume()
    return hasRoom
  }

  /// The connection has ended. What was delivered before comes first.
  func end(_ closed: WebSocketClosed) {
    state.withLockedValue { $0.closed = closed }
    end(closed.isOrderly ? .finished : .failed(closed))
  }

  /// No more messages are delivered, though the connection goes on.
  func stop() { end(.finished) }

  private func end(_ end: InboxState.End) {
    let reader = state.withLockedValue { state in
      if state.end == nil { state.end = end }
      return state.reader.take()
    }
    reader?.resume()
  }

  /// Whether a task waits for messages.
  var isWaitedFor: Bool { state.withLockedValue { $0.reader != nil } }

  /// How the connection has ended; `nil` as long as it hasn't.
  var closed: WebSocketClosed? { state.withLockedValue { $0.closed } }

  // MARK: The reader's side

  /// The next message; `nil` at an orderly end.
  ///
  /// - Throws: ``WebSocketClosed``; `CancellationError` if the task is cancelled while it waits; ``MessagesInUse`` if
  ///   another task is waiting.
  func next(isolation: isolated (any Actor)? = #isolation) async throws -> WebSocketMessage? {
    try await value { $0.nextMessage() }
  }

  /// The beginning of the next message; as ``next(isolation:)``.
  func nextStream(
    isolation: isolated (any Actor)? = #isolation
  ) async throws -> (kind: WebSocketMessage.Kind, number: UInt64)? {
    try await value { $0.nextStream() }
  }

  /// The next part of a message; `nil` behind its last one.
  ///
  /// - Throws: ``WebSocketClosed`` if the connection has ended in the middle; ``MessagePassedOver``; as
  ///   ``next(isolation:)`` besides.
  func nextPart(
    of stream: UInt64,
    isolation: isolated (any Actor)? = #isolation
  ) async throws -> ByteBuffer? {
    try await value { $0.nextPart(of: stream) } ?? nil
  }

  private func value<Value>(
    isolation: isolated (any Actor)? = #isolation,
    _ take: (inout InboxState) -> InboxState.Step<Value>
  ) async throws -> Value? {
    while true {
      let (step, hasRoom) = state.withLockedValue { state in
        let step = take(&state)
        return (step, state.takeRoom())
      }
      if hasRoom { onRoom() }
      switch step {
      case .value(let value): return value
      case .ended(.finished): return nil
      case .ended(.failed(let closed)): throw closed
      case .failed(let error): throw error
      case .oversize: throw oversize()
      case .wait: break
      }
      // Not in a function of its own: a task that waits holds as much memory as its functions have.
      let number = state.withLockedValue { $0.makeNumber() }
      try await withTaskCancellationHandler {
        // Not checked, which costs an object a wait: the state gives the reader out once.
        try await withUnsafeThrowingContinuation { reader in wait(reader, number) }
      } onCancel: {
        // Not another task's, which this one has found waiting.
        let reader = state.withLockedValue { $0.readerNumber == number ? $0.reader.take() : nil }
        reader?.resume(throwing: CancellationError())
      }
    }
  }

  /// The message that is being put together has become too long.
  private func oversize() -> WebSocketClosed {
    let failed = ParseFailed("a message of more than \(maxMessageBytes) bytes", .messageTooBig)
    onOversize(CloseConnection(code: .messageTooBig), .violation(failed))
    return WebSocketClosed(code: .messageTooBig, cause: .violation(failed))
  }

  /// Lets the reader go on when there is something to take.
  private func wait(_ reader: UnsafeContinuation<Void, any Error>, _ number: UInt64) {
    let result: Result<Void, any Error>? = state.withLockedValue { state in
      if state.reader != nil { return .failure(MessagesInUse()) }
      if state.hasNews { return .success(()) }
      // Cancelled before this: the handler has found nobody waiting.
      if Task.isCancelled { return .failure(CancellationError()) }
      state.reader = reader
      state.readerNumber = number
      return nil
    }
    if let result { reader.resume(with: result) }
  }
}
#endif
