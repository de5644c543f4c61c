// SPDX-License-Identifier: Apache-2.0

#if Tool && NIO
import WSProtoLab
import WSProtoTool

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif

/// Reads commands about held messages and injections, from the terminal or from standard input.
struct ProxyPrompt: Sendable {
  private let screen: TerminalScreen?
  private let lines: AsyncStream<String>
  private let input: AsyncStream<String>.Continuation

  /// Starts reading.
  init(_ output: ProxyOutput) throws {
    (lines, input) = AsyncStream.makeStream()
    let isTerminal = Terminal.inputIsTerminal && Terminal.outputIsTerminal
    screen = isTerminal ? TerminalScreen(prompt: ">", history: nil) : nil
    guard let screen else {
      try readLines()
      return
    }
    output.use(screen)
    try screen.start { [input] action in
      switch action {
      case .submit(let line): if !line.isEmpty { input.yield(line) }
      // As Ctrl-C without a prompt.
      case .interrupt, .end: kill(getpid(), SIGINT)
      case .clearScreen: break
      }
    }
  }

  private func readLines() throws {
    try detach { [input] in
      defer { input.finish() }
      guard let file = try? InputFile("-") else { return }
      var splitter = InputSplitter(.lines)
      var buffer = [UInt8](repeating: 0, count: 4096)
      while let count = try? file.read(into: &buffer), count > 0 {
        for line in splitter.add(buffer[..<count]) { input.yield(String(decoding: line, as: UTF8.self)) }
      }
      if let last = splitter.end() { input.yield(String(decoding: last, as: UTF8.self)) }
    }
  }

  /// Carries out what is typed, until the input ends.
  func run(_ core: ProxyCore, _ output: ProxyOutput) async {
    for await line in lines {
      if line == "/help" || line == "help" {
        for command in ProxyInput.commands { output.printNote(command) }
      } else if line == "e", let screen, let text = await core.heldText {
        // Lets the user edit the held text at the prompt.
        screen.edit("e " + text)
      } else if let answer = await core.typed(line, waits: screen == nil) {
        output.printNote(answer)
      }
    }
    await core.endDecisions()
  }

  /// Gives the terminal back.
  func stop() { screen?.stop() }
}
#endif
