// SPDX-License-Identifier: Apache-2.0

#if NIO
import NIOCore
import Synchronization

/// The messages of a connection that nobody has taken yet: from its event loop to the task that reads them.
///
/// A read loop's messages come as one batch, which wakes the reader once. Beyond ``maxBytes`` the socket isn't read any
/// more, until half of them are taken.
final class Inbox: Sendable {
  private let maxBytes: Int
  /// Called when there is room again, on any thread.
  private let onRoom: @Sendable () -> Void

  fileprivate struct State {
    var messages: [WebSocketMessage] = []
    /// Those before it in `messages` are taken.
    var taken = 0
    var bytes = 0
    var reader: CheckedContinuation<WebSocketMessage?, any Error>?
    /// Of the wait that `reader` belongs to.
    var readerNumber: UInt64 = 0
    var lastNumber: UInt64 = 0
    /// The event loop was told to read no more.
    var isFull = false
    /// Nothing more comes: the connection has ended, or is about to.
    var end: End?
    /// How the connection has ended.
    var closed: WebSocketClosed?
  }

  /// How the sequence of messages ends.
  fileprivate enum End {
    case finished
    case failed(WebSocketClosed)
  }

  private let state = Mutex(State())

  init(maxBytes: Int, onRoom: @escaping @Sendable () -> Void) {
    self.maxBytes = max(1, maxBytes)
    self.onRoom = onRoom
  }

  // MARK: The event loop's side

  /// Takes a batch.
  ///
  /// - Parameter isBounded: what goes beyond the bound is dropped rather than kept: this end is closing, and reads on for
  ///   the peer's Close, whoever takes the messages before it.
  /// - Returns: whether there is room for more.
  func deliver(_ batch: [WebSocketMessage], isBounded: Bool) -> Bool {
    let (reader, message, hasRoom) = state.withLock { state in
      guard state.end == nil else {
        return (nil as CheckedContinuation<WebSocketMessage?, any Error>?, nil as WebSocketMessage?, true)
      }
      for message in batch where !isBounded || state.bytes < maxBytes { state.append(message) }
      guard let reader = state.reader, let message = state.next() else {
        state.isFull = state.bytes >= maxBytes
        return (nil, nil, !state.isFull)
      }
      state.reader = nil
      state.isFull = state.bytes >= maxBytes
      return (reader, message, !state.isFull)
    }
    reader?.resume(returning: message)
    return hasRoom
  }

  /// The connection has ended. What was delivered before comes first.
  func end(_ closed: WebSocketClosed) {
    state.withLock { $0.closed = closed }
    end(closed.isOrderly ? .finished : .failed(closed))
  }

  /// No more messages are delivered, though the connection goes on.
  func stop() { end(.finished) }

  private func end(_ end: End) {
    let reader = state.withLock { state in
      guard state.end == nil else { return nil as CheckedContinuation<WebSocketMessage?, any Error>? }
      state.end = end
      return state.reader.take()
    }
    // Somebody who waits has taken all that there was.
    switch end {
    case .finished: reader?.resume(returning: nil)
    case .failed(let closed): reader?.resume(throwing: closed)
    }
  }

  /// Whether a task waits for messages.
  var isWaitedFor: Bool { state.withLock { $0.reader != nil } }

  /// How the connection has ended; `nil` as long as it hasn't.
  var closed: WebSocketClosed? { state.withLock { $0.closed } }

  // MARK: The reader's side

  fileprivate enum Step {
    case message(WebSocketMessage, hasRoom: Bool)
    case ended(End)
    case wait
    /// Of a reader's own making.
    case failed(any Error)
  }

  /// The next message; `nil` at an orderly end.
  ///
  /// - Throws: ``WebSocketClosed``; `CancellationError` if the task is cancelled while it waits; ``MessagesInUse`` if
  ///   another task is waiting.
  func next(isolation: isolated (any Actor)? = #isolation) async throws -> WebSocketMessage? {
    if let found = try takeNext() { return found.message }
    let number = state.withLock { state in
      state.lastNumber += 1
      return state.lastNumber
    }
    return try await withTaskCancellationHandler {
      try await withCheckedThrowingContinuation { reader in wait(reader, number) }
    } onCancel: {
      // Not another task's, which this one has found waiting.
      let reader = state.withLock { $0.readerNumber == number ? $0.reader.take() : nil }
      reader?.resume(throwing: CancellationError())
    }
  }

  /// What is there now; `nil` if nothing is.
  private func takeNext() throws -> (message: WebSocketMessage?, Void)? {
    switch state.withLock({ $0.step(maxBytes) }) {
    case .message(let message, let hasRoom):
      if hasRoom { onRoom() }
      return (message, ())
    case .ended(.finished): return (nil, ())
    case .ended(.failed(let closed)): throw closed
    case .failed(let error): throw error
    case .wait: return nil
    }
  }

  private func wait(_ reader: CheckedContinuation<WebSocketMessage?, any Error>, _ number: UInt64) {
    let step: Step? = state.withLock { state in
      guard state.reader == nil else { return .failed(MessagesInUse()) }
      let step = state.step(maxBytes)
      guard case .wait = step else { return step }
      // Cancelled before this: the handler has found nobody waiting.
      if Task.isCancelled { return .failed(CancellationError()) }
      state.reader = reader
      state.readerNumber = number
      return nil
    }
    switch step {
    case .message(let message, let hasRoom):
      if hasRoom { onRoom() }
      reader.resume(returning: message)
    case .ended(.finished): reader.resume(returning: nil)
    case .ended(.failed(let closed)): reader.resume(throwing: closed)
    case .failed(let error): reader.resume(throwing: error)
    case .wait, nil: break
    }
  }
}

extension Inbox.State {
  fileprivate mutating func append(_ message: WebSocketMessage) {
    messages.append(message)
    bytes += message.cost
  }

  /// The oldest message.
  fileprivate mutating func next() -> WebSocketMessage? {
    guard taken < messages.count else { return nil }
    let message = messages[taken]
    taken += 1
    bytes -= message.cost
    if taken == messages.count {
      // An idle connection holds no memory for messages; a busy one keeps a little.
      messages.removeAll(keepingCapacity: messages.capacity <= 16)
      taken = 0
    }
    return message
  }

  fileprivate mutating func step(_ maxBytes: Int) -> Inbox.Step {
    if let message = next() {
      let hasRoom = isFull && bytes <= maxBytes / 2
      if hasRoom { isFull = false }
      return .message(message, hasRoom: hasRoom)
    }
    return end.map { .ended($0) } ?? .wait
  }
}

extension WebSocketMessage {
  /// What a message takes in memory, about: the smallest ones are not free.
  fileprivate var cost: Int { bytes.readableBytes + 64 }
}

/// Two tasks wait for the messages of one connection at once. Only one can have each message: let one task read them.
public struct MessagesInUse: Error, Sendable, Hashable, CustomStringConvertible {
  /// What is wrong.
  public var description: String { "another task is waiting for the messages of this connection already" }
}
#endif
