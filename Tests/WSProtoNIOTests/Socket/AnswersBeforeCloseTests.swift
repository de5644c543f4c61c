// SPDX-License-Identifier: Apache-2.0

#if NIO
import NIOConcurrencyHelpers
import NIOCore
import NIOEmbedded
import Testing
import WSProto
import WSProtoNIOTesting

@testable import WSProtoNIO

@Suite("Answers to what came before the peer's end", .timeLimit(.minutes(10)))
struct AnswersBeforeCloseTests {
  /// How a peer ends a connection.
  enum End: CaseIterable {
    case close
    case violation

    func bytes(_ bench: SocketBench) throws -> [UInt8] {
      switch self {
      case .close: Array(try bench.peer.send(CloseConnection(code: 4000, reason: "enough")))
      case .violation: bench.illegalFrame
      }
    }

    /// What this end's Close says.
    func isAnswered(by event: Event?) -> Bool {
      guard case .closeConnection(let close) = event else { return false }
      return close.code == (self == .close ? 4000 : .protocolError)
    }
  }

  private func texts(_ events: [Event]) -> [String] {
    events.compactMap { event in
      guard case .textMessage(let message) = event else { return nil }
      return message.data
    }
  }

  @Test(
    "go out before this end's Close, whatever thread they come from (RFC 6455 §5.5.1, §7.1.7)",
    arguments: [ConnectionType.server, .client],
    End.allCases
  )
  func answered(role: ConnectionType, end: End) async throws {
    let bench = try await SocketBench(role)
    let numbers = (0..<100).map { "\($0)" }
    try await bench.receive(try numbers.flatMap { try bench.peer.sendText($0) } + end.bytes(bench))
    // Begins only now.
    let echoing = Task { [socket = bench.socket] in try await echo(socket) }
    let events = try await bench.eventsToClose()
    #expect(texts(events) == numbers)
    #expect(events.count == 101 && end.isAnswered(by: events.last))
    await #expect(throws: WebSocketClosed.self) { try await echoing.value }
    await bench.end()
  }

  @Test(
    "are not waited for where nobody takes messages: the Close goes out in a moment",
    arguments: End.allCases
  )
  func notTaken(end: End) async throws {
    let bench = try await SocketBench(.server)
    try await bench.receive(try bench.peer.sendText("for nobody") + end.bytes(bench))
    let events = try await bench.eventsToClose()
    #expect(events.count == 1 && end.isAnswered(by: events.last))
    #expect(bench.socket.closed != nil)
    await bench.end()
  }

  @Test(
    "are not waited for where nothing has come lately, nor where the closure waits for more",
    arguments: End.allCases
  )
  func atOnce(end: End) async throws {
    let silent = try await SocketBench(.server)
    try await silent.receive(try end.bytes(silent))
    #expect(end.isAnswered(by: try await silent.sentEvents().first))

    let unread = try await SocketBench(.server)
    try await unread.receive(try unread.peer.sendText("long ago"))
    await unread.advance(by: .milliseconds(100))
    try await unread.receive(try end.bytes(unread))
    #expect(end.isAnswered(by: try await unread.sentEvents().first))

    // Has taken a message, and does something else since.
    let busy = try await SocketBench(.server)
    try await busy.receive(try busy.peer.sendText("long ago"))
    var messages = busy.socket.messages.makeAsyncIterator()
    #expect(try await messages.next() == "long ago")
    await busy.advance(by: .milliseconds(100))
    try await busy.receive(try end.bytes(busy))
    #expect(end.isAnswered(by: try await busy.sentEvents().first))
    for bench in [silent, unread, busy] { await bench.end() }
  }

  /// An inbox with messages that nobody has taken.
  private func inbox(_ count: Int) -> Inbox {
    let inbox = Inbox(WebSocketOptions()) {}
    let parts = (0..<count).map { MessagePart(message: .text("\($0)"), isLast: true) }
    _ = inbox.deliver(parts, isBounded: false)
    return inbox
  }

  /// A clock by which something is taken during each of the first waits; none of them takes time.
  private final class TakingClock: Clock {
    private let inbox: Inbox
    private let taking: Int
    private let waits = NIOLockedValueBox<[Duration]>([])
    let now = ContinuousClock.now
    let minimumResolution = Duration.nanoseconds(1)

    var waited: [Duration] { waits.withLockedValue { $0 } }

    init(_ inbox: Inbox, taking: Int) {
      self.inbox = inbox
      self.taking = taking
    }

    func sleep(until deadline: ContinuousClock.Instant, tolerance: Duration?) async throws {
      let number = waits.withLockedValue { waits in
        waits.append(now.duration(to: deadline))
        return waits.count
      }
      if number <= taking { _ = try await inbox.next() }
    }
  }

  @Test(
    "are waited for as long as messages are taken, up to half of the closing handshake's deadline",
    arguments: [(0, 1), (1, 2), (3, 4), (20, 5)]
  )
  func slowly(taking: Int, waits: Int) async throws {
    let loop = NIOAsyncTestingEventLoop()
    let inbox = inbox(40)
    let clock = TakingClock(inbox, taking: taking)
    let done = Counter()
    let answers = try await loop.executeInContext {
      let answers = AnswersBeforeClose(inbox, Timeouts(closing: .seconds(1)), clock: clock)
      answers.delivered(at: .zero)
      #expect(answers.wait(on: loop, at: .milliseconds(99)) { done.add(1) })
      // Once.
      #expect(!answers.wait(on: loop, at: .milliseconds(99)) { done.add(1) })
      return NIOLoopBound(answers, eventLoop: loop)
    }
    while done.count == 0 { await loop.run() }
    #expect(done.count == 1)
    #expect(clock.waited == Array(repeating: .milliseconds(100), count: waits))
    try await loop.executeInContext { answers.value.end() }
  }

  @Test("are there when the reader asks for more, and nothing is waited for beyond that, nor after an end")
  func takenAll() async throws {
    let clock = VirtualClock()
    let loop = NIOAsyncTestingEventLoop()
    for stops in [false, true] {
      let inbox = inbox(2)
      let done = Counter()
      let answers = try await loop.executeInContext {
        let answers = AnswersBeforeClose(inbox, Timeouts(), clock: clock)
        answers.delivered(at: .zero)
        #expect(answers.wait(on: loop, at: .zero) { done.add(1) })
        return NIOLoopBound(answers, eventLoop: loop)
      }
      // A server that shuts down tells the reader by the end of the messages.
      if stops { inbox.stop() }
      let reading = Task { while try await inbox.next() != nil {} }
      while done.count == 0 { await loop.run() }
      #expect(done.count == 1)
      try await loop.executeInContext { answers.value.end() }
      inbox.end(WebSocketClosed(code: .normalClosure, cause: .peer))
      try await reading.value
    }
  }

  @Test("don't change what this end's Close says: the peer's end came first", arguments: End.allCases)
  func ownClose(end: End) async throws {
    let bench = try await SocketBench(.client)
    try await bench.receive(try bench.peer.sendText("a") + end.bytes(bench))
    let answering = Task { [socket = bench.socket] in
      for try await message in socket.messages {
        try await socket.send(message)
        return try await socket.close(code: 4999)
      }
      return nil
    }
    let events = try await bench.eventsToClose()
    #expect(texts(events) == ["a"] && end.isAnswered(by: events.last))
    let said = try await answering.value
    #expect(said?.code == (end == .close ? 4000 : nil))
    await bench.end()
  }

  @Test(
    "are given up with the transport; the connection has ended as the peer wanted",
    arguments: End.allCases
  )
  func transportEnds(end: End) async throws {
    let bench = try await SocketBench(.server)
    try await bench.receive(try bench.peer.sendText("a") + end.bytes(bench))
    #expect(bench.socket.closed == nil)
    await bench.end()
    #expect(try await bench.sentEvents() == [])
    let closed = try #require(bench.socket.closed)
    switch (end, closed.cause) {
    case (.close, .peer), (.violation, .violation): break
    default: Issue.record("the cause is \(closed)")
    }
  }

  @Test(
    "go out though the closure has to begin yet, since it all came with the handshake",
    arguments: [true, false]
  )
  func withHandshake(runsOnEventLoop: Bool) async throws {
    var options = WebSocketServerOptions()
    options.socket.runsOnEventLoop = runsOnEventLoop
    try await withServer(options) { address, _ in
      try await TestClient.connect(to: address) { client in
        let request = Request(host: "localhost", target: "/")
        let peer = Connection(.client)
        let bytes =
          try Array(client.connection.send(request)) + peer.sendText("a") + [0x83, 0x80, 0, 0, 0, 0]
        try await client.write(bytes)
        guard case .acceptConnection = try await client.next() else { throw TestFailure("refused") }
        #expect(try await client.nextText() == "a")
        #expect(try await client.nextClose().code == .protocolError)
      }
    }
  }
}
#endif
