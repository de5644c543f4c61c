// SPDX-License-Identifier: Apache-2.0

package import WSProto

extension Splits.Door {
  /// Gives bytes to an end of either class, and each event to `take` when it is delivered.
  ///
  /// - Throws: what the peer's part of a handshake violates, by every door; and what `take` throws.
  package func receive(
    _ bytes: [UInt8],
    on end: some WebSocketEndpoint,
    _ take: (Event) throws -> Void
  ) throws {
    func borrowed(_ event: borrowing BorrowedEvent) throws {
      switch event {
      case .textMessage(let part):
        try take(
          .textMessage(TextMessage(data: String(copying: part.data), messageFinished: part.messageFinished))
        )
      case .bytesMessage(let part):
        try take(
          .bytesMessage(BytesMessage(data: Bytes(copying: part.data), messageFinished: part.messageFinished))
        )
      case .ping(let payload): try take(.ping(Ping(payload: Bytes(copying: payload))))
      case .pong(let payload): try take(.pong(Pong(payload: Bytes(copying: payload))))
      case .closeConnection(let code, let reason):
        try take(.closeConnection(CloseConnection(code: code, reason: String(copying: reason))))
      case .handshake(let event): try take(event)
      case .handshakeFailed(let error): throw ProtocolError.remote(error)
      }
    }
    switch self {
    case .owned:
      try end.receiveData(bytes)
      while let event = end.nextEvent() { try take(event) }
    case .ownedAtTheEnd:
      try end.receiveData(bytes)
      for event in Array(end.events()) { try take(event) }
    case .borrowed:
      var copy = bytes
      try end.receive(&copy, count: copy.count) { event in try borrowed(event) }
    case .reading:
      _ = try end.receive(
        upTo: bytes.count + 3,
        reading: { room throws(any Error) in
          room.copyBytes(from: bytes)
          return bytes.count
        },
        { event throws(any Error) in try borrowed(event) }
      )
    }
  }
}
