// SPDX-License-Identifier: Apache-2.0

// Events → bytes to send.
extension Connection {
  /// The bytes that put `event` on the wire; write all of them to the transport.
  ///
  /// - Throws: `LocalProtocolError` if the event is not legal in this state or at all; nothing has changed then.
  public func send(_ event: some EventConvertible) throws(LocalProtocolError) -> [UInt8] {
    var output: [UInt8] = []
    try send(event, into: &output)
    return output
  }

  /// Appends the bytes that put `event` on the wire to a buffer that the caller keeps: no allocation if it has room.
  ///
  /// - Throws: `LocalProtocolError` if the event is not legal in this state or at all; nothing was appended then.
  public func send(_ event: some EventConvertible, into output: inout [UInt8]) throws(LocalProtocolError) {
    switch event.event {
    case .textMessage(let message):
      try sendText(
        message.data.utf8Span,
        messageFinished: message.messageFinished,
        compress: message.compress,
        into: &output
      )
    case .bytesMessage(let message):
      try machine.sendMessage()
      try message.data.withUnsafeBytes { (bytes) throws(LocalProtocolError) in
        try sending { (outbound) throws(LocalProtocolError) in
          try outbound.message(
            .binary,
            bytes,
            finished: message.messageFinished,
            compress: message.compress,
            into: &output
          )
        }
      }
    case .ping(let ping):
      try machine.sendPing()
      try ping.payload.withUnsafeBytes { (bytes) throws(LocalProtocolError) in
        try sending { (outbound) throws(LocalProtocolError) in
          try outbound.control(.ping, bytes, into: &output)
        }
      }
    case .pong(let pong):
      try machine.sendPong()
      try pong.payload.withUnsafeBytes { (bytes) throws(LocalProtocolError) in
        try sending { (outbound) throws(LocalProtocolError) in
          try outbound.control(.pong, bytes, into: &output)
        }
      }
    case .closeConnection(let close):
      var next = machine
      try next.sendClose()
      try sending { (outbound) throws(LocalProtocolError) in
        try outbound.close(code: close.code, reason: close.reason, into: &output)
      }
      machine = next
    case .request, .acceptConnection, .rejectConnection, .rejectData:
      throw LocalProtocolError("an event of the handshake cannot be sent in state \(state)", .state(state))
    }
  }

  /// Appends a text message, or a part of one, from borrowed text; see ``send(_:into:)``.
  public func sendText(
    _ text: UTF8Span,
    messageFinished: Bool = true,
    compress: Bool = true,
    into output: inout [UInt8]
  ) throws(LocalProtocolError) {
    try machine.sendMessage()
    try text.span.bytes.withUnsafeBytes { (bytes) throws(LocalProtocolError) in
      try sending { (outbound) throws(LocalProtocolError) in
        try outbound.message(.text, bytes, finished: messageFinished, compress: compress, into: &output)
      }
    }
  }

  /// Appends a binary message, or a part of one, from borrowed bytes, which must not be those of `output`; see
  /// ``send(_:into:)``.
  public func sendBytes(
    _ bytes: RawSpan,
    messageFinished: Bool = true,
    compress: Bool = true,
    into output: inout [UInt8]
  ) throws(LocalProtocolError) {
    try machine.sendMessage()
    try bytes.withUnsafeBytes { (bytes) throws(LocalProtocolError) in
      try sending { (outbound) throws(LocalProtocolError) in
        try outbound.message(.binary, bytes, finished: messageFinished, compress: compress, into: &output)
      }
    }
  }

  /// Appends the pong that answers a ping with this payload; see ``send(_:into:)``.
  public func sendPong(_ payload: RawSpan, into output: inout [UInt8]) throws(LocalProtocolError) {
    try machine.sendPong()
    try payload.withUnsafeBytes { (bytes) throws(LocalProtocolError) in
      try sending { (outbound) throws(LocalProtocolError) in
        try outbound.control(.pong, bytes, into: &output)
      }
    }
  }
}
