// SPDX-License-Identifier: Apache-2.0

#if NIO
import NIOConcurrencyHelpers
import NIOCore
import WSProto

/// The messages of a connection that nobody has taken yet, on their way from the event loop to the reading task.
///
/// The messages of a read loop come as one batch, which wakes the reader once. Beyond
/// ``WebSocketOptions/maxUnreadBytes``, the transport isn't read until half of them are taken.
final class Inbox: Sendable {
  private let maxMessageBytes: Int
  /// Called on any thread when there is room again.
  private let onRoom: @Sendable () -> Void
  /// Called on any thread when the connection must be closed because a message is too long.
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

  /// Receives a batch.
  ///
  /// - Parameter isBounded: whether to drop all messages from the first one on that exceeds the limit. True while this
  ///   end is closing: it then reads on to the peer's Close, even if nobody takes the messages before it.
  /// - Returns: whether there is room for more.
  func deliver(_ batch: [MessagePart], isBounded: Bool) -> Bool {
    let (reader, hasRoom) = state.withLockedValue { state in
      let hasRoom = state.append(batch, isBounded: isBounded)
      return (state.reader.take(), hasRoom)
    }
    reader?.resume()
    return hasRoom
  }

  /// Ends the sequence of messages when the connection has ended. Messages delivered before come first.
  func end(_ closed: WebSocketClosed) {
    state.withLockedValue { $0.closed = closed }
    end(closed.isOrderly ? .finished : .failed(closed))
  }

  /// Ends the sequence of messages while the connection continues.
  func stop() { end(.finished) }

  private func end(_ end: InboxState.End) {
    let reader = state.withLockedValue { state in
      if state.end == nil { state.end = end }
      return state.reader.take()
    }
    reader?.resume()
  }

  /// How far the reader has come.
  var reading: InboxState.Reading { state.withLockedValue { $0.reading } }

  /// Sets the callback for when the reader has taken everything and asks for more. It is called once, on any thread.
  func whenNothingIsLeft(_ callback: (@Sendable () -> Void)?) {
    state.withLockedValue { $0.onNothing = callback }
  }

  /// How the connection ended; `nil` if it hasn't.
  var closed: WebSocketClosed? { state.withLockedValue { $0.closed } }

  // MARK: The reader's side

  /// Returns the next message, or `nil` at an orderly end.
  ///
  /// - Throws: ``WebSocketClosed``; `CancellationError` if the task is cancelled while it waits; ``MessagesInUse`` if
  ///   another task is waiting.
  func next(isolation: isolated (any Actor)? = #isolation) async throws -> WebSocketMessage? {
    try await value { $0.nextMessage() }
  }

  /// Returns the beginning of the next message. Otherwise like ``next(isolation:)``.
  func nextStream(
    isolation: isolated (any Actor)? = #isolation
  ) async throws -> (kind: WebSocketMessage.Kind, number: UInt64)? {
    try await value { $0.nextStream() }
  }

  /// Returns the next part of a message, or `nil` after its last one.
  ///
  /// - Throws: ``WebSocketClosed`` if the connection ended before the message did; ``MessagePassedOver``; otherwise
  ///   like ``next(isolation:)``.
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
      let (step, hasRoom, onNothing) = state.withLockedValue { state in
        let step = take(&state)
        return (step, state.takeRoom(), step.isEnd ? state.onNothing.take() : nil)
      }
      if hasRoom { onRoom() }
      onNothing?()
      switch step {
      case .value(let value): return value
      case .ended(.finished): return nil
      case .ended(.failed(let closed)): throw closed
      case .failed(let error): throw error
      case .oversize: throw oversize()
      case .wait: break
      }
      // Not in a separate function: a waiting task holds the memory of all its functions.
      let number = state.withLockedValue { $0.makeNumber() }
      try await withTaskCancellationHandler {
        // An unsafe continuation, since a checked one allocates an object per wait. The state hands out the reader only
        // once.
        try await withUnsafeThrowingContinuation { reader in wait(reader, number) }
      } onCancel: {
        // Only this task's own wait: another task may be waiting.
        let reader = state.withLockedValue { $0.readerNumber == number ? $0.reader.take() : nil }
        reader?.resume(throwing: CancellationError())
      }
    }
  }

  /// Closes the connection because the message being assembled is too long.
  private func oversize() -> WebSocketClosed {
    let failed = ParseFailed("a message of more than \(maxMessageBytes) bytes", .messageTooBig)
    onOversize(CloseConnection(code: .messageTooBig), .violation(failed))
    return WebSocketClosed(code: .messageTooBig, cause: .violation(failed))
  }

  /// Stores the reader until there is something to take, or resumes it right away.
  private func wait(_ reader: UnsafeContinuation<Void, any Error>, _ number: UInt64) {
    var onNothing: (@Sendable () -> Void)?
    let result: Result<Void, any Error>? = state.withLockedValue { state in
      if state.reader != nil { return .failure(MessagesInUse()) }
      if state.hasNews { return .success(()) }
      // Cancelled before this point, when the cancellation handler found no reader.
      if Task.isCancelled { return .failure(CancellationError()) }
      state.reader = reader
      state.readerNumber = number
      onNothing = state.onNothing.take()
      return nil
    }
    if let result { reader.resume(with: result) }
    onNothing?()
  }
}
#endif
