// SPDX-License-Identifier: Apache-2.0

#if NIO
import NIOCore
import Synchronization
import Testing
import WSProto

@testable import WSProtoNIO

@Suite("What lies between a connection's event loop and its tasks", .timeLimit(.minutes(5)))
struct MailboxTests {
  // MARK: The inbox

  private func makeInbox(maxMessageBytes: Int = 1 << 20, onRoom: @escaping @Sendable () -> Void = {}) -> Inbox
  {
    var options = WebSocketOptions()
    options.maxUnreadBytes = 1000
    options.maxMessageBytes = maxMessageBytes
    return Inbox(options, onRoom: onRoom)
  }

  private func whole(_ message: WebSocketMessage) -> MessagePart {
    MessagePart(message: message, isLast: true)
  }

  private func part(_ text: String, isLast: Bool = false) -> MessagePart {
    MessagePart(message: .text(text), isLast: isLast)
  }

  @Test("An inbox stops the reads at its bound and lets them go on when half of it is taken")
  func inboxBound() async throws {
    let calls = Mutex(0)
    let inbox = makeInbox { calls.withLock { $0 += 1 } }
    let message = whole(.binary(Array(repeating: 1, count: 400)))
    #expect(inbox.deliver([message], isBounded: false))
    #expect(!inbox.deliver([message, message], isBounded: false))
    _ = try await inbox.next()
    #expect(calls.withLock { $0 } == 0)
    _ = try await inbox.next()
    #expect(calls.withLock { $0 } == 1)
    _ = try await inbox.next()
    #expect(calls.withLock { $0 } == 1)
  }

  @Test("An inbox of a closing connection drops what goes beyond its bound")
  func inboxClosing() async throws {
    let inbox = makeInbox()
    let message = whole(.binary(Array(repeating: 1, count: 600)))
    _ = inbox.deliver(Array(repeating: message, count: 10), isBounded: true)
    inbox.end(WebSocketClosed(code: .normalClosure, cause: .local))
    var count = 0
    while try await inbox.next() != nil { count += 1 }
    #expect(count == 2)
  }

  @Test("Messages come before the end, which throws unless it is orderly")
  func inboxEnd() async throws {
    let inbox = makeInbox()
    _ = inbox.deliver([whole("last")], isBounded: false)
    let closed = WebSocketClosed(code: 4000, cause: .peer)
    inbox.end(closed)
    #expect(try await inbox.next() == "last")
    await #expect(throws: closed) { try await inbox.next() }
    await #expect(throws: closed) { try await inbox.next() }
  }

  @Test("A task that waits for messages can be cancelled, and another one waits in its place")
  func inboxCancellation() async throws {
    let inbox = makeInbox()
    let waiting = Task { try await inbox.next() }
    waiting.cancel()
    await #expect(throws: CancellationError.self) { try await waiting.value }
    async let next = inbox.next()
    _ = inbox.deliver([whole("one")], isBounded: false)
    #expect(try await next == "one")
  }

  @Test("One task at a time waits for messages: the second is told")
  func secondConsumer() async throws {
    let inbox = makeInbox()
    // One of them waits until the end, whichever it is.
    let results = await withTaskGroup(of: Result<WebSocketMessage?, any Error>.self) { group in
      for _ in 0..<2 {
        group.addTask {
          do { return .success(try await inbox.next()) } catch { return .failure(error) }
        }
      }
      let first = await group.next()
      inbox.end(WebSocketClosed(code: .normalClosure, cause: .peer))
      let second = await group.next()
      return [first, second].compactMap { $0 }
    }
    #expect(throws: MessagesInUse()) { try results[0].get() }
    #expect(try results[1].get() == nil)
  }

  @Test("A cancelled task that finds another one waiting leaves it waiting")
  func cancelledSecondConsumer() async throws {
    let inbox = makeInbox()
    let first = Task { try await inbox.next() }
    while !inbox.reading.isWaiting { await Task.yield() }
    let second = Task {
      // Cancelled before it asks.
      while !Task.isCancelled { await Task.yield() }
      return try await inbox.next()
    }
    second.cancel()
    await #expect(throws: (any Error).self) { try await second.value }
    _ = inbox.deliver([whole("for the first")], isBounded: false)
    #expect(try await first.value == "for the first")
  }

  @Test("A reader that is always behind holds the messages that it has not taken, and no others")
  func taken() async throws {
    let inbox = makeInbox()
    var buffer = ByteBuffer(bytes: [1])
    _ = inbox.deliver([whole(.binary(buffer)), whole("further")], isBounded: false)
    for _ in 0..<10 {
      _ = inbox.deliver([whole("further")], isBounded: false)
      _ = try await inbox.next()
    }
    // Written in place, as nobody else has it.
    let before = buffer.withVeryUnsafeBytes { $0.baseAddress }
    buffer.setInteger(UInt8(2), at: 0)
    #expect(buffer.withVeryUnsafeBytes { $0.baseAddress } == before)
  }

  @Test("Parts come one by one; what is left of a message is passed over when the next one is asked for")
  func parts() async throws {
    let inbox = makeInbox()
    _ = inbox.deliver(
      [part("a"), part("b"), part("", isLast: true), part("c"), part("d", isLast: true), whole("e")],
      isBounded: false
    )
    let first = try #require(try await inbox.nextStream())
    #expect(first.kind == .text)
    #expect(try await inbox.nextPart(of: first.number) == ByteBuffer(string: "a"))
    #expect(try await inbox.nextPart(of: first.number) == ByteBuffer(string: "b"))
    #expect(try await inbox.nextPart(of: first.number) == nil)
    #expect(try await inbox.nextPart(of: first.number) == nil)
    let second = try #require(try await inbox.nextStream())
    #expect(try await inbox.nextPart(of: second.number) == ByteBuffer(string: "c"))
    let third = try #require(try await inbox.nextStream())
    await #expect(throws: MessagePassedOver()) { try await inbox.nextPart(of: second.number) }
    #expect(try await inbox.nextPart(of: third.number) == ByteBuffer(string: "e"))
    #expect(try await inbox.nextPart(of: third.number) == nil)
  }

  @Test("A message whose parts are not all there at the end throws, however orderly the end")
  func cutOff() async throws {
    let inbox = makeInbox()
    _ = inbox.deliver([part("a")], isBounded: false)
    let closed = WebSocketClosed(code: .normalClosure, cause: .peer)
    inbox.end(closed)
    let message = try #require(try await inbox.nextStream())
    #expect(try await inbox.nextPart(of: message.number) == ByteBuffer(string: "a"))
    await #expect(throws: closed) { try await inbox.nextPart(of: message.number) }
    #expect(try await inbox.nextStream() == nil)
  }

  @Test("Parts are put together for a reader of whole messages, up to the limit of those")
  func collecting() async throws {
    let inbox = makeInbox(maxMessageBytes: 4)
    _ = inbox.deliver([part("ab"), part("cd", isLast: true), part("ab"), part("cde")], isBounded: false)
    #expect(try await inbox.next() == "abcd")
    do {
      _ = try await inbox.next()
      Issue.record("a message beyond the limit")
    } catch let closed as WebSocketClosed {
      #expect(closed.code == .messageTooBig)
    }
  }

  @Test("Whole messages and parts can be taken in turn: a message that was begun is not lost")
  func inTurn() async throws {
    let inbox = makeInbox()
    _ = inbox.deliver([part("a")], isBounded: false)
    let waiting = Task { try await inbox.next() }
    while !inbox.reading.isWaiting { await Task.yield() }
    waiting.cancel()
    await #expect(throws: CancellationError.self) { try await waiting.value }
    _ = inbox.deliver([part("b", isLast: true)], isBounded: false)
    let message = try #require(try await inbox.nextStream())
    #expect(try await inbox.nextPart(of: message.number) == ByteBuffer(string: "a"))
    #expect(try await inbox.nextPart(of: message.number) == ByteBuffer(string: "b"))
    #expect(try await inbox.nextPart(of: message.number) == nil)
  }

  // MARK: The outbox

  private func outbox(
    _ policy: SlowConsumerPolicy,
    watermark: Int = 100,
    onWait: @escaping @Sendable () -> Void = {}
  ) -> Outbox {
    var options = WebSocketOptions()
    options.slowConsumer = policy
    options.sendWatermark = watermark
    return Outbox(options: options, onItems: {}, onWait: onWait)
  }

  /// What to call when somebody begins to wait, and what tells that it was called.
  private func waits() -> (@Sendable () -> Void, Begun) {
    let (stream, continuation) = AsyncStream<Void>.makeStream()
    return ({ continuation.yield() }, Begun(stream))
  }

  private final class Begun {
    private var iterator: AsyncStream<Void>.AsyncIterator
    init(_ stream: AsyncStream<Void>) { iterator = stream.makeAsyncIterator() }
    func next() async { await iterator.next() }
  }

  private func item(_ count: Int) -> Outbox.Item {
    .message(.binary(Array(repeating: 0, count: count)), compress: false)
  }

  @Test("Senders wait while the transport takes nothing, and go on in the order in which they came")
  func waiting() async throws {
    let (begins, begun) = waits()
    let outbox = outbox(.wait(atMost: nil), onWait: begins)
    guard case .taken = outbox.offer(item(200)) else { throw TestFailure("a message alone is taken") }
    guard case .wait = outbox.offer(item(1)) else { throw TestFailure("beyond the watermark senders wait") }
    var waiting: [Task<Void, any Error>] = []
    for count in 1...3 {
      let item = item(count)
      waiting.append(Task { try await outbox.wait(.message(item, key: nil)) })
      await begun.next()
    }
    // The event loop takes what was there, and the transport takes that.
    #expect(outbox.take().count == 1)
    outbox.willWrite(214)
    #expect(outbox.stall?.unsent == 214)
    outbox.sent(214)
    for task in waiting { try await task.value }
    #expect(outbox.take().map { $0.byteCount - 14 } == [1, 2, 3])
    #expect(outbox.queuedBytes == 48)
    outbox.willWrite(24)
    #expect(outbox.queuedBytes == 24)
    outbox.sent(24)
    #expect(outbox.queuedBytes == 0)
  }

  @Test("A sender that waits and is cancelled has sent nothing; one that waits at the end is told of it")
  func waitingEnds() async throws {
    let outbox = outbox(.wait(atMost: nil))
    _ = outbox.offer(item(200))
    let item = item(1)
    let cancelled = Task { try await outbox.wait(.message(item, key: nil)) }
    cancelled.cancel()
    await #expect(throws: CancellationError.self) { try await cancelled.value }
    let waiting = Task { try await outbox.wait(.message(item, key: nil)) }
    while outbox.stall == nil { await Task.yield() }
    let closed = WebSocketClosed(code: .abnormalClosure, cause: .transport(nil))
    outbox.close(closed)
    await #expect(throws: closed) { try await waiting.value }
    guard case .closed(closed) = outbox.offer(item) else {
      throw TestFailure("nothing is taken after the end")
    }
    #expect(outbox.take().isEmpty)
  }

  @Test(
    "Policies that don't wait take a message of any length where nothing waits, then drop it or the connection"
  )
  func dropping() throws {
    let newest = outbox(.dropNewest(unsentBytes: 100))
    guard case .taken = newest.offer(item(1000)) else { throw TestFailure("a message alone is taken") }
    guard case .dropped = newest.offer(item(1)) else { throw TestFailure("a further message is dropped") }
    #expect(newest.droppedCount == 1)
    let disconnect = outbox(.disconnect(unsentBytes: 100))
    guard case .taken = disconnect.offer(item(86)) else { throw TestFailure("a message alone is taken") }
    guard case .disconnect(100) = disconnect.offer(item(1)) else {
      throw TestFailure("the connection is dropped at the bound")
    }
  }

  /// What an outbox gives out now, in bytes of payload.
  private func takenSizes(_ outbox: Outbox) -> [Int] { outbox.take().map { $0.byteCount - 14 } }

  @Test(
    "Messages beyond what the transport takes wait where they can be dropped: the oldest goes, the newest stays"
  )
  func dropOldest() throws {
    let outbox = outbox(.dropOldest(unsentBytes: 300))
    _ = outbox.offer(item(150))
    #expect(takenSizes(outbox) == [150])
    outbox.willWrite(164)
    // The transport has enough: these wait, 164 + 64 + 65 bytes with what is under way, then more than 300.
    for count in 50...53 { _ = outbox.offer(item(count)) }
    #expect(takenSizes(outbox) == [])
    #expect(outbox.droppedCount == 1)
    _ = outbox.offer(item(1000))
    _ = outbox.offer(item(2000))
    // What has begun to go out is not dropped, and the newest is kept whatever its size.
    #expect(outbox.droppedCount == 5)
    outbox.sent(164)
    #expect(takenSizes(outbox) == [2000])
  }

  @Test("A message takes the place of one with the same key that waits, and stays in its place")
  func replacing() throws {
    let outbox = outbox(.wait(atMost: nil))
    _ = outbox.offer(item(200))
    _ = outbox.take()
    outbox.willWrite(214)
    _ = outbox.offer(item(1), replacing: "a")
    _ = outbox.offer(item(2), replacing: "b")
    guard case .taken = outbox.offer(item(3), replacing: "a") else { throw TestFailure("replaced at once") }
    #expect(outbox.droppedCount == 1)
    #expect(outbox.queuedBytes == 214 + 16 + 17)
    outbox.sent(214)
    #expect(takenSizes(outbox) == [3, 2])
    // It goes out: there is nothing to replace any more.
    _ = outbox.offer(item(4), replacing: "a")
    #expect(outbox.droppedCount == 1)
    #expect(takenSizes(outbox) == [4])
  }

  @Test("Messages with a key don't wait, up to 1 MiB of them, and keep no others waiting")
  func replaceableBound() throws {
    let outbox = outbox(.wait(atMost: nil))
    _ = outbox.offer(item(200))
    for index in 0..<4 {
      guard case .taken = outbox.offer(item(256 << 10), replacing: "\(index)") else {
        throw TestFailure("taken")
      }
    }
    guard case .wait = outbox.offer(item(1), replacing: "another") else { throw TestFailure("beyond 1 MiB") }
    guard case .taken = outbox.offer(item(2), replacing: "0") else { throw TestFailure("replaced") }
    guard case .wait = outbox.offer(item(1)) else { throw TestFailure("200 bytes are unsent") }
    #expect(outbox.take(all: true).count == 5)
    outbox.willWrite(10)
    guard case .taken = outbox.offer(item(1)) else { throw TestFailure("there is room") }
  }

  private func part(_ count: Int, isLast: Bool = false) -> Outbox.Item {
    let message = WebSocketMessage.binary(Array(repeating: 0, count: count))
    return .part(MessagePart(message: message, isLast: isLast), compress: false)
  }

  @Test(
    "A message in parts goes behind what was there, and nothing comes between its parts, under every policy"
  )
  func turn() async throws {
    for policy in [
      SlowConsumerPolicy.dropOldest(unsentBytes: 1000), .dropNewest(unsentBytes: 1000),
      .disconnect(unsentBytes: 1000),
    ] {
      let outbox = outbox(policy, watermark: 500)
      _ = outbox.offer(item(1))
      guard case .taken = outbox.offer(.firstPart(part(2))) else { throw TestFailure("it is its turn") }
      _ = outbox.offer(item(3))
      guard case .wait = outbox.offer(.firstPart(part(9))) else {
        throw TestFailure("another one has the turn")
      }
      _ = outbox.offer(item(4), replacing: "key")
      #expect(takenSizes(outbox) == [1, 2])
      #expect(takenSizes(outbox) == [])
      _ = outbox.offer(.part(part(5)))
      #expect(takenSizes(outbox) == [5])
      _ = outbox.offer(.part(part(0, isLast: true)))
      #expect(takenSizes(outbox) == [0, 3, 4])
    }
  }

  @Test("Senders wait for the end of a message in parts, another such message among them, in their order")
  func turns() async throws {
    let (begins, begun) = waits()
    let outbox = outbox(.wait(atMost: nil), onWait: begins)
    _ = outbox.offer(.firstPart(part(1)))
    let waits = [
      Outbox.Wait.message(item(2), key: nil), .firstPart(part(3)), .message(item(4), key: nil),
    ]
    var waiting: [Task<Void, any Error>] = []
    for wait in waits {
      waiting.append(Task { try await outbox.wait(wait) })
      await begun.next()
    }
    #expect(takenSizes(outbox) == [1])
    _ = outbox.offer(.part(part(0, isLast: true)))
    #expect(takenSizes(outbox) == [0])
    #expect(takenSizes(outbox) == [2, 3])
    _ = outbox.offer(.part(part(0, isLast: true)))
    #expect(takenSizes(outbox) == [0])
    #expect(takenSizes(outbox) == [4])
    for task in waiting { try await task.value }
  }

  @Test("A part that waits and is cancelled was not put in; the parts after it still have the turn")
  func cancelledPart() async throws {
    let (begins, begun) = waits()
    let outbox = outbox(.dropNewest, onWait: begins)
    _ = outbox.offer(.firstPart(part(200)))
    let part = part(1)
    let waiting = Task { try await outbox.wait(.part(part)) }
    await begun.next()
    waiting.cancel()
    await #expect(throws: CancellationError.self) { try await waiting.value }
    #expect(takenSizes(outbox) == [200])
  }
}
#endif
