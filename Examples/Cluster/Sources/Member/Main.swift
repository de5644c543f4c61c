// SPDX-License-Identifier: Apache-2.0

// Somebody who talks to all others, through any node: Member NAME URL
//
// Sends "NAME 1", "NAME 2" and so on. What it hears back of its own the cluster has accepted; what it has not heard when a
// connection ends, it sends again on the next one.

import HTTPTypes
import WSProtoNIO

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif

@main enum Main {
  /// How many messages are under way at most.
  static let window = 4

  static func main() async throws {
    let arguments = CommandLine.arguments
    guard arguments.count == 3 else { return print("usage: Member NAME URL") }
    let name = arguments[1]
    var accepted = 0
    let policy = ReconnectPolicy(backoff: Backoff(first: .milliseconds(100), longest: .seconds(2)))
    try await WebSocketClient.reconnecting(
      to: arguments[2],
      policy: policy,
      willWait: { error, _ in say("lost \(error)") }
    ) { socket in
      say("opened \(socket.response?.extraHeaders[.server] ?? "?")")
      for number in accepted + 1...accepted + window { try await socket.send("\(name) \(number)") }
      for try await message in socket.messages {
        guard let text = message.text else { continue }
        say("heard \(text)")
        guard text == "\(name) \(accepted + 1)" else { continue }
        accepted += 1
        try await Task.sleep(for: .milliseconds(5))
        try await socket.send("\(name) \(accepted + window)")
      }
    }
  }
}

/// Prints a line at once.
func say(_ line: String) {
  print(line)
  fflush(nil)
}
