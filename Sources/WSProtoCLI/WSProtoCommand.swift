// SPDX-License-Identifier: Apache-2.0

#if Tool
import ArgumentParser
import WSProtoTool

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif

struct WSProtoCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "wsproto",
    abstract: "WebSocket connections, seen and tried out from the command line.",
    discussion: """
      Examples:
        wsproto connect wss://example.com/feed   talk to a server
        wsproto serve                            an echo server with a page to try it
        wsproto bench :9001 --connections 100    measure a server
        wsproto inspect capture.pcap             what was sent, and what was wrong
        wsproto check :9001                      what a server does wrong
        wsproto proxy :9001                      what passes between two others
      """,
    version: "0.1.0",
    subcommands: subcommands
  )

  private static var subcommands: [any ParsableCommand.Type] {
    #if NIO
    [
      ConnectCommand.self, ServeCommand.self, BenchCommand.self, InspectCommand.self,
      CheckCommand.self,
      ProxyCommand.self, TestCommand.self, RecordCommand.self, ReplayCommand.self,
      DemoCommand.self, StatusesCommand.self, ManualCommand.self,
    ]
    #else
    [InspectCommand.self, DemoCommand.self, StatusesCommand.self, ManualCommand.self]
    #endif
  }
}

struct StatusesCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "statuses",
    abstract: "Prints the table of exit statuses."
  )

  func run() { Terminal.print(ExitStatus.table) }
}

@main
enum Main {
  static func main() async {
    Terminal.openClosedStreams()
    do {
      try Signals.hold()
      var command = try WSProtoCommand.parseAsRoot()
      if var command = command as? any AsyncParsableCommand {
        try await command.run()
      } else {
        // Nothing to do in order where it is interrupted.
        Signals.release()
        try command.run()
      }
      try Terminal.checkOutput()
      leave(.success)
    } catch let failure as ToolFailure {
      if !failure.description.isEmpty { Terminal.printError(failure.description) }
      leave(failure.status)
    } catch {
      let code = WSProtoCommand.exitCode(for: error)
      // Help and the like; the parser's own words, on standard output.
      if code == .success { leave(afterPrinting: WSProtoCommand.fullMessage(for: error)) }
      let message = WSProtoCommand.message(for: error)
      if !message.isEmpty {
        Terminal.printError(message.split(whereSeparator: \.isNewline).joined(separator: " "))
      }
      exit(code.rawValue)
    }
  }

  private static func leave(afterPrinting text: String) -> Never {
    do throws(ToolFailure) {
      try Terminal.write(Array((text.isEmpty || text.hasSuffix("\n") ? text : text + "\n").utf8))
      leave(.success)
    } catch {
      Terminal.printError(error.description)
      leave(error.status)
    }
  }

  private static func leave(_ status: ExitStatus) -> Never { exit(status.rawValue) }
}
#endif
