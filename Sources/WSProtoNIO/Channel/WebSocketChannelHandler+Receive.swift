// SPDX-License-Identifier: Apache-2.0

#if NIO
public import NIOCore
import WSProto

// Receiving: bytes become messages, which are handed on once a read loop.
extension WebSocketChannelHandler {
  public func read(context: ChannelHandlerContext) {
    if isPaused { holdsRead = true } else { ask(context) }
  }

  private func ask(_ context: ChannelHandlerContext) {
    hasAskedForBytes = true
    if !isAwaitingBytes {
      isAwaitingBytes = true
      // Until now, silence was this end's own doing.
      deadlines.receivedBytes(at: now)
    }
    context.read()
  }

  /// The delegate has room again.
  func resumeReading() {
    isPaused = false
    runHeld()
    guard !isPaused, holdsRead else { return }
    holdsRead = false
    if let context { ask(context) }
  }

  /// Whether silence is this end's own doing: reads are held back, by the delegate or by a handler behind.
  ///
  /// A peer that dies meanwhile is found by the transport: pings go on, and what is sent to a dead peer is never
  /// acknowledged.
  var isHoldingReads: Bool { !isAwaitingBytes }

  /// Runs what the transport has read, up to a batch of messages.
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
        // A copy is nobody else's yet, so writing to its readable bytes changes nothing that is seen; what a server sends is
        // not masked, so that a client's core leaves it alone or fails at the header (RFC 6455 §5.1).
        try connection.receive(UnsafeMutableRawBufferPointer(mutating: window)) { (event) throws(BatchFull) in
          take(event, in: bytes)
          if isBatchFull { throw BatchFull() }
        }
      }
    } catch {
      // The core keeps the bytes behind the last message.
      held.isCoreHolding = true
      deliver()
    }
  }

  /// Gives the messages from index `first` on memory of their own, where they are little of the read that they share:
  /// the bytes of control frames, or of a message under way, would be held with them, and counted by nobody.
  private func unshare(from first: Int, _ bytes: ByteBuffer) {
    // Where a Close has come, they were handed on.
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
    case .handshake, .handshakeFailed: break  // Of WSConnection only.
    }
  }

  /// Takes a message or a part of one.
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
      assembly = MessageAssembly(kind, budget: budget)
    }
    guard assembly?.append(part) == true else {
      assembly = nil
      dropsMessages = true
      let limit = min(budget?.limit ?? .max, MessageAssembly.maxBytes)
      let close = CloseConnection(code: .tryAgainLater, reason: "no memory for this message now")
      return self.close(close, cause: .outOfMemory(limit: limit))
    }
    if isLast, let message = assembly.take()?.finish() {
      guard let receiver else { return append(MessagePart(message: message, isLast: true)) }
      message.bytes.withUnsafeReadableBytes { handOver(message.kind, $0.bytes, to: receiver) }
    }
  }

  private func append(_ part: MessagePart) {
    batch.append(part)
    if part.isLast { messageCount += 1 }
    held.batchBytes += part.cost
  }

  /// Hands on what this read loop has brought, then does what is due and flushes.
  func endReadLoop() {
    deliver()
    delegate?.endReadLoop()
    receiver?.readComplete(on: self)
    advance()
    // A deadline may have closed, and so have run what was held back.
    deliver()
    delegate?.endReadLoop()
    isReading = false
    flushOutput()
  }

  /// Hands on the messages so far.
  func deliver() {
    if receiver != nil { pauseWhileUnwritable() }
    guard !batch.isEmpty else { return }
    let messages = batch
    batch = []
    held.batchBytes = 0
    if let delegate {
      // While this end closes, it reads on for the peer's Close.
      let isClosing = localCause != nil
      isPaused = !delegate.received(messages, isClosing: isClosing, inReadLoop: isReading) && !isClosing
    } else if let context {
      for part in messages { context.fireChannelRead(Self.wrapInboundOut(part.message)) }
    }
  }
}
#endif
