// SPDX-License-Identifier: Apache-2.0

#if NIO
import HTTPTypes
import Testing
import WSProto
import WSProtoNIO

/// A connection that comes back.
@Suite(.timeLimit(.minutes(5))) struct ReconnectingTests {
  private struct Oops: Error {}

  private let policy = ReconnectPolicy(backoff: Backoff(first: .milliseconds(1), longest: .milliseconds(5)))

  @Test("a server in trouble, and a lost connection, are tried again, with a request asked for anew")
  func again() async throws {
    let reply = { @Sendable (number: Int, _: String) -> ScriptedServer.Reply in
      switch number {
      case 0: .bytes("HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n")
      case 1: .last("")
      default: .open()
      }
    }
    try await ScriptedServer.run(reply: reply) { server in
      var tokens = 0
      var failures: [any Error] = []
      var connections = 0
      let url = "ws://127.0.0.1:\(server.port)/"
      let result = try await WebSocketClient.reconnecting(to: url, policy: policy) { options in
        options.extraHeaders[.authorization] = "token \(tokens)"
        tokens += 1
      } willWait: { error, delay in
        #expect(delay <= .milliseconds(5))
        failures.append(error)
      } _: { socket in
        connections += 1
        switch connections {
        case 1: try await socket.send("drop")
        case 2: try await socket.send("close 1001")
        case 3: try await socket.send("close 1012")
        default: return "done"
        }
        for try await _ in socket.messages {}
        return "the messages have ended"
      }
      #expect(result == "done" && connections == 4 && tokens == 6 && failures.count == 5)
      let heads = server.log.told.filter { $0.hasPrefix("GET") }
      #expect(heads.count == 6)
      for (number, head) in heads.enumerated() {
        #expect(head.contains("Authorization: token \(number)\r\n"))
      }
      #expect(server.log.told.last == "close 1000")
      let codes = failures.compactMap { ($0 as? WebSocketClosed)?.code }
      #expect(codes == [.abnormalClosure, .goingAway, .serviceRestart])
    }
  }

  @Test("what another attempt cannot change ends it at once")
  func final() async throws {
    func attempts(
      _ reply: ScriptedServer.Reply,
      _ body: (WebSocket) async throws -> Void = { _ in }
    ) async throws -> (count: Int, error: (any Error)?) {
      try await ScriptedServer.run(reply: { _, _ in reply }) { server in
        var count = 0
        var failure: (any Error)?
        do {
          let url = "ws://127.0.0.1:\(server.port)/"
          try await WebSocketClient.reconnecting(to: url, policy: policy) { _ in
            count += 1
          } _: {
            try await body($0)
          }
        } catch {
          failure = error
        }
        return (count, failure)
      }
    }
    let missing = try await attempts(.bytes("HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n"))
    #expect(missing.count == 1 && missing.error is WebSocketClientError)
    let illegal = try await attempts(.bytes("HTTP/1.1 101 S\r\n\r\n"))
    #expect(illegal.count == 1 && illegal.error is WebSocketClientError)
    let thrown = try await attempts(.open()) { _ in throw Oops() }
    #expect(thrown.count == 1 && thrown.error is Oops)
    let left = try await attempts(.open())
    #expect(left.count == 1 && left.error == nil)
    let ended = try await attempts(.open()) { socket in
      try await socket.send("close 1000")
      for try await _ in socket.messages {}
    }
    #expect(ended.count == 1 && ended.error == nil)
    let policyViolated = try await attempts(.open()) { socket in
      try await socket.send("close 1008")
      for try await _ in socket.messages {}
    }
    #expect(policyViolated.count == 1)
    #expect((policyViolated.error as? WebSocketClosed)?.code == .policyViolation)
    // Closed by the closure itself: its error is its own.
    let closed = try await attempts(.open()) { socket in
      try await socket.close()
      try await socket.send("late")
    }
    #expect(closed.count == 1 && closed.error is WebSocketClosed)
  }

  @Test("the attempts end at their number, with the last error; an error of the request ends them, too")
  func attempts() async throws {
    let port = ScriptedServer.unusedPort()
    var policy = policy
    policy.attempts = 3
    var count = 0
    let error = await #expect(throws: WebSocketClientError.self) {
      try await WebSocketClient.reconnecting(to: "ws://127.0.0.1:\(port)/", policy: policy) { _ in
        count += 1
      } _: { _ in
      }
    }
    guard case .refused = error else {
      Issue.record("\(String(describing: error))")
      return
    }
    #expect(count == 3)
    await #expect(throws: Oops.self) {
      try await WebSocketClient.reconnecting(to: "ws://127.0.0.1:\(port)/", policy: policy) { _ in
        throw Oops()
      } _: { _ in
      }
    }
  }

  @Test("a task that is cancelled does not wait on")
  func cancelled() async throws {
    let port = ScriptedServer.unusedPort()
    let (waiting, continuation) = AsyncStream.makeStream(of: Void.self)
    let task = Task {
      let policy = ReconnectPolicy(
        backoff: Backoff(first: .seconds(1000), longest: .seconds(1000), jitter: 0)
      )
      try await WebSocketClient.reconnecting(
        to: "ws://127.0.0.1:\(port)/",
        policy: policy,
        willWait: { _, _ in continuation.finish() }
      ) { _ in
      }
    }
    for await _ in waiting {}
    task.cancel()
    await #expect(throws: CancellationError.self) { try await task.value }
  }
}
#endif
