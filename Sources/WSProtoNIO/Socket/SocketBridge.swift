// SPDX-License-Identifier: Apache-2.0

#if NIO
import NIOCore
import WSProto

/// Connects a ``WebSocket`` to its channel's handler. Lives on the event loop.
final class SocketBridge: WebSocketChannelDelegate {
  private let inbox: Inbox
  private let outbox: Outbox
  private let options: WebSocketOptions
  private let executor: EventLoopExecutor?
  /// Whether a read loop is running. The outbox is then drained at its end.
  private(set) var isInReadLoop = false
  /// Whether items were put in during the read loop.
  var hasItems = false
  /// `nil` once the connection has ended.
  private var handler: WebSocketChannelHandler?
  private var closed: WebSocketClosed?
  /// Whether the socket has begun to close.
  private var isClosing = false
  private var stallTimer: Scheduled<Void>?
  private var budget: MemoryBudget?
  /// The bytes that the outbox may hold beyond its watermark, taken from the budget.
  private var allowance = 0
  /// Counts what this connection carries.
  private let traffic: Traffic?
  private let isCompressing: Bool
  private let answers: AnswersBeforeClose
  /// Limits what the peer may send.
  private let rate: InboundRate?
  /// Called once, when the connection ends.
  var onEnd: (() -> Void)?

  init(
    inbox: Inbox,
    outbox: Outbox,
    options: WebSocketOptions,
    executor: EventLoopExecutor?,
    traffic: Traffic?,
    isCompressing: Bool
  ) {
    self.executor = executor
    self.inbox = inbox
    self.outbox = outbox
    self.options = options
    self.traffic = traffic
    self.isCompressing = isCompressing
    rate = options.rateLimit.map { InboundRate($0) }
    answers = AnswersBeforeClose(inbox, options.timeouts)
  }

  /// Creates the handler that reports to this bridge.
  func makeHandler(_ connection: Connection, budget: MemoryBudget?) -> WebSocketChannelHandler {
    let handler = WebSocketChannelHandler(
      connection,
      timeouts: options.timeouts,
      budget: budget,
      deliversParts: options.delivery != .wholeMessages,
      delegate: self
    )
    handler.observer = options.controlFrames
    self.handler = handler
    self.budget = budget
    return handler
  }

  // MARK: From the handler

  func received(_ messages: [MessagePart], isClosing: Bool, inReadLoop: Bool) -> Bool {
    if inReadLoop {
      isInReadLoop = true
      executor?.hold()
    }
    if let traffic { count(messages, traffic) }
    guard let handler else { return true }
    answers.delivered(at: handler.now)
    guard let rate else { return inbox.deliver(messages, isBounded: isClosing) }
    let legal = rate.take(messages, at: handler.now)
    let hasRoom = legal.isEmpty || inbox.deliver(Array(legal), isBounded: isClosing)
    guard legal.count < messages.count else { return hasRoom }
    // Further input is read only to reach the peer's Close, and is delivered to nobody.
    handler.close(CloseConnection(code: .policyViolation, reason: "too many messages"), cause: .rateLimit)
    return true
  }

  func endReadLoop() {
    guard isInReadLoop else { return }
    executor?.runAll()
    isInReadLoop = false
    if hasItems { encode(outbox.take()) }
    resolveCrossing()
  }

  func willClose() -> Bool {
    if isInReadLoop { executor?.runAll() }
    isInReadLoop = false
    if let handler, let eventLoop = handler.context?.eventLoop,
      answers.wait(on: eventLoop, at: handler.now, { self.sendPendingClose() })
    {
      encode(outbox.take())
      return false
    }
    encode(outbox.take(all: true))
    return true
  }

  /// Called when the closure has answered what came before the peer's Close, or when its time is over.
  private func sendPendingClose() {
    drain(all: true)
    guard let handler else { return }
    handler.sendPendingClose()
    handler.advance()
    handler.flushOutput()
  }

  func roundTrip(_ time: Duration) { traffic?.roundTrip(time) }

  func willWrite(_ count: Int) {
    outbox.willWrite(count)
    if isCompressing { traffic?.sums.compressibleWire += count }
  }

  func sent(_ count: Int) {
    outbox.sent(count)
    if allowance > 0, outbox.queuedBytes < options.sendWatermark { setAllowance(0) }
  }

  func ended(_ closed: WebSocketClosed) {
    self.closed = closed
    handler = nil
    stallTimer?.cancel()
    answers.end()
    setAllowance(0)
    outbox.close(closed)
    inbox.end(closed)
    onEnd.take()?()
    // If the end came within a read loop, tasks run after it.
    isInReadLoop = false
    executor?.release()
  }

  // MARK: From the socket

  /// Sends the items of the outbox that have room, in one flush.
  func drain(all: Bool = false) {
    let items = outbox.take(all: all)
    guard !items.isEmpty else { return }
    encode(items)
    handler?.flushOutput()
  }

  private func encode(_ items: [Outbox.Item]) {
    hasItems = false
    guard let handler else { return }
    if let traffic { count(items, traffic) }
    for item in items {
      // Fails only after a Close. Later senders get an error.
      switch item {
      case .message(let message, let compress): try? handler.send(message, compress: compress)
      case .prepared(let message): try? handler.send(message)
      case .part(let part, let compress):
        try? handler.send(part.message, isLast: part.isLast, compress: compress)
      }
    }
  }

  private func count(_ parts: [MessagePart], _ traffic: Traffic) {
    for part in parts {
      traffic.sums.messagesReceived += part.isLast ? 1 : 0
      traffic.sums.bytesReceived += part.message.bytes.readableBytes
    }
  }

  private func count(_ items: [Outbox.Item], _ traffic: Traffic) {
    var bytes = 0
    for item in items {
      traffic.sums.messagesSent += item.endsMessage ? 1 : 0
      bytes += item.payloadCount
    }
    traffic.sums.bytesSent += bytes
    if isCompressing { traffic.sums.compressiblePayload += bytes }
  }

  /// Continues reading when the inbox has room again.
  func resumeReading() { handler?.resumeReading() }

  // MARK: Waiting

  /// Called when a sender begins to wait.
  func senderWaits(on eventLoop: any EventLoop) {
    resolveCrossing()
    watchStall(on: eventLoop)
  }

  /// Resolves a deadlock in which a sender waits for the peer to read while the peer waits for this end to read: lets
  /// the sender continue, as far as there is memory.
  private func resolveCrossing() {
    let step = 256 << 10
    while let handler, handler.isPaused, outbox.lacksRoom, allowance < options.maxCrossingBytes,
      budget?.takeSpare(step) ?? true
    {
      allowance += step
      outbox.allow(allowance)
    }
  }

  private func setAllowance(_ bytes: Int) {
    guard bytes != allowance else { return }
    budget?.give(allowance - bytes)
    allowance = bytes
    outbox.allow(bytes)
  }

  /// While a sender waits: checks after a while whether anything was sent in between.
  private func watchStall(on eventLoop: any EventLoop) {
    guard let limit = options.slowConsumer.stallLimit, stallTimer == nil, handler != nil else { return }
    guard let before = outbox.stall else { return }
    stallTimer = eventLoop.assumeIsolated().scheduleTask(in: TimeAmount(clamped: limit)) {
      self.stallTimer = nil
      guard let now = self.outbox.stall else { return }
      // If nothing is in the transport, the sender waits for another sender's message in parts instead.
      if now.sent == before.sent, before.underWay > 0, now.underWay > 0 {
        self.handler?.drop(.slowConsumer(unsentBytes: now.unsent))
      } else {
        self.watchStall(on: eventLoop)
      }
    }
  }

  func drop(_ cause: WebSocketClosed.Cause) { handler?.drop(cause) }

  /// Sends a ping after the contents of the outbox.
  func ping(_ completion: @escaping (Result<Duration, any Error>) -> Void) {
    drain()
    guard let handler else { return completion(.failure(closed ?? .gone)) }
    do throws(LocalProtocolError) {
      try handler.ping { completion($0.mapError { $0 }) }
      handler.flushOutput()
    } catch {
      let closing = isClosing ? WebSocketClosed(code: .abnormalClosure, cause: .local) : handler.pendingEnd
      completion(.failure(closing ?? error))
    }
  }

  /// Sends an unsolicited pong (RFC 6455 §5.5.3) after the contents of the outbox.
  func pong(_ payload: Bytes) {
    drain()
    // Fails only after a Close.
    try? handler?.send(.pong(Pong(payload: payload)))
    handler?.flushOutput()
  }

  /// Closes the connection after the contents of the outbox. An incomplete message in parts is cut off.
  ///
  /// - Parameter completion: called at the end of the connection with the peer's Close.
  func close(
    _ close: CloseConnection,
    cause: WebSocketClosed.Cause,
    _ completion: @escaping (Result<CloseConnection?, LocalProtocolError>) -> Void
  ) {
    drain(all: true)
    guard let handler else { return completion(.success(closed?.peerClose)) }
    do throws(LocalProtocolError) {
      try handler.beginClose(close, cause: cause)
      isClosing = true
      outbox.close(WebSocketClosed(code: .abnormalClosure, cause: cause))
      handler.advance()
      handler.flushOutput()
    } catch {
      // If a Close was sent before, waits for its end.
      guard case .state = error.violation else { return completion(.failure(error)) }
    }
    handler.whenClosed { completion(.success($0)) }
  }
}

/// Checks what a peer sends against ``WebSocketOptions/rateLimit``.
private final class InboundRate {
  private var meter: RateMeter
  private var isExceeded = false
  /// The bytes so far of a message that comes in parts.
  private var unfinishedBytes = 0

  init(_ limit: RateLimit) { meter = RateMeter(limit) }

  /// Returns the messages before the first one that exceeds the limit; none after that.
  func take(_ parts: [MessagePart], at now: Duration) -> ArraySlice<MessagePart> {
    parts.prefix { part in
      guard !isExceeded else { return false }
      unfinishedBytes += part.message.bytes.readableBytes
      guard part.isLast else { return true }
      isExceeded = meter.receivedMessage(bytes: unfinishedBytes, at: now) > .zero
      unfinishedBytes = 0
      return !isExceeded
    }
  }
}

extension WebSocketClosed {
  /// The end of a connection whose channel is gone.
  fileprivate static var gone: WebSocketClosed {
    WebSocketClosed(code: .abnormalClosure, cause: .transport(nil))
  }
}
#endif
