// SPDX-License-Identifier: Apache-2.0

#if NIO
import NIOCore
import Synchronization
import WSProto

/// What is to be sent on a connection: from any task to its event loop.
///
/// What is put in between two turns of the event loop goes out with one flush.
final class Outbox: Sendable {
  /// A message to send.
  enum Item: Sendable {
    case message(WebSocketMessage, compress: Bool)
    case prepared(PreparedMessage)

    /// Its size on the wire, at most, if it isn't compressed.
    var byteCount: Int {
      switch self {
      case .message(let message, _): message.bytes.readableBytes + 14
      case .prepared(let message): message.payload.count + 14
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

  fileprivate struct Waiter {
    let number: UInt64
    let item: Item
    let continuation: CheckedContinuation<Void, any Error>
  }

  fileprivate struct State {
    var items: [Item] = []
    /// The bytes of `items`.
    var queued = 0
    /// Bytes that were handed to the transport and have not left.
    var underWay = 0
    /// All bytes that have left: what tells progress.
    var sent = 0
    /// `onItems` was called, and `takeAll` wasn't since.
    var isScheduled = false
    /// Those that wait, the oldest first.
    var waiters: [Waiter] = []
    var lastNumber: UInt64 = 0
    var dropped = 0
    var closed: WebSocketClosed?
    var onClose: [@Sendable () -> Void] = []
  }

  private let policy: SlowConsumerPolicy
  private let watermark: Int
  private let state = Mutex(State())
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
  var queuedBytes: Int { state.withLock { $0.unsent } }

  /// How many senders wait.
  var waitingCount: Int { state.withLock { $0.waiters.count } }

  /// Whether nothing more is sent.
  var isClosed: Bool { state.withLock { $0.closed != nil } }

  /// How many messages the policy has dropped.
  var droppedCount: Int { state.withLock { $0.dropped } }

  /// Why nothing more is sent; `nil` while the connection takes messages.
  var end: WebSocketClosed? { state.withLock { $0.closed } }

  // MARK: The senders' side

  /// Puts an item in, if it may be without waiting.
  func offer(_ item: Item) -> Outcome {
    let (outcome, schedules) = offer(item, policy)
    if schedules { onItems() }
    return outcome
  }

  /// Puts an item in that is published to many: for none of them is waited.
  ///
  /// - Returns: what has become of it, and whether the caller has to tell the event loop, once for all sockets there.
  func publish(_ item: Item) -> (Outcome, schedules: Bool) {
    if case .wait = policy { return offer(item, .disconnect) }
    return offer(item, policy)
  }

  private func offer(_ item: Item, _ policy: SlowConsumerPolicy) -> (Outcome, schedules: Bool) {
    state.withLock { state in
      let outcome = state.decide(policy, watermark)
      guard case .taken = outcome else { return (outcome, false) }
      return (outcome, state.append(item))
    }
  }

  /// Waits until there is room for an item and puts it in. Those that wait come in the order in which they began.
  ///
  /// - Throws: ``WebSocketClosed``; `CancellationError` if the task is cancelled while it waits: the item is not sent then.
  func wait(_ item: Item) async throws {
    let number = state.withLock { state in
      state.lastNumber += 1
      return state.lastNumber
    }
    try await withTaskCancellationHandler {
      try await withCheckedThrowingContinuation { continuation in
        wait(Waiter(number: number, item: item, continuation: continuation))
      }
    } onCancel: {
      let waiter = state.withLock { state in
        state.waiters.firstIndex { $0.number == number }.map { state.waiters.remove(at: $0) }
      }
      waiter?.continuation.resume(throwing: CancellationError())
    }
  }

  private func wait(_ waiter: Waiter) {
    enum Step {
      case taken(schedules: Bool)
      case failed(any Error)
      case waits
    }
    let step = state.withLock { state in
      switch state.decide(policy, watermark) {
      case .taken: return Step.taken(schedules: state.append(waiter.item))
      case .closed(let closed): return .failed(closed)
      case .dropped, .disconnect, .wait:
        // Cancelled before this: the handler has found nobody waiting.
        if Task.isCancelled { return .failed(CancellationError()) }
        state.waiters.append(waiter)
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

  /// The items so far.
  func takeAll() -> [Item] {
    state.withLock { state in
      let items = state.items
      state.items = []
      state.queued = 0
      state.isScheduled = false
      return items
    }
  }

  /// So many bytes go to the transport.
  func willWrite(_ count: Int) { state.withLock { $0.underWay += count } }

  /// So many bytes have left: there may be room for those that wait.
  func sent(_ count: Int) {
    let (admitted, schedules) = state.withLock { state in
      state.underWay -= count
      state.sent += count
      return state.admit(watermark)
    }
    for continuation in admitted { continuation.resume() }
    if schedules { onItems() }
  }

  /// How much has been sent so far, and how much waits behind those that wait; `nil` if nobody waits.
  var stall: (sent: Int, unsent: Int)? {
    state.withLock { $0.waiters.isEmpty ? nil : ($0.sent, $0.unsent) }
  }

  /// Nothing more is sent.
  func close(_ closed: WebSocketClosed) {
    let (waiters, callbacks) = state.withLock { state in
      guard state.closed == nil else { return ([] as [Waiter], [] as [@Sendable () -> Void]) }
      state.closed = closed
      defer {
        state.waiters = []
        state.onClose = []
      }
      return (state.waiters, state.onClose)
    }
    for waiter in waiters { waiter.continuation.resume(throwing: closed) }
    for callback in callbacks { callback() }
  }

  /// - Parameter callback: called once when nothing more is sent, at once if that is so.
  func whenClosed(_ callback: @escaping @Sendable () -> Void) {
    let isClosed = state.withLock { state in
      if state.closed == nil { state.onClose.append(callback) }
      return state.closed != nil
    }
    if isClosed { callback() }
  }
}

extension Outbox.State {
  fileprivate var unsent: Int { queued + underWay }

  /// What becomes of an item that comes now.
  fileprivate mutating func decide(_ policy: SlowConsumerPolicy, _ watermark: Int) -> Outbox.Outcome {
    if let closed { return .closed(closed) }
    switch policy {
    case .wait: return unsent < watermark && waiters.isEmpty ? .taken : .wait
    case .disconnect(let bound): return unsent < max(1, bound) ? .taken : .disconnect(unsentBytes: unsent)
    case .dropNewest(let bound):
      if unsent < max(1, bound) { return .taken }
      dropped += 1
      return .dropped
    }
  }

  /// Puts an item in; whether the event loop is to be told.
  fileprivate mutating func append(_ item: Outbox.Item) -> Bool {
    items.append(item)
    queued += item.byteCount
    defer { isScheduled = true }
    return !isScheduled
  }

  /// Puts the items of those in that have waited longest, as far as there is room.
  fileprivate mutating func admit(_ watermark: Int) -> (
    [CheckedContinuation<Void, any Error>], schedules: Bool
  ) {
    var admitted: [CheckedContinuation<Void, any Error>] = []
    var schedules = false
    while admitted.count < waiters.count, unsent < watermark {
      let waiter = waiters[admitted.count]
      if append(waiter.item) { schedules = true }
      admitted.append(waiter.continuation)
    }
    waiters.removeFirst(admitted.count)
    return (admitted, schedules)
  }
}
#endif
