// SPDX-License-Identifier: Apache-2.0

#if NIO
import NIOCore
import WSProto

// Deadlines, and the end of the connection.
extension WebSocketChannelHandler {
  /// The event loop's time.
  var now: Duration {
    .nanoseconds(Int64(clamping: context?.eventLoop.now.uptimeNanoseconds ?? 0))
  }

  // MARK: Deadlines

  /// Does what is due. Called after everything that may have changed the connection's state, and when the timer fires.
  func advance() {
    guard let context, closed == nil || connection.state == .closed else { return }
    while let action = deadlines.advance(to: now, state: connection.state) {
      switch action {
      // If the transport isn't writable, an earlier ping is still waiting. This one counts as sent, so a lack of any
      // sign of life afterwards still counts as silence.
      case .sendPing(let ping): if context.channel.isWritable { try? send(.ping(ping)) }
      case .sendClose(let close, let cause): self.close(close, cause: .deadline(cause))
      case .dropTransport(let cause): return drop(.deadline(cause))
      }
    }
    schedule(context)
  }

  /// Schedules the only timer. Received bytes postpone the deadline; the timer checks it again when it fires.
  private func schedule(_ context: ChannelHandlerContext) {
    guard let next = deadlines.nextDeadline, context.channel.isActive else { return }
    if let timerDeadline {
      guard next < timerDeadline else { return }
      timer?.cancel()
    }
    timerDeadline = next
    let time = NIODeadline(clampedUptime: next)
    // Fails if the event loop is shutting down. Nothing is due then.
    timer = try? context.eventLoop.assumeIsolated().scheduleCallback(at: time, handler: Timer(handler: self))
  }

  private struct Timer: NIOScheduledCallbackHandler {
    let handler: WebSocketChannelHandler

    func handleScheduledCallback(eventLoop: some EventLoop) { handler.timerFired() }
  }

  private func timerFired() {
    timer = nil
    timerDeadline = nil
    // If this end isn't reading, the peer isn't to blame for the silence.
    if isHoldingReads { deadlines.receivedBytes(at: now) }
    advance()
    flushOutput()
  }

  // MARK: Closing

  /// Begins the closing handshake, if messages still flow.
  ///
  /// - Throws: `LocalProtocolError` if the Close is invalid, or if one was sent before.
  func beginClose(_ close: CloseConnection, cause: WebSocketClosed.Cause) throws(LocalProtocolError) {
    // The peer's Close or violation came first, and decides what is sent.
    if pendingEnd != nil { return sendPendingClose() }
    try send(.closeConnection(close))
    localCause = localCause ?? cause
    // Reading must continue to the peer's Close, whether or not anyone takes the messages before it.
    resumeReading()
  }

  /// Closes the connection for a reason of this end. The deadline of the closing handshake starts now.
  func close(_ close: CloseConnection, cause: WebSocketClosed.Cause) {
    guard closed == nil else { return }
    // Fails if a Close was sent before. The connection is ending then anyway.
    try? beginClose(close, cause: cause)
    advance()
    flushOutput()
  }

  /// - Parameter callback: called when the connection ends, with the peer's Close, or with `nil` if none came.
  func whenClosed(_ callback: @escaping (CloseConnection?) -> Void) {
    if let closed { return callback(closed.peerClose) }
    closeCallbacks.append(callback)
  }

  /// Ends the transport immediately.
  func drop(_ cause: WebSocketClosed.Cause) {
    localCause = localCause ?? cause
    context?.close(promise: nil)
  }

  /// Handles the peer's Close, its protocol violation, or the end of the transport.
  func receivedClose(_ code: CloseReason, _ reason: String) {
    let cause: WebSocketClosed.Cause
    if let localCause {
      cause = localCause
    } else if let failure = connection.failure {
      cause = .violation(failure)
    } else {
      cause = code == .abnormalClosure ? .transport(transportError) : .peer
    }
    let end = WebSocketClosed(code: code, reason: reason, cause: cause)
    guard connection.state == .remoteClosing else { return finish(end) }
    pendingEnd = end
    dropInput()
    // What came before is answered before the Close (RFC 6455 §5.5.1).
    deliver()
    if delegate?.willClose() ?? true { sendPendingClose() }
  }

  /// Sends the Close that answers the peer's Close or violation, if it is still due, and ends the connection.
  func sendPendingClose() {
    guard let end = pendingEnd, closed == nil else { return }
    if connection.state == .remoteClosing {
      // Always legal in this state, with a code that the core has read or chosen.
      try? send(.closeConnection(CloseConnection(code: end.code, reason: end.reason).response()))
    }
    finish(end)
  }

  /// Drops the input that can't become a message any more, and frees its memory for other connections.
  private func dropInput() {
    assembly = nil
    held.drop()
  }

  /// Ends the connection, once. If the peer closed or failed before, that is how it ended.
  func finish(_ end: WebSocketClosed) {
    guard closed == nil else { return }
    let end = pendingEnd ?? end
    pendingEnd = nil
    // Deliver the messages that came before the end first.
    deliver()
    closed = end
    latePong = nil
    dropInput()
    // Reading must continue to the end of the transport.
    resumeReading()
    pings.end(end)
    let callbacks = closeCallbacks
    closeCallbacks = []
    for callback in callbacks { callback(end.peerClose) }
    delegate?.ended(end)
    tell(.closed(end))
  }

  /// Ends the transport from the server's side after everything that was sent (RFC 6455 §7.1.1). The client waits for
  /// that, up to a deadline.
  func endOutputIfClosed() {
    guard connection.state == .closed, connection.type == .server || hasInputEnded, !hasEndedOutput,
      let context
    else { return }
    hasEndedOutput = true
    let promise = context.eventLoop.makePromise(of: Void.self)
    // The transport can't be half-closed, or has ended already.
    promise.futureResult.assumeIsolated().whenFailure { _ in context.close(promise: nil) }
    context.close(mode: .output, promise: promise)
  }

  /// Fires an event to the later handlers, if the messages go to them.
  func tell(_ event: WebSocketEvent) {
    guard delegate == nil else { return }
    if let receiver { return receiver.received(event, on: self) }
    context?.fireUserInboundEventTriggered(event)
  }
}

extension WebSocketClosed {
  /// The peer's Close; `nil` if none came.
  var peerClose: CloseConnection? {
    if case .violation = cause { return nil }
    return code == .abnormalClosure ? nil : CloseConnection(code: code, reason: reason)
  }
}
#endif
