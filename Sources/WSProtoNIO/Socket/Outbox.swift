// SPDX-License-Identifier: Apache-2.0

#if NIO
import NIOConcurrencyHelpers
import NIOCore
import WSProto

/// The messages to be sent on a connection, on their way from any task to the event loop.
///
/// Messages wait here whole until the transport has room for them. While they wait, they can be dropped or replaced.
/// What is put in between two turns of the event loop goes out in one flush.
///
/// While a message is sent in parts, no other message goes out until its last part is taken. Its parts wait for the
/// transport under every policy.
final class Outbox: Sendable {
  /// A message to send, or a part of one.
  enum Item: Sendable {
    case message(WebSocketMessage, compress: Bool)
    case prepared(PreparedMessage)
    case part(MessagePart, compress: Bool)

    /// The maximum size on the wire if it isn't compressed.
    var byteCount: Int { payloadCount + 14 }

    /// Whether the item is a whole message or the last part of one.
    var endsMessage: Bool {
      if case .part(let part, _) = self { part.isLast } else { true }
    }

    var payloadCount: Int {
      switch self {
      case .message(let message, _): message.bytes.readableBytes
      case .prepared(let message): message.payload.count
      case .part(let part, _): part.message.bytes.readableBytes
      }
    }
  }

  /// What happened to an item.
  enum Outcome {
    /// It goes out.
    case taken
    /// It was not accepted, and counted as dropped, because the peer reads too slowly.
    case dropped
    /// It was not accepted, and the connection must be dropped, because the peer reads too slowly.
    case disconnect(unsentBytes: Int)
    /// Too much is waiting already.
    case wait
    /// The connection accepts nothing more.
    case closed(WebSocketClosed)
  }

  /// What a sender waits for.
  enum Wait {
    /// For room for a message.
    case message(Item, key: String?)
    /// For the turn of a message in parts, with its first part.
    case firstPart(Item)
    /// For room for another part of the message whose turn it is.
    case part(Item)
  }

  private let policy: SlowConsumerPolicy
  private let watermark: Int
  private let state = NIOLockedValueBox(OutboxState())
  /// Called on any thread: `onItems` when there are items to take, `onWait` when a sender begins to wait.
  private let onItems: @Sendable () -> Void
  private let onWait: @Sendable () -> Void

  init(
    options: WebSocketOptions,
    onItems: @escaping @Sendable () -> Void,
    onWait: @escaping @Sendable () -> Void
  ) {
    policy = options.slowConsumer
    watermark = max(1, options.sendWatermark)
    self.onItems = onItems
    self.onWait = onWait
  }

  /// The bytes that wait here and in the transport.
  var queuedBytes: Int { state.withLockedValue { $0.unsent } }

  /// Whether nothing more can be sent.
  var isClosed: Bool { state.withLockedValue { $0.closed != nil } }

  /// The number of messages that the policy dropped or that were replaced.
  var droppedCount: Int { state.withLockedValue { $0.dropped } }

  /// Why nothing more can be sent; `nil` while the connection accepts messages.
  var end: WebSocketClosed? { state.withLockedValue { $0.closed } }

  // MARK: The senders' side

  /// Puts a message in if that is possible without waiting.
  ///
  /// - Parameter key: the message replaces a waiting one with the same key.
  func offer(_ item: Item, replacing key: String? = nil) -> Outcome {
    let (outcome, schedules) = state.withLockedValue { $0.offer(item, key, policy, watermark) }
    if schedules { onItems() }
    return outcome
  }

  /// Puts in a message that is published to many sockets, without waiting.
  ///
  /// - Returns: what happened to it, and whether the caller must tell the event loop, once for all sockets on it.
  func publish(_ item: Item, replacing key: String?) -> (Outcome, schedules: Bool) {
    let policy: SlowConsumerPolicy = if case .wait = policy { .disconnect } else { policy }
    return state.withLockedValue { $0.offer(item, key, policy, watermark) }
  }

  /// Puts a message or a part in if that is possible without waiting.
  func offer(_ wait: Wait) -> Outcome {
    let (outcome, schedules) = state.withLockedValue { $0.offer(wait, policy, watermark) }
    if schedules { onItems() }
    return outcome
  }

  /// Waits until there is room for a message, or until it is its turn. Senders continue in the order in which they
  /// began to wait.
  ///
  /// - Throws: ``WebSocketClosed``; `CancellationError` if the task is cancelled while it waits, in which case nothing
  ///   was put in.
  func wait(_ wait: Wait) async throws {
    let number = state.withLockedValue { $0.makeNumber() }
    try await withTaskCancellationHandler {
      try await withCheckedThrowingContinuation { continuation in
        begin(OutboxWaiter(number: number, wait: wait, continuation: continuation))
      }
    } onCancel: {
      let waiter = state.withLockedValue { $0.removeWaiter(number) }
      waiter?.continuation.resume(throwing: CancellationError())
    }
  }

  private func begin(_ waiter: OutboxWaiter) {
    enum Step {
      case taken(schedules: Bool)
      case failed(any Error)
      case waits
    }
    let step = state.withLockedValue { state in
      switch state.offer(waiter.wait, policy, watermark) {
      case (.taken, let schedules): return Step.taken(schedules: schedules)
      case (.closed(let closed), _): return .failed(closed)
      case (.dropped, _), (.disconnect, _), (.wait, _):
        // Cancelled before this point, when the cancellation handler found no waiter.
        if Task.isCancelled { return .failed(CancellationError()) }
        state.add(waiter)
        return .waits
      }
    }
    switch step {
    case .taken(let schedules):
      waiter.continuation.resume()
      if schedules { onItems() }
    case .failed(let error): waiter.continuation.resume(throwing: error)
    case .waits: onWait()
    }
  }

  // MARK: The event loop's side

  /// Takes the items that go out now: as many as the transport has room for, or all of them. Stops at a message in
  /// parts whose next part isn't there yet.
  func take(all: Bool = false) -> [Item] {
    let (items, admitted, schedules) = state.withLockedValue { state in
      let items = state.take(all ? .max : watermark)
      let (admitted, schedules) = state.admit(watermark)
      return (items, admitted, schedules)
    }
    for continuation in admitted { continuation.resume() }
    if schedules { onItems() }
    return items
  }

  /// Counts bytes that go to the transport.
  func willWrite(_ count: Int) { state.withLockedValue { $0.willWrite(count) } }

  /// Counts bytes that have left. There may be room for waiting senders now.
  func sent(_ count: Int) {
    let (admitted, schedules) = state.withLockedValue { state in
      state.didSend(count)
      return state.admit(watermark)
    }
    for continuation in admitted { continuation.resume() }
    if schedules { onItems() }
  }

  /// Whether a sender is waiting because the peer doesn't read.
  var lacksRoom: Bool { state.withLockedValue { $0.lacksRoom(watermark) } }

  /// Sets how many bytes beyond the watermark may wait.
  func allow(_ allowance: Int) {
    let (admitted, schedules) = state.withLockedValue { state in
      state.allowance = allowance
      return state.admit(watermark)
    }
    for continuation in admitted { continuation.resume() }
    if schedules { onItems() }
  }

  /// The bytes sent so far, the bytes in the transport, and all waiting bytes; `nil` if no sender is waiting.
  var stall: (sent: Int, underWay: Int, unsent: Int)? {
    state.withLockedValue { $0.hasWaiters ? ($0.sent, $0.underWay, $0.unsent) : nil }
  }

  /// Ends sending.
  func close(_ closed: WebSocketClosed) {
    let (waiters, callbacks) = state.withLockedValue { $0.close(closed) }
    for waiter in waiters { waiter.continuation.resume(throwing: closed) }
    for callback in callbacks { callback() }
  }

  /// - Parameter callback: called once when nothing more can be sent; at once if that is already so.
  func whenClosed(_ callback: @escaping @Sendable () -> Void) {
    let isClosed = state.withLockedValue { state in
      if state.closed == nil { state.onClose.append(callback) }
      return state.closed != nil
    }
    if isClosed { callback() }
  }
}
#endif
