// SPDX-License-Identifier: Apache-2.0

#if Tool && NIO
import NIOCore
import Synchronization
import WSProto
import WSProtoNIO
import WSProtoTool

/// What is measured.
struct BenchPlan: Sendable {
  var url: String
  var connections: Int
  var duration: Duration
  /// Messages a second over all connections; `nil`: a connection sends when it was answered.
  var rate: Double?
  var size: Int
  var pipeline: Int
  var isBinary: Bool
  var ramp: Duration
  var sources: [SocketAddress]
  var thresholds: [Threshold]
}

/// What was measured.
struct BenchResults: Sendable {
  var opened = 0
  var failed = 0
  /// Connections that ended before the end.
  var lostConnections = 0
  var sent = 0
  var received = 0
  /// Messages that came back other than they were sent.
  var changed = 0
  var handshakes = LatencyHistogram()
  var roundTrips = LatencyHistogram()
  /// From the first message to the last answer.
  var time = Duration.zero
  var firstFailure: ToolFailure?
  /// Stopped before its end: what was under way has no answer.
  var isCut = false
}

/// Measures an echo server by a plan.
final class BenchRun: Sendable {
  private let plan: BenchPlan
  private let options: WebSocketClientOptions
  private let message: WebSocketMessage
  private let counters = BenchCounters()
  private let clock = ContinuousClock()

  init(_ plan: BenchPlan, _ options: WebSocketClientOptions) {
    self.plan = plan
    self.options = options
    let bytes = (0..<plan.size).map { UInt8(ascii: "a") + UInt8($0 % 26) }
    message = plan.isBinary ? .binary(bytes) : .text(String(decoding: bytes, as: UTF8.self))
  }

  /// Opens the connections, sends for the plan's duration, waits for the answers under way, closes.
  func measure(showsProgress: Bool, stop: StopRequest) async -> BenchResults {
    let phase = BenchPhase()
    let work = Task { await runConnections(phase) }
    let progress = Task { if showsProgress { await self.showProgress() } }
    // All connections are open, or were tried.
    let opening = Task { await counters.waitForOpening(of: plan.connections) }
    let stopping = Task {
      if await stop.wait() != nil {
        phase.end()
        work.cancel()
      }
    }
    await withTaskCancellationHandler {
      await opening.value
    } onCancel: {
      opening.cancel()
    }
    let start = clock.now
    phase.begin(at: start, for: plan.duration)
    await work.value
    stopping.cancel()
    progress.cancel()
    if showsProgress { Terminal.clearProgress() }
    var results = counters.results(since: start)
    results.isCut = stop.cause != nil
    return results
  }

  private func runConnections(_ phase: BenchPhase) async {
    await withDiscardingTaskGroup { group in
      let begin = clock.now
      for number in 0..<plan.connections {
        let due = begin + plan.ramp * number / plan.connections
        if due > clock.now { try? await Task.sleep(until: due, clock: clock) }
        group.addTask { await self.runConnection(number, phase) }
      }
    }
  }

  private func runConnection(_ number: Int, _ phase: BenchPhase) async {
    var options = options
    if !plan.sources.isEmpty { options.localAddress = plan.sources[number % plan.sources.count] }
    let begin = clock.now
    let wasOpened = OpenFlag()
    do {
      try await WebSocketClient.connect(to: plan.url, options: options) { socket in
        wasOpened.set(true)
        counters.opened(after: clock.now - begin)
        guard let (start, end) = await phase.wait() else { return }
        try await BenchConnection(plan, message, counters, number: number).talk(socket, from: start, to: end)
      }
    } catch  where Task.isCancelled {
      if !wasOpened.value { counters.abandoned() }
    } catch {
      counters.failed(wasOpened: wasOpened.value, failure(error))
    }
  }

  private func failure(_ error: any Error) -> ToolFailure {
    switch error {
    case let error as WebSocketClientError:
      ToolFailure(
        error,
        unixSocketPath: options.unixSocketPath,
        isSecure: plan.url.hasPrefix("wss:"),
        firstBytes: []
      )
    case let closed as WebSocketClosed: ToolFailure(closed)
    default: ToolFailure(.lost, "\(error)")
    }
  }

  private func showProgress() async {
    var before = (received: 0, time: clock.now)
    while !Task.isCancelled {
      try? await Task.sleep(for: .seconds(1))
      let now = clock.now
      let counts = counters.counts
      let rate = Double(counts.received - before.received) / ((now - before.time) / .seconds(1))
      before = (counts.received, now)
      Terminal.showProgress(
        "\(counts.opened) open, \(counts.failed) failed, \(counts.received) answers, \(Int(rate)) a second"
      )
    }
  }
}

/// The time in which messages are sent, which all connections wait for.
final class BenchPhase: Sendable {
  typealias Times = (start: ContinuousClock.Instant, end: ContinuousClock.Instant)

  private enum State {
    case before([CheckedContinuation<Times?, Never>])
    case during(Times)
    case cancelled
  }

  private let state = Mutex(State.before([]))

  func begin(at start: ContinuousClock.Instant, for duration: Duration) {
    change(to: .during((start, start + duration)), (start, start + duration))
  }

  /// Nothing will be sent.
  func end() { change(to: .cancelled, nil) }

  private func change(to next: State, _ value: Times?) {
    let waiting = state.withLock { state in
      guard case .before(let waiting) = state else { return [] as [CheckedContinuation<Times?, Never>] }
      state = next
      return waiting
    }
    for one in waiting { one.resume(returning: value) }
  }

  /// Waits for it: its beginning and its end; `nil` if it won't be.
  func wait() async -> Times? {
    await withCheckedContinuation { continuation in
      let known: Times?? = state.withLock { state in
        switch state {
        case .before(let waiting):
          state = .before(waiting + [continuation])
          return nil
        case .during(let times): return times
        case .cancelled: return .some(nil)
        }
      }
      if let known { continuation.resume(returning: known) }
    }
  }
}
#endif
