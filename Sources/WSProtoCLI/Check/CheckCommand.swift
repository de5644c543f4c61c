// SPDX-License-Identifier: Apache-2.0

#if Tool && NIO
import ArgumentParser
import Foundation
import HTTPTypes
import Synchronization
import WSProto
import WSProtoLab
import WSProtoNIO
import WSProtoTool

struct CheckCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "check",
    abstract: "Puts a server, or a client, through the rules of the RFCs.",
    usage: """
      wsproto check <url> [options]
      wsproto check --client <port> [options]
      """,
    discussion: """
      Examples:
        wsproto check localhost:9001
        wsproto check wss://example.com/feed --only 'frames/*' --only close
        wsproto check :9001 --json | jq -c 'select(.verdict == "failed")'
        wsproto check --client 9002      then let the client connect, again and again
      A server that sends messages back, such as wsproto serve, is judged by more
      cases. A client gets a case with each connection; one that asks for
      /getCaseCount and /runCase?case=N, as for Autobahn's, gets that case.
      Each finding has its section, what was expected and seen, and the bytes of
      both ways, > the client's and < the server's, which wsproto inspect reads.
      The exit status is 5 if a rule is broken that binds (MUST). A broken SHOULD is a
      warning.
      """
  )

  @Argument(help: "ws://, wss://, localhost:9001, :9001, unix:/run/app.sock:/path")
  var url: String?

  @Option(help: ArgumentHelp("Check the client that connects to this port.", valueName: "port"))
  var client: Int?

  @Option(help: ArgumentHelp("With --client: where to listen.", valueName: "name"))
  var host = "127.0.0.1"

  @Option(
    help: ArgumentHelp("Only cases like this one, by * and ?, or a group; again for more.", valueName: "glob")
  )
  var only: [String] = []

  @Flag(help: "List the cases.")
  var list = false

  @Flag(help: "JSON objects, one a line.")
  var json = false

  @Option(help: ArgumentHelp("Write a report for JUnit's readers, too.", valueName: "file"))
  var junit: String?

  @Flag(name: .shortAndLong, help: "Show what was noted, and what was not applicable.")
  var verbose = false

  @Option(
    name: [.customShort("H"), .customLong("header")],
    help: ArgumentHelp("'Name: value' for each request.", valueName: "field")
  )
  var headers: [String] = []

  @Option(
    name: [.customShort("s"), .customLong("subprotocol")],
    help: ArgumentHelp("A subprotocol to ask for; again for more.", valueName: "name")
  )
  var subprotocols: [String] = []

  @OptionGroup var trust: TrustArguments

  @Option(help: ArgumentHelp("How long an answer may take.", valueName: "time"))
  var timeout = "2s"

  @Option(help: ArgumentHelp("How long a request of a byte a second goes on.", valueName: "time"))
  var patience = "10s"

  @Option(help: ArgumentHelp("Cases at once.", valueName: "n"))
  var jobs = 16

  func validate() throws {
    if list { return }
    guard (url == nil) != (client == nil) else {
      throw ValidationError("check needs a URL, or --client and a port")
    }
    if let client, !(0...65535 ~= client) { throw ValidationError("--client must be in 0...65535") }
    guard 1...256 ~= jobs else { throw ValidationError("--jobs must be in 1...256") }
    guard try ClientArguments.duration("--timeout", timeout) > .zero else {
      throw ValidationError("--timeout must be more than 0")
    }
    _ = try ClientArguments.duration("--patience", patience)
    _ = try fields()
    _ = try cases()
    if url != nil { _ = try address() }
  }

  private func fields() throws -> [(name: String, value: String)] {
    try headers.map { header in
      let field = try ClientArguments.field(header)
      return (field.name.rawName, field.value)
    }
  }

  private var testee: ConnectionType { client == nil ? .server : .client }

  private func cases() throws -> [CheckCase] {
    let all = CheckCase.all(for: testee)
    if only.isEmpty { return all }
    for pattern in only where !all.contains(where: { $0.matches(pattern) }) {
      throw ValidationError("--only \(shownInQuotes(pattern)) is no case's name: --list shows them")
    }
    return all.filter { one in only.contains { one.matches($0) } }
  }

  private func address() throws -> (WebSocketAddress, unixSocketPath: String?) {
    let typed = TypedAddress(url ?? "")
    do throws(InvalidURL) {
      return (try WebSocketAddress(ServerArgument.ascii(typed.url)), typed.unixSocketPath)
    } catch {
      throw ValidationError(shown("\(error)"))
    }
  }

  private func settings() throws -> CheckSettings {
    var settings = CheckSettings()
    settings.fields = try fields()
    settings.subprotocols = subprotocols
    settings.timeout = try ClientArguments.duration("--timeout", timeout)
    settings.patience = try ClientArguments.duration("--patience", patience)
    return settings
  }

  // MARK: Running

  func run() async throws {
    if list { return try printCases() }
    if let client { try await check(clientAt: client) } else { try await checkServer() }
  }

  private func printCases() throws {
    for one in try cases() {
      if json {
        var line = JSONLine()
        line.add("id", one.id)
        line.add("section", one.section)
        line.add("severity", one.severity.rawValue)
        line.add("title", one.title)
        Terminal.print(line.text)
      } else {
        Terminal.print("\(one.id)  (\(one.section), \(one.severity.rawValue))\n    \(one.title)")
      }
    }
  }

  private func checkServer() async throws {
    try Signals.handle { leaveProcess(128 + $0) }
    let (address, unixSocketPath) = try address()
    let tls = try layer(to: address)
    let target = ByteStream.Target(address, unixSocketPath: unixSocketPath)
    let connect: @Sendable () async throws -> any CheckPipe = {
      ByteStreamPipe(try await ByteStream.connect(to: target, tls: tls, timeout: .seconds(10)))
    }
    var settings = try settings()
    settings.host = address.hostField
    settings.target = address.target
    if let credentials = address.credentials {
      settings.fields.append(("Authorization", credentials.authorization))
    }
    var run = CheckRun(.server, settings, try cases())
    // Two descriptors each: a connection may be closing while the next one opens.
    run.concurrency = min(jobs, max(1, Descriptors.available() / 2))
    do {
      switch await run.probe(try await connect()) {
      case .open(let echoes, _): run.settings.echoes = echoes
      case .refused(let seen):
        throw ToolFailure(.notWebSocket, "the server does not open a WebSocket at \(address): \(seen)")
      }
    } catch let error as WebSocketClientError {
      throw ToolFailure(error, unixSocketPath: unixSocketPath, isSecure: address.isSecure, firstBytes: [])
    }
    let progress = Progress(run.cases.count, isShown: Terminal.errorIsTerminal)
    let results = await run.run(connect) { _ in progress.count() }
    progress.clear()
    try report(results, "\(address)")
    if let first = results.first(where: { !$0.wasRun }), case .notApplicable(let reason) = first.verdict {
      let count = results.count { !$0.wasRun }
      throw ToolFailure(
        .notConnected,
        "\(count) of \(results.count) cases were not run; \(first.id): \(reason)"
      )
    }
  }

  private func layer(to address: WebSocketAddress) throws -> ClientTLSLayer? {
    guard address.isSecure else { return nil }
    let tls = try trust.tls(isNeeded: true)
    do {
      return try ClientTLSLayer(tls, to: address.host)
    } catch {
      throw ToolFailure(.usage, "\(error)")
    }
  }

  private func check(clientAt port: Int) async throws {
    let cases = try cases()
    let listener = try await ByteStreamListener.listen(at: .host(host, port: port))
    let place = ByteStreamListener.Place.host(host, port: listener.port ?? port)
    let progress = Progress(cases.count, isShown: Terminal.errorIsTerminal)
    let service = CheckService(try settings(), cases) { _ in progress.count() }
    let done = AsyncStream.makeStream(of: Void.self)
    let signal = Mutex<Int32?>(nil)
    // What was found so far is shown; the second time it is meant.
    try Signals.handle { number in
      if signal.withLock({ $0 }) != nil { leaveProcess(128 + number) }
      signal.withLock { $0 = number }
      done.continuation.finish()
    }
    Terminal.printNote("listening at \(place): \(cases.count) cases, one a connection, after a first one")
    await withTaskGroup(of: Void.self) { group in
      group.addTask {
        try? await listener.serve { stream in
          if await service.serve(ByteStreamPipe(stream)) { done.continuation.finish() }
        }
      }
      for await _ in done.stream {}
      listener.close()
      group.cancelAll()
    }
    progress.clear()
    let results = service.results
    try report(results, "the client at \(place)")
    if let number = signal.withLock({ $0 }) { throw ToolFailure(StopRequest.Cause.signal(number)) }
    if results.count < cases.count {
      throw ToolFailure(.lost, "\(cases.count - results.count) of \(cases.count) cases were not run")
    }
  }

  private func report(_ results: [CheckResult], _ name: String) throws {
    let report = CheckReport(name, results)
    for line in json ? report.jsonLines : report.lines(verbose: verbose) { Terminal.print(line) }
    if let junit { try OutputFile.write(report.junit, to: junit) }
    if report.hasViolation { throw ToolFailure(.violation, "") }
  }
}
#endif
