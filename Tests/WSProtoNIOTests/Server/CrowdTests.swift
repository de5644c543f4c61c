// SPDX-License-Identifier: Apache-2.0

#if NIO
import NIOCore
import Testing
import WSProto

@testable import WSProtoNIO

/// Many at once: what the sanitizers are to look at.
@Suite("A crowd", .timeLimit(.minutes(10)))
struct CrowdTests {
  /// Has all of the crowd, then tells it to begin.
  private static func begin(_ topics: WebSocketTopics, count: Int) async throws {
    while topics.subscriberCount(of: "crowd") < count { try await Task.sleep(for: .milliseconds(10)) }
    #expect(topics.publish("begin", to: "crowd") == count)
  }

  @Test(
    "200 clients publish to each other while the server shuts down: each has all, and is closed with 1001"
  )
  func publishing() async throws {
    let count = 200
    let topics = WebSocketTopics()
    let complete = Counter()
    var options = WebSocketServerOptions()
    options.socket.compression = WebSocketCompression()
    // On a machine that is busy with all other tests, too.
    options.socket.timeouts = Timeouts(opening: nil, keepalive: nil, closing: .seconds(500))
    options.socket.slowConsumer = .disconnect(unsentBytes: 1 << 30)
    var clientOptions = WebSocketClientOptions()
    clientOptions.socket.timeouts = options.socket.timeouts
    clientOptions.connectTimeout = .seconds(500)
    try await withServer(options) { socket in
      topics.subscribe(socket, to: "crowd")
      for try await message in socket.messages {
        if let text = message.text { topics.publish(text, to: "crowd") }
      }
    } _: { address, server in
      let url = "ws://127.0.0.1:\(try #require(address.port))/"
      try await withThrowingTaskGroup(of: Void.self) { group in
        for number in 0..<count {
          group.addTask { [clientOptions] in
            try await WebSocketClient.connect(to: url, options: clientOptions) { socket in
              var heard: Set<String> = []
              for try await message in socket.messages {
                guard let text = message.text else { continue }
                if text == "begin" {
                  try await socket.send("\(number)")
                } else if text == "\(number)" {
                  // Once more, and so on until the server closes, which may be right now.
                  _ = try? await socket.ping()
                  try? await socket.send(.text(text))
                }
                if heard.insert(text).inserted, heard.count == count + 1 { complete.add(1) }
              }
              let close = try await socket.close()
              #expect(close?.code == .goingAway)
              #expect(heard.count == count + 1)
            }
          }
        }
        // One of them, so that a client that fails ends all.
        group.addTask {
          try await Self.begin(topics, count: count)
          while complete.count < count { try await Task.sleep(for: .milliseconds(10)) }
          server.shutDown()
        }
        try await group.waitForAll()
      }
    }
    // What a closed connection had subscribed to, it has no more.
    #expect(topics.subscriberCount(of: "crowd") == 0)
  }
}
#endif
