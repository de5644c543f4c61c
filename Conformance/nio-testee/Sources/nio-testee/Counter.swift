// SPDX-License-Identifier: Apache-2.0

import NIOCore
import WSProto
import WSProtoNIO

/// A client that comes back: sends numbers, one at a time, and prints what becomes of its connections.
///
/// `opened`, `closed WHY` when it waits for another attempt, `echoed N` for each number that came back.
enum Counter {
  static func run(_ arguments: Arguments) async throws {
    guard let url = arguments["url"] else { fail(usage) }
    var options = WebSocketClientOptions()
    if let interval = arguments.seconds("ping") {
      options.socket.timeouts.keepalive = Timeouts.Keepalive(pingInterval: interval, pongTimeout: interval)
    }
    if let limit = arguments.seconds("closing") { options.socket.timeouts.closing = limit }
    let policy = ReconnectPolicy(backoff: Backoff(first: .milliseconds(100), longest: .seconds(1)))
    var number = 0
    try await WebSocketClient.reconnecting(
      to: url,
      policy: policy,
      options: options,
      willWait: { error, _ in report("closed", "\(error)") }
    ) { socket in
      report("opened")
      var messages = socket.messages.makeAsyncIterator()
      while true {
        number += 1
        try await socket.send("\(number)")
        guard let answer = try await messages.next() else { return }
        report("echoed", "\(answer)")
        try await Task.sleep(for: .milliseconds(100))
      }
    }
  }
}
