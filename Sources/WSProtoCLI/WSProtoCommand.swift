// SPDX-License-Identifier: Apache-2.0

#if Tool
import ArgumentParser

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
    subcommands: [DemoCommand.self, ServeCommand.self, ConnectCommand.self]
  )
}

@main
enum Main {
  /// Exit status: 0 when all went well, 64 for a command line that cannot be understood, 1 for the rest.
  static func main() {
    // A reader of our output that has gone ends a write with an error, not us with a signal.
    signal(SIGPIPE, SIG_IGN)
    do {
      var command = try WSProtoCommand.parseAsRoot()
      try command.run()
    } catch {
      let code = WSProtoCommand.exitCode(for: error)
      // Help and the like; the parser's own words, on standard output.
      if code == .success { WSProtoCommand.exit(withError: error) }
      let message = WSProtoCommand.message(for: error)
      if !message.isEmpty {
        Terminal.printError(message.split(whereSeparator: \.isNewline).joined(separator: " "))
      }
      exit(code.rawValue)
    }
  }
}
#endif
