// SPDX-License-Identifier: Apache-2.0

#if NIO
import NIOCore
import NIOPosix
import Synchronization
import Testing

import WSProtoNIO

/// The README's first two samples, as they stand there but for the port and the address: `.ci/checks/readme` compares them.
@Suite("The README", .timeLimit(.minutes(5)))
struct ReadmeTests {
  private func serve(port: Int) async throws {
    let server = WebSocketServer(port: port) { socket in
      for try await message in socket.messages { try await socket.send(message) }
    }
    try await server.run()
  }

  private func connect(to url: String, print: @escaping (WebSocketMessage) -> Void) async throws {
    try await WebSocketClient.connect(to: url) { socket in
      try await socket.send("hello")
      for try await message in socket.messages { print(message) }
    }
  }

  @Test("the server answers the client's messages, and ends when its task is cancelled")
  func both() async throws {
    let port = ScriptedServer.unusedPort()
    let server = Task { try await serve(port: port) }
    try await conversation("ws://127.0.0.1:\(port)/feed")
    server.cancel()
    try await server.value
  }

  private func conversation(_ url: String) async throws {
    // The server may not listen yet.
    for _ in 0..<200 {
      do {
        return try await WebSocketClient.connect(to: url) { socket in
          try await socket.send("one")
          try await socket.send("two")
          var answers: [String?] = []
          for try await message in socket.messages {
            answers.append(message.text)
            if answers.count == 2 { break }
          }
          #expect(answers == ["one", "two"])
        }
      } catch let error as WebSocketClientError {
        guard case .refused = error else { throw error }
        try await Task.sleep(for: .milliseconds(25))
      }
    }
    Issue.record("the server never listened")
  }

  @Test("the client prints what comes until the server closes")
  func client() async throws {
    let server = WebSocketServer(port: 0) { socket in
      guard let hello = try await socket.messages.first(where: { _ in true }) else { return }
      try await socket.send(hello)
      try await socket.send([1, 2, 3])
    }
    let running = Task { try await server.run() }
    let port = try #require(try await server.addresses.first?.port)
    let printed = Mutex<[String]>([])
    try await connect(to: "ws://127.0.0.1:\(port)/feed") { message in
      printed.withLock { $0.append("\(message)") }
    }
    #expect(printed.withLock { $0 } == ["hello", "binary, 3 bytes"])
    server.shutDown()
    try await running.value
  }
}
#endif
