// SPDX-License-Identifier: Apache-2.0

// Received bytes → owned events.
extension Connection {
  /// Whether received bytes are still processed: not after a Close, a failure, or the end of the stream.
  @inline(__always)
  var takesInput: Bool { machine.reading == .reads && !endOfStream && !inbound.isFinished }

  public func receiveData(_ data: UnsafeRawBufferPointer) throws(ProtocolError) {
    guard !isBusy.receiving else { throw .local(Self.reentrance) }
    let waiting = untakenBytes
    guard waiting <= maxUntakenBytes else {
      throw .local(.eventsNotTaken(waiting, limit: maxUntakenBytes))
    }
    keep(data)
  }

  /// The received bytes whose events have not been taken: those in the buffer, except for the part of an
  /// incomplete frame that was there when all events were last taken.
  private var untakenBytes: Int { min(untaken, buffer.count) }

  /// Stores bytes for later, however many are waiting: for borrowed events, whose bytes have been taken
  /// already.
  func keep(_ data: UnsafeRawBufferPointer) {
    guard takesInput else { return }
    let waiting = untakenBytes
    buffer.append(data, expected: inbound.expectedBytes)
    // Both are sizes of things in memory.
    untaken = waiting + data.count
  }

  public func receiveEndOfStream() throws(ProtocolError) {
    guard !isBusy.receiving else { throw .local(Self.reentrance) }
    endOfStream = true
  }

  public func nextEvent() -> Event? {
    beginReceiving()
    defer { endReceiving() }
    if let event = nextBufferedEvent() { return event }
    return takeEndOfStream() ? .closeConnection(CloseConnection(code: .abnormalClosure)) : nil
  }

  /// Takes the end of the stream, if it is due. Returns whether 1006 must be reported (RFC 6455 §7.1.5).
  func takeEndOfStream() -> Bool {
    guard endOfStream else { return false }
    endOfStream = false
    buffer.removeAll()
    let before = machine.state
    move(.endOfStream)
    return before == .open || before == .localClosing
  }

  private func nextBufferedEvent() -> Event? {
    if buffer.isEmpty, !inbound.hasMore {
      settle()
      return nil
    }
    do throws(ParseFailed) {
      let base = buffer.base ?? ReceiveBuffer.emptyWindow
      if let part = try inbound.next(base, &buffer.head, buffer.tail, keeps: true) { return event(of: part) }
      settle()
      return nil
    } catch {
      let failed = fail(error)
      settle()
      buffer.removeAll()
      return .closeConnection(CloseConnection(code: failed.code, reason: failed.message))
    }
  }

  /// Called when all events have been taken: releases what the remaining bytes don't need.
  @inline(__always)
  func settle() {
    untaken = 0
    inbound.settle()
    buffer.settle()
  }

  @inline(__always)
  private func event(of part: InboundPart) -> Event {
    let bytes = inbound.takeBytes(of: part, sharing: buffer.window)
    switch part.kind {
    case .binary:
      return .bytesMessage(
        BytesMessage(
          data: bytes,
          frameFinished: part.payload.frameFinished,
          messageFinished: part.messageFinished
        )
      )
    case .text:
      return .textMessage(
        TextMessage(
          validated: bytes,
          frameFinished: part.payload.frameFinished,
          messageFinished: part.messageFinished
        )
      )
    case .ping: return pingEvent(bytes)
    case .pong: return .pong(Pong(payload: bytes))
    case .close: return closeEvent(part.code, bytes)
    }
  }

  // Apart from the messages, which they must not slow down.

  @inline(never)
  private func pingEvent(_ payload: Bytes) -> Event {
    if replies != nil { payload.withUnsafeBytes { answer(ping: $0) } }
    return .ping(Ping(payload: payload))
  }

  @inline(never)
  private func closeEvent(_ code: CloseReason, _ reason: Bytes) -> Event {
    move(.receiveClose)
    if replies != nil { reason.withUnsafeBytes { answer(close: code, reason: $0) } }
    settle()
    buffer.removeAll()
    return .closeConnection(CloseConnection(code: code, reason: String(decoding: reason, as: UTF8.self)))
  }
}
