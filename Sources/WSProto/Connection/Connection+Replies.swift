// SPDX-License-Identifier: Apache-2.0

/// The payloads of the replies that wait: of one pong and of one Close, each at most 125 bytes.
///
/// There is none where nothing is answered automatically, so that such connections don't pay for it.
final class Replies {
  let kinds: AutomaticReplies
  /// Of the newest ping. Kept for the next one, so that answering allocates nothing; ``Connection/pongWaits``
  /// tells whether it waits.
  fileprivate var pong: [UInt8] = []
  /// `nil`: no Close waits.
  fileprivate var close: [UInt8]?

  private init(_ kinds: AutomaticReplies) { self.kinds = kinds }

  /// `nil` if a connection answers nothing by itself. No initializer: one that fails has allocated before.
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
    // At most 125 bytes: the header was checked.
    replies.pong.append(contentsOf: payload)
    pongWaits = true
  }

  /// The peer's Close was read, and the state has moved.
  func answer(close code: CloseReason, reason: UnsafeRawBufferPointer) {
    keepClose { () throws(LocalProtocolError) in
      // What may be received may be sent. The pipeline has validated the reason, and it has 123 bytes at most.
      try ClosePayload.make(code: code, reason: nil) + reason
    }
  }

  /// The peer has violated the protocol, and the state has moved.
  func answer(failure: ParseFailed) {
    keepClose { () throws(LocalProtocolError) in
      try ClosePayload.make(code: failure.code, reason: failure.message)
    }
  }

  private func keepClose(_ payload: () throws(LocalProtocolError) -> [UInt8]) {
    guard let replies, replies.kinds.contains(.closes), isCloseDue else { return }
    replies.close = try? payload()
  }

  /// Whether the peer's end was delivered and ours is to be told: a Close can be sent, and nothing else.
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

  /// What goes in front of anything that is sent.
  @inline(__always)
  var waitingPongBytes: Int {
    pongWaits ? outbound.controlBound(replies?.pong.count ?? 0) : 0
  }

  public func sendReplies(into output: inout [UInt8]) throws(LocalProtocolError) {
    if gate == .busy { throw Self.reentrance }
    if pongWaits, waitingClose != nil {
      return try sendBehindPong(.sendClose, &output) { (output) throws(LocalProtocolError) in
        try sendReplies(into: &output)
      }
    }
    try sendReply { (frame) throws(LocalProtocolError) in frame.write(into: &output) }
  }

  public func sendReplies(into output: inout OutputRawSpan) throws(LocalProtocolError) {
    if gate == .busy { throw Self.reentrance }
    let needed = waitingReplyBytes
    if pongWaits, waitingClose != nil {
      return try sendBehindPong(.sendClose, needed, &output) { (output) throws(LocalProtocolError) in
        try sendReplies(into: &output)
      }
    }
    try checkRoom(needed, output.freeCapacity)
    try sendReply { (frame) throws(LocalProtocolError) in try frame.write(into: &output) }
  }

  /// Sends the one reply that waits.
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
          // An extension will not let it through; the caller may try with another.
          self.replies?.close = nil
          throw error
        }
      }
      try sending(make, write)
    }
    try machine.apply(.sendClose)
  }

  /// Sends the pong that waits. If an extension refuses it, it does not wait any more.
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

  /// Sends behind the pong that waits: both, or neither, and the pong waits on then.
  ///
  /// - Parameter input: what sending is to the state; checked before extensions see the pong.
  @inline(never)
  func sendBehindPong(
    _ input: ConnectionStateMachine.Input,
    _ output: inout [UInt8],
    _ send: (inout [UInt8]) throws(LocalProtocolError) -> Void
  ) throws(LocalProtocolError) {
    try machine.check(input)
    if gate == .busy { throw Self.reentrance }
    let start = output.count
    try sendPong { (frame) throws(LocalProtocolError) in frame.write(into: &output) }
    do throws(LocalProtocolError) {
      try send(&output)
    } catch {
      output.removeSubrange(start...)
      pongWaits = true
      throw error
    }
  }

  /// The same to memory of the caller's, with room for `needed` bytes.
  @inline(never)
  func sendBehindPong(
    _ input: ConnectionStateMachine.Input,
    _ needed: Int,
    _ output: inout OutputRawSpan,
    _ send: (inout OutputRawSpan) throws(LocalProtocolError) -> Void
  ) throws(LocalProtocolError) {
    try machine.check(input)
    if gate == .busy { throw Self.reentrance }
    try checkRoom(needed, output.freeCapacity)
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
