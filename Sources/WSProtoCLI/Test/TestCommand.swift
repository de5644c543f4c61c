// SPDX-License-Identifier: Apache-2.0

#if Tool && NIO
import ArgumentParser
import Foundation
import WSProtoLab
import WSProtoTool

struct TestCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "test",
    abstract: "Holds conversations written as files, and says what differs.",
    usage: "wsproto test <file> ... [options]",
    discussion: """
      A step is a line. {{name}} is a variable, # begins a comment:
        connect {{url}}              indented below: subprotocol, header, …
        send text "hello"            or binary 0x01ff, json {…}, ping, frame, raw
        expect text "hello"          or contains "x", matches /x/, size < 9
        expect json {"a": 1}         or includes {…}, or $.type == "ack"
        expect close 1000 within 2s  or ping, end, silence 500ms, refused 403
        await text "hello"           passes over other messages
        capture $.id as id           keeps a part of the last message
        close 1000 "bye"             also disconnect, reset, wait 1s, set NAME VALUE
      Several connections have names: connect URL as a, then a> send text "x".
      A server of the file: listen 127.0.0.1:0 as NAME, then accept NAME as b.
      test TITLE begins a test. All steps: the article TestFiles of WSProtoLab.
      Examples:
        printf 'connect ws://127.0.0.1:1/' | wsproto test -
        wsproto test tests/ --set url=ws://localhost:9001/ --junit results.xml
      The exit status is 5 if a test fails, and 64 if a file is not understood.
      """
  )

  @Argument(help: ArgumentHelp("Files, or folders with files named *.wstest.", valueName: "file"))
  var paths: [String]

  @Option(help: ArgumentHelp("A variable's value; again for more.", valueName: "name=value"))
  var set: [String] = []

  @Option(name: .shortAndLong, help: ArgumentHelp("How many files run at once.", valueName: "n"))
  var jobs = 1

  @Option(help: ArgumentHelp("How long all of it may take. (default: no limit)", valueName: "time"))
  var timeout: String?

  @Option(help: ArgumentHelp("How long a step may take.", valueName: "time"))
  var stepTimeout = "5s"

  @Flag(help: "Results in the Test Anything Protocol.")
  var tap = false

  @Option(help: ArgumentHelp("A file for the results as JUnit's XML.", valueName: "file"))
  var junit: String?

  @OptionGroup var scenario: ScenarioArguments

  @Flag(name: .shortAndLong, help: "Each step on standard error, and where servers listen.")
  var verbose = false

  func validate() throws {
    guard 1...1000 ~= jobs else { throw ValidationError("--jobs must be in 1...1000") }
    _ = try options()
  }

  private func options() throws -> ScenarioRunner.Options {
    var options = ScenarioRunner.Options()
    options.stepTimeout = try ClientArguments.duration("--step-timeout", stepTimeout)
    options.environment = Terminal.environment
    options.insecure = scenario.trust.insecure
    for text in set {
      let parts = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      guard parts.count == 2, !parts[0].isEmpty, parts[0].utf8.allSatisfy(Template.isNameByte) else {
        throw ValidationError("--set needs name=value, not \(shownInQuotes(text))")
      }
      options.variables[String(parts[0])] = String(parts[1])
    }
    if let timeout { options.deadline = .now + (try ClientArguments.duration("--timeout", timeout)) }
    if verbose { options.note = { Terminal.printNote($0) } }
    return options
  }

  func run() async throws {
    let files = try read()
    let network = try scenario.network()
    try Signals.handle { leaveProcess(128 + $0) }
    let options = try options()
    if tap {
      for line in ScenarioTAP.head(count: files.reduce(0) { $0 + $1.tests.count }) { Terminal.print(line) }
    }
    var results: [ScenarioResult] = []
    await ScenarioJobs.run(files, on: network, options, jobs: jobs) { result in
      results.append(result)
      show(result, number: results.count)
    }
    if !tap { Terminal.print(ScenarioText.summary(results)) }
    if let junit { try Self.write(ScenarioJUnit.lines(results), to: junit) }
    if results.contains(where: { !$0.hasPassed }) { throw ToolFailure(.violation, "") }
  }

  private func show(_ result: ScenarioResult, number: Int) {
    if tap {
      for line in ScenarioTAP.lines(result, number: number) { Terminal.print(line) }
    } else {
      ResultLines.print(result)
    }
  }

  // MARK: Files

  /// All files, read before the first runs. Each mistake is told.
  private func read() throws -> [ScenarioFile] {
    var files: [ScenarioFile] = []
    var hasMistakes = false
    for path in try paths.flatMap({ try Self.files(at: $0) }) {
      let name = path == "-" ? "standard input" : path
      let bytes = try contents(of: path, atMost: ScenarioParser.maxBytes)
      do {
        files.append(try ScenarioParser.parse(bytes, name: name))
      } catch {
        hasMistakes = true
        Terminal.printError("\(error)")
      }
    }
    if hasMistakes { throw ToolFailure(.usage, "") }
    return files
  }

  private static func files(at path: String) throws -> [String] {
    var isFolder: ObjCBool = false
    guard path != "-", FileManager.default.fileExists(atPath: path, isDirectory: &isFolder),
      isFolder.boolValue
    else { return [path] }
    let names = (try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []
    let tests = names.filter { $0.hasSuffix(".wstest") }.sorted()
    guard !tests.isEmpty else {
      throw ToolFailure(.input, "no *.wstest in the folder \(shownInQuotes(path))")
    }
    return tests.map { path.hasSuffix("/") ? path + $0 : "\(path)/\($0)" }
  }

  private static func write(_ lines: [String], to path: String) throws(ToolFailure) {
    do {
      try Data((lines.joined(separator: "\n") + "\n").utf8).write(to: URL(fileURLWithPath: path))
    } catch {
      throw ToolFailure(
        .output,
        "the file \(shownInQuotes(path)) cannot be written: \(error.localizedDescription)"
      )
    }
  }
}

/// Results for people, in colours where they are wanted.
enum ResultLines {
  static func print(_ result: ScenarioResult) {
    var lines = ScenarioText.lines(result)
    let mark = result.hasPassed ? "ok  " : "FAIL"
    let paint = Terminal.style.paint(mark, result.hasPassed ? .green : .red)
    lines[0] = paint + lines[0].dropFirst(mark.count)
    for line in lines { Terminal.print(line) }
  }
}
#endif
