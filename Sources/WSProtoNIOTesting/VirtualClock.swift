// SPDX-License-Identifier: Apache-2.0

#if NIO
import NIOConcurrencyHelpers
import NIOCore
import NIOEmbedded

/// A clock that stands still until a test moves it.
///
/// The deadlines, keepalive pings and delays of a ``WebSocketPair`` follow this clock, and so does everything that
/// sleeps on it. Moving the clock runs what becomes due in the right order, each at its own time, without real waiting.
public final class VirtualClock: Clock {
  /// A point in time, relative to the clock's beginning.
  public struct Instant: InstantProtocol {
    /// The time since the beginning.
    public var offset: Duration

    /// Creates a point in time.
    public init(offset: Duration = .zero) { self.offset = offset }

    /// The point in time `duration` later.
    public func advanced(by duration: Duration) -> Instant { Instant(offset: offset + duration) }

    /// The time from this point to `other`.
    public func duration(to other: Instant) -> Duration { other.offset - offset }

    /// Whether `left` is earlier.
    public static func < (left: Instant, right: Instant) -> Bool { left.offset < right.offset }
  }

  let loop = NIOAsyncTestingEventLoop()

  private struct State {
    /// The sleeping tasks by number, and when they wake.
    var sleepers: [UInt64: Instant] = [:]
    var lastNumber: UInt64 = 0
    /// Those that wait for a task to begin sleeping.
    var observers: [CheckedContinuation<Void, Never>] = []
  }

  private let state = NIOLockedValueBox(State())

  /// Creates a clock at its beginning.
  public init() {}

  /// The current time.
  public var now: Instant { Instant(offset: .nanoseconds(Int64(clamping: loop.now.uptimeNanoseconds))) }

  /// One nanosecond.
  public var minimumResolution: Duration { .nanoseconds(1) }

  /// Sleeps until the clock has been moved to `deadline`.
  ///
  /// - Throws: `CancellationError` if the task is cancelled first.
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

  /// Moves the clock forward.
  ///
  /// When this returns, everything due on the connections has happened. Tasks that it woke continue to run; wait for
  /// their results.
  public func advance(by duration: Duration) async {
    await settle()
    await loop.advanceTime(by: TimeAmount(duration))
    await settle()
  }

  /// Waits until a task sleeps on this clock, then moves the clock to the time at which the first sleeping task wakes.
  /// Use it to test code that waits between attempts.
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

  /// Runs what is due now, and what running tasks cause, as far as that can be known.
  func settle() async {
    for _ in 0..<10 {
      await Task.yield()
      await loop.run()
    }
  }
}
#endif
