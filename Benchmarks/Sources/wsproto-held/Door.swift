// SPDX-License-Identifier: Apache-2.0

import WSProto

/// The ways to receive.
enum Door: String, CaseIterable {
  case owned, borrowed, reading

  /// Gives `bytes` to the connection in reads of 64 KiB and takes all events; how many bytes of messages came, and the
  /// last event.
  @discardableResult
  func receive(_ bytes: [UInt8], on connection: Connection) throws -> (
    messageBytes: Int, lastCode: CloseReason?
  ) {
    var count = 0
    var code: CloseReason?
    for start in stride(from: 0, to: bytes.count, by: 65536) {
      let end = min(start + 65536, bytes.count)
      switch self {
      case .owned:
        try connection.receiveData(bytes[start..<end])
        while let event = connection.nextEvent() {
          switch event {
          case .bytesMessage(let part): count += part.data.count
          case .textMessage(let part): count += part.utf8.count
          case .closeConnection(let close): code = close.code
          default: break
          }
        }
      case .borrowed:
        var chunk = Array(bytes[start..<end])
        connection.receive(&chunk, count: chunk.count) { event in count += size(event, &code) }
      case .reading:
        _ = connection.receive(
          upTo: 65536,
          reading: { room in
            room.copyBytes(from: bytes[start..<end])
            return end - start
          },
          { event in count += size(event, &code) }
        )
      }
    }
    return (count, code)
  }

  private func size(_ event: borrowing BorrowedEvent, _ code: inout CloseReason?) -> Int {
    switch event {
    case .bytesMessage(let part): return part.data.byteCount
    case .textMessage(let part): return part.data.count
    case .closeConnection(let closed, reason: _):
      code = closed
      return 0
    default: return 0
    }
  }
}
