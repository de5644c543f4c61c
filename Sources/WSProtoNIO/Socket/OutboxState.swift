// SPDX-License-Identifier: Apache-2.0

#if NIO

/// A task that is waiting to send.
struct OutboxWaiter {
  let number: UInt64
  let wait: Outbox.Wait
  let continuation: CheckedContinuation<Void, any Error>
}

/// The state that an ``Outbox`` guards, with the rules for the order of messages.
struct OutboxState {
  /// Messages whose transmission hasn't begun.
  private var queue = MessageQueue()
  /// If it is the turn of a message in parts: the number of queued messages that still go out before it.
  private var ahead: Int?
  /// The parts of that message.
  private var parts: [Outbox.Item] = []
  private var partBytes = 0
  /// Bytes that were taken out but not yet written.
  private var inHand = 0
  /// Bytes that were handed to the transport and haven't left.
  private(set) var underWay = 0
  /// How many bytes beyond the watermark may wait; see ``WebSocketOptions/maxCrossingBytes``.
  var allowance = 0
  /// All bytes that have left, to detect progress.
  private(set) var sent = 0
  /// Whether the event loop was told about items and hasn't taken them yet.
  private var isScheduled = false
  /// The waiting senders, the oldest first: those of the message in parts whose turn it is, and all others.
  private var partWaiters: [OutboxWaiter] = []
  private var waiters: [OutboxWaiter] = []
  private var lastNumber: UInt64 = 0
  private(set) var dropped = 0
  private(set) var closed: WebSocketClosed?
  var onClose: [@Sendable () -> Void] = []

  /// The limit on messages with a key where other messages would wait: only here can they be replaced.
  private static let maxReplaceableBytes = 1 << 20

  var unsent: Int { queue.byteCount + partBytes + inHand + underWay }

  var hasWaiters: Bool { !waiters.isEmpty || !partWaiters.isEmpty }

  /// Whether a sender is waiting because the peer doesn't read, rather than for another sender's message in parts.
  func lacksRoom(_ watermark: Int) -> Bool { hasWaiters && !hasRoom(watermark) }

  mutating func makeNumber() -> UInt64 {
    lastNumber += 1
    return lastNumber
  }

  /// Whether a waiting sender may continue. Replaceable messages have a limit of their own.
  private func hasRoom(_ watermark: Int) -> Bool {
    unsent - queue.replaceableBytes < watermark + allowance
  }

  private var hasItems: Bool {
    guard let ahead else { return !queue.isEmpty }
    return ahead > 0 || !parts.isEmpty
  }

  // MARK: Putting in

  mutating func offer(
    _ item: Outbox.Item,
    _ key: String?,
    _ policy: SlowConsumerPolicy,
    _ watermark: Int
  ) -> (Outbox.Outcome, schedules: Bool) {
    if let closed { return (.closed(closed), false) }
    if let key, queue.replace(item, key: key) {
      dropped += 1
      return (.taken, false)
    }
    switch policy {
    case .wait:
      let isRoom =
        key == nil
        ? hasRoom(watermark) && waiters.isEmpty && ahead == nil
        : unsent < max(watermark, Self.maxReplaceableBytes)
      guard isRoom else { return (.wait, false) }
    case .disconnect(let bound):
      guard unsent < max(1, bound) else { return (.disconnect(unsentBytes: unsent), false) }
    case .dropNewest(let bound):
      guard unsent < max(1, bound) else {
        dropped += 1
        return (.dropped, false)
      }
    case .dropOldest(let bound):
      // A message whose transmission has begun stays, and the newest is always kept.
      while unsent >= max(1, bound), queue.popFirst() != nil {
        dropped += 1
        if let count = ahead, count > 0 { ahead = count - 1 }
      }
    }
    queue.append(item, key: key)
    return (.taken, schedule())
  }

  mutating func offer(
    _ wait: Outbox.Wait,
    _ policy: SlowConsumerPolicy,
    _ watermark: Int
  ) -> (Outbox.Outcome, schedules: Bool) {
    if let closed { return (.closed(closed), false) }
    switch wait {
    case .message(let item, let key): return offer(item, key, policy, watermark)
    case .firstPart(let item):
      guard hasRoom(watermark), waiters.isEmpty, ahead == nil else { return (.wait, false) }
      begin(with: item)
      return (.taken, schedule())
    case .part(let item):
      guard hasRoom(watermark), partWaiters.isEmpty else { return (.wait, false) }
      append(part: item)
      return (.taken, schedule())
    }
  }

  /// Begins the turn of a message in parts.
  private mutating func begin(with item: Outbox.Item) {
    ahead = queue.count
    append(part: item)
  }

  private mutating func append(part item: Outbox.Item) {
    parts.append(item)
    partBytes += item.byteCount
  }

  /// Whether the event loop must be told that there are items.
  private mutating func schedule() -> Bool {
    guard !isScheduled, hasItems else { return false }
    isScheduled = true
    return true
  }

  // MARK: Waiting

  mutating func add(_ waiter: OutboxWaiter) {
    if case .part = waiter.wait { partWaiters.append(waiter) } else { waiters.append(waiter) }
  }

  mutating func removeWaiter(_ number: UInt64) -> OutboxWaiter? {
    if let index = waiters.firstIndex(where: { $0.number == number }) { return waiters.remove(at: index) }
    return partWaiters.firstIndex { $0.number == number }.map { partWaiters.remove(at: $0) }
  }

  /// Lets the longest-waiting senders continue as far as there is room. Returns whether the event loop must be told.
  mutating func admit(_ watermark: Int) -> ([CheckedContinuation<Void, any Error>], schedules: Bool) {
    var admitted: [CheckedContinuation<Void, any Error>] = []
    while !partWaiters.isEmpty, hasRoom(watermark) {
      let waiter = partWaiters.removeFirst()
      if case .part(let item) = waiter.wait { append(part: item) }
      admitted.append(waiter.continuation)
    }
    var count = 0
    while count < waiters.count, ahead == nil, hasRoom(watermark) {
      switch waiters[count].wait {
      case .message(let item, let key): queue.append(item, key: key)
      case .firstPart(let item): begin(with: item)
      case .part: break
      }
      admitted.append(waiters[count].continuation)
      count += 1
    }
    waiters.removeFirst(count)
    return (admitted, underWay + inHand < watermark && schedule())
  }

  // MARK: Taking out

  mutating func take(_ room: Int) -> [Outbox.Item] {
    isScheduled = false
    inHand = 0
    var items: [Outbox.Item] = []
    var bytes = underWay
    while bytes < room, let item = next() {
      items.append(item)
      bytes += item.byteCount
      inHand += item.byteCount
    }
    return items
  }

  /// Counts bytes that go to the transport, which include everything that was taken.
  mutating func willWrite(_ count: Int) {
    inHand = 0
    underWay += count
  }

  mutating func didSend(_ count: Int) {
    underWay -= count
    sent += count
  }

  private mutating func next() -> Outbox.Item? {
    guard let ahead else { return queue.popFirst() }
    if ahead > 0 {
      self.ahead = ahead - 1
      return queue.popFirst()
    }
    guard !parts.isEmpty else { return nil }
    let item = parts.removeFirst()
    partBytes -= item.byteCount
    if case .part(let part, _) = item, part.isLast { self.ahead = nil }
    return item
  }

  mutating func close(_ closed: WebSocketClosed) -> ([OutboxWaiter], [@Sendable () -> Void]) {
    guard self.closed == nil else { return ([], []) }
    self.closed = closed
    defer {
      waiters = []
      partWaiters = []
      queue = MessageQueue()
      parts = []
      partBytes = 0
      ahead = nil
      onClose = []
    }
    return (waiters + partWaiters, onClose)
  }
}
#endif
