// SPDX-License-Identifier: Apache-2.0

// The same methods for other types of bytes and events. Inlinable, so that each is a direct call.
extension WebSocketEndpoint {
  /// Whether this end is the client.
  @inlinable public var client: Bool { type == .client }

  // MARK: Receiving

  /// Takes bytes from the transport; see ``receiveData(_:)-(UnsafeRawBufferPointer)``.
  @inlinable
  public func receiveData(_ data: RawSpan) throws(ProtocolError) {
    try data.withUnsafeBytes { (bytes) throws(ProtocolError) in try receiveData(bytes) }
  }

  /// Takes bytes from the transport: an array, a slice of one, ``Bytes``, or any contiguous collection,
  /// without an intermediate copy; see ``receiveData(_:)-(UnsafeRawBufferPointer)``.
  @inlinable
  public func receiveData<S: Sequence>(_ data: S) throws(ProtocolError) where S.Element == UInt8 {
    try withBytes(of: data) { (bytes) throws(ProtocolError) in try receiveData(bytes) }
  }

  /// The events in the bytes received so far. Lazy: see ``EventSequence``.
  public func events() -> EventSequence {
    EventSequence { self.nextEvent() }
  }

  /// Takes bytes from the transport and passes each event to `body` at once; see `receive(_:_:)`.
  @inlinable
  public func receive<Failure: Error>(
    _ data: inout MutableRawSpan,
    _ body: (borrowing BorrowedEvent) throws(Failure) -> Void
  ) throws(Failure) {
    try data.withUnsafeMutableBytes { (chunk) throws(Failure) in try receive(chunk, body) }
  }

  /// Takes the first `count` bytes of `buffer`, as filled by a read from a socket; see `receive(_:_:)`. A
  /// negative count, which `recv` returns for an error, counts as 0.
  @inlinable
  public func receive<Failure: Error>(
    _ buffer: inout [UInt8],
    count: Int,
    _ body: (borrowing BorrowedEvent) throws(Failure) -> Void
  ) throws(Failure) {
    var span = buffer.mutableSpan
    try span.withUnsafeMutableBytes { (chunk) throws(Failure) in
      try receive(UnsafeMutableRawBufferPointer(rebasing: chunk.prefix(max(0, count))), body)
    }
  }

  /// The transport has ended: passes the resulting event to `body` at once. See ``receiveEndOfStream()``.
  ///
  /// If that cuts off a handshake, the event is ``BorrowedEvent/handshakeFailed(_:)``.
  public func receiveEndOfStream<Failure: Error>(
    _ body: (borrowing BorrowedEvent) throws(Failure) -> Void
  ) throws(Failure) {
    do throws(ProtocolError) {
      try receiveEndOfStream()
    } catch {
      if case .remote(let failed) = error { return try body(.handshakeFailed(failed)) }
    }
    try receive(UnsafeMutableRawBufferPointer(start: nil, count: 0), body)
  }

  // MARK: Sending

  /// The bytes of the waiting replies; empty if there are none. Write all of them to the transport. See
  /// ``sendReplies(into:)-([UInt8])``.
  @inlinable
  public func sendReplies() throws(LocalProtocolError) -> [UInt8] {
    var output: [UInt8] = []
    try sendReplies(into: &output)
    return output
  }

  /// Encodes `event`; write all of the returned bytes to the transport.
  ///
  /// - Throws: `LocalProtocolError` if the event is illegal, in this state or in general; nothing has changed
  ///   then.
  @inlinable
  public func send(_ event: Event) throws(LocalProtocolError) -> [UInt8] {
    var output: [UInt8] = []
    try send(event, into: &output)
    return output
  }

  /// Encodes an event given as its own struct: `send(Ping())`; see ``send(_:)-(Event)``.
  @inlinable
  public func send(_ event: some EventConvertible) throws(LocalProtocolError) -> [UInt8] {
    try send(event.event)
  }

  /// Appends the bytes for an event given as its own struct; see ``send(_:into:)-(Event,[UInt8])``.
  @inlinable
  public func send(_ event: some EventConvertible, into output: inout [UInt8]) throws(LocalProtocolError) {
    try send(event.event, into: &output)
  }

  /// Writes the bytes for an event given as its own struct; see ``send(_:into:)-(Event,OutputRawSpan)``.
  @inlinable
  public func send(_ event: some EventConvertible, into output: inout OutputRawSpan)
    throws(LocalProtocolError)
  {
    try send(event.event, into: &output)
  }

  /// The bytes of a text message; write all of them to the transport.
  @inlinable
  public func sendText(
    _ text: String,
    messageFinished: Bool = true,
    compress: Bool = true
  ) throws(LocalProtocolError) -> [UInt8] {
    var output: [UInt8] = []
    try sendText(text.utf8Span, messageFinished: messageFinished, compress: compress, into: &output)
    return output
  }

  /// The bytes of a binary message; write all of them to the transport.
  @inlinable
  public func sendBytes(
    _ bytes: [UInt8],
    messageFinished: Bool = true,
    compress: Bool = true
  ) throws(LocalProtocolError) -> [UInt8] {
    var output: [UInt8] = []
    try sendBytes(bytes.span.bytes, messageFinished: messageFinished, compress: compress, into: &output)
    return output
  }

  /// Appends a text message, or a part of one, compressed if negotiated.
  @inlinable
  public func sendText(
    _ text: UTF8Span,
    messageFinished: Bool = true,
    into output: inout [UInt8]
  ) throws(LocalProtocolError) {
    try sendText(text, messageFinished: messageFinished, compress: true, into: &output)
  }

  /// Appends a binary message, or a part of one, compressed if negotiated.
  @inlinable
  public func sendBytes(
    _ bytes: RawSpan,
    messageFinished: Bool = true,
    into output: inout [UInt8]
  ) throws(LocalProtocolError) {
    try sendBytes(bytes, messageFinished: messageFinished, compress: true, into: &output)
  }

  /// Writes a text message, or a part of one, compressed if negotiated, to memory of the caller with room for
  /// ``sizeBound(ofPayload:)`` bytes.
  @inlinable
  public func sendText(
    _ text: UTF8Span,
    messageFinished: Bool = true,
    into output: inout OutputRawSpan
  ) throws(LocalProtocolError) {
    try sendText(text, messageFinished: messageFinished, compress: true, into: &output)
  }

  /// Writes a binary message, or a part of one, compressed if negotiated, to memory of the caller with room for
  /// ``sizeBound(ofPayload:)`` bytes.
  @inlinable
  public func sendBytes(
    _ bytes: RawSpan,
    messageFinished: Bool = true,
    into output: inout OutputRawSpan
  ) throws(LocalProtocolError) {
    try sendBytes(bytes, messageFinished: messageFinished, compress: true, into: &output)
  }

  /// The bytes of a prepared message; write all of them to the transport.
  @inlinable
  public func send(_ message: PreparedMessage) throws(LocalProtocolError) -> [UInt8] {
    var output: [UInt8] = []
    try send(message, into: &output)
    return output
  }
}
