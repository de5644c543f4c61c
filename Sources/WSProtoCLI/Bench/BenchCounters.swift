// SPDX-License-Identifier: Apache-2.0

#if Tool && NIO
import Synchronization
import WSProtoTool

/// Counts what the connections of a measurement do, from all threads.
final class BenchCounters: Sendable {
  /// Answers are counted in several parts, so that threads seldom wait for each other.
  private final class Shard: Sendable {
    let state = Mutex((roundTrips: LatencyHistogram(), changed: 0, last: ContinuousClock.Instant?.none))
  }

  private struct Opening {
    var opened = 0
    var failed = 0
    var lost = 0
    var handshakes = LatencyHistogram()
    var firstFailure: ToolFailure?
    /// Connections that were given up since the measurement was stopped.
    var abandoned = 0
    var expected = Int.max
    var waiter: CheckedContinuation<Void, Never>?

    var tried: Int { opened + failed + abandoned }
  }

  private let shards = (0..<8).map { _ in Shard() }
  private let opening = Mutex(Opening())
  private let sentCount = Atomic<Int>(0)
  private let receivedCount = Atomic<Int>(0)

  func sent() { sentCount.add(1, ordering: .relaxed) }

  func received(after time: Duration, isSame: Bool, shard: Int) {
    receivedCount.add(1, ordering: .relaxed)
    shards[shard % shards.count].state.withLock { state in
      state.roundTrips.record(time)
      if !isSame { state.changed += 1 }
      state.last = .now
    }
  }

  func opened(after time: Duration) {
    change { opening in
      opening.opened += 1
      opening.handshakes.record(time)
    }
  }

  /// A connection has failed, before it was opened or later.
  func failed(wasOpened: Bool, _ failure: ToolFailure) {
    change { opening in
      if wasOpened { opening.lost += 1 } else { opening.failed += 1 }
      opening.firstFailure = opening.firstFailure ?? failure
    }
  }

  /// A connection was given up before it was open.
  func abandoned() { change { $0.abandoned += 1 } }

  private func change(_ body: (inout Opening) -> Void) {
    let waiter = opening.withLock { opening in
      body(&opening)
      return opening.tried >= opening.expected ? opening.waiter.take() : nil
    }
    waiter?.resume()
  }

  /// Waits until so many connections are open, or have failed.
  func waitForOpening(of count: Int) async {
    await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        let isDone = opening.withLock { opening in
          opening.expected = count
          if opening.tried >= count || Task.isCancelled { return true }
          opening.waiter = continuation
          return false
        }
        if isDone { continuation.resume() }
      }
    } onCancel: {
      opening.withLock { $0.waiter.take() }?.resume()
    }
  }

  var counts: (opened: Int, failed: Int, received: Int) {
    let (opened, failed) = opening.withLock { ($0.opened - $0.lost, $0.failed + $0.lost) }
    return (opened, failed, receivedCount.load(ordering: .relaxed))
  }

  func results(since start: ContinuousClock.Instant) -> BenchResults {
    var results = BenchResults()
    opening.withLock { opening in
      results.opened = opening.opened
      results.failed = opening.failed
      results.lostConnections = opening.lost
      results.handshakes = opening.handshakes
      results.firstFailure = opening.firstFailure
    }
    results.sent = sentCount.load(ordering: .relaxed)
    results.received = receivedCount.load(ordering: .relaxed)
    var last = start
    for shard in shards {
      shard.state.withLock { state in
        results.roundTrips.add(state.roundTrips)
        results.changed += state.changed
        last = max(last, state.last ?? start)
      }
    }
    results.time = last - start
    return results
  }
}
#endif
