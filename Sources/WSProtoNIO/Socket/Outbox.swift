// SPDX-License-Identifier: Apache-2.0

#if NIO
import NIOConcurrencyHelpers
import NIOCore
import WSProto

/// What is to be sent on a connection: from any task to its event loop.
///
/// Messages wait here, whole, until the transport has room for them: as long as they do, they can be dropped or replaced.
/// What is put in between two turns of the event loop goes out with one flush.
///
/// A message in parts has its turn: until its last part is taken, no other message is. Its parts wait for the transport
/// under every policy.
final class Outbox: Sendable {
  /// A message to send, or a part of one.
  enum Item: Sendable {
    case message(WebSocketMessage, compress: Bool)
    case prepared(PreparedMessage)
    case part(MessagePart, compress: Bool)

    /// Its size on the wire, at most, if it isn't compressed.
    var byteCount: Int { payloadCount + 14 }

    /// Whether it is a whole message, or the last part of one.
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

  /// What has become of an item.
  enum Outcome {
    /// It goes out.
    case taken
    /// The peer takes too little: the item was not taken, and counted.
    case dropped
    /// The peer takes too little: the item was not taken, and the connection has to be dropped.
    case disconnect(unsentBytes: Int)
    /// Too much is waiting.
    case wait
    /// The connection takes nothing any more.
    case closed(WebSocketClosed)
  }

  /// Who waits for what.
  enum Wait {
    /// For room for a message.
    case message(Item, key: String?)
    /// For the turn of a message in parts, with its first part.
    case firstPart(Item)
    /// For room for a further part of the message that has the turn.
    case part(Item)
  }

  private let policy: SlowConsumerPolicy
  private let watermark: Int
  private let state = NIOLockedValueBox(OutboxState())
  /// Called when there are items to take, and when somebody begins to wait, on any thread.
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

  /// Bytes that wait, here and for the transport.
  var queuedBytes: Int { state.withLockedValue { $0.unsent } }

  /// Whether nothing more is sent.
  var isClosed: Bool { state.withLockedValue { $0.closed != nil } }

  /// How many messages the policy has dropped, and how many were replaced.
  var droppedCount: Int { state.withLockedValue { $0.dropped } }

  /// Why nothing more is sent; `nil` while the connection takes messages.
  var end: WebSocketClosed? { state.withLockedValue { $0.closed } }

  // MARK: The senders' side

  /// Puts a message in, if it may be without waiting.
  ///
  /// - Parameter key: the message takes the place of one with the same key that waits.
  func offer(_ item: Item, replacing key: String? = nil) -> Outcome {
    let (outcome, schedules) = state.withLockedValue { $0.offer(item, key, policy, watermark) }
    if schedules { onItems() }
    return outcome
  }

  /// Puts a message in that is published to many: for none of them is waited.
  ///
  /// - Returns: what has become of it, and whether the caller has to tell the event loop, once for all sockets there.
  func publish(_ item: Item, replacing key: String?) -> (Outcome, schedules: Bool) {
    let policy: SlowConsumerPolicy = if case .wait = policy { .disconnect } else { policy }
    return state.withLockedValue { $0.offer(item, key, policy, watermark) }
  }

  /// Puts a message or a part in, if it may be without waiting.
  func offer(_ wait: Wait) -> Outcome {
    let (outcome, schedules) = state.withLockedValue { $0.offer(wait, policy, watermark) }
    if schedules { onItems() }
    return outcome
  }

  /// Waits until there is room for a message, or until it is its turn. Those that wait come in the order in which they
  /// began.
  ///
  /// - Throws: ``WebSocketClosed``; `CancellationError` if the task is cancelled while it waits: nothing was put in then.
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
        // Cancelled before this: the handler has found nobody waiting.
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

  /// The items that go out now: as many as the transport has room for, or all of them, as far as a message in parts is
  /// there.
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

  /// So many bytes go to the transport.
  func willWrite(_ count: Int) { state.withLockedValue { $0.willWrite(count) } }

  /// So many bytes have left: there may be room for those that wait.
  func sent(_ count: Int) {
    let (admitted, schedules) = state.withLockedValue { state in
      state.didSend(count)
      return state.admit(watermark)
    }
    for continuation in admitted { continuation.resume() }
    if schedules { onItems() }
  }

  /// Whether somebody waits because the peer doesn't read.
  var lacksRoom: Bool { state.withLockedValue { $0.lacksRoom(watermark) } }

  /// Lets so much more than the watermark wait.
  func allow(_ allowance: Int) {
    let (admitted, schedules) = state.withLockedValue { state in
      state.allowance = allowance
      return state.admit(watermark)
    }
    for continuation in admitted { continuation.resume() }
    if schedules { onItems() }
  }

  /// How much has been sent so far, how much is under way, and how much waits in all; `nil` if nobody waits.
  var stall: (sent: Int, underWay: Int, unsent: Int)? {
    state.withLockedValue { $0.hasWaiters ? ($0.sent, $0.underWay, $0.unsent) : nil }
  }

  /// Nothing more is sent.
  func close(_ closed: WebSocketClosed) {
    let (waiters, callbacks) = state.withLockedValue { $0.close(closed) }
    for waiter in waiters { waiter.continuation.resume(throwing: closed) }
    for callback in callbacks { callback() }
  }

  /// - Parameter callback: called once when nothing more is sent, at once if that is so.
  func whenClosed(_ callback: @escaping @Sendable () -> Void) {
    let isClosed = state.withLockedValue { state in
      if state.closed == nil { state.onClose.append(callback) }
      return state.closed != nil
    }
    if isClosed { callback() }
  }
}
#endif
