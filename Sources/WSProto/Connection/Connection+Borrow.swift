// SPDX-License-Identifier: Apache-2.0

// Received bytes → borrowed events.
extension Connection {
  /// Takes bytes from the transport and hands each event to `body` at once, from where its bytes are: no copy of
  /// payloads inside the chunk, no allocation in steady state. The bytes are unmasked in place.
  ///
  /// `body` may send on this connection; it must not receive on it. If `body` throws, the bytes behind its event are
  /// kept for the next call. Bytes that come after a Close, a failure or the end of the connection are ignored.
  public func receive<Failure: Error>(
    _ data: inout MutableRawSpan,
    _ body: (borrowing BorrowedEvent) throws(Failure) -> Void
  ) throws(Failure) {
    try data.withUnsafeMutableBytes { (chunk) throws(Failure) in try receive(chunk, body) }
  }

  /// Takes the first `count` bytes of `buffer`, as a read from a socket has left them; see `receive(_:_:)`.
  public func receive<Failure: Error>(
    _ buffer: inout [UInt8],
    count: Int,
    _ body: (borrowing BorrowedEvent) throws(Failure) -> Void
  ) throws(Failure) {
    var span = buffer.mutableSpan
    try span.withUnsafeMutableBytes { (chunk) throws(Failure) in
      try receive(UnsafeMutableRawBufferPointer(rebasing: chunk.prefix(count)), body)
    }
  }

  /// Takes the bytes of `chunk`; see `receive(_:_:)`.
  public func receive<Failure: Error>(
    _ chunk: UnsafeMutableRawBufferPointer,
    _ body: (borrowing BorrowedEvent) throws(Failure) -> Void
  ) throws(Failure) {
    let state = machine.state
    guard state == .open || state == .localClosing else { return }
    beginReceiving()
    defer { endReceiving() }
    if !buffer.isEmpty {
      // Bytes of the handshake's packet, of an earlier `body` that threw, or a message that lies in the buffer: goes
      // on there.
      buffer.append(UnsafeRawBufferPointer(chunk), expected: inbound.expectedBytes)
      return try drainWindow(body)
    }
    guard let base = chunk.baseAddress, !chunk.isEmpty else {
      // A failure that waits behind an event whose `body` threw needs no bytes.
      guard let failed = inbound.takeFailure() else { return }
      fail(failed)
      return try body(.closeConnection(failed.code, reason: failed.message.utf8Span))
    }
    var position = 0
    do throws(Failure) {
      try drain(base, &position, chunk.count, keeps: false, body)
    } catch {
      buffer.append(UnsafeRawBufferPointer(rebasing: chunk.dropFirst(position)))
      throw error
    }
  }

  /// Lets `read` write up to `count` bytes from the transport into the connection's own buffer, and hands each event to
  /// `body`: not a single copy, even of messages that come in many reads.
  ///
  /// - Parameters:
  ///   - count: the most bytes to read, and the room that `read` gets. The buffer is kept between reads up to 16 384;
  ///     a larger one is kept only while reads fill it, and is otherwise allocated anew for each.
  ///   - read: writes into the memory that it is given, for this call only, and returns how many bytes it has written,
  ///     such as `recv(descriptor, $0.baseAddress, $0.count, 0)`.
  ///   - body: as for `receive(_:_:)`.
  /// - Returns: what `read` has returned.
  public func receive<Failure: Error>(
    upTo count: Int,
    reading read: (UnsafeMutableRawBufferPointer) throws(Failure) -> Int,
    _ body: (borrowing BorrowedEvent) throws(Failure) -> Void
  ) throws(Failure) -> Int {
    beginReceiving()
    defer { endReceiving() }
    let written = try buffer.append(upTo: count, expected: inbound.expectedBytes, read)
    let state = machine.state
    if state == .open || state == .localClosing {
      try drainWindow(body)
    } else {
      buffer.removeAll()
    }
    return written
  }

  /// Runs what lies in the buffer.
  func drainBuffer<Failure: Error>(
    _ body: (borrowing BorrowedEvent) throws(Failure) -> Void
  ) throws(Failure) {
    beginReceiving()
    defer { endReceiving() }
    try drainWindow(body)
  }

  @inline(__always)
  private func drainWindow<Failure: Error>(
    _ body: (borrowing BorrowedEvent) throws(Failure) -> Void
  ) throws(Failure) {
    guard !buffer.isEmpty, let base = buffer.base else { return }
    var position = buffer.head
    let end = buffer.tail
    defer {
      buffer.head = position
      buffer.releaseIfLarge()
    }
    try drain(base, &position, end, keeps: true, body)
  }

  /// Runs the window to its end, each event through `body`.
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
      // `body` may send, but not receive: the pipeline stays as it is while whole frames follow each other.
      if !inbound.busy {
        while let frame = inbound.wholeFrame(base, at: position, end) {
          position = frame.end
          let bytes = UnsafeRawBufferPointer(start: base + frame.start, count: frame.count)
          if frame.isText {
            // The pipeline has validated it.
            let text = UTF8Span(unchecked: bytes.bindMemory(to: UInt8.self).span)
            try body(.textMessage(text, frameFinished: true, messageFinished: true))
          } else {
            try body(.bytesMessage(bytes.bytes, frameFinished: true, messageFinished: true))
          }
        }
        if position == end { return inbound.trim() }
      }
      guard try drainStep(base, &position, end, keeps: keeps, body) else { return }
    }
  }

  /// The next event of any kind; false when the window is used up.
  @inline(never)
  private func drainStep<Failure: Error>(
    _ base: UnsafeMutableRawPointer,
    _ position: inout Int,
    _ end: Int,
    keeps: Bool,
    _ body: (borrowing BorrowedEvent) throws(Failure) -> Void
  ) throws(Failure) -> Bool {
    let part: InboundPart
    switch inbound.step(base, &position, end, keeps: keeps) {
    case .success(let found): part = found
    case .failure(let failed):
      fail(failed)
      position = end
      try body(.closeConnection(failed.code, reason: failed.message.utf8Span))
      return false
    }
    if part.kind == .needsMore {
      inbound.trim()
      return false
    }
    try inbound.withBytes(of: part, window: base) { (bytes) throws(Failure) in
      // Text and reasons: the pipeline has validated them.
      let text = UTF8Span(unchecked: bytes.bindMemory(to: UInt8.self).span)
      switch part.kind {
      case .needsMore: break
      case .binary:
        try body(
          .bytesMessage(bytes.bytes, frameFinished: part.frameFinished, messageFinished: part.messageFinished)
        )
      case .text:
        try body(
          .textMessage(text, frameFinished: part.frameFinished, messageFinished: part.messageFinished)
        )
      case .ping: try body(.ping(bytes.bytes))
      case .pong: try body(.pong(bytes.bytes))
      case .close:
        machine.receiveClose()
        try body(.closeConnection(part.code, reason: text))
      }
    }
    return true
  }
}

extension InboundPipeline {
  /// ``next(_:_:_:keeps:)`` with the failure as a value.
  @inline(__always)
  fileprivate mutating func step(
    _ base: UnsafeMutableRawPointer,
    _ position: inout Int,
    _ end: Int,
    keeps: Bool
  ) -> Result<InboundPart, ParseFailed> {
    do throws(ParseFailed) {
      return .success(try next(base, &position, end, keeps: keeps))
    } catch {
      return .failure(error)
    }
  }
}
