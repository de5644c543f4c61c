// SPDX-License-Identifier: Apache-2.0

#if NIO
import NIOCore
import Synchronization
import Testing
import WSProto

@testable import WSProtoNIO

@Suite("Topics", .timeLimit(.minutes(5)))
struct WebSocketTopicsTests {
  /// Subscribes to the topics that it is sent, or unsubscribes.
  private static func handler(_ topics: WebSocketTopics) -> WebSocketServer.Handler {
    { socket in
      for try await message in socket.messages {
        guard let text = message.text else { continue }
        if text.hasPrefix("-") {
          topics.unsubscribe(socket, from: String(text.dropFirst()))
        } else {
          topics.subscribe(socket, to: text)
        }
        try await socket.send("done")
      }
    }
  }

  private func tell(_ client: TestClient, _ text: String) async throws {
    try await client.send(TextMessage(data: text))
    #expect(try await client.nextText() == "done")
  }

  @Test("take what is published to all that have subscribed, and to no other")
  func publish() async throws {
    let forwarded = Mutex<[String]>([])
    let topics = WebSocketTopics { _, topic in forwarded.withLock { $0.append(topic) } }
    try await withServer(handler: Self.handler(topics)) { address, _ in
      try await TestClient.open(to: address) { first in
        try await TestClient.open(to: address) { second in
          try await tell(first, "a")
          try await tell(first, "b")
          try await tell(second, "b")
          #expect(topics.publish("to a", to: "a") == 1)
          #expect(topics.publish("to b", to: "b") == 2)
          #expect(topics.publish("to nobody", to: "c") == 0)
          #expect(topics.deliver(PreparedMessage(text: "from elsewhere"), to: "b") == 2)
          #expect(try await first.nextText() == "to a")
          for client in [first, second] {
            #expect(try await client.nextText() == "to b")
            #expect(try await client.nextText() == "from elsewhere")
          }
          try await tell(first, "-b")
          #expect(topics.publish("to b again", to: "b") == 1)
          #expect(try await second.nextText() == "to b again")
          #expect(forwarded.withLock { $0 } == ["a", "b", "c", "b"])
        }
      }
    }
  }

  @Test("forget a connection that has ended")
  func forget() async throws {
    let topics = WebSocketTopics()
    try await withServer(handler: Self.handler(topics)) { address, _ in
      try await TestClient.open(to: address) { client in
        try await tell(client, "a")
        try await tell(client, "b")
        #expect(topics.subscriberCount(of: "a") == 1)
        try await client.close()
      }
    }
    // The server has shut down, with all of its connections.
    #expect(topics.subscriberCount(of: "a") == 0)
    #expect(topics.subscriberCount(of: "b") == 0)
  }

  @Test("drop a subscriber that reads nothing once 1 MiB waits for it, and nobody waits for it")
  func slowSubscriber() async throws {
    let topics = WebSocketTopics()
    try await withServer(handler: Self.handler(topics)) { address, _ in
      try await TestClient.open(to: address) { slow in
        try await tell(slow, "a")
        let message = PreparedMessage(bytes: Bytes(Array(repeating: 0, count: 64 << 10)))
        while topics.subscriberCount(of: "a") > 0 {
          topics.publish(message, to: "a")
          await Task.yield()
        }
      }
    }
  }
}
#endif
