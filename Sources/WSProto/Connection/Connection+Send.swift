// SPDX-License-Identifier: Apache-2.0

// Events → bytes to send. Each call has two sinks: an array that grows, and memory of the caller's. An automatic pong that
// waits goes first; the calls tell that apart at once, so that it costs nothing where none waits.
extension Connection {
  public func send(_ event: Event, into output: inout [UInt8]) throws(LocalProtocolError) {
    try sendEvent(event, into: &output)
  }

  public func send(_ event: Event, into output: inout OutputRawSpan) throws(LocalProtocolError) {
    try sendEvent(event, into: &output)
  }

  @inlinable
  public func sendText(
    _ text: UTF8Span,
    messageFinished: Bool,
    compress: Bool,
    into output: inout [UInt8]
  ) throws(LocalProtocolError) {
    if messageFinished, sendsAtOnce, ShortFrame.append(.text, text.span.bytes, to: &output) { return }
    try sendMessage(.text, text.span.bytes, messageFinished, compress, into: &output)
  }

  @inlinable
  public func sendBytes(
    _ bytes: RawSpan,
    messageFinished: Bool,
    compress: Bool,
    into output: inout [UInt8]
  ) throws(LocalProtocolError) {
    if messageFinished, sendsAtOnce, ShortFrame.append(.binary, bytes, to: &output) { return }
    try sendMessage(.binary, bytes, messageFinished, compress, into: &output)
  }

  @inlinable
  public func sendText(
    _ text: UTF8Span,
    messageFinished: Bool,
    compress: Bool,
    into output: inout OutputRawSpan
  ) throws(LocalProtocolError) {
    if messageFinished, sendsAtOnce, ShortFrame.append(.text, text.span.bytes, to: &output) { return }
    try sendMessage(.text, text.span.bytes, messageFinished, compress, into: &output)
  }

  @inlinable
  public func sendBytes(
    _ bytes: RawSpan,
    messageFinished: Bool,
    compress: Bool,
    into output: inout OutputRawSpan
  ) throws(LocalProtocolError) {
    if messageFinished, sendsAtOnce, ShortFrame.append(.binary, bytes, to: &output) { return }
    try sendMessage(.binary, bytes, messageFinished, compress, into: &output)
  }

  public func sendPong(_ payload: RawSpan, into output: inout [UInt8]) throws(LocalProtocolError) {
    if gate != .open {
      return try sendBehindPong(.sendPong, sizeBound(ofPayload: payload.byteCount), &output) {
        (output) throws(LocalProtocolError) in
        try sendPong(payload, into: &output)
      }
    }
    try machine.check(.sendPong)
    try payload.withUnsafeBytes { (bytes) throws(LocalProtocolError) in
      try control(.pong, bytes) { (frame) throws(LocalProtocolError) in try frame.write(into: &output) }
    }
  }

  public func send(_ message: PreparedMessage, into output: inout [UInt8]) throws(LocalProtocolError) {
    try sendPrepared(message, into: &output)
  }

  public func send(_ message: PreparedMessage, into output: inout OutputRawSpan) throws(LocalProtocolError) {
    try sendPrepared(message, into: &output)
  }

  /// Sends a message of which the caller writes the payload itself, behind the header and from memory of its own: a large
  /// one isn't copied then. A text must be valid UTF-8.
  ///
  /// - Returns: the header; `nil` if the payload has to go through the connection, because it is masked or an extension
  ///   changes it, or because something else goes out first. Nothing has changed then.
  package func sendHeader(
    _ opcode: Opcode,
    payloadCount: Int,
    compress: Bool
  ) throws(LocalProtocolError) -> FrameHeaderBytes? {
    guard gate == .open else { return nil }
    try checkMessage()
    return try outbound.header(opcode, payloadCount: payloadCount, compress: compress)
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

  public func sizeBound(ofPayload count: Int) -> Int {
    OutboundPipeline.sum(outbound.bound(count), waitingPongBytes)
  }

  /// What sending this is to the state; `nil` if it can't be sent.
  private static func input(of event: Event) -> ConnectionStateMachine.Input? {
    switch event {
    case .textMessage, .bytesMessage: .sendMessage
    case .ping: .sendPing
    case .pong: .sendPong
    case .closeConnection: .sendClose
    case .request, .acceptConnection, .rejectConnection, .rejectData: nil
    }
  }

  // MARK: Borrowed messages

  /// Whether such a message is its header and its payload and nothing else: nothing goes out first, no extension changes
  /// it, it belongs to no other, and no code of others runs while it is made.
  @inline(__always)
  private func isPlain(finished: Bool) -> Bool {
    gate == .open && machine.state == .open && finished && outbound.isPlain
  }

  @usableFromInline
  func sendMessage(
    _ opcode: Opcode,
    _ payload: RawSpan,
    _ finished: Bool,
    _ compress: Bool,
    into output: inout [UInt8]
  ) throws(LocalProtocolError) {
    try sendAnyMessage(opcode, payload, finished, compress, into: &output)
  }

  @usableFromInline
  func sendMessage(
    _ opcode: Opcode,
    _ payload: RawSpan,
    _ finished: Bool,
    _ compress: Bool,
    into output: inout OutputRawSpan
  ) throws(LocalProtocolError) {
    try sendAnyMessage(opcode, payload, finished, compress, into: &output)
  }

  @inline(__always)
  private func sendAnyMessage<Sink: FrameSink & ~Copyable & ~Escapable>(
    _ opcode: Opcode,
    _ payload: RawSpan,
    _ finished: Bool,
    _ compress: Bool,
    into output: inout Sink
  ) throws(LocalProtocolError) {
    guard isPlain(finished: finished),
      Sink.grows || payload.byteCount <= output.room - FrameSizes.maxHeader
    else {
      return try sendInSteps(opcode, payload, finished, compress, into: &output)
    }
    outbound.appendPlain(opcode, payload, to: &output)
  }

  /// Every other message, and every error.
  @inline(never)
  private func sendInSteps<Sink: FrameSink & ~Copyable & ~Escapable>(
    _ opcode: Opcode,
    _ payload: RawSpan,
    _ finished: Bool,
    _ compress: Bool,
    into output: inout Sink
  ) throws(LocalProtocolError) {
    if gate != .open {
      return try sendBehindPong(.sendMessage, sizeBound(ofPayload: payload.byteCount), &output) {
        (output) throws(LocalProtocolError) in
        try sendInSteps(opcode, payload, finished, compress, into: &output)
      }
    }
    try checkRoom(in: output, outbound.bound(payload.byteCount))
    try payload.withUnsafeBytes { (bytes) throws(LocalProtocolError) in
      try data(opcode, bytes, finished, compress) { (frame) throws(LocalProtocolError) in
        try frame.write(into: &output)
      }
    }
  }

  // MARK: Events and prepared messages

  private func sendEvent<Sink: FrameSink & ~Copyable & ~Escapable>(
    _ event: Event,
    into output: inout Sink
  ) throws(LocalProtocolError) {
    if gate != .open, let input = Self.input(of: event) {
      return try sendBehindPong(input, sizeBound(of: event), &output) { (output) throws(LocalProtocolError) in
        try sendEvent(event, into: &output)
      }
    }
    try checkRoom(in: output, sizeBound(of: event))
    try encode(event) { (frame) throws(LocalProtocolError) in try frame.write(into: &output) }
  }

  private func sendPrepared<Sink: FrameSink & ~Copyable & ~Escapable>(
    _ message: PreparedMessage,
    into output: inout Sink
  ) throws(LocalProtocolError) {
    if gate != .open {
      return try sendBehindPong(.sendMessage, sizeBound(ofPayload: message.payload.count), &output) {
        (output) throws(LocalProtocolError) in
        try sendPrepared(message, into: &output)
      }
    }
    try checkRoom(in: output, sizeBound(ofPayload: message.payload.count))
    try encode(message) { (frame) throws(LocalProtocolError) in try frame.write(into: &output) }
  }

  // MARK: One frame each

  private func encode(
    _ event: Event,
    _ write: (OutboundFrame) throws(LocalProtocolError) -> Void
  ) throws(LocalProtocolError) {
    switch event {
    case .textMessage(let message):
      try message.withUTF8 { (bytes) throws(LocalProtocolError) in
        try data(.text, bytes, message.messageFinished, message.compress, write)
      }
    case .bytesMessage(let message):
      try message.data.withUnsafeBytes { (bytes) throws(LocalProtocolError) in
        try data(.binary, bytes, message.messageFinished, message.compress, write)
      }
    case .ping(let ping):
      try machine.check(.sendPing)
      try ping.payload.withUnsafeBytes { (bytes) throws(LocalProtocolError) in
        try control(.ping, bytes, write)
      }
    case .pong(let pong):
      try machine.check(.sendPong)
      try pong.payload.withUnsafeBytes { (bytes) throws(LocalProtocolError) in
        try control(.pong, bytes, write)
      }
    case .closeConnection(let close):
      try machine.check(.sendClose)
      let payload = try ClosePayload.make(code: close.code, reason: close.reason)
      try payload.span.bytes.withUnsafeBytes { (bytes) throws(LocalProtocolError) in
        try control(.close, bytes, write)
      }
      // Checked above; only if a hook has received the end of the stream since, the state is closed already.
      machine.applyIfLegal(.sendClose)
    case .request, .acceptConnection, .rejectConnection, .rejectData:
      throw LocalProtocolError("an event of the handshake cannot be sent in state \(state)", .state(state))
    }
  }

  private func encode(
    _ message: PreparedMessage,
    _ write: (OutboundFrame) throws(LocalProtocolError) -> Void
  ) throws(LocalProtocolError) {
    try checkMessage()
    // The frame points into the memory of the message.
    defer { withExtendedLifetime(message) {} }
    try sending({ (outbound) throws(LocalProtocolError) in try outbound.prepared(message) }, write)
  }

  @inline(__always)
  private func checkMessage() throws(LocalProtocolError) {
    let state = machine.state
    if state != .open, sendsUntilClose, state == .remoteClosing || state == .failed { return }
    try machine.check(.sendMessage)
  }

  private func data(
    _ opcode: Opcode,
    _ payload: UnsafeRawBufferPointer,
    _ finished: Bool,
    _ compress: Bool,
    _ write: (OutboundFrame) throws(LocalProtocolError) -> Void
  ) throws(LocalProtocolError) {
    try checkMessage()
    try sending(
      { (outbound) throws(LocalProtocolError) in
        try outbound.message(opcode, payload, finished: finished, compress: compress)
      },
      write
    )
  }

  @inline(__always)
  func control(
    _ opcode: Opcode,
    _ payload: UnsafeRawBufferPointer,
    _ write: (OutboundFrame) throws(LocalProtocolError) -> Void
  ) throws(LocalProtocolError) {
    try sending({ (outbound) throws(LocalProtocolError) in try outbound.control(opcode, payload) }, write)
  }

  /// Called before anything changes, because a compressed frame can't be made a second time.
  @inline(__always)
  func checkRoom<Sink: FrameSink & ~Copyable & ~Escapable>(
    in output: borrowing Sink,
    _ needed: @autoclosure () -> Int
  ) throws(LocalProtocolError) {
    if Sink.grows { return }
    let needed = needed()
    if output.room < needed { throw OutboundFrame.noRoom(needed, output.room) }
  }
}
