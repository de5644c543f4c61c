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

  @Test("An inbox stops the reads at its bound and lets them go on when half of it is taken")
  func inboxBound() async throws {
    let calls = Mutex(0)
    let inbox = Inbox(maxBytes: 1000) { calls.withLock { $0 += 1 } }
    let message = WebSocketMessage.binary(Array(repeating: 1, count: 400))
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
    let inbox = Inbox(maxBytes: 1000) {}
    let message = WebSocketMessage.binary(Array(repeating: 1, count: 600))
    _ = inbox.deliver(Array(repeating: message, count: 10), isBounded: true)
    inbox.end(WebSocketClosed(code: .normalClosure, cause: .local))
    var count = 0
    while try await inbox.next() != nil { count += 1 }
    #expect(count == 2)
  }

  @Test("Messages come before the end, which throws unless it is orderly")
  func inboxEnd() async throws {
    let inbox = Inbox(maxBytes: 1000) {}
    _ = inbox.deliver(["last"], isBounded: false)
    let closed = WebSocketClosed(code: 4000, cause: .peer)
    inbox.end(closed)
    #expect(try await inbox.next() == "last")
    await #expect(throws: closed) { try await inbox.next() }
    await #expect(throws: closed) { try await inbox.next() }
  }

  @Test("A task that waits for messages can be cancelled, and another one waits in its place")
  func inboxCancellation() async throws {
    let inbox = Inbox(maxBytes: 1000) {}
    let waiting = Task { try await inbox.next() }
    waiting.cancel()
    await #expect(throws: CancellationError.self) { try await waiting.value }
    async let next = inbox.next()
    _ = inbox.deliver(["one"], isBounded: false)
    #expect(try await next == "one")
  }

  @Test("One task at a time waits for messages: the second is told")
  func secondConsumer() async throws {
    let inbox = Inbox(maxBytes: 1000) {}
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
    let inbox = Inbox(maxBytes: 1000) {}
    let first = Task { try await inbox.next() }
    while !inbox.isWaitedFor { await Task.yield() }
    let second = Task {
      // Cancelled before it asks.
      while !Task.isCancelled { await Task.yield() }
      return try await inbox.next()
    }
    second.cancel()
    await #expect(throws: (any Error).self) { try await second.value }
    _ = inbox.deliver(["for the first"], isBounded: false)
    #expect(try await first.value == "for the first")
  }

  // MARK: The outbox

  private func outbox(_ policy: SlowConsumerPolicy, watermark: Int = 100) -> Outbox {
    var options = WebSocketOptions()
    options.slowConsumer = policy
    options.sendWatermark = watermark
    return Outbox(options: options, onItems: {}, onWait: {})
  }

  private func item(_ count: Int) -> Outbox.Item {
    .message(.binary(Array(repeating: 0, count: count)), compress: false)
  }

  @Test("Senders wait while the transport takes nothing, and go on in the order in which they came")
  func waiting() async throws {
    let outbox = outbox(.wait(atMost: nil))
    guard case .taken = outbox.offer(item(200)) else { throw TestFailure("a message alone is taken") }
    guard case .wait = outbox.offer(item(1)) else { throw TestFailure("beyond the watermark senders wait") }
    var waiting: [Task<Void, any Error>] = []
    for count in 1...3 {
      let item = item(count)
      waiting.append(Task { try await outbox.wait(item) })
      while outbox.waitingCount < count { await Task.yield() }
    }
    // The event loop takes what was there, and the transport takes that.
    #expect(outbox.takeAll().count == 1)
    outbox.willWrite(214)
    #expect(outbox.stall?.unsent == 214)
    outbox.sent(214)
    for task in waiting { try await task.value }
    #expect(outbox.takeAll().map { $0.byteCount - 14 } == [1, 2, 3])
    #expect(outbox.queuedBytes == 0)
  }

  @Test("A sender that waits and is cancelled has sent nothing; one that waits at the end is told of it")
  func waitingEnds() async throws {
    let outbox = outbox(.wait(atMost: nil))
    _ = outbox.offer(item(200))
    let item = item(1)
    let cancelled = Task { try await outbox.wait(item) }
    cancelled.cancel()
    await #expect(throws: CancellationError.self) { try await cancelled.value }
    let waiting = Task { try await outbox.wait(item) }
    while outbox.waitingCount < 1 { await Task.yield() }
    let closed = WebSocketClosed(code: .abnormalClosure, cause: .transport(nil))
    outbox.close(closed)
    await #expect(throws: closed) { try await waiting.value }
    guard case .closed(closed) = outbox.offer(item) else {
      throw TestFailure("nothing is taken after the end")
    }
    #expect(outbox.takeAll().count == 1)
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
}
#endif
