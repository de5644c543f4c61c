// SPDX-License-Identifier: Apache-2.0

#if NIO
import NIOCore
import Testing
import WSProto
import WSProtoNIOTesting

@testable import WSProtoNIO

@Suite("A peer that reads late or never", .timeLimit(.minutes(10)))
struct SlowPeerTests {
  private func options(_ policy: SlowConsumerPolicy) -> WebSocketOptions {
    var options = WebSocketOptions()
    options.slowConsumer = policy
    return options
  }

  /// The number that a message begins with.
  private func number(_ message: WebSocketMessage) -> Int {
    Int(message.bytes.getInteger(at: message.bytes.readerIndex, as: UInt32.self) ?? 0)
  }

  /// A message of 8 KiB that begins with a number.
  private func message(_ number: Int) -> WebSocketMessage {
    var buffer = ByteBuffer(integer: UInt32(number))
    buffer.writeRepeatingByte(7, count: (8 << 10) - 4)
    return .binary(buffer)
  }

  private func prepared(_ number: Int) -> PreparedMessage {
    PreparedMessage(bytes: Bytes(Array(buffer: message(number).bytes)))
  }

  /// What arrives of 200 messages of 8 KiB when the peer begins to read behind the last one, up to message 200, which
  /// comes when there is room.
  private func arrivals(
    _ policy: SlowConsumerPolicy,
    _ send: (WebSocket, Int) async throws -> Void
  ) async throws -> (numbers: [Int], dropped: Int) {
    try await WebSocketPair.connect(server: options(policy)) { pair in
      for number in 0..<200 {
        try await send(pair.server, number)
        await pair.clock.advance(by: .zero)
        #expect(pair.server.queuedBytes < 300 << 10)
      }
      var numbers: [Int] = []
      var messages = pair.client.messages.makeAsyncIterator()
      while let message = try await messages.next() {
        #expect(message.bytes.readableBytes == 8 << 10)
        numbers.append(number(message))
        if number(message) == 200 { break }
        if pair.server.queuedBytes == 0 { try await pair.server.send(self.message(200)) }
      }
      return (numbers, pair.server.droppedMessages)
    }
  }

  @Test("loses the newest messages, or the oldest, by the policy: whole ones, which are counted")
  func dropping() async throws {
    let newest = try await arrivals(.dropNewest(unsentBytes: 128 << 10)) { socket, number in
      try await socket.send(message(number))
    }
    #expect(newest.numbers == Array(0..<(200 - newest.dropped)) + [200])
    #expect(newest.dropped > 100)
    let oldest = try await arrivals(.dropOldest(unsentBytes: 128 << 10)) { socket, number in
      try await socket.send(message(number))
    }
    #expect(oldest.dropped > 100)
    #expect(oldest.numbers.count == 201 - oldest.dropped)
    #expect(oldest.numbers == oldest.numbers.sorted())
    #expect(oldest.numbers.suffix(5) == [196, 197, 198, 199, 200])
  }

  @Test("gets the latest of each key, and nothing waits for it")
  func replacing() async throws {
    let (numbers, dropped) = try await arrivals(.wait(atMost: nil)) { socket, number in
      try await socket.send(message(number), replacing: "key \(number % 3)")
    }
    #expect(dropped > 100)
    #expect(numbers.count == 201 - dropped)
    #expect(Set(numbers.suffix(4)) == [197, 198, 199, 200])
  }

  @Test("holds nobody up who publishes: what it gets is what its policy says")
  func publishing() async throws {
    let topics = WebSocketTopics()
    try await WebSocketPair.connect(server: options(.dropOldest(unsentBytes: 128 << 10))) { pair in
      topics.subscribe(pair.server, to: "news")
      for number in 0..<200 {
        #expect(topics.publish(prepared(number), to: "news") == 1)
        await pair.clock.advance(by: .zero)
      }
      #expect(pair.server.droppedMessages > 100)
      for number in 200..<300 {
        topics.publish(prepared(number), to: "news", replacing: "key")
      }
      var last = 0
      for try await message in pair.client.messages {
        last = number(message)
        if last == 299 { break }
      }
      #expect(last == 299)
    }
  }

  @Test("is served with a message of 10 MiB that it has sent before it reads, whole or in parts")
  func lateReader() async throws {
    var whole = WebSocketOptions()
    whole.maxMessageBytes = 10 << 20
    var inParts = WebSocketOptions()
    inParts.delivery = .parts()
    inParts.maxUnreadBytes = 10 << 20
    let bytes = ByteBuffer(bytes: (0..<(10 << 20)).map { UInt8(truncatingIfNeeded: $0 &* 7) })
    for options in [whole, inParts] {
      try await WebSocketPair.connect(client: whole, server: options) { pair in
        let serving = Task {
          guard options.delivery != .wholeMessages else { return try await echo(pair.server) }
          // The parts are kept, since the peer takes nothing before it has sent all.
          for try await message in pair.server.streams {
            var parts: [ByteBuffer] = []
            for try await part in message.parts { parts.append(part) }
            try await pair.server.send(message.kind) { writer in
              for part in parts { try await writer.write(part) }
            }
          }
        }
        try await pair.client.send(bytes)
        while pair.client.queuedBytes > 0 { await pair.clock.advance(by: .zero) }
        var messages = pair.client.messages.makeAsyncIterator()
        #expect(try await messages.next()?.bytes == bytes)
        try await pair.client.close()
        try await serving.value
      }
    }
  }

  @Test("who takes nothing is dropped by the clock while somebody waits for it, and only then")
  func stall() async throws {
    try await WebSocketPair.connect(server: options(.wait(atMost: .seconds(10)))) { pair in
      let ended = Counter()
      let sending = Task {
        defer { ended.add(1) }
        for number in 0..<100 { try await pair.server.send(message(number)) }
      }
      while pair.server.queuedBytes == 0 { try await Task.sleep(for: .milliseconds(1)) }
      await pair.clock.advance(by: .seconds(5))
      #expect(pair.server.queuedBytes > 0)
      // The task may begin to wait late.
      while ended.count == 0 { await pair.clock.advance(by: .seconds(10)) }
      do {
        try await sending.value
        Issue.record("nobody has noticed")
      } catch let closed as WebSocketClosed {
        guard case .slowConsumer = closed.cause else { throw TestFailure("\(closed)") }
      }
    }
  }

  @Test("is not blamed while another task's message in parts is what others wait for")
  func noStall() async throws {
    try await WebSocketPair.connect(server: options(.wait(atMost: .seconds(10)))) { pair in
      let begun = Promised<Void>()
      let slow = Task {
        try await pair.server.send(.text) { message in
          try await message.write("slow")
          begun.resume(with: .success(()))
          try await pair.clock.sleep(for: .seconds(60))
        }
      }
      try await begun.value()
      let waiting = Task { try await pair.server.send("behind it") }
      await pair.clock.advanceToNextSleeper()
      try await slow.value
      try await waiting.value
      var messages = pair.client.messages.makeAsyncIterator()
      #expect(try await messages.next() == "slow")
      #expect(try await messages.next() == "behind it")
    }
  }
}
#endif
