// SPDX-License-Identifier: Apache-2.0

#if Tool && NIO
import NIOCore
import Synchronization
import WSProto
import WSProtoNIO
import WSProtoTool

/// One connection of a measurement: sends, and measures what comes back.
struct BenchConnection: Sendable {
  private let plan: BenchPlan
  private let message: WebSocketMessage
  private let counters: BenchCounters
  private let number: Int
  private let clock = ContinuousClock()
  private let underWay = UnderWay()

  init(_ plan: BenchPlan, _ message: WebSocketMessage, _ counters: BenchCounters, number: Int) {
    self.plan = plan
    self.message = message
    self.counters = counters
    self.number = number
  }

  /// How long after the end answers are waited for, and messages that the server does not take.
  private static let patience = Duration.seconds(5)

  /// Sends from `start` to `end`, then waits a while for the answers that are missing.
  func talk(_ socket: WebSocket, from start: ContinuousClock.Instant, to end: ContinuousClock.Instant)
    async throws
  {
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { try await receive(socket) }
      group.addTask {
        if let rate = plan.rate {
          try await send(socket, rate / Double(plan.connections), from: start, to: end)
        } else {
          try await saturate(socket, to: end)
        }
        try await waitForAnswers()
      }
      group.addTask { try await Task.sleep(until: end + Self.patience, clock: clock) }
      defer { group.cancelAll() }
      // The receiving task ends by itself only where the connection does; the sending one need not, where nothing is
      // answered or taken.
      try await group.next()
    }
  }

  /// Open loop: messages are due at fixed times, whatever the server does.
  private func send(
    _ socket: WebSocket,
    _ rate: Double,
    from start: ContinuousClock.Instant,
    to end: ContinuousClock.Instant
  ) async throws {
    let interval = Duration.seconds(1 / rate)
    // Connections take turns.
    var due = start + interval * number / plan.connections
    while due < end {
      if due > clock.now { try await Task.sleep(until: due, clock: clock) }
      underWay.sent(due: due)
      counters.sent()
      try await socket.send(message)
      due += interval
    }
  }

  /// Closed loop: a message goes out when another one has come back.
  private func saturate(_ socket: WebSocket, to end: ContinuousClock.Instant) async throws {
    while clock.now < end {
      try await underWay.waitForRoom(plan.pipeline)
      underWay.sent(due: clock.now)
      counters.sent()
      try await socket.send(message)
    }
  }

  private func waitForAnswers() async throws {
    while underWay.count > 0 { try await Task.sleep(for: .milliseconds(10)) }
  }

  private func receive(_ socket: WebSocket) async throws {
    for try await answer in socket.messages {
      guard let due = underWay.received() else { continue }
      counters.received(after: clock.now - due, isSame: answer == message, shard: number)
    }
    // In order, but before it was asked for.
    if underWay.count > 0 || !Task.isCancelled { throw BenchEndedEarly() }
  }
}

/// A server that has closed the connection while it was measured.
struct BenchEndedEarly: Error, CustomStringConvertible {
  var description: String { "the server has closed the connection" }
}

/// The messages of a connection that have no answer yet: when each of them was due.
private final class UnderWay: Sendable {
  private struct State {
    var due: [ContinuousClock.Instant] = []
    var taken = 0
    var waiter: CheckedContinuation<Void, Never>?

    var count: Int { due.count - taken }
  }

  private let state = Mutex(State())

  var count: Int { state.withLock { $0.count } }

  func sent(due: ContinuousClock.Instant) { state.withLock { $0.due.append(due) } }

  /// The oldest has its answer.
  func received() -> ContinuousClock.Instant? {
    let (due, waiter) = state.withLock { state in
      guard state.count > 0 else {
        return (nil as ContinuousClock.Instant?, nil as CheckedContinuation<Void, Never>?)
      }
      let due = state.due[state.taken]
      state.taken += 1
      if state.taken == state.due.count || state.taken > 4096 {
        state.due.removeFirst(state.taken)
        state.taken = 0
      }
      return (due, state.waiter.take())
    }
    waiter?.resume()
    return due
  }

  /// Waits until fewer than `limit` are under way.
  func waitForRoom(_ limit: Int) async throws {
    while true {
      try Task.checkCancellation()
      let hasRoom = state.withLock { $0.count < limit }
      if hasRoom { return }
      await withTaskCancellationHandler {
        await withCheckedContinuation { continuation in
          let waits = state.withLock { state in
            guard state.count >= limit, !Task.isCancelled else { return false }
            state.waiter = continuation
            return true
          }
          if !waits { continuation.resume() }
        }
      } onCancel: {
        state.withLock { $0.waiter.take() }?.resume()
      }
    }
  }
}
#endif
