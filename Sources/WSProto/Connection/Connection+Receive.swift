// SPDX-License-Identifier: Apache-2.0

// Received bytes → owned events.
extension Connection {
  /// Takes bytes from the transport: one copy. Call ``nextEvent()`` afterwards until it gives `nil`.
  ///
  /// Bytes that come after a Close or a failure of the peer are ignored (RFC 6455 §5.5.1).
  /// - Throws: `LocalProtocolError` if the connection is closed.
  public func receiveData(_ data: UnsafeRawBufferPointer) throws(LocalProtocolError) {
    // Ended by a Close whose event hasn't been taken yet, bytes are of no use either.
    guard try machine.receiveData(), !endOfStream else { return }
    receiving {
      if !inbound.isFinished { buffer.append(data, expected: inbound.expectedBytes) }
    }
  }

  /// Takes bytes from the transport; see ``receiveData(_:)-(UnsafeRawBufferPointer)``.
  public func receiveData(_ data: RawSpan) throws(LocalProtocolError) {
    try data.withUnsafeBytes { (bytes) throws(LocalProtocolError) in try receiveData(bytes) }
  }

  /// Takes bytes from the transport: an array, a slice of one, ``Bytes``, any contiguous collection without a copy in
  /// between; see ``receiveData(_:)-(UnsafeRawBufferPointer)``.
  @inlinable
  public func receiveData<S: Sequence>(_ data: S) throws(LocalProtocolError) where S.Element == UInt8 {
    try withBytes(of: data) { (bytes) throws(LocalProtocolError) in try receiveData(bytes) }
  }

  /// The transport has ended. Without a Close the events end with a ``CloseConnection`` of 1006 (RFC 6455 §7.1.5),
  /// after everything that came before.
  public func receiveEndOfStream() { endOfStream = true }

  /// The next event; `nil` when more bytes are needed. The state moves with the event.
  ///
  /// A violation of the protocol by the peer is a ``CloseConnection`` with the code to answer with.
  public func nextEvent() -> Event? {
    if let event = receiving({ nextBufferedEvent() }) { return event }
    guard endOfStream else { return nil }
    endOfStream = false
    buffer.removeAll()
    switch machine.receiveEndOfStream() {
    case .reportAbnormalClosure: return .closeConnection(CloseConnection(code: .abnormalClosure))
    case .none, .endHandshake: return nil
    }
  }

  /// The events that the bytes received so far give. Lazy: see ``EventSequence``.
  public func events() -> EventSequence {
    EventSequence { self.nextEvent() }
  }

  private func nextBufferedEvent() -> Event? {
    do throws(ParseFailed) {
      return try takeEvent()
    } catch {
      buffer.removeAll()
      fail(error)
      return .closeConnection(CloseConnection(code: error.code, reason: error.message))
    }
  }

  private func takeEvent() throws(ParseFailed) -> Event? {
    // A failure that waits behind the last event needs no bytes.
    if buffer.isEmpty {
      if let failed = inbound.takeFailure() { throw failed }
      buffer.releaseIfLarge()
      return nil
    }
    guard let storage = buffer.window else { return nil }
    let part = try inbound.next(storage.base, &buffer.head, buffer.tail, keeps: true)
    switch part.kind {
    case .needsMore:
      inbound.trim()
      buffer.releaseIfLarge()
      return nil
    case .binary:
      return .bytesMessage(
        BytesMessage(
          data: bytes(of: part, storage),
          frameFinished: part.frameFinished,
          messageFinished: part.messageFinished
        )
      )
    case .text:
      return .textMessage(
        TextMessage(
          data: text(of: part, storage),
          frameFinished: part.frameFinished,
          messageFinished: part.messageFinished
        )
      )
    case .ping: return .ping(Ping(payload: bytes(of: part, storage)))
    case .pong: return .pong(Pong(payload: bytes(of: part, storage)))
    case .close:
      machine.receiveClose()
      let reason = text(of: part, storage)
      buffer.removeAll()
      return .closeConnection(
        CloseConnection(code: part.code, reason: part.code == .noStatusRcvd ? nil : reason)
      )
    }
  }

  @inline(__always)
  private func bytes(of part: InboundPart, _ storage: ByteStorage) -> Bytes {
    switch part.source {
    case .window: Bytes(sharing: storage, offset: part.offset, count: part.count)
    case .assembly: inbound.assembly.take()
    case .scratch, .control: inbound.withBytes(of: part, window: storage.base) { Bytes(copying: $0) }
    }
  }

  @inline(__always)
  private func text(of part: InboundPart, _ storage: ByteStorage) -> String {
    inbound.withBytes(of: part, window: storage.base) { bytes in
      // The pipeline has validated text and reasons; a second pass would cost as much as the first.
      String(copying: UTF8Span(unchecked: bytes.bindMemory(to: UInt8.self).span))
    }
  }
}
