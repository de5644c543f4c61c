// SPDX-License-Identifier: Apache-2.0

#if NIO
public import NIOCore
import WSProto

// Receiving: bytes become messages, which are delivered once per read loop.
extension WebSocketChannelHandler {
  public func read(context: ChannelHandlerContext) {
    if isPaused { holdsRead = true } else { ask(context) }
  }

  private func ask(_ context: ChannelHandlerContext) {
    hasAskedForBytes = true
    if !isAwaitingBytes {
      isAwaitingBytes = true
      // Until now, this end caused the silence.
      deadlines.receivedBytes(at: now)
    }
    context.read()
  }

  /// Continues reading once the delegate has room again.
  func resumeReading() {
    isPaused = false
    runHeld()
    releaseRead()
  }

  /// Asks for bytes, if that was held back. Not while the core is at work: a stream of HTTP/2 may deliver them at once.
  private func releaseRead() {
    guard !isPaused, holdsRead, !held.isReceiving, let context else { return }
    holdsRead = false
    ask(context)
  }

  /// Whether this end causes the silence, because the delegate or another handler holds reads back.
  ///
  /// If the peer dies meanwhile, the transport notices it: pings continue, and what is sent to a dead peer is never
  /// acknowledged.
  var isHoldingReads: Bool { !isAwaitingBytes }

  /// Processes what the transport has read, up to one batch of messages.
  func receive(_ read: ByteBuffer) {
    // A server's core unmasks in place, and NIO still has a hand on what it has read: writing there would copy all of it
    // first. So does what is nearly empty, as messages would hold all of its memory. A receiver gets nothing to hold.
    let isSparse = receiver == nil && read.readableBytes < read.storageCapacity / 4
    let bytes = connection.type == .server || isSparse ? read.exactCopy : read
    let first = batch.count
    defer { unshare(from: first, bytes) }
    do throws(BatchFull) {
      try bytes.withUnsafeReadableBytes { (window) throws(BatchFull) in
        held.isReceiving = true
        defer { held.isReceiving = false }
        // A copy isn't shared yet, so writing to its readable bytes has no visible effect. A server doesn't mask what
        // it sends, so a client's core leaves the bytes alone or fails at the frame header (RFC 6455 §5.1).
        try connection.receive(UnsafeMutableRawBufferPointer(mutating: window)) { (event) throws(BatchFull) in
          take(event, in: bytes)
          if isBatchFull { throw BatchFull() }
        }
      }
    } catch {
      // The core keeps the bytes after the last message.
      held.isCoreHolding = true
      deliver()
    }
  }

  /// Copies the messages from index `first` on if they are only a small part of the read whose memory they share.
  /// Otherwise they would keep the bytes of control frames and of incomplete messages alive, which no limit counts.
  private func unshare(from first: Int, _ bytes: ByteBuffer) {
    // After a Close, they have been delivered already.
    guard first < batch.count else { return }
    let count = batch[first...].reduce(0) { $0 + $1.message.bytes.readableBytes }
    guard count < bytes.storageCapacity / 4 else { return }
    for index in first..<batch.count {
      let message = batch[index].message
      batch[index] = MessagePart(
        message: WebSocketMessage(message.kind, unchecked: message.bytes.exactCopy),
        isLast: batch[index].isLast
      )
    }
  }

  func take(_ event: borrowing BorrowedEvent, in bytes: ByteBuffer) {
    // The connection may end while the core hands over a read; nothing follows the end.
    guard closed == nil else { return }
    switch event {
    case .textMessage(let message):
      take(
        .text,
        message.data.span.bytes,
        message.offset.map { bytes.readerIndex + $0 },
        isLast: message.messageFinished,
        in: bytes
      )
    case .bytesMessage(let message):
      take(
        .binary,
        message.data,
        message.offset.map { bytes.readerIndex + $0 },
        isLast: message.messageFinished,
        in: bytes
      )
    case .ping(let payload):
      observer?.observe(.ping(Bytes(copying: payload)), messageCount)
      answerPing(Ping(payload: Bytes(copying: payload)))
    case .pong(let payload):
      observer?.observe(.pong(Bytes(copying: payload)), messageCount)
      receivedPong(payload)
    case .closeConnection(let code, let reason): receivedClose(code, String(copying: reason))
    case .handshake, .handshakeFailed: break  // `WSConnection` only.
    }
  }

  /// Receives a message or a part of one.
  private func take(
    _ kind: WebSocketMessage.Kind,
    _ part: RawSpan,
    _ index: Int?,
    isLast: Bool,
    in bytes: ByteBuffer
  ) {
    guard !dropsMessages else { return }
    if assembly == nil {
      if isLast, let receiver { return handOver(kind, part, to: receiver) }
      if isLast || deliversParts {
        let slice = index.flatMap { bytes.getSlice(at: $0, length: part.byteCount) }
        let message = WebSocketMessage(kind, unchecked: slice ?? ByteBuffer(copying: part))
        return append(MessagePart(message: message, isLast: isLast))
      }
      assembly = MessageAssembly(kind, budget: budget, beginMessage())
    }
    guard assembly?.append(part, at: now) == true else { return refuseMessage() }
    if isLast, let message = assembly.take()?.finish() {
      guard let receiver else { return append(MessagePart(message: message, isLast: true)) }
      message.bytes.withUnsafeReadableBytes { handOver(message.kind, $0.bytes, to: receiver) }
    }
  }

  /// Registers a message with the budget.
  private func beginMessage() -> MessagesUnderWay.ID? {
    guard let budget, let eventLoop = context?.eventLoop else { return nil }
    let giveUp: @Sendable (MessagesUnderWay.ID) -> Void
    if let made = giveUpMessage {
      giveUp = made
    } else {
      // Made once per connection, and only where a message doesn't come whole. The budget must not keep the handler alive.
      let handler = NIOLoopBound(Weak(self), eventLoop: eventLoop)
      giveUp = { message in
        eventLoop.execute {
          guard let handler = handler.value.handler, handler.assembly?.id == message else { return }
          handler.refuseMessage()
        }
      }
      giveUpMessage = giveUp
    }
    return budget.beginMessage(at: now, giveUp: giveUp)
  }

  private struct Weak {
    weak var handler: WebSocketChannelHandler?

    init(_ handler: WebSocketChannelHandler) { self.handler = handler }
  }

  /// Closes the connection because there is no memory for the incomplete message.
  private func refuseMessage() {
    assembly = nil
    dropsMessages = true
    let limit = min(budget?.limit ?? .max, MessageAssembly.maxBytes)
    let close = CloseConnection(code: .tryAgainLater, reason: "no memory for this message now")
    self.close(close, cause: .outOfMemory(limit: limit))
  }

  private func append(_ part: MessagePart) {
    if batch.isEmpty { batch.reserveCapacity(batchEstimate) }
    batch.append(part)
    if part.isLast { messageCount += 1 }
    held.batchBytes += part.cost
  }

  /// Delivers what this read loop received, then does what is due and flushes.
  func endReadLoop() {
    deliver()
    delegate?.endReadLoop()
    receiver?.readComplete(on: self)
    advance()
    // If a deadline closed the connection, held input may have been processed.
    deliver()
    delegate?.endReadLoop()
    isReading = false
    flushOutput()
    releaseRead()
  }

  /// Delivers the messages so far.
  func deliver() {
    if receiver != nil { pauseWhileUnwritable() }
    guard !batch.isEmpty else { return }
    let messages = batch
    batch = []
    batchEstimate = messages.count
    held.batchBytes = 0
    if let delegate {
      // After this end has sent a Close, it continues reading to the peer's Close.
      let isClosing = localCause != nil
      isPaused = !delegate.received(messages, isClosing: isClosing, inReadLoop: isReading) && !isClosing
    } else if let context {
      for part in messages { context.fireChannelRead(Self.wrapInboundOut(part.message)) }
    }
  }
}
#endif
