// SPDX-License-Identifier: Apache-2.0

#if NIO
import NIOCore
import Synchronization
import Testing
import WSProto
import WSProtoNIO
import WSProtoNIOTesting

@Suite("The test kit", .timeLimit(.minutes(10)))
struct WebSocketPairTests {
  /// The test of "Testing", as it stands there.
  @Test("A pair talks, and finds a peer that has vanished when the clock is moved")
  func example() async throws {
    try await WebSocketPair.connect { pair async throws in
      let served = Task { try await echo(pair.server) }
      try await pair.client.send("hello")
      var messages = pair.client.messages.makeAsyncIterator()
      #expect(try await messages.next() == "hello")

      // The client's host loses its power.
      pair.toServer.inject(.lose(after: 0))
      await pair.clock.advance(by: .seconds(60))
      await #expect(throws: WebSocketClosed.self) { try await served.value }
    }
  }

  @Test("Both ends show what they have agreed on")
  func opening() async throws {
    var options = WebSocketOptions()
    options.compression = WebSocketCompression()
    let request = Request(host: "example.com", target: "/chat", subprotocols: ["a", "b"])
    try await WebSocketPair.connect(request: request, subprotocol: "b", client: options, server: options) {
      pair async throws in
      for socket in [pair.client, pair.server] {
        #expect(socket.request.target == "/chat")
        #expect(socket.subprotocol == "b")
        #expect(socket.compression != nil)
      }
      #expect(pair.client.response?.subprotocol == "b")
      try await pair.client.send(String(repeating: "compressible ", count: 1000))
      var messages = pair.server.messages.makeAsyncIterator()
      #expect(try await messages.next()?.bytes.readableBytes == 13_000)
      #expect(pair.toServer.sentBytes < 1000)
    }
  }

  @Test("A closing handshake goes from end to end (RFC 6455 §7.1.2)")
  func closing() async throws {
    try await WebSocketPair.connect { pair async throws in
      let said = try await pair.client.close(code: 4001, reason: "done")
      #expect(said?.code == 4001)
      var messages = pair.server.messages.makeAsyncIterator()
      do {
        _ = try await messages.next()
        Issue.record("not an orderly end")
      } catch let closed as WebSocketClosed {
        #expect(closed == WebSocketClosed(code: 4001, reason: "done", cause: .peer))
      }
    }
  }

  @Test("Pings go out by the clock, and keep a pair alive for as long as both ends answer")
  func keepalive() async throws {
    try await WebSocketPair.connect { pair async throws in
      await pair.clock.advance(by: .seconds(3600))
      #expect(pair.clock.now.offset == .seconds(3600))
      // A ping every 20 s and its answer, by both ends: 18 and 14 bytes or so each.
      #expect(pair.toServer.sentBytes > 180 * 20)
      try await pair.client.send("still here")
      var messages = pair.server.messages.makeAsyncIterator()
      #expect(try await messages.next() == "still here")
    }
  }

  @Test("What takes long on the network takes long by the clock")
  func delay() async throws {
    try await WebSocketPair.connect { pair async throws in
      pair.toServer.inject(.delay(.seconds(2)))
      pair.toClient.inject(.delay(.seconds(3)))
      let before = pair.toServer.sentBytes
      let ping = Task { try await pair.client.ping() }
      // The task may begin late.
      while pair.toServer.sentBytes == before { await pair.clock.advance(by: .zero) }
      await pair.clock.advance(by: .seconds(4))
      await pair.clock.advance(by: .seconds(1))
      #expect(try await ping.value == .seconds(5))
    }
  }

  @Test("Pieces, corrupt bytes, ends and resets are found by the receiving end")
  func faults() async throws {
    try await WebSocketPair.connect { pair async throws in
      pair.toServer.inject(.pieces(1))
      try await pair.client.send("byte by byte")
      var messages = pair.server.messages.makeAsyncIterator()
      #expect(try await messages.next() == "byte by byte")
    }
    // The first byte of a text's payload, behind a header of 2: no UTF-8 any more.
    let (atServer, atClient) = try await ends { pair async throws in
      pair.toClient.inject(.corrupt(byte: 2))
      try await pair.server.send("text")
    }
    #expect(atClient.code == .invalidFramePayloadData)
    #expect(
      atServer == WebSocketClosed(code: .invalidFramePayloadData, reason: atServer.reason, cause: .peer)
    )
    for fault in [NetworkFault.end(after: 3), .reset(after: 3)] {
      let (atServer, atClient) = try await ends { pair async throws in
        pair.toServer.inject(fault)
        try await pair.client.send("cut off")
      }
      guard case .transport(let error) = atServer.cause, case .transport = atClient.cause else {
        throw TestFailure("\(atServer) \(atClient)")
      }
      #expect((error != nil) == (fault == .reset(after: 3)))
    }
  }

  /// How both ends find that the connection has ended.
  private func ends(
    _ body: (WebSocketPair) async throws -> Void
  ) async throws -> (server: WebSocketClosed, client: WebSocketClosed) {
    func end(_ socket: WebSocket) async throws -> WebSocketClosed {
      do {
        for try await _ in socket.messages {}
        throw TestFailure("an orderly end")
      } catch let closed as WebSocketClosed {
        return closed
      }
    }
    return try await WebSocketPair.connect { pair async throws in
      async let atServer = end(pair.server)
      async let atClient = end(pair.client)
      try await body(pair)
      return (try await atServer, try await atClient)
    }
  }

  @Test("A consumer that takes nothing stops its peer: 64 KiB unread, 64 KiB under way, 64 KiB unsent")
  func backpressure() async throws {
    try await WebSocketPair.connect { pair async throws in
      let sent = Counter()
      let sending = Task {
        for _ in 0..<100 {
          try await pair.client.send([UInt8](repeating: 0, count: 16 << 10))
          sent.add(1)
        }
      }
      // The task may begin late.
      while pair.client.queuedBytes < 64 << 10 { await pair.clock.advance(by: .zero) }
      await pair.clock.advance(by: .seconds(1))
      #expect(sent.count < 30)
      #expect(pair.client.queuedBytes >= 64 << 10)
      var count = 0
      for try await _ in pair.server.messages {
        count += 1
        if count == 100 { break }
      }
      try await sending.value
      #expect(pair.client.queuedBytes < 64 << 10)
    }
  }

  @Test("A peer that is dead while its messages wait is found by what is read first when they are taken")
  func deadWhilePaused() async throws {
    try await WebSocketPair.connect { pair async throws in
      let sending = Task {
        while true { try await pair.client.send([UInt8](repeating: 0, count: 16 << 10)) }
      }
      await pair.clock.advance(by: .seconds(1))
      pair.toServer.inject(.lose(after: 0))
      // While the reads are held back, silence is this end's own doing.
      await pair.clock.advance(by: .seconds(600))
      let ended = Task {
        do {
          for try await _ in pair.server.messages {}
          throw TestFailure("an orderly end")
        } catch let closed as WebSocketClosed {
          return closed
        }
      }
      let moving = Task { while !Task.isCancelled { await pair.clock.advance(by: .seconds(10)) } }
      let cause = try await ended.value.cause
      moving.cancel()
      guard case .deadline(.keepalive) = cause else { throw TestFailure("\(cause)") }
      sending.cancel()
    }
  }

  @Test("A client that reconnects waits by the clock, once longer than before, and gets the next connection")
  func reconnecting() async throws {
    let clock = VirtualClock()
    let pair = try await WebSocketPair.open(clock: clock)
    var policy = ReconnectPolicy()
    policy.backoff = Backoff(jitter: 0)
    let waits = Waits()
    let client = Task { [policy] in
      try await WebSocketPair.reconnecting(policy: policy, clock: clock) { attempt in
        if attempt < 2 { throw WebSocketClientError.timedOut(.connecting, limit: .seconds(10)) }
        return pair.client
      } willWait: { _, delay in
        waits.append(delay)
      } _: { socket in
        try await socket.send("back")
        for try await message in socket.messages { return message.text }
        return nil
      }
    }
    let first = await clock.advanceToNextSleeper()
    let second = await clock.advanceToNextSleeper()
    #expect(second > first)
    #expect(waits.all == [first, second])
    var messages = pair.server.messages.makeAsyncIterator()
    #expect(try await messages.next() == "back")
    try await pair.server.send("welcome")
    #expect(try await client.value == "welcome")
    await pair.end()
  }

  private final class Waits: Sendable {
    private let waits = Mutex<[Duration]>([])
    var all: [Duration] { waits.withLock { $0 } }
    func append(_ wait: Duration) { waits.withLock { $0.append(wait) } }
  }

  @Test("Tasks sleep by the clock, in their order, and can be cancelled")
  func sleeping() async throws {
    let clock = VirtualClock()
    let first = Task { try await clock.sleep(for: .seconds(5)) }
    #expect(await clock.advanceToNextSleeper() == .seconds(5))
    try await first.value
    let cancelled = Task { try await clock.sleep(for: .seconds(1000)) }
    cancelled.cancel()
    await #expect(throws: CancellationError.self) { try await cancelled.value }
    #expect(clock.now.offset == .seconds(5))
  }
}
#endif
