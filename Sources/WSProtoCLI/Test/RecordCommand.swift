// SPDX-License-Identifier: Apache-2.0

#if Tool && NIO
import ArgumentParser
import Foundation
import WSProtoLab
import WSProtoTool

struct RecordCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "record",
    abstract: "Makes a file for wsproto test: of what you type, or of a recorded file.",
    usage: "wsproto record <file> <url> [options]",
    discussion: """
      Examples:
        printf 'hello\\n' | wsproto record echo.wstest ws://localhost:9001/
        wsproto record feed.wstest ws://localhost:9001/ --from capture.pcapng
      Lines are sent as messages, as by connect (/help lists the commands), and what
      the server says becomes what the test expects. It closes at the end of the
      input, when the server has said nothing for --wait.
      --from reads what inspect reads. Cookie and Authorization become variables;
      messages are in the file as they were said, with the secrets in them.
      """
  )

  @Argument(help: ArgumentHelp("The file to write.", valueName: "file"))
  var path: String

  @Argument(
    help: ArgumentHelp("Whom to talk to; with --from, whom the test is to talk to.", valueName: "url")
  )
  var url: String

  @Option(help: ArgumentHelp("The recorded file, in place of a conversation now.", valueName: "file"))
  var from: String?

  @Option(help: ArgumentHelp("With --from: the connection, as numbered by inspect.", valueName: "n"))
  var connection: Int?

  @Flag(help: "With --from: keep the times at which messages were sent.")
  var pace = false

  @Option(help: ArgumentHelp("The test's title. (default: the file's name)", valueName: "text"))
  var title: String?

  @Option(
    name: [.customShort("s"), .customLong("subprotocol")],
    help: ArgumentHelp("A subprotocol to ask for; again for more.", valueName: "name")
  )
  var subprotocols: [String] = []

  @Option(help: ArgumentHelp("How long the server may be silent at the end.", valueName: "time"))
  var wait = "500ms"

  @Flag(help: "Write over a file that exists.")
  var force = false

  @OptionGroup var scenario: ScenarioArguments

  func validate() throws {
    _ = try ClientArguments.duration("--wait", wait)
    if let connection, connection < 1 { throw ValidationError("--connection must be at least 1") }
    if from == nil, connection != nil || pace { throw ValidationError("--connection and --pace need --from") }
    if from != nil, !subprotocols.isEmpty {
      throw ValidationError("--from and --subprotocol exclude each other")
    }
  }

  func run() async throws {
    guard force || !FileManager.default.fileExists(atPath: path) else {
      throw ToolFailure(.output, "the file \(shownInQuotes(path)) exists: --force writes over it")
    }
    let conversation: RecordedConversation
    var failure: ToolFailure?
    if let from {
      conversation = try RecordedFile.read(from, connection: connection)
    } else {
      // Before much is said in vain.
      let folder = URL(fileURLWithPath: path).deletingLastPathComponent().path
      guard FileManager.default.isWritableFile(atPath: folder) else {
        throw ToolFailure(.output, "the folder \(shownInQuotes(folder)) cannot be written to")
      }
      (conversation, failure) = try await talk()
    }
    let made = ConversationTest(
      conversation,
      url: url,
      title: title ?? URL(fileURLWithPath: path).deletingPathExtension().lastPathComponent,
      pace: pace ? .recorded : .asFastAsAnswered,
      hidesSecrets: true,
      endsInSilence: false
    )
    try OutputFile.write(made.lines, to: path)
    Terminal.printNote("\(made.test.steps.count) steps are in \(shown(path))")
    if let failure { throw failure }
  }

  /// - Returns: what was said, and why that is not all that should have been.
  private func talk() async throws -> (RecordedConversation, ToolFailure?) {
    let session: RecordingSession
    do {
      session = try await RecordingSession.open(
        url,
        on: scenario.network(),
        subprotocols: subprotocols,
        insecure: scenario.trust.insecure
      ) { Terminal.print("< \($0.description)") }
    } catch let error as ScenarioFailure {
      throw ToolFailure(.notConnected, error.description)
    }
    let input = InputQueue()
    // The first signal ends the input, so that what was said until then is kept.
    let isStopping = OpenFlag()
    try Signals.handle { number in
      if isStopping.value { leaveProcess(128 + number) }
      isStopping.set(true)
      input.finish()
    }
    let reader = InputReader(mode: .lines, form: .text, queue: input) {
      input.finish(ToolFailure(.output, "nobody reads standard output any more"))
    }
    try reader.start()
    var failure: ToolFailure?
    do {
      reading: while true {
        switch await input.next() {
        case .item(let item): try await send(item, session)
        case .end, .cancelled: break reading
        case .failed(let error):
          failure = error
          break reading
        }
      }
    } catch let error as ScenarioFailure {
      failure = ToolFailure(.lost, "not all of the input was sent: \(error)")
    }
    let silence = try ClientArguments.duration("--wait", wait)
    let conversation = await session.finish(afterSilence: silence) { isStopping.value }
    if await session.isCut {
      failure = failure ?? ToolFailure(.lost, "the rest of the conversation is not recorded")
    }
    return (conversation, failure)
  }

  /// `nil` if the file cannot be read, which is told.
  private static func bytes(of path: String) -> [UInt8]? {
    do throws(ToolFailure) {
      return try contents(of: path, atMost: Payload.maxBytes)
    } catch {
      Terminal.printError(error.description)
      return nil
    }
  }

  private func send(_ item: InputItem, _ session: RecordingSession) async throws {
    var item = item
    if case .text(let line) = item, line.first == "/" {
      do throws(InvalidInput) {
        item = try InputItem(typed: line)
      } catch {
        return Terminal.printError(error.description)
      }
    }
    switch item {
    case .text(let text): try await session.send(.text(Array(text.utf8)))
    case .binary(let bytes): try await session.send(.binary(bytes))
    case .file(let path):
      guard let bytes = Self.bytes(of: path) else { return }
      try await session.send(.binary(bytes))
    case .ping: try await session.send(.ping([]))
    case .pong(let bytes): try await session.send(.pong(bytes))
    case .close(let code, let reason): try await session.send(.close(code, reason: reason ?? ""))
    case .help: for line in InputItem.commands { Terminal.printNote(line) }
    }
  }
}
#endif
