// SPDX-License-Identifier: Apache-2.0

import Testing
import WSProto

@testable import WSProtoLab

@Suite("The cases of check")
struct CheckTests {
  private static func settings() -> CheckSettings {
    var settings = CheckSettings()
    settings.host = "example.com"
    settings.patience = .seconds(1)
    return settings
  }

  private static func run(
    _ testee: ConnectionType,
    echoes: Bool = true,
    _ connect: @escaping @Sendable () throws -> any CheckPipe
  ) async -> [CheckResult] {
    var settings = settings()
    settings.echoes = echoes
    var run = CheckRun(testee, settings, CheckCase.all(for: testee))
    run.concurrency = 1
    return await run.run { try connect() }
  }

  @Test(
    "The core breaks no rule in either role (RFC 6455, RFC 7692)",
    arguments: [ConnectionType.server, .client]
  )
  func core(_ testee: ConnectionType) async {
    let results = await Self.run(testee) { try CorePeer(testee) }
    for result in results {
      if case .failed(let failure) = result.verdict {
        Issue.record("\(result.id): expected \(failure.expected), seen \(failure.seen)")
      }
    }
    #expect(results.count > 150)
    let passed = results.filter { $0.verdict == .passed }
    #expect(passed.count > results.count - 20)
  }

  @Test(
    "A peer that does not echo is judged by pings, and breaks no rule by that",
    arguments: [ConnectionType.server, .client]
  )
  func withoutEcho(_ testee: ConnectionType) async {
    let results = await Self.run(testee, echoes: false) { try CorePeer(testee, echoes: false) }
    #expect(!results.contains { $0.isViolation })
    #expect(results.contains { $0.verdict == .notApplicable("the peer does not echo") })
    #expect(results.count { $0.verdict == .passed } > results.count - 30)
  }

  @Test("The probe tells a server that echoes from one that does not, and from none")
  func probe() async throws {
    let run = CheckRun(.server, Self.settings(), [])
    #expect(await run.probe(try CorePeer(.server)) == .open(echoes: true, deflates: true))
    #expect(await run.probe(try CorePeer(.server, echoes: false)) == .open(echoes: false, deflates: true))
    guard case .refused = await run.probe(FaultyPeer(.server, .opensNothing)) else {
      return #expect(Bool(false), "a peer that opens nothing")
    }
  }

  /// Which cases fail with one of the peers; each is only run until it has. The first request's key is what the second's is
  /// compared with.
  private static func failing(
    _ testee: ConnectionType,
    _ faults: [FaultyPeer.Fault],
    _ cases: [CheckCase]
  ) async -> Set<String> {
    var failed: Set<String> = []
    for fault in faults {
      var run = CheckRun(
        testee,
        settings(),
        cases.filter { !failed.contains($0.id) || $0.id == "handshake/request" }
      )
      run.concurrency = 1
      for result in await run.run({ FaultyPeer(testee, fault) }) {
        if case .failed = result.verdict { failed.insert(result.id) }
      }
    }
    return failed
  }

  @Test("Each case fails with a peer that has a fault", arguments: [ConnectionType.server, .client])
  func faults(_ testee: ConnectionType) async {
    // It cannot fail: how long a server waits is told, not judged.
    let cases = CheckCase.all(for: testee).filter { $0.id != "limits/handshake-patience" }
    // Without the one that fails all: it opens nothing.
    let faults = FaultyPeer.Fault.allCases.filter { $0 != .opensNothing }
    let opening = cases.filter { $0.group == .handshake || $0.id.hasPrefix("deflate/declines-") }
    var failed = await Self.failing(testee, faults, cases)
    failed.formUnion(await Self.failing(testee, [.opensNothing], opening))
    #expect(cases.map(\.id).filter { !failed.contains($0) } == [])
  }

  @Test(
    "No case passes both with a peer that takes everything and with one that refuses everything",
    arguments: [ConnectionType.server, .client]
  )
  func extremes(_ testee: ConnectionType) async {
    // What is about the handshake alone, they do alike.
    // To a Close with 1002, both answer with 1002.
    let cases = CheckCase.all(for: testee).filter {
      $0.group != .handshake && $0.severity != .may && $0.id != "close/code-1002"
    }
    let first = await Self.failing(testee, [.takesAll, .closesAtOnce], cases)
    #expect(cases.map(\.id).filter { !first.contains($0) } == [])
  }

  @Test("A client gets the next case with each connection, behind the probe, and the end after the last")
  func service() async throws {
    let cases = CheckCase.all(for: .client).filter { $0.matches("control") }
    let service = CheckService(Self.settings(), cases)
    for number in 0...cases.count {
      let isOver = await service.serve(try CorePeer(.client))
      #expect(isOver == (number == cases.count))
    }
    #expect(service.results.map(\.id) == cases.map(\.id))
    #expect(service.results.allSatisfy { $0.verdict == .passed })
  }

  @Test("A client that asks as Autobahn's fuzzing server is asked gets the cases that it asks for")
  func autobahn() async throws {
    let cases = CheckCase.all(for: .client).filter { $0.matches("fragmentation") }
    let service = CheckService(Self.settings(), cases)
    let asking = try CorePeer(.client, target: "/getCaseCount")
    #expect(await service.serve(asking) == false)
    #expect(asking.lastText == "\(cases.count)")
    for number in [2, 1, 0, cases.count + 1] {
      #expect(await service.serve(try CorePeer(.client, target: "/runCase?case=\(number)&agent=a")) == false)
    }
    #expect(service.results.map(\.id) == cases.prefix(2).map(\.id))
    #expect(await service.serve(try CorePeer(.client, target: "/updateReports?agent=a")))
  }

  @Test("Ids are unique, and named after their group")
  func ids() {
    for testee in [ConnectionType.server, .client] {
      let all = CheckCase.all(for: testee)
      #expect(Set(all.map(\.id)).count == all.count)
      for one in all {
        #expect(CheckCase.Group(rawValue: String(one.id.prefix { $0 != "/" })) != nil)
        #expect(one.id.allSatisfy { $0.isLetter || $0.isNumber || "/-.^".contains($0) }, "\(one.id)")
        #expect(one.title.hasSuffix("."), "\(one.id): \(one.title)")
        #expect(one.section.hasPrefix("RFC "), "\(one.id)")
      }
    }
  }

  @Test("A pattern chooses cases by their ids, or a group")
  func patterns() throws {
    let all = CheckCase.all(for: .server)
    #expect(all.filter { $0.matches("frames/reserved-opcode-*") }.count == 10)
    #expect(all.filter { $0.matches("close") }.count == all.filter { $0.id.hasPrefix("close/") }.count)
    #expect(all.filter { $0.matches("*/code-100?") }.map(\.id).contains("close/code-1000"))
    #expect(all.filter { $0.matches("*") }.count == all.count)
    #expect(!all.contains { $0.matches("frame") })
  }
}

@Suite("Reports of check")
struct CheckReportTests {
  private static func report() async -> CheckReport {
    var run = CheckRun(.server, CheckSettings(), CheckCase.all(for: .server).filter { $0.matches("frames") })
    run.concurrency = 1
    return CheckReport("ws://example.com/<&>", await run.run { FaultyPeer(.server, .takesAll) })
  }

  @Test("The bytes of a finding can be given to inspect, which sees the same violation")
  func dump() async throws {
    let report = await Self.report()
    let result = try #require(report.results.first { $0.id == "frames/reserved-opcode-3" })
    #expect(result.isViolation)
    let text = result.transcript.lines.map { $0 + "\n" }.joined()
    let inspected = Inspected(Array(text.utf8))
    #expect(inspected.error == nil)
    let rules = inspected.observations.compactMap { observation in
      if case .finding(let finding) = observation.content { finding.rule } else { nil }
    }
    #expect(rules.contains("reserved-opcode"))
  }

  @Test("The text shows counts by group, and each finding with its section and its bytes")
  func text() async {
    let lines = await Self.report().lines(verbose: false)
    #expect(lines.contains { $0.hasPrefix("frames ") })
    #expect(lines.contains("VIOLATION  frames/reserved-opcode-3  (RFC 6455 §5.2)"))
    #expect(lines.contains { $0.hasPrefix("  > 000000  ") })
  }

  @Test("A report for JUnit counts what it has, and escapes what XML needs escaped")
  func junit() async {
    let report = await Self.report()
    let lines = report.junit
    #expect(lines[1] == "<testsuites name=\"ws://example.com/&lt;&amp;&gt;\">")
    let failures = lines.count { $0.contains("<failure ") }
    #expect(failures == report.results.count { $0.isViolation })
    #expect(failures > 20)
    #expect(lines.count { $0.contains("<testcase ") } == report.results.count)
  }

  @Test("Each line of JSON is an object, and the last one counts")
  func json() async {
    let report = await Self.report()
    #expect(report.jsonLines.count == report.results.count + 1)
    #expect(report.jsonLines.allSatisfy { $0.hasPrefix("{\"type\":") && $0.hasSuffix("}") })
    let violations = report.results.count { $0.isViolation }
    #expect(report.jsonLines.last?.contains("\"violations\":\(violations)") == true)
  }
}
