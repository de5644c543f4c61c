// SPDX-License-Identifier: Apache-2.0

// A page, and an echo server beside it, in Hummingbird: HummingbirdEndpoint [port]

import Hummingbird
import HummingbirdCore
import WSProtoNIO

@main enum Main {
  static func main() async throws {
    let port = CommandLine.arguments.dropFirst().first.flatMap { Int($0) } ?? 8080
    let router = Router()
    router.get("/page") { _, _ in "a page of Hummingbird's" }

    var options = WebSocketUpgradeOptions()
    options.decide = { $0.target == "/" ? .accept() : .refuse(.notFound) }
    let application = Application(
      router: router,
      server: .http1WebSocket(options: options) { socket in
        for try await message in socket.messages { try await socket.send(message) }
      },
      configuration: .init(address: .hostname("127.0.0.1", port: port))
    )
    try await application.runService()
  }
}
