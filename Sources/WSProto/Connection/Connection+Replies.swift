// SPDX-License-Identifier: Apache-2.0

/// The payloads of the replies that wait: of one pong and of one Close, each at most 125 bytes.
///
/// There is none where nothing is answered automatically, so that such connections don't pay for it.
final class Replies {
  let kinds: AutomaticReplies
  /// Of the newest ping. Kept for the next one, so that answering allocates nothing; ``Connection/pongWaits`` tells
  /// whether it waits.
  fileprivate var pong: [UInt8] = []
  /// `nil`: no Close waits.
  fileprivate var close: [UInt8]?

  /// `nil` if a connection answers nothing by itself.
  init?(_ kinds: AutomaticReplies) {
    if kinds.isDisjoint(with: [.pongs, .closes]) { return nil }
    self.kinds = kinds
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
    try sendReplies(.max) { (frame) throws(LocalProtocolError) in frame.write(into: &output) }
  }

  public func sendReplies(into output: inout OutputRawSpan) throws(LocalProtocolError) {
    let free = output.freeCapacity
    try checkRoom(waitingReplyBytes, free)
    try sendReplies(free) { (frame) throws(LocalProtocolError) in try frame.write(into: &output) }
  }

  private func sendReplies(
    _ free: Int,
    _ write: (OutboundFrame) throws(LocalProtocolError) -> Void
  ) throws(LocalProtocolError) {
    guard let close = waitingClose else {
      return try alone { () throws(LocalProtocolError) in
        guard pongWaits else { return }
        try withPong { (pong) throws(LocalProtocolError) in
          try checkRoom(pong.count, free)
          try write(pong)
        }
      }
    }
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
      try sending(free, make, write)
    }
    try machine.apply(.sendClose)
  }

  /// Writes the pong that waits, and the next frame: both, or neither.
  @inline(never)
  func sendBehindPong(
    _ free: Int,
    _ make: (inout OutboundPipeline) throws(LocalProtocolError) -> OutboundFrame,
    _ write: (OutboundFrame) throws(LocalProtocolError) -> Void
  ) throws(LocalProtocolError) {
    try withPong { (pong) throws(LocalProtocolError) in
      let frame = try make(&outbound)
      try checkRoom(pong.count + frame.count, free)
      try write(pong)
      try write(frame)
    }
  }

  /// Makes a frame of the pong that waits. If `body` throws, the pong waits on; if an extension refuses it, it does not.
  private func withPong(_ body: (OutboundFrame) throws(LocalProtocolError) -> Void) throws(LocalProtocolError)
  {
    pongWaits = false
    guard let payload = replies?.pong else { return }
    try payload.span.bytes.withUnsafeBytes { (bytes) throws(LocalProtocolError) in
      let pong = try outbound.control(.pong, bytes)
      do throws(LocalProtocolError) {
        if pong.payload.baseAddress == bytes.baseAddress { return try body(pong) }
        // What an extension has made of it lies where the next frame will.
        let made = [UInt8](pong.payload)
        try made.span.bytes.withUnsafeBytes { (copy) throws(LocalProtocolError) in
          try body(OutboundFrame(header: pong.header, payload: copy))
        }
      } catch {
        pongWaits = true
        throw error
      }
    }
  }
}
