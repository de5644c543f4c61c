// SPDX-License-Identifier: Apache-2.0

#if NIO
public import NIOCore
import WSProto

// Sending: frames go into one buffer, which is written and flushed once per read loop or once per batch.
extension WebSocketChannelHandler {
  /// From this size in bytes on, a buffer is written to the channel before another frame is begun.
  private static let outputChunk = 64 << 10

  public func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
    do throws(LocalProtocolError) {
      switch Self.unwrapOutboundIn(data) {
      case .send(let message): try send(message, compress: true)
      case .sendUncompressed(let message): try send(message, compress: false)
      case .sendPrepared(let message): try send(message)
      case .ping:
        try ping { [weak self] result in
          guard case .success(let roundTrip) = result else { return }
          self?.tell(.roundTrip(roundTrip))
        }
      case .close(let close): try beginClose(close, cause: .local)
      }
    } catch {
      promise?.fail(error)
      return
    }
    guard let promise else { return }
    guard hasOutput else { return promise.succeed() }
    if let outputPromise { outputPromise.futureResult.cascade(to: promise) } else { outputPromise = promise }
  }

  public func flush(context: ChannelHandlerContext) { flush() }

  // MARK: Frames

  /// Appends a message or a part of one.
  func send(
    _ message: WebSocketMessage,
    isLast: Bool = true,
    compress: Bool
  ) throws(LocalProtocolError) {
    let count = message.bytes.readableBytes
    // What waits is counted by its payload: it may not hold much more memory than that.
    if isLast, count >= message.bytes.storageCapacity / 2,
      try sendsApart(message.kind, count, compress: compress)
    {
      outputPayload = message.bytes
      return
    }
    try append(atMost: connection.sizeBound(ofPayload: count)) { (room) throws(LocalProtocolError) in
      try message.bytes.withUnsafeReadableBytes { (bytes) throws(LocalProtocolError) in
        switch message.kind {
        case .binary:
          try connection.sendBytes(bytes.bytes, messageFinished: isLast, compress: compress, into: &room)
        case .text:
          // Valid UTF-8: a text message is made from a string, or was validated when it was received.
          let text = UTF8Span(unchecked: bytes.bindMemory(to: UInt8.self).span)
          try connection.sendText(text, messageFinished: isLast, compress: compress, into: &room)
        }
      }
    }
  }

  /// A payload of so many bytes goes out in a buffer of its own.
  private static let leastApart = 16 << 10

  /// Sends the header of a large message whose payload goes out as it is, in a buffer of its own: that saves the copy of a
  /// message, or a buffer of twice the size for payload and header.
  ///
  /// - Returns: whether `outputPayload` is to be set now.
  func sendsApart(
    _ kind: WebSocketMessage.Kind,
    _ count: Int,
    compress: Bool
  ) throws(LocalProtocolError) -> Bool {
    guard count >= Self.leastApart, !isWriting else { return false }
    if outputPayload != nil { writeOutput() }
    guard
      let header = try connection.sendHeader(
        kind == .text ? .text : .binary,
        payloadCount: count,
        compress: compress
      )
    else { return false }
    output.writeBytes(header)
    return true
  }

  /// Appends a prepared message.
  func send(_ message: PreparedMessage) throws(LocalProtocolError) {
    try append(atMost: connection.sizeBound(ofPayload: message.payload.count)) {
      (room) throws(LocalProtocolError) in try connection.send(message, into: &room)
    }
  }

  /// Appends a control frame.
  func send(_ event: Event) throws(LocalProtocolError) {
    try append(atMost: connection.sizeBound(of: event)) { (room) throws(LocalProtocolError) in
      try connection.send(event, into: &room)
    }
  }

  @inline(__always)
  func append(
    atMost bound: Int,
    _ write: (inout OutputRawSpan) throws(LocalProtocolError) -> Void
  ) throws(LocalProtocolError) {
    if outputPayload != nil { writeOutput() }
    // A large frame begins a buffer, rather than being moved with what stands before it.
    let needed = output.readableBytes + bound
    if output.readableBytes > 0, needed > Self.outputChunk, needed > output.storageCapacity { writeOutput() }
    if output.readableBytes == 0, bound < outputEstimate { output.reserveCapacity(outputEstimate) }
    try output.writeWithOutputRawSpan(minimumWritableBytes: bound, initializingWith: write)
  }

  // MARK: Pings

  /// Sends a ping.
  ///
  /// - Parameter completion: called with the round-trip time, or with the end of the connection if that comes before
  ///   the pong.
  func ping(_ completion: @escaping (Result<Duration, WebSocketClosed>) -> Void) throws(LocalProtocolError) {
    try send(.ping(Ping(payload: pings.nextPayload)))
    pings.sent(at: now, completion)
  }

  /// Answers a ping. While the transport isn't writable, only the latest ping is kept for an answer (RFC 6455 §5.5.3).
  func answerPing(_ ping: Ping) {
    guard context?.channel.isWritable == true else {
      latePong = ping
      return
    }
    // Fails after a Close, when no pong is sent.
    try? send(.pong(ping.response()))
  }

  /// Handles a pong.
  func receivedPong(_ payload: RawSpan) {
    let now = now
    if let roundTrip = deadlines.receivedPong(payload, at: now) {
      delegate?.roundTrip(roundTrip)
      tell(.roundTrip(roundTrip))
    }
    pings.answered(payload, at: now)
  }

  public func channelWritabilityChanged(context: ChannelHandlerContext) {
    if context.channel.isWritable {
      if let ping = latePong {
        latePong = nil
        try? send(.pong(ping.response()))
        flushOutput()
      }
      if receiver != nil, isPaused { resumeReading() }
    }
    context.fireChannelWritabilityChanged()
  }

  // MARK: The channel

  /// Writes and flushes the output; within a read loop, that waits for its end.
  func flushOutput() {
    guard !isReading, let context else { return }
    writeOutput()
    context.flush()
    endOutputIfClosed()
  }

  /// Whether something was sent and is not written yet.
  private var hasOutput: Bool { output.readableBytes > 0 }

  /// Writes what was sent.
  func writeOutput() {
    guard !isWriting, let context else { return }
    isWriting = true
    defer { isWriting = false }
    // What a handler sends while it is told of the channel's writability comes behind what is being written.
    while hasOutput {
      let frames = output
      let payload = outputPayload
      let promise = outputPromise
      output = ByteBuffer()
      outputPayload = nil
      outputPromise = nil
      outputEstimate = min(frames.readableBytes, Self.outputChunk)
      write(frames, payload == nil ? promise : nil, context)
      if let payload { write(payload, promise, context) }
    }
  }

  private func write(
    _ bytes: ByteBuffer,
    _ promise: EventLoopPromise<Void>?,
    _ context: ChannelHandlerContext
  ) {
    guard let delegate else { return context.write(Self.wrapOutboundOut(bytes), promise: promise) }
    var bytes = bytes
    // In pieces, so that progress with a long message can be seen.
    while let piece = bytes.readSlice(length: min(bytes.readableBytes, Self.outputChunk)),
      piece.readableBytes > 0
    {
      let count = piece.readableBytes
      let written = context.eventLoop.makePromise(of: Void.self)
      written.futureResult.assumeIsolated().whenComplete { _ in delegate.sent(count) }
      delegate.willWrite(count)
      context.write(Self.wrapOutboundOut(piece), promise: written)
    }
  }
}

/// The application's unanswered pings, the oldest first.
struct PingsUnderWay {
  private struct Sent {
    let number: UInt64
    let time: Duration
    let completion: (Result<Duration, WebSocketClosed>) -> Void
  }

  private var sent: [Sent] = []
  private var last: UInt64 = 0

  /// The payload of the next ping: its number in 8 bytes. Keepalive pings have 12 bytes.
  var nextPayload: Bytes {
    withUnsafeBytes(of: (last + 1).bigEndian) { Bytes(copying: $0) }
  }

  /// Records that the ping with `nextPayload` was sent.
  mutating func sent(at time: Duration, _ completion: @escaping (Result<Duration, WebSocketClosed>) -> Void) {
    last += 1
    sent.append(Sent(number: last, time: time, completion: completion))
  }

  /// Handles a pong, which answers all earlier pings, too (RFC 6455 §5.5.3).
  mutating func answered(_ payload: RawSpan, at time: Duration) {
    guard !sent.isEmpty, payload.byteCount == 8 else { return }
    let number = UInt64(bigEndian: payload.unsafeLoadUnaligned(as: UInt64.self))
    guard let index = sent.firstIndex(where: { $0.number == number }) else { return }
    let answered = sent[...index]
    sent.removeSubrange(...index)
    for ping in answered { ping.completion(.success(time - ping.time)) }
  }

  /// Fails all pings when the connection ends.
  mutating func end(_ closed: WebSocketClosed) {
    let lost = sent
    sent = []
    for ping in lost { ping.completion(.failure(closed)) }
  }
}
#endif
