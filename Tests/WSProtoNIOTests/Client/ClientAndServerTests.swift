// SPDX-License-Identifier: Apache-2.0

#if NIO
import NIOCore
import Testing
import WSProto
import WSProtoNIO

/// The client with the server of this package.
@Suite(.timeLimit(.minutes(5))) struct ClientAndServerTests {
  @Test("messages go both ways, compressed where both ends want it", arguments: [false, true])
  func both(isCompressed: Bool) async throws {
    var serverOptions = WebSocketServerOptions()
    var options = WebSocketClientOptions()
    if isCompressed {
      serverOptions.socket.compression = WebSocketCompression()
      options.socket.compression = WebSocketCompression()
    }
    try await withServer(serverOptions) { address, _ in
      let port = try #require(address.port)
      try await WebSocketClient.connect(to: "ws://127.0.0.1:\(port)/", options: options) { socket in
        #expect((socket.compression != nil) == isCompressed)
        let texts = [1, 1000, 1_000_000].map { String(repeating: "ä", count: $0 / 2 + 1) }
        var messages = socket.messages.makeAsyncIterator()
        for text in texts {
          try await socket.send(text)
          #expect(try await messages.next()?.text == text)
        }
      }
    }
  }

  @Test("a server that shuts down ends the messages in order, and is worth another attempt")
  func shutdown() async throws {
    let policy = ReconnectPolicy(backoff: Backoff(first: .milliseconds(1)), attempts: 1)
    try await withServer { address, server in
      let port = try #require(address.port)
      let closed = await #expect(throws: WebSocketClosed.self) {
        try await WebSocketClient.reconnecting(to: "ws://127.0.0.1:\(port)/", policy: policy) { socket in
          server.shutDown()
          for try await _ in socket.messages {}
        }
      }
      #expect(closed?.code == .goingAway && closed?.isOrderly == true)
      #expect(closed?.reconnectCause == .closed(.goingAway))
    }
  }
}
#endif
