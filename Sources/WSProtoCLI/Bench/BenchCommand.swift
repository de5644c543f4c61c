// SPDX-License-Identifier: Apache-2.0

#if Tool && NIO
import ArgumentParser
import Foundation
import NIOCore
import WSProto
import WSProtoLab
import WSProtoNIO
import WSProtoTool

struct BenchCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "bench",
    abstract: "Measures an echo server: throughput, handshakes, round trips.",
    usage: "wsproto bench <url> [options]",
    discussion: """
      Examples:
        wsproto bench :9001
        wsproto bench :9001 -c 1000 --rate 5000 -d 30s --expect 'p99<20ms'
      With --rate, a round trip is measured from when its message was due, not from
      when it could be sent: a server that stalls delays the messages behind the
      stall, and their waiting counts (coordinated omission is corrected). Without
      --rate, a connection sends when it was answered: a stall then hides the
      messages that it has kept from being sent.
      Times have three significant digits (HdrHistogram); a day is the longest.
      --expect takes pNN, max, handshake-pNN (times), rate, lost and errors, with <
      or >; the exit status is 4 where a bound is missed.
      --help-hidden adds the options for TLS, proxies and fields, as of connect.
      """
  )

  @OptionGroup var server: ServerArgument

  @OptionGroup(visibility: .hidden) var client: ClientArguments

  @Option(
    name: [.customShort("c"), .customLong("connections")],
    help: ArgumentHelp("How many connections at once.", valueName: "n")
  )
  var connections = 1

  @Option(name: .shortAndLong, help: ArgumentHelp("How long messages are sent.", valueName: "time"))
  var duration = "10s"

  @Option(help: ArgumentHelp("Messages a second in all. (default: no limit)", valueName: "n"))
  var rate: Double?

  @Option(help: ArgumentHelp("The size of a message.", valueName: "size"))
  var size = "64"

  @Option(help: ArgumentHelp("Messages under way on a connection, without --rate.", valueName: "n"))
  var pipeline = 1

  @Flag(help: "Binary messages in place of text.")
  var binary = false

  @Option(help: ArgumentHelp("How long to take for opening them. (default: 1s per 1,000)", valueName: "time"))
  var ramp: String?

  @Option(help: ArgumentHelp("An address to connect from; again for more.", valueName: "address"))
  var source: [String] = []

  @Option(help: ArgumentHelp("Such as 'p99<10ms' or 'lost<1'; again for more.", valueName: "bound"))
  var expect: [String] = []

  @Flag(help: "Print the results as a JSON object.")
  var json = false

  /// The message is in memory.
  private static let maxSize = 1 << 30

  func validate() throws {
    guard 1...1_000_000 ~= connections else { throw ValidationError("--connections must be in 1...1000000") }
    guard 1...10_000 ~= pipeline else { throw ValidationError("--pipeline must be in 1...10000") }
    if let rate {
      guard rate > 0, rate <= 1e9 else { throw ValidationError("--rate must be more than 0") }
      guard pipeline == 1 else { throw ValidationError("--rate and --pipeline exclude each other") }
    }
    _ = try client.options(server)
    _ = try plan()
  }

  private func plan() throws -> BenchPlan {
    var thresholds: [Threshold] = []
    for text in expect {
      guard let threshold = Threshold(text) else {
        throw ValidationError(
          "--expect needs a bound such as 'p99<10ms', 'rate>1000' or 'lost<1', not \(shownInQuotes(text))"
        )
      }
      thresholds.append(threshold)
    }
    let sources = try source.map { text in
      do {
        return try SocketAddress(ipAddress: text, port: 0)
      } catch {
        throw ValidationError("--source needs an IP address, not \(shownInQuotes(text))")
      }
    }
    let bytes = try ClientArguments.size("--size", size)
    // What is echoed must be taken, too.
    guard bytes <= (try ClientArguments.size("--max-message", client.maxMessage)), bytes <= Self.maxSize
    else {
      throw ValidationError("--size must not exceed --max-message, nor 1G")
    }
    let defaultRamp = Duration.milliseconds(connections)
    return BenchPlan(
      url: server.asciiURL,
      connections: connections,
      duration: try ClientArguments.limit("--duration", duration),
      rate: rate,
      size: bytes,
      pipeline: pipeline,
      isBinary: binary,
      ramp: try ramp.map { try ClientArguments.duration("--ramp", $0) } ?? defaultRamp,
      sources: sources,
      thresholds: thresholds
    )
  }

  func run() async throws {
    let plan = try plan()
    let room = Descriptors.available()
    guard plan.connections <= room else {
      throw ToolFailure(
        .usage,
        "the limit on open files leaves room for \(room) connections: ulimit -n raises it"
      )
    }
    let options = try client.options(server)
    let stop = StopRequest()
    try Signals.handle { number in
      if stop.cause != nil { leaveProcess(128 + number) }
      stop.ask(.signal(number))
    }
    let run = BenchRun(plan, options)
    let results = await run.measure(showsProgress: Terminal.errorIsTerminal, stop: stop)
    let report = BenchReport(plan, results)
    if let failure = results.firstFailure, results.opened == 0 {
      throw ToolFailure(failure.status, "no connection was opened: \(failure)")
    }
    if json { Terminal.print(report.json.text) } else { for line in report.lines { Terminal.print(line) } }
    if case .signal(let number) = stop.cause { throw ToolFailure(.signal(number)) }
    let missed = report.missed
    guard missed.isEmpty else {
      throw ToolFailure(
        .missedThreshold,
        "missed: " + missed.map { "\($0.0) (\($0.1))" }.joined(separator: ", ")
      )
    }
  }
}
#endif
