// SPDX-License-Identifier: Apache-2.0

package import WSProto

/// Puts a peer through cases.
package struct CheckRun: Sendable {
  /// What the peer is.
  package let testee: ConnectionType
  package var settings: CheckSettings
  package var cases: [CheckCase]
  /// How many cases run at once.
  package var concurrency = 16

  package init(_ testee: ConnectionType, _ settings: CheckSettings, _ cases: [CheckCase]) {
    self.testee = testee
    self.settings = settings
    self.cases = cases
  }

  /// How long a case may take at most, however the peer drips: some have a hundred steps.
  private var limit: Duration { max(settings.timeout * 10, settings.patience + settings.timeout) }

  // MARK: The probe

  /// What the probe has found.
  package enum Probe: Sendable, Equatable {
    /// It opens connections.
    case open(echoes: Bool, deflates: Bool)
    /// It opens none. With what was seen.
    case refused(String)
  }

  /// Whether the server opens connections at all, whether it sends messages back, and whether it compresses.
  package func probe(_ pipe: any CheckPipe) async -> Probe {
    let outcome = ProbeOutcome()
    let one = CheckCase("handshake/probe", "RFC 6455 §4", "The connection is opened.") { peer in
      // A client has made no offer yet that an answer could agree to.
      let offer = peer.role == .client ? "permessage-deflate; client_max_window_bits" : nil
      let response = try await peer.open(extensions: offer)
      outcome.deflates = response.value("Sec-WebSocket-Extensions") != nil
      outcome.isOpen = true
      try await peer.expectEcho(of: .text, "wsproto check".utf8)
      outcome.echoes = true
    }
    let result = await run(one, pipe)
    if outcome.isOpen { return .open(echoes: outcome.echoes, deflates: outcome.deflates) }
    guard case .failed(let failure) = result.verdict else { return .refused("nothing came") }
    return .refused(failure.seen)
  }

  // MARK: Cases

  /// Runs all cases, several at once.
  ///
  /// - Parameters:
  ///   - connect: opens a connection of the transport.
  ///   - each: called with each result, as they come.
  /// - Returns: the results, in the order of the cases.
  package func run(
    _ connect: @escaping @Sendable () async throws -> any CheckPipe,
    _ each: @Sendable (CheckResult) -> Void = { _ in }
  ) async -> [CheckResult] {
    var results = [CheckResult?](repeating: nil, count: cases.count)
    await withTaskGroup(of: (Int, CheckResult).self) { group in
      // Those that take long begin first.
      var order = cases.indices.sorted { cases[$0].isLong && !cases[$1].isLong }[...]
      func start() {
        guard let index = order.popFirst() else { return }
        let one = cases[index]
        group.addTask { (index, await run(one, connect)) }
      }
      for _ in 0..<max(1, concurrency) { start() }
      while let (index, result) = await group.next() {
        results[index] = result
        each(result)
        start()
      }
    }
    return results.compactMap { $0 }
  }

  private func run(
    _ one: CheckCase,
    _ connect: @Sendable () async throws -> any CheckPipe
  ) async -> CheckResult {
    if let reason = inapplicable(one) {
      return CheckResult(one, .notApplicable(reason), CheckTranscript())
    }
    do {
      return await run(one, try await connect())
    } catch {
      return CheckResult(one, notRun: shown("\(error)"))
    }
  }

  /// Why a case says nothing about this peer.
  func inapplicable(_ one: CheckCase) -> String? {
    if one.needsEcho, !settings.echoes { return "the peer does not echo" }
    return nil
  }

  /// Runs one case on one connection, and closes that.
  package func run(_ one: CheckCase, _ pipe: any CheckPipe) async -> CheckResult {
    let limit = limit
    // Whether the case was cut off.
    let watch = Task {
      do { try await Task.sleep(for: limit) } catch { return false }
      pipe.close()
      return true
    }
    let peer = CheckPeer(one, testee == .server ? .client : .server, settings, pipe)
    var verdict = CheckResult.Verdict.passed
    do {
      try await one.script(peer)
    } catch CheckStop.failed(let failure) {
      verdict = .failed(failure)
    } catch CheckStop.notApplicable(let reason) {
      verdict = .notApplicable(reason)
    } catch {
      verdict = .notApplicable(shown("\(error)"))
    }
    watch.cancel()
    // Otherwise the end that this made would count as the peer's.
    if await watch.value {
      let failure = CheckFailure(
        severity: one.severity,
        section: one.section,
        expected: "the end of this case within \(limit)",
        seen: "the peer goes on without it"
      )
      verdict = .failed(failure)
    }
    await peer.leave()
    return CheckResult(one, verdict, notes: peer.notes, peer.transcript)
  }
}

extension CheckCase {
  fileprivate var isLong: Bool { id == "limits/handshake-patience" }
}

/// What the probe's script has seen. Its case runs in one task.
private final class ProbeOutcome: @unchecked Sendable {
  // Unchecked: written by the script, and read when that is over.
  var isOpen = false
  var echoes = false
  var deflates = false
}
