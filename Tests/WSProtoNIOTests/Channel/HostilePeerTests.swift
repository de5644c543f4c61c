// SPDX-License-Identifier: Apache-2.0

#if NIO
import NIOCore
import NIOEmbedded
import Testing
import WSProto

@testable import WSProtoNIO

@Suite("The channel handler, where a peer, an option or a handler behind it is out of the ordinary")
struct HostilePeerTests {
  // MARK: Time

  @Test("takes any duration for its deadlines")
  func longDeadlines() throws {
    for duration in [Duration.seconds(Int64.max), .seconds(1 << 40), Duration(attoseconds: .max)] {
      var options = WebSocketOptions()
      options.timeouts = Timeouts(
        opening: duration,
        keepalive: Timeouts.Keepalive(pingInterval: duration, pongTimeout: duration),
        closing: duration,
        transportEnd: duration
      )
      let bench = try Bench(.server, options)
      try bench.channel.writeOutbound(WebSocketCommand.close(CloseConnection(code: 1000)))
      try bench.receive(bench.peer.send(CloseConnection(code: 1000)))
      #expect(bench.recorder.closed?.cause == .local)
    }
  }

  @Test("sends no further ping while the transport takes none, and finds a silent peer all the same")
  func pingsWithoutRoom() throws {
    var options = WebSocketOptions()
    options.timeouts.keepalive?.pongTimeout = .seconds(100)
    let bench = try Bench(.server, options)
    bench.channel.isWritable = false
    for _ in 0..<5 { bench.loop.advanceTime(by: .seconds(20)) }
    #expect(try bench.sentEvents() == [])
    bench.loop.advanceTime(by: .seconds(30))
    #expect(bench.recorder.closed?.cause == .deadline(.keepalive(limit: .seconds(100))))
  }

  @Test("doesn't take a peer for silent while a handler behind holds reads back, but does afterwards")
  func heldReads() throws {
    let bench = try Bench(.server)
    bench.channel.read()
    try bench.receive(bench.peer.sendText("enough"))
    for _ in 0..<10 { bench.loop.advanceTime(by: .seconds(20)) }
    #expect(bench.channel.isActive)
    // Pings go on: where the peer is gone, the transport fails.
    #expect(try bench.sentEvents().count == 10)
    bench.channel.read()
    bench.loop.advanceTime(by: .seconds(20))
    #expect(bench.channel.isActive)
    bench.loop.advanceTime(by: .seconds(30))
    #expect(!bench.channel.isActive)
    #expect(bench.recorder.closed?.cause == .deadline(.keepalive(limit: .seconds(20))))
  }

  // MARK: Promises

  @Test("fails the promise of what was written and not flushed when the channel ends")
  func unflushed() throws {
    let bench = try Bench(.server)
    let promise = bench.loop.makePromise(of: Void.self)
    let result = Outcome()
    promise.futureResult.assumeIsolated().whenComplete { result.value = $0 }
    bench.channel.write(WebSocketCommand.send("never flushed"), promise: promise)
    _ = try bench.channel.finish()
    #expect(throws: WebSocketClosed.self) { try result.value?.get() }
    #expect(result.value != nil)
  }

  private final class Outcome { var value: Result<Void, any Error>? }

  // MARK: Memory

  @Test("gives nothing of a message that it has refused for want of memory, nor of those behind it")
  func refusedMessage() throws {
    let budget = MemoryBudget(limit: 100)
    let bench = try Bench(.server, budget: budget)
    let first = try bench.peer.sendText(String(repeating: "x", count: 101), messageFinished: false)
    let rest = try bench.peer.sendText("the end", messageFinished: true)
    try bench.receive(first + rest + bench.peer.sendText("another"))
    #expect(bench.recorder.messages == [])
    guard case .closeConnection(let close) = try bench.sentEvents().first else {
      throw TestFailure("no Close was sent")
    }
    #expect(close.code == .tryAgainLater)
    #expect(budget.usedBytes == 0)
  }

  @Test("gives back the memory of a message that a Close has cut off, whether the transport ends or not")
  func cutOffMessage() throws {
    let budget = MemoryBudget(limit: 1000)
    for role in [ConnectionType.server, .client] {
      let bench = try Bench(role, budget: budget)
      try bench.receive(bench.peer.sendText(String(repeating: "x", count: 600), messageFinished: false))
      #expect(budget.usedBytes == 600)
      try bench.receive(bench.peer.send(CloseConnection(code: .normalClosure)))
      #expect(bench.recorder.closed?.code == .normalClosure)
      #expect(budget.usedBytes == 0)
      _ = try? bench.channel.finish()
    }
  }

  @Test(
    "holds no more for 1,000 peers, each a byte short of its limit, than they may have together",
    .threat(26)
  )
  func manyUnfinishedMessages() throws {
    var options = WebSocketOptions()
    options.maxMessageBytes = 4 << 10
    let budget = MemoryBudget(limit: 1 << 20)
    let part = [UInt8](repeating: 1, count: (4 << 10) - 1)
    var refused = 0
    var benches: [Bench] = []
    for _ in 0..<1000 {
      let bench = try Bench(.server, options, budget: budget)
      try bench.receive(bench.peer.sendBytes(part, messageFinished: false))
      #expect(budget.usedBytes <= budget.limit)
      if case .closeConnection(let close) = try bench.sentEvents().first {
        #expect(close.code == .tryAgainLater)
        refused += 1
      }
      benches.append(bench)
    }
    // 256 have room.
    #expect(refused == 744)
    for bench in benches { _ = try? bench.channel.finish() }
    #expect(budget.usedBytes == 0)
  }

  @Test(
    "lets messages that began long ago make room: peers that end none, or drip bytes, keep nobody out",
    .threat(26)
  )
  func endlessMessages() throws {
    var options = WebSocketOptions()
    options.maxMessageBytes = 4 << 10
    let budget = MemoryBudget(limit: 1 << 20, messageTime: .seconds(10))
    func held(_ byte: UInt8) throws -> Bench {
      let bench = try Bench(.server, options, budget: budget)
      try bench.receive(
        bench.peer.sendBytes([UInt8](repeating: byte, count: 4095 - 10), messageFinished: false)
      )
      return bench
    }
    let holders = try (0..<256).map { try held(UInt8(truncatingIfNeeded: $0)) }
    #expect(budget.usedBytes > budget.limit - 4096)
    let whole = [UInt8](repeating: 1, count: 4 << 10)

    /// Whether a peer that comes at `time` is served with a message in two parts.
    func isServed(at time: TimeAmount) throws -> Bool {
      let bench = try Bench(.server, options, budget: budget)
      bench.loop.advanceTime(by: time)
      try bench.receive(bench.peer.sendBytes(Array(whole[..<2048]), messageFinished: false))
      #expect(budget.usedBytes <= budget.limit)
      try bench.receive(bench.peer.sendBytes(Array(whole[2048...]), messageFinished: true))
      let events = try bench.sentEvents()
      defer { _ = try? bench.channel.finish() }
      if bench.recorder.messages.map(\.bytes.readableBytes) == [4096] { return events == [] }
      guard case .closeConnection(let close) = events.first else { return false }
      #expect(close.code == .tryAgainLater)
      return false
    }

    // What has begun lately keeps its memory.
    #expect(try !isServed(at: .milliseconds(9_999)))
    // The first one drips.
    holders[0].loop.advanceTime(by: .seconds(10))
    try holders[0].receive(holders[0].peer.sendBytes([7], messageFinished: false))
    for _ in 0..<3 { #expect(try isServed(at: .seconds(10))) }
    // The memory that was made free once does for all of them: those who came have gone.
    for (number, holder) in holders.enumerated() {
      holder.loop.run()
      let events = try holder.sentEvents()
      if number > 0 {
        #expect(events == [])
      } else {
        #expect(
          events == [
            .closeConnection(CloseConnection(code: .tryAgainLater, reason: "no memory for this message now"))
          ]
        )
        #expect(holder.recorder.messages == [])
      }
      _ = try? holder.channel.finish()
    }
    #expect(budget.usedBytes == 0)
  }

  @Test("makes no room where nothing would be won, and none of the message that needs it", .threat(26))
  func noRoom() throws {
    let budget = MemoryBudget(limit: 1000, messageTime: .seconds(1))
    let given = Counter()
    let old = budget.beginMessage(at: .zero) { _ in given.add(1) }
    let young = budget.beginMessage(at: .seconds(5)) { _ in given.add(1) }
    #expect(budget.take(300, for: old, at: .zero))
    #expect(budget.take(600, for: young, at: .seconds(5)))
    // Of the old one's 300 bytes and the 100 that are left, 401 can't be taken.
    #expect(!budget.take(401, for: young, at: .seconds(5.5)))
    #expect(!budget.take(101, for: old, at: .seconds(5.5)))
    #expect(given.count == 0 && budget.usedBytes == 900)
    #expect(budget.take(400, for: young, at: .seconds(5.5)))
    #expect(given.count == 1 && budget.usedBytes == 1000)
    // It has made room, and is none any more.
    #expect(!budget.take(0, for: old, at: .seconds(5.5)))
    budget.endMessage(old)
    #expect(budget.usedBytes == 1000)
    #expect(budget.take(1, at: .seconds(6)))
    #expect(given.count == 2 && budget.usedBytes == 1)
    budget.endMessage(young)
    budget.give(1)
    #expect(budget.usedBytes == 0)

    let patient = MemoryBudget(limit: 10, messageTime: nil)
    let held = patient.beginMessage(at: .zero) { _ in given.add(1) }
    #expect(patient.take(10, for: held, at: .zero))
    #expect(!patient.take(1, at: .seconds(1_000_000)))
  }

  @Test("takes messages of 2 GiB at most, which a buffer can hold, whatever the limit")
  func largestMessage() throws {
    var options = WebSocketOptions()
    options.maxMessageBytes = .max
    let bench = try Bench(.server, options)
    // 2 GiB + 1: refused by its header.
    try bench.receive([0x82, 0xff, 0, 0, 0, 0, 0x80, 0, 0, 1, 0, 0, 0, 0])
    guard case .closeConnection(let close) = try bench.sentEvents().first else {
      throw TestFailure("no Close was sent")
    }
    #expect(close.code == .messageTooBig)
  }

  @Test("gives a short message that came among many control frames without the memory of those")
  func shortAmongPongs() throws {
    let bench = try Bench(.server)
    var bytes = try bench.peer.sendText("x")
    for _ in 0..<500 { bytes += try bench.peer.send(Pong(payload: Bytes(Array(repeating: 7, count: 100)))) }
    try bench.receive(bytes)
    let message = try #require(bench.recorder.messages.first)
    #expect(message == "x")
    #expect(message.bytes.storageCapacity < 1024)
  }

  // MARK: Compression

  /// Messages of 300 KiB of zeros, each with a number in front, in a few hundred bytes each.
  private func burst(_ count: Int, from peer: Connection) throws -> [UInt8] {
    try (0..<count).flatMap { number in
      try peer.sendBytes([UInt8(number)] + Array(repeating: 0, count: 300 << 10))
    }
  }

  @Test(
    "makes no more of a compressed burst at once than its taker has room for, and loses none of it (RFC 7692)"
  )
  func compressedBurst() throws {
    let bench = try CompressedBench()
    let bytes = try burst(24, from: bench.peer)
    #expect(bytes.count < 64 << 10)
    // In two reads of one read loop.
    let pieces = [bytes[..<(bytes.count / 2)], bytes[(bytes.count / 2)...]]
    for piece in pieces { bench.channel.pipeline.fireChannelRead(ByteBuffer(bytes: piece)) }
    bench.channel.pipeline.fireChannelReadComplete()
    #expect(bench.taker.messages.count == 1)
    for count in 2...24 {
      bench.handler.resumeReading()
      #expect(bench.taker.messages.count == count)
    }
    let numbers = bench.taker.messages.map { $0.bytes.getInteger(at: $0.bytes.readerIndex, as: UInt8.self) }
    #expect(numbers == (0..<24).map { $0 })
    // What comes next comes as ever.
    bench.taker.hasRoom = true
    bench.handler.resumeReading()
    try bench.channel.writeInbound(ByteBuffer(bytes: bench.peer.sendBytes([99])))
    #expect(bench.taker.messages.count == 25)
    _ = try bench.channel.finish()
    #expect(bench.taker.closed?.cause == .transport(nil))
  }

  @Test("makes a few more messages of a compressed burst when the transport ends, and says that it has ended")
  func compressedBurstAtEnd() throws {
    let bench = try CompressedBench()
    let bytes = try burst(24, from: bench.peer) + bench.peer.send(CloseConnection(code: 1000))
    try bench.channel.writeInbound(ByteBuffer(bytes: bytes))
    _ = try bench.channel.finish()
    #expect(bench.taker.messages.count == 17)
    // Nobody takes it for the end of all messages.
    #expect(bench.taker.closed?.isOrderly == false)
  }

  @Test(
    "reads a compressed burst to the peer's Close where this end closes, though nobody takes the messages"
  )
  func compressedBurstWhileClosing() throws {
    let bench = try CompressedBench()
    let bytes = try burst(24, from: bench.peer) + bench.peer.send(CloseConnection(code: 4000))
    try bench.channel.writeInbound(ByteBuffer(bytes: bytes))
    #expect(bench.taker.closed == nil)
    bench.handler.close(CloseConnection(code: 1000), cause: .local)
    #expect(bench.taker.closed?.code == 4000)
    #expect(bench.taker.wasClosing)
  }
}

/// A handler of a server with compression, whose messages are taken by a delegate that has no room.
private final class CompressedBench {
  let channel = EmbeddedChannel()
  let taker = Taker()
  let peer: Connection
  let handler: WebSocketChannelHandler

  init() throws {
    var client = PerMessageDeflate()
    var server = PerMessageDeflate()
    let offer = try #require(client.offer())
    let answer = server.accept(ExtensionHeader(name: "permessage-deflate", parameters: offer))
    try client.finalize(ExtensionHeader(name: "permessage-deflate", parameters: #require(answer)))
    peer = Connection(.client, extensions: [client])
    handler = WebSocketChannelHandler(
      Connection(.server, extensions: [server], configuration: WebSocketOptions().configuration),
      timeouts: Timeouts(),
      budget: nil,
      deliversParts: false,
      delegate: taker
    )
    try channel.connect(to: SocketAddress(ipAddress: "127.0.0.1", port: 1)).wait()
    try channel.pipeline.syncOperations.addHandler(handler)
  }

  deinit { channel.end() }
}

private final class Taker: WebSocketChannelDelegate {
  var hasRoom = false
  var messages: [WebSocketMessage] = []
  var wasClosing = false
  var closed: WebSocketClosed?

  func received(_ messages: [MessagePart], isClosing: Bool, inReadLoop: Bool) -> Bool {
    self.messages += messages.map { $0.message }
    wasClosing = isClosing
    return hasRoom
  }

  func endReadLoop() {}
  func willClose() -> Bool { true }
  func roundTrip(_ time: Duration) {}
  func willWrite(_ count: Int) {}
  func sent(_ count: Int) {}
  func ended(_ closed: WebSocketClosed) { self.closed = closed }
}
#endif
