// SPDX-License-Identifier: Apache-2.0

import Synchronization
import WSProto

/// Puts a client that connects again and again through cases, one a connection.
///
/// A client may ask as it asks Autobahn's fuzzing server: `/getCaseCount` is answered with their number, `/runCase?case=N`
/// leads to one of them, `/updateReports` ends. Any other target leads to the next case, the first time to the probe.
package final class CheckService: Sendable {
  private struct State {
    var next = 0
    var isProbed = false
    var results: [Int: CheckResult] = [:]
    var settings: CheckSettings
  }

  private let cases: [CheckCase]
  private let each: @Sendable (CheckResult) -> Void
  private let state: Mutex<State>

  /// - Parameter each: called with each result.
  package init(
    _ settings: CheckSettings,
    _ cases: [CheckCase],
    _ each: @escaping @Sendable (CheckResult) -> Void = { _ in }
  ) {
    self.cases = cases
    self.each = each
    state = Mutex(State(settings: settings))
  }

  /// The results so far, in the order of the cases.
  package var results: [CheckResult] {
    state.withLock { state in cases.indices.compactMap { state.results[$0] } }
  }

  private enum Wish {
    case count
    case run(Int)
    case next
    case end
  }

  /// Runs what a connection is for, and closes it.
  ///
  /// - Returns: whether nothing more is to be done.
  package func serve(_ pipe: any CheckPipe) async -> Bool {
    let settings = state.withLock { $0.settings }
    let pipe = PeekedPipe(pipe)
    let run = CheckRun(.client, settings, cases)
    switch Self.wish(await pipe.target(within: settings.timeout)) {
    case .end:
      _ = await run.run(Self.farewell(nil), pipe)
      return true
    case .count:
      _ = await run.run(Self.farewell(cases.count), pipe)
      return false
    case .run(let number):
      guard cases.indices.contains(number - 1) else {
        _ = await run.run(Self.farewell(nil), pipe)
        return false
      }
      await take(number - 1, run, pipe)
      return false
    case .next:
      let index = state.withLock { state -> Int? in
        guard state.isProbed else {
          state.isProbed = true
          return nil
        }
        defer { state.next += 1 }
        return state.next
      }
      if let index {
        if index < cases.count { await take(index, run, pipe) } else { pipe.close() }
      } else if case .open(let echoes, _) = await run.probe(pipe) {
        state.withLock { $0.settings.echoes = echoes }
      }
      return state.withLock { $0.results.count >= cases.count }
    }
  }

  private func take(_ index: Int, _ run: CheckRun, _ pipe: PeekedPipe) async {
    let result: CheckResult
    if let reason = run.inapplicable(cases[index]) {
      _ = await run.run(Self.farewell(nil), pipe)
      result = CheckResult(cases[index], .notApplicable(reason), CheckTranscript())
    } else {
      result = await run.run(cases[index], pipe)
    }
    state.withLock { $0.results[index] = result }
    each(result)
  }

  private static func wish(_ target: String?) -> Wish {
    guard let target else { return .next }
    let path = target.prefix { $0 != "?" }
    switch path {
    case "/getCaseCount": return .count
    case "/updateReports": return .end
    case "/runCase":
      let query = target.dropFirst(path.count + 1).split(separator: "&")
      let number = query.first { $0.hasPrefix("case=") }.flatMap { Int($0.dropFirst(5)) }
      return .run(number ?? 0)
    default: return .next
    }
  }

  /// Opens the connection, tells the number of cases, and closes.
  private static func farewell(_ count: Int?) -> CheckCase {
    CheckCase("handshake/farewell", "RFC 6455 §4", "The connection is opened.") { peer in
      try await peer.open()
      if let count { await peer.send(.text("\(count)")) }
      await peer.send(.close(1000))
      peer.endOurs()
      try await peer.expectClose(orEnd: true)
    }
  }
}

/// A connection whose first bytes have been looked at.
private final class PeekedPipe: CheckPipe {
  private let pipe: any CheckPipe
  private let first = Mutex<[CheckReading]>([])

  init(_ pipe: any CheckPipe) { self.pipe = pipe }

  /// The target of the request that comes; `nil` if none does.
  func target(within limit: Duration) async -> String? {
    var bytes: [UInt8] = []
    var end = HeadEnd()
    while true {
      let reading = await pipe.read(within: limit)
      if reading != .timedOut { first.withLock { $0.append(reading) } }
      guard case .bytes(let more) = reading else { return nil }
      bytes += more
      guard let count = end.find(in: bytes) else { continue }
      let parts = HandshakeRecord(bytes.prefix(count)).startLine.split(separator: UInt8(ascii: " "))
      return parts.count > 1 ? String(decoding: parts[1], as: UTF8.self) : nil
    }
  }

  func read(within limit: Duration) async -> CheckReading {
    let kept = first.withLock { $0.isEmpty ? nil : $0.removeFirst() }
    return if let kept { kept } else { await pipe.read(within: limit) }
  }

  func write(_ bytes: [UInt8]) async throws { try await pipe.write(bytes) }

  func finish() async throws { try await pipe.finish() }

  func close() { pipe.close() }
}
