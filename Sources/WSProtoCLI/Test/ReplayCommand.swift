// SPDX-License-Identifier: Apache-2.0

#if Tool && NIO
import ArgumentParser
import WSProtoLab
import WSProtoTool

struct ReplayCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "replay",
    abstract: "Says again what a recorded client said, and compares the answers.",
    usage: "wsproto replay <file> <url> [options]",
    discussion: """
      Examples:
        wsproto replay capture.pcapng ws://localhost:9001/
        wsproto replay conversation.har wss://staging.example.com/feed --fast
      It reads what inspect reads: pcap, pcapng, a browser's HAR. JSON is compared
      by its values, other messages byte by byte. Subprotocols, Origin, Cookie and
      Authorization are those of the recording; browsers leave Cookie out of a HAR
      unless told to export sensitive data.
      The exit status is 5 if an answer differs, and 26 if the file cannot be read.
      """
  )

  @Argument(help: ArgumentHelp("The recorded file; - for standard input.", valueName: "file"))
  var path: String

  @Argument(help: ArgumentHelp("Whom to talk to.", valueName: "url"))
  var url: String

  @Flag(help: "As fast as answers come. (default: each message when it was sent)")
  var fast = false

  @Option(help: ArgumentHelp("The connection, as numbered by inspect. (default: the first)", valueName: "n"))
  var connection: Int?

  @Option(help: ArgumentHelp("How long an answer may take.", valueName: "time"))
  var stepTimeout = "5s"

  @Flag(help: "Leave out the recording's Cookie and Authorization.")
  var noCredentials = false

  @OptionGroup var scenario: ScenarioArguments

  @Flag(name: .shortAndLong, help: "Each step on standard error.")
  var verbose = false

  func validate() throws {
    if let connection, connection < 1 { throw ValidationError("--connection must be at least 1") }
    _ = try ClientArguments.duration("--step-timeout", stepTimeout)
  }

  func run() async throws {
    var conversation = try RecordedFile.read(path, connection: connection)
    if noCredentials { conversation.removeCredentials() }
    let network = try scenario.network()
    try Signals.handle { leaveProcess(128 + $0) }
    let made = ConversationTest(
      conversation,
      url: url,
      title: "replay",
      pace: fast ? .asFastAsAnswered : .recorded,
      hidesSecrets: false,
      endsInSilence: true
    )
    var options = ScenarioRunner.Options()
    options.stepTimeout = try ClientArguments.duration("--step-timeout", stepTimeout)
    options.insecure = scenario.trust.insecure
    options.goesOn = true
    if verbose { options.note = { Terminal.printNote($0) } }
    let file = ScenarioFile(name: path == "-" ? "standard input" : path)
    var test = made.test
    for index in test.steps.indices { test.steps[index].line = index + 1 }
    var result = await ScenarioRunner.run(test, of: file, on: network, options)
    result.lineMark = ", step "
    ResultLines.print(result)
    if !result.hasPassed { throw ToolFailure(.violation, "") }
  }
}

/// A recorded file as a conversation.
enum RecordedFile {
  static func read(_ path: String, connection: Int?) throws -> RecordedConversation {
    let file = try InputFile(path)
    let recorder = ConversationRecorder(connection: connection)
    let inspection = Inspection(options: ConversationRecorder.options) { recorder.take($0) }
    var buffer = [UInt8](repeating: 0, count: 256 << 10)
    do {
      while true {
        let count = try file.read(into: &buffer)
        guard count > 0 else { break }
        try inspection.receive(buffer.span.extracting(0..<count).bytes)
      }
      try inspection.finish()
      return try recorder.finish()
    } catch let error as ToolFailure {
      throw error
    } catch {
      throw ToolFailure(.input, "\(file.name), \(error)")
    }
  }
}
#endif
