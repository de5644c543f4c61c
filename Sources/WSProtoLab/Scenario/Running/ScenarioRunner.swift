// SPDX-License-Identifier: Apache-2.0

import HTTPTypes
import WSProto

/// Runs a test: takes its steps one after the other, until one fails.
package struct ScenarioRunner {
  /// How tests are run.
  package struct Options: Sendable {
    /// How long a step may take that says nothing about it, in a file that says nothing about it.
    package var stepTimeout: Duration = .seconds(5)
    /// When everything must be over.
    package var deadline: ContinuousClock.Instant?
    /// Variables, which go before the defaults of a file.
    package var variables: [String: String] = [:]
    /// What `env.NAME` stands for.
    package var environment: [String: String] = [:]
    /// Goes on after what differs, for a replay.
    package var goesOn = false
    /// Accepts any certificate.
    package var insecure = false
    /// Told of each step, and of the addresses of servers.
    package var note: (@Sendable (String) -> Void)?

    package init() {}
  }

  typealias Instant = ContinuousClock.Instant

  let network: any ScenarioNetwork
  let options: Options
  private let stepTimeout: Duration
  var variables: ScenarioVariables
  var links: [String: ScenarioLink] = [:]
  var opened: [String: Instant] = [:]
  /// All that were opened, for the end.
  var all: [ScenarioLink] = []
  var servers: [String: ScenarioServer] = [:]

  /// Runs one test of a file.
  package static func run(
    _ test: ScenarioTest,
    of file: ScenarioFile,
    on network: any ScenarioNetwork,
    _ options: Options = Options()
  ) async -> ScenarioResult {
    var result = ScenarioResult(file: file.name, title: test.title)
    let start = ContinuousClock.now
    var runner = Self(file, network, options)
    do throws(ScenarioFailure) {
      for (name, value) in file.defaults where !runner.variables.has(name) {
        runner.variables.set(name, .text(try value.text(runner.variables)))
      }
      for step in test.steps {
        guard let failure = await runner.take(step) else { continue }
        result.failures.append(failure)
        if !options.goesOn || failure.isFinal { break }
      }
    } catch {
      result.failures = [StepFailure(line: 1, source: "set", message: error.description)]
    }
    await runner.finish()
    result.duration = ContinuousClock.now - start
    return result
  }

  private init(_ file: ScenarioFile, _ network: any ScenarioNetwork, _ options: Options) {
    self.network = network
    self.options = options
    stepTimeout = file.stepTimeout ?? options.stepTimeout
    variables = ScenarioVariables(
      options.variables.mapValues { .text($0) },
      environment: options.environment
    )
  }

  // MARK: Time

  /// When a step must be over that begins now.
  func deadline(_ within: Duration?) -> Instant {
    let own = ContinuousClock.now + (within ?? stepTimeout)
    return options.deadline.map { min($0, own) } ?? own
  }

  private var isLate: Bool { options.deadline.map { ContinuousClock.now >= $0 } ?? false }

  /// What was waited for, in words.
  func waited(_ within: Duration?) -> String {
    isLate ? "when --timeout was over" : "within \(Self.text(within ?? stepTimeout))"
  }

  /// `2s`, `500ms`, as in a file.
  static func text(_ duration: Duration) -> String {
    let milliseconds = Int64(duration / .milliseconds(1))
    return milliseconds % 1000 == 0 ? "\(milliseconds / 1000)s" : "\(milliseconds)ms"
  }

  // MARK: Steps

  private mutating func take(_ step: ScenarioStep) async -> StepFailure? {
    options.note?("line \(step.line): \(step.source)")
    var failure = StepFailure(line: step.line, source: step.source, message: "")
    do throws(ScenarioFailure) {
      guard let difference = try await perform(step) else { return nil }
      failure.message = difference.message
      failure.details = difference.details
    } catch {
      failure.message = error.description
      failure.isFinal = true
    }
    return failure
  }

  private mutating func perform(_ step: ScenarioStep) async throws(ScenarioFailure) -> Difference? {
    if isLate { throw ScenarioFailure("--timeout is over before this step") }
    switch step.action {
    case .set(let name, let value): variables.set(name, .text(try value.text(variables)))
    case .connect(let connect): return try await self.connect(connect, step.connection)
    case .listen(let listen): try await self.listen(listen)
    case .accept(let listener): return try await accept(listener, step.connection)
    case .send(let send): try await link(step).send(send, variables, until: deadline(nil))
    case .expect(let expect): return try await self.expect(expect, link(step))
    case .check(let check):
      return try HandshakeChecker(check: check, variables: variables).difference(await link(step).handshake)
    case .silence(let duration): return try await silence(duration, link(step))
    case .capture(let capture): return try await self.capture(capture, link(step))
    case .close(let close): return try await self.close(close, link(step))
    case .disconnect: try await link(step).disconnect()
    case .reset: try await link(step).reset()
    case .wait(let duration): await sleep(until: deadline(duration))
    case .waitUntil(let time):
      let start = opened[step.connection] ?? ContinuousClock.now
      await sleep(until: min(start + time, options.deadline ?? start + time))
    }
    return nil
  }

  private func sleep(until deadline: Instant) async {
    try? await Task.sleep(until: deadline, clock: .continuous)
  }

  private func link(_ step: ScenarioStep) throws(ScenarioFailure) -> ScenarioLink {
    if let link = links[step.connection] { return link }
    throw ScenarioFailure("the connection is not open")
  }

  /// Ends what is still open: connections with a Close, all at once.
  private func finish() async {
    let deadline = ContinuousClock.now + .seconds(1)
    await withDiscardingTaskGroup { group in
      for link in all { group.addTask { await link.finish(until: deadline) } }
    }
    for server in servers.values { await server.close() }
  }
}
