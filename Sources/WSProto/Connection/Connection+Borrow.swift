// SPDX-License-Identifier: Apache-2.0

// Received bytes → borrowed events.
//
// The commonest read is one whole message and nothing else: of chat, of games, of requests and responses. The library
// finds, unmasks and validates it; its delivery is compiled into the caller's module, where `body` can be a part of it.
extension Connection {
  @inlinable
  public func receive<Failure: Error>(
    _ chunk: UnsafeMutableRawBufferPointer,
    _ body: (borrowing BorrowedEvent) throws(Failure) -> Void
  ) throws(Failure) {
    guard let base = chunk.baseAddress, let message = takeOnlyMessage(base, chunk.count) else {
      return try receiveAny(chunk, body)
    }
    defer { endReceiving() }
    try message.deliver(from: base, keeps: false, to: body)
  }

  @inlinable
  public func receive<Failure: Error>(
    upTo count: Int,
    reading read: (UnsafeMutableRawBufferPointer) throws(Failure) -> Int,
    _ body: (borrowing BorrowedEvent) throws(Failure) -> Void
  ) throws(Failure) -> Int {
    guard count > 0 else { return 0 }
    beginReceiving()
    guard let block = block(upTo: count) else {
      return try receiveIntoBuffer(upTo: count, reading: read, body)
    }
    let written: Int
    do throws(Failure) {
      written = try read(UnsafeMutableRawBufferPointer(start: block.room, count: count))
    } catch {
      endReceiving(into: block)
      throw error
    }
    precondition(written <= count, "more bytes were read than there was room for")
    guard let message = onlyMessage(block.room, written) else {
      try finish(block, written, body)
      return written
    }
    defer { endReceiving(into: block) }
    try message.deliver(from: block.room, keeps: true, to: body)
    return written
  }

  // MARK: One message

  /// The message that the chunk consists of, if it is one and nothing is waiting; a call has begun then. Otherwise `nil`,
  /// and nothing has changed.
  @usableFromInline
  func takeOnlyMessage(_ base: UnsafeMutableRawPointer, _ count: Int) -> WholeFrame? {
    guard !isReceiving, buffer.isEmpty, takesInput, let message = onlyMessage(base, count) else { return nil }
    buffer.settle()
    isReceiving = true
    return message
  }

  /// The message that [0, count) at `base` consists of, if it is one.
  @usableFromInline
  func onlyMessage(_ base: UnsafeMutableRawPointer, _ count: Int) -> WholeFrame? {
    guard inbound.isBetween, let message = inbound.wholeFrame(base, at: 0, count, alone: true) else {
      return nil
    }
    // An earlier message may have left its buffers behind, if `body` threw on it.
    inbound.settle()
    return message
  }

  /// A block of the thread's to read into; `nil` if there is none, or if the read must go into the buffer. A block that is
  /// read to its end, as most are, never becomes a part of the buffer.
  @usableFromInline
  func block(upTo count: Int) -> SpareStorage.Block? {
    buffer.hasNoStorage && takesInput ? SpareStorage.ofThread(upTo: count) : nil
  }

  /// Gives a block back of which nothing is needed any more, and ends the call.
  @usableFromInline
  func endReceiving(into block: SpareStorage.Block) {
    SpareStorage.keep(block)
    untaken = 0
    endReceiving()
  }

  // MARK: Everything else

  @usableFromInline
  func receiveAny<Failure: Error>(
    _ chunk: UnsafeMutableRawBufferPointer,
    _ body: (borrowing BorrowedEvent) throws(Failure) -> Void
  ) throws(Failure) {
    beginReceiving()
    defer { endReceiving() }
    if !buffer.isEmpty || inbound.hasMore || endOfStream {
      // The buffer has bytes from the handshake's packet, from an earlier `body` that threw, or of a message
      // that is being received: continue there.
      keep(UnsafeRawBufferPointer(chunk))
      return try drainBuffer(body)
    }
    guard takesInput, let base = chunk.baseAddress else { return }
    buffer.settle()
    var position = 0
    do throws(Failure) {
      try drain(base, &position, chunk.count, keeps: false, body)
    } catch {
      keep(UnsafeRawBufferPointer(rebasing: chunk.dropFirst(position)))
      throw error
    }
  }

  // Both are called after `beginReceiving`, and end the call.

  /// Processes a block, of which `written` bytes have been read, and ends the call. The buffer must be empty: a block that
  /// holds the beginning of a frame becomes its storage, any other is given back.
  @usableFromInline
  func finish<Failure: Error>(
    _ block: SpareStorage.Block,
    _ written: Int,
    _ body: (borrowing BorrowedEvent) throws(Failure) -> Void
  ) throws(Failure) {
    let base = block.base
    var position = block.room - base
    let end = position + max(0, written)
    var isDrained = false
    defer {
      if position == end || !takesInput {
        endReceiving(into: block)
      } else {
        buffer.adopt(block, unread: position..<end)
        // What stands behind an event has arrived since all events were last taken.
        untaken = isDrained ? 0 : buffer.count
        buffer.settle()
        endReceiving()
      }
    }
    try drain(base, &position, end, keeps: true, body)
    isDrained = true
  }

  @usableFromInline
  func receiveIntoBuffer<Failure: Error>(
    upTo count: Int,
    reading read: (UnsafeMutableRawBufferPointer) throws(Failure) -> Int,
    _ body: (borrowing BorrowedEvent) throws(Failure) -> Void
  ) throws(Failure) -> Int {
    defer { endReceiving() }
    let takes = takesInput
    let written: Int
    do throws(Failure) {
      written = try buffer.append(upTo: count, expected: inbound.expectedBytes, read)
    } catch {
      // The room was made for nothing.
      buffer.settle()
      throw error
    }
    // Bytes after the end are read, so that the transport is drained, and ignored.
    if !takes { buffer.dropLast(written) }
    try drainBuffer(body)
    return written
  }

  /// Processes the buffer, then the end of the stream if it is due.
  @inline(__always)
  private func drainBuffer<Failure: Error>(
    _ body: (borrowing BorrowedEvent) throws(Failure) -> Void
  ) throws(Failure) {
    var position = buffer.head
    do throws(Failure) {
      try drain(buffer.base ?? ReceiveBuffer.emptyWindow, &position, buffer.tail, keeps: true, body)
    } catch {
      buffer.head = position
      // Nothing is read behind a Close or a failure; else the rest waits for the next call.
      if inbound.isFinished { buffer.removeAll() } else { buffer.settle() }
      // What stands behind an event has arrived since all events were last taken.
      untaken = buffer.count
      throw error
    }
    buffer.head = position
    untaken = 0
    if takesInput { return buffer.settle() }
    buffer.removeAll()
    if takeEndOfStream() { try body(.closeConnection(.abnormalClosure, reason: "".utf8Span)) }
  }

  /// Processes the window to its end and passes each event to `body`.
  ///
  /// Bounds: [position, end) are writable bytes at `base`.
  @inline(__always)
  private func drain<Failure: Error>(
    _ base: UnsafeMutableRawPointer,
    _ position: inout Int,
    _ end: Int,
    keeps: Bool,
    _ body: (borrowing BorrowedEvent) throws(Failure) -> Void
  ) throws(Failure) {
    while true {
      // `body` may send, but not receive, so the pipeline doesn't change while whole frames follow each
      // other.
      if inbound.isBetween {
        while let frame = inbound.wholeFrame(base, at: position, end) {
          position = frame.end
          try frame.deliver(from: base, keeps: keeps, to: body)
        }
      }
      if position == end, !inbound.hasMore { return inbound.settle() }
      guard try drainStep(base, &position, end, keeps: keeps, body) else { return }
    }
  }

  /// The next event of any kind. Returns `false` when the window is used up.
  @inline(never)
  private func drainStep<Failure: Error>(
    _ base: UnsafeMutableRawPointer,
    _ position: inout Int,
    _ end: Int,
    keeps: Bool,
    _ body: (borrowing BorrowedEvent) throws(Failure) -> Void
  ) throws(Failure) -> Bool {
    let step = Result { () throws(ParseFailed) in try inbound.step(base, &position, end, keeps: keeps) }
    guard case .success(let found) = step else {
      guard case .failure(let error) = step else { return false }
      let failed = fail(error)
      inbound.settle()
      position = end
      try body(.closeConnection(failed.code, reason: failed.message.utf8Span))
      return false
    }
    guard let part = found else {
      inbound.settle()
      return false
    }
    let place = part.payload.place == .window && !keeps ? part.payload.offset : -1
    try inbound.withBytes(of: part, window: base) { (bytes) throws(Failure) in
      // Text and reasons: the pipeline has validated them.
      let text = UTF8Span(unchecked: bytes.bindMemory(to: UInt8.self).span)
      switch part.kind {
      case .binary:
        try body(
          .bytesMessage(
            BorrowedMessage(
              bytes.bytes,
              frameFinished: part.payload.frameFinished,
              messageFinished: part.messageFinished,
              place: place
            )
          )
        )
      case .text:
        try body(
          .textMessage(
            BorrowedMessage(
              text,
              frameFinished: part.payload.frameFinished,
              messageFinished: part.messageFinished,
              place: place
            )
          )
        )
      case .ping:
        if replies != nil { answer(ping: bytes) }
        try body(.ping(bytes.bytes))
      case .pong: try body(.pong(bytes.bytes))
      case .close:
        move(.receiveClose)
        if replies != nil { answer(close: part.code, reason: bytes) }
        try body(.closeConnection(part.code, reason: text))
      }
    }
    return true
  }
}

extension WholeFrame {
  /// Passes the message to `body`. `keeps`: the window keeps the bytes, so that the caller can't cut them from a chunk of
  /// its own.
  ///
  /// Bounds: the frame was found in the window at `base`.
  @inlinable @inline(__always)
  func deliver<Failure: Error>(
    from base: UnsafeMutableRawPointer,
    keeps: Bool,
    to body: (borrowing BorrowedEvent) throws(Failure) -> Void
  ) throws(Failure) {
    let bytes = UnsafeRawBufferPointer(start: base + start, count: count)
    let place = keeps ? -1 : start
    if isText {
      // The pipeline has validated it.
      let text = UTF8Span(unchecked: bytes.bindMemory(to: UInt8.self).span)
      try body(.textMessage(BorrowedMessage(text, frameFinished: true, messageFinished: true, place: place)))
    } else {
      try body(
        .bytesMessage(BorrowedMessage(bytes.bytes, frameFinished: true, messageFinished: true, place: place))
      )
    }
  }
}
