// SPDX-License-Identifier: Apache-2.0

#if NIO
import NIOConcurrencyHelpers
import NIOCore
import NIOEmbedded

/// A clock that stands still until a test moves it.
///
/// Deadlines, keepalive and delays of a ``WebSocketPair`` go by this clock, and so does whatever sleeps on it. Moving it
/// runs what becomes due in the right order, each at its own time, at once.
public final class VirtualClock: Clock {
  /// A point in time, from the clock's beginning on.
  public struct Instant: InstantProtocol {
    /// How long after the beginning it is.
    public var offset: Duration

    /// A point in time.
    public init(offset: Duration = .zero) { self.offset = offset }

    /// The point in time that lies `duration` later.
    public func advanced(by duration: Duration) -> Instant { Instant(offset: offset + duration) }

    /// How much later `other` is.
    public func duration(to other: Instant) -> Duration { other.offset - offset }

    /// Whether `left` comes first.
    public static func < (left: Instant, right: Instant) -> Bool { left.offset < right.offset }
  }

  let loop = NIOAsyncTestingEventLoop()

  private struct State {
    /// When the tasks wake that sleep now, by their numbers.
    var sleepers: [UInt64: Instant] = [:]
    var lastNumber: UInt64 = 0
    /// Those that wait for a task to fall asleep.
    var observers: [CheckedContinuation<Void, Never>] = []
  }

  private let state = NIOLockedValueBox(State())

  /// A clock at its beginning.
  public init() {}

  /// What the clock shows.
  public var now: Instant { Instant(offset: .nanoseconds(Int64(clamping: loop.now.uptimeNanoseconds))) }

  /// One nanosecond.
  public var minimumResolution: Duration { .nanoseconds(1) }

  /// Sleeps until the clock was moved so far.
  ///
  /// - Throws: `CancellationError` if the task is cancelled before.
  public func sleep(until deadline: Instant, tolerance: Duration? = nil) async throws {
    guard deadline > now else { return try Task.checkCancellation() }
    let wake = loop.makePromise(of: Void.self)
    let number = state.withLockedValue { state in
      state.lastNumber += 1
      return state.lastNumber
    }
    let timer = loop.scheduleTask(in: TimeAmount(now.duration(to: deadline))) {
      self.forget(number)
      wake.succeed()
    }
    let observers = state.withLockedValue { state in
      state.sleepers[number] = deadline
      defer { state.observers = [] }
      return state.observers
    }
    for observer in observers { observer.resume() }
    defer { forget(number) }
    try await withTaskCancellationHandler {
      try await wake.futureResult.get()
    } onCancel: {
      timer.cancel()
      wake.fail(CancellationError())
    }
  }

  private func forget(_ sleeper: UInt64) {
    state.withLockedValue { _ = $0.sleepers.removeValue(forKey: sleeper) }
  }

  /// Moves the clock.
  ///
  /// What is due on connections is done when this returns. Tasks that it has woken run on: wait for what they do.
  public func advance(by duration: Duration) async {
    await settle()
    await loop.advanceTime(by: TimeAmount(duration))
    await settle()
  }

  /// Waits until a task sleeps on this clock, and moves the clock to the time at which the first one wakes: for code that
  /// waits between its attempts.
  ///
  /// - Returns: how far the clock was moved.
  @discardableResult
  public func advanceToNextSleeper() async -> Duration {
    await withCheckedContinuation { continuation in
      let isThere = state.withLockedValue { state in
        if state.sleepers.isEmpty { state.observers.append(continuation) }
        return !state.sleepers.isEmpty
      }
      if isThere { continuation.resume() }
    }
    let start = now
    guard let wake = state.withLockedValue({ $0.sleepers.values.min() }) else { return .zero }
    await advance(by: max(.zero, start.duration(to: wake)))
    return start.duration(to: now)
  }

  /// Runs what is due now, and what tasks that can go on bring about, as far as that is known.
  func settle() async {
    for _ in 0..<10 {
      await Task.yield()
      await loop.run()
    }
  }
}
#endif
