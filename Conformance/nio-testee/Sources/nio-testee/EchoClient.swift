// SPDX-License-Identifier: Apache-2.0

import WSProto
import WSProtoNIO

/// Runs all cases of Autobahn's fuzzing server.
enum EchoClient {
  static func run(_ arguments: Arguments) async throws {
    guard let url = arguments["url"] else { fail(usage) }
    let agent = arguments["agent"] ?? "WSProtoNIO"
    let echo = arguments["api"] == "handler" ? HandlerEcho.connect : connect
    guard let count = Int(try await echo(url + "/getCaseCount")) else {
      fail("the server told no case count")
    }
    // A case that fails is the report's to tell.
    for number in 1...max(1, count) { _ = try? await echo(url + "/runCase?case=\(number)&agent=\(agent)") }
    _ = try await echo(url + "/updateReports?agent=\(agent)")
  }

  /// Connects, echoes until the server closes, and gives the last text.
  private static func connect(to url: String) async throws -> String {
    var options = WebSocketClientOptions()
    options.socket.maxMessageBytes = 64 << 20
    options.socket.compression = WebSocketCompression()
    options.socket.compression?.threshold = 0
    options.socket.compression?.keepsContext = true
    return try await WebSocketClient.connect(to: url, options: options) { socket in
      var lastText = ""
      do {
        for try await message in socket.messages {
          lastText = message.text ?? lastText
          try await socket.send(message)
        }
      } catch is WebSocketClosed {
        // By the server's doing.
      }
      return lastText
    }
  }
}
