// SPDX-License-Identifier: Apache-2.0

#if NIO
import NIOCore
import NIOEmbedded
import Testing
import WSProto

@testable import WSProtoNIO

@Suite("The channel handler")
struct WebSocketChannelHandlerTests {
  @Test(
    "a handler's answer to what comes in one read with the peer's Close goes out before this end's (RFC 6455 §5.5.1)",
    arguments: [ConnectionType.server, .client]
  )
  func lastMessage(role: ConnectionType) throws {
    for isLegal in [true, false] {
      let bench = try Bench(role, echoes: true)
      var bytes = try bench.peer.sendText("hi")
      // A reserved opcode.
      let wrong: [UInt8] = role == .server ? [0x83, 0x80, 0, 0, 0, 0] : [0x83, 0]
      bytes += isLegal ? try bench.peer.send(CloseConnection(code: .normalClosure)) : wrong
      try bench.receive(bytes)
      let events = try bench.sentEvents()
      #expect(events.first == .textMessage(TextMessage(data: "hi")))
      guard case .closeConnection(let close)? = events.last else {
        Issue.record("no Close")
        continue
      }
      #expect(close.code == (isLegal ? .normalClosure : .protocolError))
    }
  }

  @Test("gives whole messages, however the bytes are cut (RFC 6455 §5.4)", arguments: [1, 3, 7, 1000])
  func wholeMessages(size: Int) throws {
    let bench = try Bench(.server)
    let bytes = try bench.threeMessages()
    for start in stride(from: 0, to: bytes.count, by: size) {
      try bench.receive(Array(bytes[start..<min(start + size, bytes.count)]))
    }
    #expect(bench.recorder.messages == ["Grüße", .binary([1, 2, 3]), ""])
    #expect(try bench.sentEvents() == [.pong(Pong(payload: "between"))])
  }

  @Test("gives a client's messages from the read itself, and answers it masked (RFC 6455 §5.1)")
  func client() throws {
    let bench = try Bench(.client)
    try bench.receive(try bench.peer.sendText("news") + bench.peer.send(Ping(payload: "p")))
    #expect(bench.recorder.messages == ["news"])
    #expect(try bench.sentEvents() == [.pong(Pong(payload: "p"))])
  }

  @Test("writes once a read loop, behind what its messages have brought about")
  func oneWrite() throws {
    let bench = try Bench(.server, echoes: true)
    let bytes = try (0..<10).flatMap { try bench.peer.sendText("\($0)") } + bench.peer.send(Ping())
    try bench.receive(bytes)
    let first = try bench.channel.readOutbound(as: ByteBuffer.self)
    #expect(try bench.channel.readOutbound(as: ByteBuffer.self) == nil)
    try bench.peer.receiveData(#require(first).readableBytesView)
    #expect(bench.peer.events().map { $0 }.count == 11)
  }

  @Test("answers the peer's Close and ends the transport (RFC 6455 §5.5.1, §7.1.1)")
  func peerClose() throws {
    let bench = try Bench(.server)
    try bench.receive(bench.peer.send(CloseConnection(code: .goingAway, reason: "later")))
    #expect(try bench.sentEvents() == [.closeConnection(CloseConnection(code: .goingAway, reason: "later"))])
    let closed = try #require(bench.recorder.closed)
    #expect(closed == WebSocketClosed(code: .goingAway, reason: "later", cause: .peer))
    #expect(closed.isOrderly)
    #expect(!bench.channel.isActive)
  }

  @Test("closes with the code of a violation, and names the option that was exceeded (RFC 6455 §7.1.7)")
  func violation() throws {
    var options = WebSocketOptions()
    options.maxMessageBytes = 100
    let bench = try Bench(.server, options)
    try bench.receive(bench.peer.sendBytes(Array(repeating: 0, count: 101)))
    guard case .closeConnection(let close) = try bench.sentEvents().first else {
      throw TestFailure("no Close was sent")
    }
    #expect(close.code == .messageTooBig)
    let closed = try #require(bench.recorder.closed)
    #expect(closed.description.contains("WebSocketOptions.maxMessageBytes"))
    #expect(!closed.isOrderly)
  }

  @Test("answers a flood of pings with one pong while nothing can be written (RFC 6455 §5.5.3)")
  func pingFlood() throws {
    let bench = try Bench(.server)
    bench.channel.isWritable = false
    for number in 0..<1000 { try bench.receive(bench.peer.send(Ping(payload: Bytes("\(number)")))) }
    #expect(try bench.sentEvents() == [])
    bench.channel.isWritable = true
    bench.channel.pipeline.fireChannelWritabilityChanged()
    #expect(try bench.sentEvents() == [.pong(Pong(payload: "999"))])
  }

  @Test("pings, gives a silent peer up, and drops it (RFC 6455 §5.5.2)")
  func keepalive() throws {
    let bench = try Bench(.server)
    bench.loop.advanceTime(by: .seconds(20))
    guard case .ping = try bench.sentEvents().first else { throw TestFailure("no ping was sent") }
    bench.loop.advanceTime(by: .seconds(20))
    let close = try bench.sentEvents().compactMap { event in
      if case .closeConnection(let close) = event { close } else { nil }
    }
    #expect(close.first?.code == .internalError)
    #expect(bench.channel.isActive)
    bench.loop.advanceTime(by: .seconds(10))
    #expect(!bench.channel.isActive)
    #expect(bench.recorder.closed?.cause == .deadline(.keepalive(limit: .seconds(20))))
  }

  @Test("tells the round trips of its pings, and keeps a peer that answers")
  func roundTrip() throws {
    let bench = try Bench(.server)
    bench.loop.advanceTime(by: .seconds(20))
    guard case .ping(let ping) = try bench.sentEvents().first else { throw TestFailure("no ping was sent") }
    bench.loop.advanceTime(by: .seconds(1))
    try bench.receive(bench.peer.send(ping.response()))
    #expect(bench.recorder.roundTrips == [.seconds(1)])
    try bench.channel.writeOutbound(WebSocketCommand.ping)
    guard case .ping(let own) = try bench.sentEvents().first else { throw TestFailure("no ping was sent") }
    bench.loop.advanceTime(by: .seconds(2))
    try bench.receive(bench.peer.send(own.response()))
    #expect(bench.recorder.roundTrips == [.seconds(1), .seconds(2)])
    bench.loop.advanceTime(by: .seconds(17))
    #expect(bench.channel.isActive)
  }

  @Test("drops a peer that doesn't answer its Close in time (RFC 6455 §7.1.2)")
  func closingDeadline() throws {
    let bench = try Bench(.server)
    try bench.channel.writeOutbound(WebSocketCommand.close(CloseConnection(code: 4000)))
    // Bytes don't put it off.
    for _ in 0..<9 {
      bench.loop.advanceTime(by: .seconds(1))
      try bench.receive(bench.peer.sendText("still here"))
    }
    #expect(bench.channel.isActive)
    bench.loop.advanceTime(by: .seconds(1))
    #expect(!bench.channel.isActive)
    #expect(bench.recorder.closed == WebSocketClosed(code: .abnormalClosure, cause: .local))
  }

  @Test("ends with 1006 where the transport ends without a Close (RFC 6455 §7.1.5)")
  func abnormal() throws {
    let bench = try Bench(.server)
    try bench.receive(bench.peer.sendText("last"))
    _ = try bench.channel.finish()
    #expect(bench.recorder.messages == ["last"])
    #expect(bench.recorder.closed == WebSocketClosed(code: .abnormalClosure, cause: .transport(nil)))
  }

  @Test("fails the promise of what is not legal, and goes on")
  func illegalCommand() throws {
    let bench = try Bench(.server)
    #expect(throws: LocalProtocolError.self) {
      try bench.channel.writeOutbound(
        WebSocketCommand.close(CloseConnection(code: 1006, reason: "never sent"))
      )
      try bench.channel.writeOutbound(WebSocketCommand.close(CloseConnection(code: 999)))
    }
  }

  @Test("holds messages under way within the budget of all connections, each one byte short of its limit")
  func budget() throws {
    let budget = MemoryBudget(limit: 2500)
    let benches = try (0..<4).map { _ in try Bench(.server, budget: budget) }
    for bench in benches[..<2] {
      try bench.receive(bench.peer.sendBytes(Array(repeating: 7, count: 1000), messageFinished: false))
      #expect(try bench.sentEvents() == [])
    }
    #expect(budget.usedBytes == 2000)
    try benches[2].receive(
      benches[2].peer.sendBytes(Array(repeating: 7, count: 1000), messageFinished: false)
    )
    guard case .closeConnection(let close) = try benches[2].sentEvents().first else {
      throw TestFailure("no Close was sent")
    }
    #expect(close.code == .tryAgainLater)
    // Those that are complete, or gone, take nothing any more.
    try benches[0].receive(benches[0].peer.sendBytes([7]))
    #expect(benches[0].recorder.messages.first?.bytes.readableBytes == 1001)
    _ = try benches[1].channel.finish()
    #expect(budget.usedBytes == 0)
    try benches[3].receive(
      benches[3].peer.sendBytes(Array(repeating: 7, count: 1000), messageFinished: false)
    )
    #expect(try benches[3].sentEvents() == [])
  }
}
#endif
