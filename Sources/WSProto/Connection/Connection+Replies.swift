// SPDX-License-Identifier: Apache-2.0

/// The payloads of the waiting replies: one pong and one Close, each at most 125 bytes.
///
/// It exists only if something is answered automatically, so other connections don't pay for it.
final class Replies {
  let kinds: AutomaticReplies
  /// The payload of the newest ping. Its storage is reused for the next one, so that answering allocates
  /// nothing; ``Connection/pongWaits`` says whether a pong waits.
  fileprivate var pong: [UInt8] = []
  /// `nil` if no Close waits.
  fileprivate var close: [UInt8]?

  private init(_ kinds: AutomaticReplies) { self.kinds = kinds }

  /// `nil` if nothing is answered automatically. Not an initializer, because a failing one allocates first.
  static func make(_ kinds: AutomaticReplies) -> Replies? {
    kinds.isDisjoint(with: [.pongs, .closes]) ? nil : Replies(kinds)
  }
}

// What is received → replies that wait.
extension Connection {
  /// A ping was read, and its event is about to be delivered.
  @inline(never)
  func answer(ping payload: UnsafeRawBufferPointer) {
    guard let replies, replies.kinds.contains(.pongs),
      ConnectionStateMachine.next(machine.state, .sendPong) != nil
    else { return }
    replies.pong.removeAll(keepingCapacity: true)
    // At most 125 bytes, because the header was checked.
    replies.pong.append(contentsOf: payload)
    pongWaits = true
  }

  /// Called when the peer's Close has been read and the state has changed.
  func answer(close code: CloseReason, reason: UnsafeRawBufferPointer) {
    keepClose { () throws(LocalProtocolError) in
      // A Close that may be received may be sent. The pipeline has validated the reason, which has at most
      // 123 bytes.
      try ClosePayload.make(code: code, reason: nil) + reason
    }
  }

  /// Called when the peer has violated the protocol and the state has changed.
  func answer(failure: ParseFailed) {
    keepClose { () throws(LocalProtocolError) in
      try ClosePayload.make(code: failure.code, reason: failure.message)
    }
  }

  private func keepClose(_ payload: () throws(LocalProtocolError) -> [UInt8]) {
    guard let replies, replies.kinds.contains(.closes), isCloseDue else { return }
    replies.close = try? payload()
  }

  /// Whether the peer's end was delivered and only our Close is missing: nothing else can be sent.
  private var isCloseDue: Bool {
    ConnectionStateMachine.next(machine.state, .sendClose) != nil && machine.reading == .ignores
  }

  private var waitingClose: [UInt8]? { isCloseDue ? replies?.close : nil }
}

// Replies that wait → bytes to send.
extension Connection {
  public var waitingReplyBytes: Int {
    waitingPongBytes + (waitingClose.map { outbound.controlBound($0.count) } ?? 0)
  }

  /// The replies that precede anything that is sent.
  @inline(__always)
  var waitingPongBytes: Int {
    pongWaits ? outbound.controlBound(replies?.pong.count ?? 0) : 0
  }

  public func sendReplies(into output: inout [UInt8]) throws(LocalProtocolError) {
    try sendWaiting(into: &output)
  }

  public func sendReplies(into output: inout OutputRawSpan) throws(LocalProtocolError) {
    try sendWaiting(into: &output)
  }

  private func sendWaiting<Sink: FrameSink & ~Copyable & ~Escapable>(
    into output: inout Sink
  ) throws(LocalProtocolError) {
    if gate == .busy { throw Self.reentrance }
    if pongWaits, waitingClose != nil {
      return try sendBehindPong(.sendClose, waitingReplyBytes, &output) {
        (output) throws(LocalProtocolError) in
        try sendWaiting(into: &output)
      }
    }
    try checkRoom(in: output, waitingReplyBytes)
    try sendReply { (frame) throws(LocalProtocolError) in try frame.write(into: &output) }
  }

  /// Sends the only waiting reply.
  private func sendReply(
    _ write: (OutboundFrame) throws(LocalProtocolError) -> Void
  ) throws(LocalProtocolError) {
    if pongWaits { return try sendPong(write) }
    guard let close = waitingClose else { return }
    try close.span.bytes.withUnsafeBytes { (payload) throws(LocalProtocolError) in
      let make = { (outbound: inout OutboundPipeline) throws(LocalProtocolError) -> OutboundFrame in
        do throws(LocalProtocolError) {
          return try outbound.control(.close, payload)
        } catch {
          // An extension refuses it; the caller may try another one.
          self.replies?.close = nil
          throw error
        }
      }
      try sending(make, write)
    }
    // As with a Close of the caller's.
    machine.applyIfLegal(.sendClose)
  }

  /// Sends the waiting pong. If an extension refuses it, it is dropped.
  private func sendPong(
    _ write: (OutboundFrame) throws(LocalProtocolError) -> Void
  ) throws(LocalProtocolError) {
    guard let payload = replies?.pong else { return }
    try payload.span.bytes.withUnsafeBytes { (bytes) throws(LocalProtocolError) in
      let make = { (outbound: inout OutboundPipeline) throws(LocalProtocolError) -> OutboundFrame in
        // Before a hook can receive another ping.
        self.pongWaits = false
        return try outbound.control(.pong, bytes)
      }
      try sending(make) { (frame) throws(LocalProtocolError) in
        do throws(LocalProtocolError) {
          try write(frame)
        } catch {
          pongWaits = true
          throw error
        }
      }
    }
  }

  /// Sends after the waiting pong: either both are sent, or neither, and the pong keeps waiting.
  ///
  /// - Parameters:
  ///   - input: the state machine's input for what is sent; checked before extensions see the pong.
  ///   - needed: the bytes that both need room for.
  @inline(never)
  func sendBehindPong<Sink: FrameSink & ~Copyable & ~Escapable>(
    _ input: ConnectionStateMachine.Input,
    _ needed: @autoclosure () -> Int,
    _ output: inout Sink,
    _ send: (inout Sink) throws(LocalProtocolError) -> Void
  ) throws(LocalProtocolError) {
    try machine.check(input)
    if gate == .busy { throw Self.reentrance }
    try checkRoom(in: output, needed())
    let start = output.byteCount
    try sendPong { (frame) throws(LocalProtocolError) in try frame.write(into: &output) }
    do throws(LocalProtocolError) {
      try send(&output)
    } catch {
      output.removeLast(output.byteCount - start)
      pongWaits = true
      throw error
    }
  }
}
