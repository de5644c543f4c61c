// SPDX-License-Identifier: Apache-2.0

// Received bytes → owned events.
extension Connection {
  /// Whether received bytes are of any use: not after a Close, a failure, or the end of the stream.
  @inline(__always)
  var takesInput: Bool { machine.reading == .reads && !endOfStream && !inbound.isFinished }

  public func receiveData(_ data: UnsafeRawBufferPointer) throws(ProtocolError) {
    guard !isBusy.receiving else { throw .local(Self.reentrance) }
    if takesInput { buffer.append(data, expected: inbound.expectedBytes) }
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

  /// Takes the end of the stream, if it is due; whether 1006 is to be told (RFC 6455 §7.1.5).
  func takeEndOfStream() -> Bool {
    guard endOfStream else { return false }
    endOfStream = false
    buffer.removeAll()
    let before = machine.state
    machine.applyIfLegal(.endOfStream)
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
      fail(error)
      settle()
      buffer.removeAll()
      return .closeConnection(CloseConnection(code: error.code, reason: error.message))
    }
  }

  /// All events were taken: gives back what the bytes under way don't need.
  @inline(__always)
  func settle() {
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
    case .ping: return .ping(Ping(payload: bytes))
    case .pong: return .pong(Pong(payload: bytes))
    case .close:
      machine.applyIfLegal(.receiveClose)
      settle()
      buffer.removeAll()
      return .closeConnection(
        CloseConnection(code: part.code, reason: String(decoding: bytes, as: UTF8.self))
      )
    }
  }
}
