// SPDX-License-Identifier: Apache-2.0

#if Tool && NIO
import ArgumentParser
import Dispatch
import Foundation
import WSProto
import WSProtoLab
import WSProtoNIO
import WSProtoTool

struct ConnectCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "connect",
    abstract: "A client: what you type or pipe is sent, what arrives is printed.",
    usage: "wsproto connect <url> [options]",
    discussion: """
      Examples:
        wsproto connect :9001                      talk to `wsproto serve`
        echo hello | wsproto connect :9001 --count 1
        ssh -o ProxyCommand='wsproto connect wss://example.com/ssh --raw' host
      It reads on after the end of the input, until the server closes, --count or
      --wait.
      More: --help-hidden, `wsproto statuses`, and /help at the prompt.
      """
  )

  @OptionGroup var server: ServerArgument

  @OptionGroup var client: ClientArguments

  @Option(
    name: [.customShort("x"), .customLong("execute")],
    help: ArgumentHelp("A text to send first; again for more.", valueName: "text")
  )
  var first: [String] = []

  @Flag(help: "Send lines as binary messages.")
  var binary = false

  @Flag(
    name: [.customShort("0"), .customLong("null")],
    help: "Messages end in a byte 0, in both directions."
  )
  var null = false

  @Flag(help: "All of standard input is one message.")
  var messagePerInput = false

  @Flag(help: "Bytes in, bytes out, as binary messages: a tunnel.")
  var raw = false

  @Flag(help: "JSON objects, one a line, in both directions.")
  var json = false

  @Flag(help: ArgumentHelp("JSON on standard output only.", visibility: .hidden))
  var jsonOut = false

  @Flag(help: ArgumentHelp("JSON on standard input only.", visibility: .hidden))
  var jsonIn = false

  @Option(help: ArgumentHelp("Close when this many messages have come.", valueName: "n"))
  var count: Int?

  @Option(help: ArgumentHelp("How long to read on after the end of the input.", valueName: "time"))
  var wait: String?

  @Flag(help: "Close at the end of the input.")
  var closeOnEof = false

  @Option(help: ArgumentHelp("How long it may take in all. (default: no limit)", valueName: "time"))
  var timeout: String?

  @Option(help: ArgumentHelp("The code to close with; 1005 for none.", valueName: "n", visibility: .hidden))
  var closeCode: UInt16 = 1000

  @Option(help: ArgumentHelp("The reason to close with.", valueName: "text", visibility: .hidden))
  var closeReason: String?

  @Option(
    help: ArgumentHelp("Send messages in frames of this many bytes.", valueName: "n", visibility: .hidden)
  )
  var fragment: Int?

  @Flag(help: "Connect again when the connection is lost.")
  var reconnect = false

  @Option(help: ArgumentHelp("TCP connections to HOST:PORT become WebSockets.", valueName: "address"))
  var tcpListen: String?

  @Flag(help: ArgumentHelp("Keep what is typed out of the history.", visibility: .hidden))
  var noHistory = false

  @Flag(name: .shortAndLong, help: "Show fields of responses, pings and pongs.")
  var verbose = false

  func validate() throws {
    _ = try client.options(server)
    _ = try sessionOptions()
    let modes = [null, messagePerInput, raw, json || jsonIn]
    guard modes.filter({ $0 }).count <= 1 else {
      throw ValidationError("--null, --message-per-input, --raw and --json exclude each other")
    }
    if let fragment, fragment < 1 { throw ValidationError("--fragment must be at least 1") }
    if let count, count < 1 { throw ValidationError("--count must be at least 1") }
    if let timeout { _ = try ClientArguments.limit("--timeout", timeout) }
    if let tcpListen, HostAndPort(tcpListen) == nil { throw ValidationError("--tcp-listen needs HOST:PORT") }
  }

  private func sessionOptions() throws -> ClientSession.Options {
    guard CloseReason(closeCode).isSendable || closeCode == 1005 else {
      throw ValidationError(
        "--close-code must be in 1000...1003, 1007...1014 or 3000...4999, or 1005 for none"
      )
    }
    if closeCode == 1005, closeReason != nil { throw ValidationError("--close-reason needs a code") }
    if let closeReason, closeReason.utf8.count > 123 {
      throw ValidationError("--close-reason has 123 bytes at most")
    }
    var options = ClientSession.Options()
    options.close = CloseConnection(code: CloseReason(closeCode), reason: closeReason)
    options.count = count
    options.wait = try wait.map { try ClientArguments.duration("--wait", $0) }
    options.closesOnEndOfInput = closeOnEof || isInteractive
    options.first = first.map { .text($0) }
    options.fragment = fragment
    options.url = server.address.url
    return options
  }

  /// Somebody types, and sees what comes.
  private var isInteractive: Bool {
    Terminal.inputIsTerminal && Terminal.outputIsTerminal && !raw && !null && !messagePerInput && !json
      && !jsonIn
      && !jsonOut && tcpListen == nil
  }

  // MARK: Running

  func run() async throws {
    var options = try client.options(server)
    let firstBytes = FirstBytes()
    options.firstBytes = firstBytes
    // Output may block.
    options.socket.runsOnEventLoop = false
    let stop = StopRequest()
    try watch(stop)
    if let tcpListen, let place = HostAndPort(tcpListen) {
      return try await TCPBridge.listen(at: place, server.asciiURL, options, stop)
    }
    let screen =
      isInteractive ? TerminalScreen(prompt: ">", history: noHistory ? nil : HistoryFile.user()) : nil
    let mode: ClientOutput.Mode = json || jsonOut ? .json : raw ? .raw : null ? .null : .lines
    let output = ClientOutput(mode, isVerbose: verbose, screen: screen)
    let input = InputQueue()
    let session = ClientSession(try sessionOptions(), input, output, stop)
    options.socket.controlFrames = ControlFrameObserver { session.received($0, behind: $1) }
    options.onRedirect = { address in try? output.note("redirected to \(address)", always: true) }
    defer { screen?.stop() }
    try startInput(input, screen, output, stop)
    do {
      try await talk(session, options, output, stop)
    } catch let error as WebSocketClientError {
      if case .refusal(let refusal) = error { try output.refused(refusal) }
      screen?.stop()
      let isSecure = (try? WebSocketAddress(server.asciiURL))?.isSecure ?? false
      throw ToolFailure(
        error,
        unixSocketPath: options.unixSocketPath,
        isSecure: isSecure,
        firstBytes: firstBytes.value
      )
    } catch let closed as WebSocketClosed {
      screen?.stop()
      throw ToolFailure(closed)
    }
  }

  /// Connects and talks; a request to stop ends what comes before the connection is open.
  private func talk(
    _ session: ClientSession,
    _ options: WebSocketClientOptions,
    _ output: ClientOutput,
    _ stop: StopRequest
  ) async throws {
    let url = server.asciiURL
    let isOpen = OpenFlag()
    let work = Task { [reconnect] in
      if reconnect {
        let willWait: (any Error, Duration) -> Void = { failure, delay in
          isOpen.set(false)
          try? output.note("\(failure): again in \(DurationText.format(delay))", always: true)
        }
        try await WebSocketClient.reconnecting(to: url, options: options, willWait: willWait) { socket in
          isOpen.set(true)
          try await session.run(socket)
        }
      } else {
        try await WebSocketClient.connect(to: url, options: options) { socket in
          isOpen.set(true)
          try await session.run(socket)
        }
      }
    }
    let watching = Task {
      // An open session ends in order by itself.
      if await stop.wait() != nil, !isOpen.value { work.cancel() }
    }
    defer { watching.cancel() }
    do {
      try await work.value
    } catch is CancellationError {
      throw stop.cause.map { ToolFailure($0) } ?? ToolFailure(.failure, "cancelled")
    }
  }

  private func startInput(
    _ input: InputQueue,
    _ screen: TerminalScreen?,
    _ output: ClientOutput,
    _ stop: StopRequest
  ) throws {
    if let screen {
      return try screen.start { action in
        switch action {
        case .submit(let line):
          guard !line.isEmpty else { return }
          do throws(InvalidInput) {
            input.put([try InputItem(typed: line)], waits: false)
          } catch {
            try? output.note(error.description, always: true)
          }
        // As without a prompt; the second time ends it at once.
        case .interrupt: kill(getpid(), SIGINT)
        case .end: input.finish()
        case .clearScreen: break
        }
      }
    }
    let reader = InputReader(
      mode: messagePerInput ? .whole : null ? .null : raw ? .chunks : .lines,
      form: json || jsonIn ? .json : binary || raw ? .binary : .text,
      advice: ": use --binary",
      queue: input
    ) {
      stop.ask(.failure(ToolFailure(.output, "nobody reads standard output any more")))
    }
    try reader.start()
  }

  /// Signals and the time limit. Where the end in order takes too long, the process ends without it.
  private func watch(_ stop: StopRequest) throws {
    try Signals.handle { number in
      // The second time it is meant.
      if stop.cause != nil { leaveProcess(128 + number) }
      stop.ask(.signal(number))
      Self.leaveAfter(.seconds(3), status: 128 + number)
    }
    guard let timeout else { return }
    let limit = try ClientArguments.duration("--timeout", timeout)
    Self.after(limit) {
      stop.ask(.timeout)
      Self.leaveAfter(.seconds(3), status: ExitStatus.timedOut.rawValue)
    }
  }

  private static func leaveAfter(_ time: Duration, status: Int32) { after(time) { leaveProcess(status) } }

  private static func after(_ time: Duration, _ body: @escaping @Sendable () -> Void) {
    let nanoseconds = Int(min(time / .nanoseconds(1), 1e18))
    DispatchQueue.global().asyncAfter(deadline: .now() + .nanoseconds(nanoseconds), execute: body)
  }
}
#endif
