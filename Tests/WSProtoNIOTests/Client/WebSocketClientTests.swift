// SPDX-License-Identifier: Apache-2.0

#if NIO
import HTTPTypes
import NIOCore
import Testing
import WSProto
import WSProtoNIO

/// A client's connection from its request to its end (RFC 6455 §4.1, §7).
@Suite(.timeLimit(.minutes(5))) struct WebSocketClientTests {
  private struct Oops: Error {}

  @Test("messages go both ways, and leaving the closure closes with 1000 (RFC 6455 §7.4.1)")
  func echo() async throws {
    try await ScriptedServer.run { server in
      let echoed = try await WebSocketClient.connect(to: "ws://127.0.0.1:\(server.port)/feed?a=b") { socket in
        try await socket.send("hello")
        try await socket.send(.binary([1, 2, 3]))
        var messages = socket.messages.makeAsyncIterator()
        return [try await messages.next(), try await messages.next()]
      }
      #expect(echoed == [.text("hello"), .binary([1, 2, 3])])
      #expect(server.log.told.count == 2 && server.log.told.last == "close 1000")
      #expect(
        server.log.told.first?.hasPrefix("GET /feed?a=b HTTP/1.1\r\nHost: 127.0.0.1:\(server.port)\r\n")
          == true
      )
    }
  }

  @Test("an error of the closure closes with 1011, and is thrown on")
  func throwing() async throws {
    try await ScriptedServer.run { server in
      await #expect(throws: Oops.self) {
        try await WebSocketClient.connect(to: "ws://127.0.0.1:\(server.port)") { _ in throw Oops() }
      }
      #expect(server.log.told.last == "close 1011")
    }
  }

  @Test("a task that is cancelled leaves its closure, and closes with 1001")
  func cancelledInside() async throws {
    try await ScriptedServer.run { server in
      let (opened, continuation) = AsyncStream.makeStream(of: Void.self)
      let task = Task {
        try await WebSocketClient.connect(to: "ws://127.0.0.1:\(server.port)") { socket in
          continuation.finish()
          for try await _ in socket.messages {}
        }
      }
      for await _ in opened {}
      task.cancel()
      await #expect(throws: CancellationError.self) { try await task.value }
      #expect(server.log.told.last == "close 1001")
    }
  }

  @Test("a task that is cancelled before the connection is open drops the transport")
  func cancelledBefore() async throws {
    try await ScriptedServer.run(reply: { _, _ in .bytes("") }) { server in
      let task = Task {
        try await WebSocketClient.connect(to: "ws://127.0.0.1:\(server.port)") { _ in }
      }
      while server.log.all.isEmpty { try await Task.sleep(for: .milliseconds(1)) }
      task.cancel()
      await #expect(throws: CancellationError.self) { try await task.value }
      try await server.log.wait(for: "end")
    }
  }

  @Test("a task that is cancelled already connects to nobody")
  func cancelledFirst() async throws {
    try await ScriptedServer.run { server in
      let task = Task {
        withUnsafeCurrentTask { $0?.cancel() }
        try await WebSocketClient.connect(to: "ws://127.0.0.1:\(server.port)/cancelled") { _ in }
      }
      await #expect(throws: CancellationError.self) { try await task.value }
      // One that comes later is served; the other one has not been there.
      try await WebSocketClient.connect(to: "ws://127.0.0.1:\(server.port)/") { _ in }
      #expect(server.log.told.count == 2 && !server.log.all.contains { $0.contains("/cancelled") })
    }
  }

  @Test("the request says what the options say (RFC 6455 §4.1)")
  func request() async throws {
    var options = WebSocketClientOptions()
    options.subprotocols = ["chat", "feed"]
    options.extraHeaders = [.origin: "https://example.com", .userAgent: "test"]
    options.host = "service.example:81"
    options.socket.compression = WebSocketCompression()
    try await ScriptedServer.run(reply: { _, _ in .open(subprotocol: "feed") }) { server in
      let url = "ws://user:pass@127.0.0.1:\(server.port)/"
      try await WebSocketClient.connect(to: url, options: options) { socket in
        #expect(socket.subprotocol == "feed" && socket.compression != nil)
        #expect(socket.request.host == "service.example:81" && socket.response?.subprotocol == "feed")
        #expect(socket.remoteAddress?.port == server.port)
        let long = String(repeating: "a", count: 100_000)
        try await socket.send(long)
        var messages = socket.messages.makeAsyncIterator()
        #expect(try await messages.next()?.text == long)
      }
      let lines = server.log.all[0].split(separator: "\r\n").map { String($0) }
      let expected = [
        "Host: service.example:81", "Sec-WebSocket-Protocol: chat, feed", "Origin: https://example.com",
        "User-Agent: test", "Authorization: Basic dXNlcjpwYXNz", "Sec-WebSocket-Version: 13",
      ]
      for line in expected { #expect(lines.contains(line)) }
      #expect(lines.contains { $0.hasPrefix("Sec-WebSocket-Extensions: permessage-deflate") })
    }
  }

  @Test("a field of the caller's takes the place of user and password of the URL")
  func authorization() async throws {
    var options = WebSocketClientOptions()
    options.extraHeaders[.authorization] = "Bearer t"
    try await ScriptedServer.run { server in
      try await WebSocketClient.connect(to: "ws://u:p@127.0.0.1:\(server.port)/", options: options) { _ in }
      #expect(
        server.log.all[0].contains("Authorization: Bearer t\r\n") && !server.log.all[0].contains("Basic")
      )
    }
  }

  @Test("an end by the peer ends the messages if it is orderly, and else is thrown (RFC 6455 §7.1.5)")
  func peerCloses() async throws {
    try await ScriptedServer.run { server in
      func end(_ text: String) async throws {
        try await WebSocketClient.connect(to: "ws://127.0.0.1:\(server.port)") { socket in
          try await socket.send(text)
          for try await _ in socket.messages {}
        }
      }
      try await end("close 1000")
      try await end("close 1001")
      let closed = WebSocketClosed(code: 4001, reason: "as asked", cause: .peer)
      await #expect(throws: closed) { try await end("close 4001") }
      let lost = await #expect(throws: WebSocketClosed.self) { try await end("drop") }
      #expect(lost?.code == .abnormalClosure)
    }
  }

  @Test("a message right behind the server's answer is not lost (RFC 6455 §4.1)")
  func earlyMessage() async throws {
    try await ScriptedServer.run { server in
      let first = try await WebSocketClient.connect(to: "ws://127.0.0.1:\(server.port)/greet") { socket in
        var messages = socket.messages.makeAsyncIterator()
        return try await messages.next()
      }
      #expect(first == "welcome")
    }
  }

  @Test("a name is connected to by that of its addresses where a server listens")
  func names() async throws {
    try await ScriptedServer.run { server in
      try await WebSocketClient.connect(to: "ws://localhost:\(server.port)") { socket in
        #expect(socket.remoteAddress?.ipAddress == "127.0.0.1")
      }
      #expect(server.log.all[0].contains("Host: localhost:\(server.port)\r\n"))
    }
  }

  @Test("many clients at once get their own answers")
  func many() async throws {
    try await ScriptedServer.run { server in
      let answers = try await withThrowingTaskGroup(of: String?.self) { group in
        for number in 0..<100 {
          group.addTask {
            try await WebSocketClient.connect(to: "ws://127.0.0.1:\(server.port)") { socket in
              try await socket.send("\(number)")
              var messages = socket.messages.makeAsyncIterator()
              return try await messages.next()?.text
            }
          }
        }
        return try await group.reduce(into: Set()) { $0.insert($1) }
      }
      #expect(answers == Set((0..<100).map { "\($0)" }))
    }
  }
}
#endif
