// SPDX-License-Identifier: Apache-2.0

// Received bytes → borrowed events.
extension Connection {
  public func receive<Failure: Error>(
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
    var position = 0
    do throws(Failure) {
      try drain(base, &position, chunk.count, keeps: false, body)
    } catch {
      keep(UnsafeRawBufferPointer(rebasing: chunk.dropFirst(position)))
      throw error
    }
  }

  public func receive<Failure: Error>(
    upTo count: Int,
    reading read: (UnsafeMutableRawBufferPointer) throws(Failure) -> Int,
    _ body: (borrowing BorrowedEvent) throws(Failure) -> Void
  ) throws(Failure) -> Int {
    guard count > 0 else { return 0 }
    beginReceiving()
    if buffer.hasNoStorage, takesInput, let block = SpareStorage.ofThread(upTo: count) {
      return try receive(into: block, upTo: count, reading: read, body)
    }
    return try receiveIntoBuffer(upTo: count, reading: read, body)
  }

  // Both are called after `beginReceiving`.

  /// Reads into a block of the thread's. One that is read to its end, as most are, never becomes a part of the buffer,
  /// which must be empty.
  @inline(never)
  private func receive<Failure: Error>(
    into block: SpareStorage.Block,
    upTo count: Int,
    reading read: (UnsafeMutableRawBufferPointer) throws(Failure) -> Int,
    _ body: (borrowing BorrowedEvent) throws(Failure) -> Void
  ) throws(Failure) -> Int {
    var position = block.start
    var end = block.start
    var isDrained = false
    defer {
      if position == end || !takesInput {
        SpareStorage.keep(block)
        untaken = 0
      } else {
        buffer.adopt(block, unread: position..<end)
        // What stands behind an event has arrived since all events were last taken.
        untaken = isDrained ? 0 : buffer.count
        buffer.settle()
      }
      endReceiving()
    }
    let written = try read(UnsafeMutableRawBufferPointer(start: block.base + block.start, count: count))
    precondition(written <= count, "more bytes were read than there was room for")
    end += max(0, written)
    try drain(block.base, &position, end, keeps: true, body)
    isDrained = true
    return written
  }

  @inline(never)
  private func receiveIntoBuffer<Failure: Error>(
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
          let bytes = UnsafeRawBufferPointer(start: base + frame.start, count: frame.count)
          let place = keeps ? -1 : frame.start
          if frame.isText {
            // The pipeline has validated it.
            let text = UTF8Span(unchecked: bytes.bindMemory(to: UInt8.self).span)
            try body(
              .textMessage(BorrowedMessage(text, frameFinished: true, messageFinished: true, place: place))
            )
          } else {
            try body(
              .bytesMessage(
                BorrowedMessage(bytes.bytes, frameFinished: true, messageFinished: true, place: place)
              )
            )
          }
        }
        if position == end { return inbound.settle() }
      }
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
