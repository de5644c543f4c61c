// SPDX-License-Identifier: Apache-2.0

// Events → bytes to send. Each call has two sinks: an array that grows, and memory of the caller's, `free` bytes of it.
extension Connection {
  public func send(_ event: Event, into output: inout [UInt8]) throws(LocalProtocolError) {
    try encode(event, .max) { (frame) throws(LocalProtocolError) in frame.write(into: &output) }
  }

  public func send(_ event: Event, into output: inout OutputRawSpan) throws(LocalProtocolError) {
    let free = output.freeCapacity
    try checkRoom(sizeBound(of: event), free)
    try encode(event, free) { (frame) throws(LocalProtocolError) in try frame.write(into: &output) }
  }

  public func sendText(
    _ text: UTF8Span,
    messageFinished: Bool,
    compress: Bool,
    into output: inout [UInt8]
  ) throws(LocalProtocolError) {
    try encode(.text, text.span.bytes, messageFinished, compress, .max) {
      (frame) throws(LocalProtocolError) in
      frame.write(into: &output)
    }
  }

  public func sendBytes(
    _ bytes: RawSpan,
    messageFinished: Bool,
    compress: Bool,
    into output: inout [UInt8]
  ) throws(LocalProtocolError) {
    try encode(.binary, bytes, messageFinished, compress, .max) { (frame) throws(LocalProtocolError) in
      frame.write(into: &output)
    }
  }

  public func sendText(
    _ text: UTF8Span,
    messageFinished: Bool,
    compress: Bool,
    into output: inout OutputRawSpan
  ) throws(LocalProtocolError) {
    let free = output.freeCapacity
    try checkRoom(sizeBound(ofPayload: text.count), free)
    try encode(.text, text.span.bytes, messageFinished, compress, free) {
      (frame) throws(LocalProtocolError) in
      try frame.write(into: &output)
    }
  }

  public func sendBytes(
    _ bytes: RawSpan,
    messageFinished: Bool,
    compress: Bool,
    into output: inout OutputRawSpan
  ) throws(LocalProtocolError) {
    let free = output.freeCapacity
    try checkRoom(sizeBound(ofPayload: bytes.byteCount), free)
    try encode(.binary, bytes, messageFinished, compress, free) { (frame) throws(LocalProtocolError) in
      try frame.write(into: &output)
    }
  }

  public func sendPong(_ payload: RawSpan, into output: inout [UInt8]) throws(LocalProtocolError) {
    try machine.check(.sendPong)
    try payload.withUnsafeBytes { (bytes) throws(LocalProtocolError) in
      try control(.pong, bytes, .max) { (frame) throws(LocalProtocolError) in frame.write(into: &output) }
    }
  }

  public func send(_ message: PreparedMessage, into output: inout [UInt8]) throws(LocalProtocolError) {
    try encode(message, .max) { (frame) throws(LocalProtocolError) in frame.write(into: &output) }
  }

  public func send(_ message: PreparedMessage, into output: inout OutputRawSpan) throws(LocalProtocolError) {
    let free = output.freeCapacity
    try checkRoom(sizeBound(ofPayload: message.payload.count), free)
    try encode(message, free) { (frame) throws(LocalProtocolError) in try frame.write(into: &output) }
  }

  public func sizeBound(of event: Event) -> Int {
    switch event {
    case .textMessage(let message): sizeBound(ofPayload: message.withUTF8 { $0.count })
    case .bytesMessage(let message): sizeBound(ofPayload: message.data.count)
    case .ping(let ping): sizeBound(ofPayload: ping.payload.count)
    case .pong(let pong): sizeBound(ofPayload: pong.payload.count)
    case .closeConnection: sizeBound(ofPayload: FrameSizes.maxShortPayload)
    case .request, .acceptConnection, .rejectConnection, .rejectData: 0
    }
  }

  public func sizeBound(ofPayload count: Int) -> Int { outbound.bound(count) + waitingPongBytes }

  // MARK: One frame each

  private func encode(
    _ event: Event,
    _ free: Int,
    _ write: (OutboundFrame) throws(LocalProtocolError) -> Void
  ) throws(LocalProtocolError) {
    switch event {
    case .textMessage(let message):
      try message.withUTF8 { (bytes) throws(LocalProtocolError) in
        try data(.text, bytes, message.messageFinished, message.compress, free, write)
      }
    case .bytesMessage(let message):
      try message.data.withUnsafeBytes { (bytes) throws(LocalProtocolError) in
        try data(.binary, bytes, message.messageFinished, message.compress, free, write)
      }
    case .ping(let ping):
      try machine.check(.sendPing)
      try ping.payload.withUnsafeBytes { (bytes) throws(LocalProtocolError) in
        try control(.ping, bytes, free, write)
      }
    case .pong(let pong):
      try machine.check(.sendPong)
      try pong.payload.withUnsafeBytes { (bytes) throws(LocalProtocolError) in
        try control(.pong, bytes, free, write)
      }
    case .closeConnection(let close):
      try machine.check(.sendClose)
      let payload = try ClosePayload.make(code: close.code, reason: close.reason)
      try payload.span.bytes.withUnsafeBytes { (bytes) throws(LocalProtocolError) in
        try control(.close, bytes, free, write)
      }
      try machine.apply(.sendClose)
    case .request, .acceptConnection, .rejectConnection, .rejectData:
      throw LocalProtocolError("an event of the handshake cannot be sent in state \(state)", .state(state))
    }
  }

  private func encode(
    _ message: PreparedMessage,
    _ free: Int,
    _ write: (OutboundFrame) throws(LocalProtocolError) -> Void
  ) throws(LocalProtocolError) {
    try machine.check(.sendMessage)
    // The frame points into what the message holds.
    defer { withExtendedLifetime(message) {} }
    try sending(free, { (outbound) throws(LocalProtocolError) in try outbound.prepared(message) }, write)
  }

  @inline(__always)
  private func encode(
    _ opcode: Opcode,
    _ payload: RawSpan,
    _ finished: Bool,
    _ compress: Bool,
    _ free: Int,
    _ write: (OutboundFrame) throws(LocalProtocolError) -> Void
  ) throws(LocalProtocolError) {
    try payload.withUnsafeBytes { (bytes) throws(LocalProtocolError) in
      try data(opcode, bytes, finished, compress, free, write)
    }
  }

  @inline(__always)
  private func data(
    _ opcode: Opcode,
    _ payload: UnsafeRawBufferPointer,
    _ finished: Bool,
    _ compress: Bool,
    _ free: Int,
    _ write: (OutboundFrame) throws(LocalProtocolError) -> Void
  ) throws(LocalProtocolError) {
    try machine.check(.sendMessage)
    try sending(
      free,
      { (outbound) throws(LocalProtocolError) in
        try outbound.message(opcode, payload, finished: finished, compress: compress)
      },
      write
    )
  }

  @inline(__always)
  private func control(
    _ opcode: Opcode,
    _ payload: UnsafeRawBufferPointer,
    _ free: Int,
    _ write: (OutboundFrame) throws(LocalProtocolError) -> Void
  ) throws(LocalProtocolError) {
    try sending(
      free,
      { (outbound) throws(LocalProtocolError) in try outbound.control(opcode, payload) },
      write
    )
  }

  /// Before anything moves: a frame that was compressed can't be made a second time.
  func checkRoom(_ needed: Int, _ free: Int) throws(LocalProtocolError) {
    if free < needed { throw OutboundFrame.noRoom(needed, free) }
  }
}
