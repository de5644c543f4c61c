// SPDX-License-Identifier: Apache-2.0

#if Tool && NIO
import Foundation
import NIOCore
import Synchronization
import WSProto
import WSProtoLab
import WSProtoNIO
import WSProtoTool

/// Somebody talks to all connections from the terminal, or from standard input.
final class InteractiveService: ServedConversation {
  private let log: ServeLog
  private let queue = InputQueue()
  private let topics = WebSocketTopics()
  private let screen: TerminalScreen?
  private let style = Terminal.style

  init(_ log: ServeLog) {
    self.log = log
    let isTerminal = Terminal.inputIsTerminal && Terminal.outputIsTerminal
    screen = isTerminal ? TerminalScreen(prompt: ">", history: HistoryFile.user()) : nil
  }

  func start() throws {
    if let screen {
      log.use(screen)
      try screen.start { [log, queue] action in
        switch action {
        case .submit(let line):
          guard !line.isEmpty else { return }
          do throws(InvalidInput) {
            queue.put([try InputItem(typed: line)], waits: false)
          } catch {
            log.print(error.description)
          }
        // As Ctrl-C without a prompt.
        case .interrupt, .end: kill(getpid(), SIGINT)
        case .clearScreen: break
        }
      }
    } else {
      try InputReader(mode: .lines, form: .text, queue: queue, onOutputGone: {}).start()
    }
    Task { [self] in
      while true {
        switch await queue.next() {
        case .item(let item): send(item)
        case .failed(let failure): return Terminal.printError(failure.description)
        case .end, .cancelled: return
        }
      }
    }
  }

  func stop() { screen?.stop() }

  private func send(_ item: InputItem) {
    let count: Int
    switch item {
    case .text(let text):
      count = topics.publish(text, to: "all")
      log.print(style.paint("→", .green) + " " + shown(text) + style.paint(" (to \(count))", .dim))
    case .binary(let bytes):
      count = topics.publish(PreparedMessage(bytes: Bytes(bytes)), to: "all")
      log.print(style.paint("→", .green) + " " + ClientOutput.preview(bytes, style))
    case .file(let path):
      guard let data = FileManager.default.contents(atPath: path) else {
        return log.print("the file \(shownInQuotes(path)) cannot be read")
      }
      topics.publish(PreparedMessage(bytes: Bytes(data)), to: "all")
    case .help: for line in InputItem.commandsForAll { log.print(line) }
    case .ping, .pong, .close: log.print("only messages can be sent to all connections: /help lists how")
    }
  }

  func serve(_ connection: ServedConnection) async throws {
    let name = style.paint("#\(connection.number) ←", .cyan)
    log.print(style.paint("#\(connection.number) has come: \(shown(connection.socket.request.target))", .dim))
    topics.subscribe(connection.socket, to: "all")
    for try await message in connection.socket.messages {
      connection.count(message)
      let text =
        message.text.map { shown($0) } ?? ClientOutput.preview(message.bytes.readableBytesView, style)
      log.print("\(name) \(text)")
    }
  }
}
#endif
