// SPDX-License-Identifier: Apache-2.0

#if NIO
import NIOCore
import WSProto

/// Delays this end's Close until the closure with the socket has answered the messages before the peer's Close or
/// violation (RFC 6455 §5.5.1).
///
/// The closure may run on other threads than the event loop's, or may not have started yet. The Close waits as long as the
/// closure takes messages, until it has taken all of them and asks for more. If it takes none for a moment, or hasn't been
/// reading at all, the Close goes out. Nothing more is received meanwhile, so the waiting needs no memory.
///
/// The time is that of the process, not of the event loop: this waits for threads of the process, not for the peer, and the
/// event loop's time stands still in tests.
///
/// Lives on the event loop.
final class AnswersBeforeClose {
  /// How long the Close waits without a message being taken.
  static let pause = Duration.milliseconds(100)
  /// How long the Close waits in all. Half of the closing handshake's deadline also limits it.
  static let longest = Duration.seconds(5)

  private let inbox: Inbox
  private let longest: Duration
  private let sleep: @Sendable (Duration) async throws -> Void
  /// When the last message was delivered, by the event loop's time.
  private var lastDelivery: Duration?
  private var watching: Task<Void, Never>?

  init(_ inbox: Inbox, _ timeouts: Timeouts, clock: some Clock<Duration> = ContinuousClock()) {
    self.inbox = inbox
    sleep = { try await clock.sleep(for: $0) }
    longest = min(Self.longest, timeouts.closing.map { max(.zero, $0 / 2) } ?? Self.longest)
  }

  /// Called when a batch of messages is delivered.
  func delivered(at now: Duration) { lastDelivery = now }

  /// Begins to wait, after the peer has closed or failed.
  ///
  /// - Parameter completion: called on the event loop when the closure has answered or its time is over, possibly twice.
  /// - Returns: false if there is nothing to wait for. `completion` isn't called then.
  func wait(on eventLoop: any EventLoop, at now: Duration, _ completion: @escaping () -> Void) -> Bool {
    guard watching == nil, isAnswering(at: now) else { return false }
    let bound = NIOLoopBound(completion, eventLoop: eventLoop)
    let complete: @Sendable () -> Void = { eventLoop.execute { bound.value() } }
    inbox.whenNothingIsLeft(complete)
    // The closure may have taken everything in the meantime.
    guard !inbox.reading.isWaiting else {
      end()
      return false
    }
    watching = inbox.watch(within: longest, pause: Self.pause, sleep: sleep, complete)
    return true
  }

  /// Whether the closure has just received something, or is working through what it received before.
  private func isAnswering(at now: Duration) -> Bool {
    guard let lastDelivery else { return false }
    let reading = inbox.reading
    if reading.isWaiting { return false }
    return now - lastDelivery < Self.pause || reading.hasUnread && reading.hasTakenLately
  }

  /// Stops waiting.
  func end() {
    inbox.whenNothingIsLeft(nil)
    watching?.cancel()
  }
}

extension Inbox {
  /// Calls `complete` when the reader has stopped taking messages, or after `longest`, unless the task is cancelled before.
  fileprivate func watch(
    within longest: Duration,
    pause: Duration,
    sleep: @escaping @Sendable (Duration) async throws -> Void,
    _ complete: @escaping @Sendable () -> Void
  ) -> Task<Void, Never> {
    let taken = reading.taken
    return Task {
      var left = longest
      var before = taken
      while left > .zero {
        let pause = min(pause, left)
        do { try await sleep(pause) } catch { return }
        left -= pause
        let taken = reading.taken
        if taken == before { break }
        before = taken
      }
      complete()
    }
  }
}
#endif
