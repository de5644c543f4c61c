// SPDX-License-Identifier: Apache-2.0

#if NIO
import NIOCore
import WSProto

// The deadlines and the end of the connection.
extension WebSocketChannelHandler {
  /// The event loop's time.
  var now: Duration {
    .nanoseconds(Int64(clamping: context?.eventLoop.now.uptimeNanoseconds ?? 0))
  }

  // MARK: Deadlines

  /// Does what is due. After anything that may have moved the connection's state, and when the timer fires.
  func advance() {
    guard let context, closed == nil || connection.state == .closed else { return }
    while let action = deadlines.advance(to: now, state: connection.state) {
      switch action {
      // Where the transport takes nothing, an earlier ping waits already. This one counts as sent: no sign of life since is
      // silence all the same.
      case .sendPing(let ping): if context.channel.isWritable { try? send(.ping(ping)) }
      case .sendClose(let close, let cause): self.close(close, cause: .deadline(cause))
      case .dropTransport(let cause): return drop(.deadline(cause))
      }
    }
    schedule(context)
  }

  /// One timer: what is received puts the deadline off, and the timer asks again when it fires.
  private func schedule(_ context: ChannelHandlerContext) {
    guard let next = deadlines.nextDeadline, context.channel.isActive else { return }
    if let timerDeadline {
      guard next < timerDeadline else { return }
      timer?.cancel()
    }
    timerDeadline = next
    let time = NIODeadline(clampedUptime: next)
    // Fails where the event loop is shutting down: nothing is due then.
    timer = try? context.eventLoop.assumeIsolated().scheduleCallback(at: time, handler: Timer(handler: self))
  }

  private struct Timer: NIOScheduledCallbackHandler {
    let handler: WebSocketChannelHandler

    func handleScheduledCallback(eventLoop: some EventLoop) { handler.timerFired() }
  }

  private func timerFired() {
    timer = nil
    timerDeadline = nil
    // Bytes that this end doesn't read are no silence of the peer's.
    if isHoldingReads { deadlines.receivedBytes(at: now) }
    advance()
    flushOutput()
  }

  // MARK: Closing

  /// Begins the closing handshake, if messages still flow.
  ///
  /// - Throws: `LocalProtocolError` if the Close is not legal, or one was sent before.
  func beginClose(_ close: CloseConnection, cause: WebSocketClosed.Cause) throws(LocalProtocolError) {
    try send(.closeConnection(close))
    localCause = localCause ?? cause
    // The peer's Close is to be read, whoever takes what comes before it.
    resumeReading()
  }

  /// Closes for a reason of this end's own. The deadline of the closing handshake runs from now on.
  func close(_ close: CloseConnection, cause: WebSocketClosed.Cause) {
    guard closed == nil else { return }
    // Fails if a Close was sent before: the end is under way then.
    try? beginClose(close, cause: cause)
    advance()
    flushOutput()
  }

  /// - Parameter callback: called at the end of the connection, with what the peer's Close has said, or with `nil` if none
  ///   came.
  func whenClosed(_ callback: @escaping (CloseConnection?) -> Void) {
    if let closed { return callback(closed.peerClose) }
    closeCallbacks.append(callback)
  }

  /// Ends the transport without waiting for anything.
  func drop(_ cause: WebSocketClosed.Cause) {
    localCause = localCause ?? cause
    context?.close(promise: nil)
  }

  /// The peer's Close, its violation of the protocol, or the end of the transport.
  func receivedClose(_ code: CloseReason, _ reason: String) {
    let cause: WebSocketClosed.Cause
    if let localCause {
      cause = localCause
    } else if let failure = connection.failure {
      cause = .violation(failure)
    } else {
      cause = code == .abnormalClosure ? .transport(transportError) : .peer
    }
    // What came in the same read is answered before the Close, as far as that is a matter of this moment.
    if connection.state == .remoteClosing {
      deliver()
      delegate?.willClose()
    }
    if connection.state == .remoteClosing {
      // Legal in this state; the code is one that the core has read, or has chosen.
      try? send(.closeConnection(CloseConnection(code: code, reason: reason).response()))
    }
    finish(WebSocketClosed(code: code, reason: reason, cause: cause))
  }

  /// The end of the connection, once.
  func finish(_ end: WebSocketClosed) {
    guard closed == nil else { return }
    // Messages that came before it come first.
    deliver()
    closed = end
    latePong = nil
    held.drop()
    // The memory of a message that stays incomplete, which others can have.
    assembly = nil
    // The end of the transport is to be read.
    resumeReading()
    pings.end(end)
    let callbacks = closeCallbacks
    closeCallbacks = []
    for callback in callbacks { callback(end.peerClose) }
    delegate?.ended(end)
    tell(.closed(end))
  }

  /// The server ends the transport first (RFC 6455 §7.1.1), behind everything that was sent. The client waits for that,
  /// up to a deadline.
  func endOutputIfClosed() {
    guard connection.state == .closed, connection.type == .server, !hasEndedOutput, let context else {
      return
    }
    hasEndedOutput = true
    let promise = context.eventLoop.makePromise(of: Void.self)
    // A transport that has no direction of its own, or has ended already.
    promise.futureResult.assumeIsolated().whenFailure { _ in context.close(promise: nil) }
    context.close(mode: .output, promise: promise)
  }

  /// Tells the handlers behind, if they are there to be told.
  func tell(_ event: WebSocketEvent) {
    guard delegate == nil else { return }
    if let receiver { return receiver.received(event, on: self) }
    context?.fireUserInboundEventTriggered(event)
  }
}

extension WebSocketClosed {
  /// What the peer's Close has said; `nil` if none came.
  var peerClose: CloseConnection? {
    if case .violation = cause { return nil }
    return code == .abnormalClosure ? nil : CloseConnection(code: code, reason: reason)
  }
}
#endif
