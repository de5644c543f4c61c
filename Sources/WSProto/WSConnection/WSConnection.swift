// SPDX-License-Identifier: Apache-2.0

public import HTTPTypes

/// One end of a WebSocket connection, from the first byte of the HTTP/1.1 handshake to the end.
///
/// A client begins with `send(Request(…))` and waits for ``AcceptConnection``; a server waits for ``Request`` and
/// answers with `send(AcceptConnection())`. From there on both are alike: ``receiveData(_:)-(RawSpan)`` and
/// ``nextEvent()``, or `receive(_:_:)` without a copy; ``send(_:)`` for messages, pings and the close. See
/// ``Connection`` for what the caller owes after a ``Ping`` and a ``CloseConnection``.
///
/// A reference type to be kept wherever it suits: it isn't thread-safe, so give it to one actor, event loop or thread.
public final class WSConnection {
  /// The handshake.
  public let handshake: H11Handshake

  /// The connection that the handshake has led to; `nil` until then.
  @exclusivity(unchecked) public private(set) var connection: Connection?

  /// A failure that `receive(_:_:)` has yet to tell of, behind events of the handshake.
  private var handshakeFailure: RemoteProtocolError?

  /// The role of this end.
  public var type: ConnectionType { handshake.type }

  /// Whether this end is the client.
  public var client: Bool { handshake.client }

  /// A connection whose handshake hasn't begun.
  public init(_ type: ConnectionType, configuration: Configuration = Configuration()) {
    handshake = H11Handshake(type, configuration: configuration)
  }

  /// Where the connection is in its life. Moves when an event is taken or sent.
  public var state: ConnectionState { connection?.state ?? handshake.state }

  /// What the peer violated after the handshake, if that ended the connection; see ``Connection/failure``.
  public var failure: ParseFailed? { connection?.failure }

  /// Starts with a request that an HTTP server has read and parsed already; see
  /// ``H11Handshake/initiateUpgradeConnection(headers:path:)``.
  public func initiateUpgradeConnection(headers: Headers, path: String) throws(ProtocolError) {
    try handshake.initiateUpgradeConnection(headers: headers, path: path)
  }

  // MARK: Sending

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
    if let connection { return try connection.send(event, into: &output) }
    try handshake.send(event, into: &output)
    connection = handshake.connection
  }

  /// Appends a text message, or a part of one, from borrowed text.
  public func sendText(
    _ text: UTF8Span,
    messageFinished: Bool = true,
    compress: Bool = true,
    into output: inout [UInt8]
  ) throws(LocalProtocolError) {
    try open().sendText(text, messageFinished: messageFinished, compress: compress, into: &output)
  }

  /// Appends a binary message, or a part of one, from borrowed bytes, which must not be those of `output`.
  public func sendBytes(
    _ bytes: RawSpan,
    messageFinished: Bool = true,
    compress: Bool = true,
    into output: inout [UInt8]
  ) throws(LocalProtocolError) {
    try open().sendBytes(bytes, messageFinished: messageFinished, compress: compress, into: &output)
  }

  /// Appends the pong that answers a ping with this payload.
  public func sendPong(_ payload: RawSpan, into output: inout [UInt8]) throws(LocalProtocolError) {
    try open().sendPong(payload, into: &output)
  }

  private func open() throws(LocalProtocolError) -> Connection {
    if let connection { return connection }
    throw LocalProtocolError("the event cannot be sent during the handshake", .state(state))
  }

  // MARK: Receiving

  /// Takes bytes from the transport: one copy. Call ``nextEvent()`` afterwards until it gives `nil`.
  ///
  /// - Throws: `ProtocolError.remote` if the peer's part of the handshake isn't legal: a server sends the error's
  ///   `eventHint`, then closes; a client closes. `ProtocolError.local` if the connection is closed, or a client's
  ///   request was not sent. Violations after the handshake are ``CloseConnection`` events instead.
  public func receiveData(_ data: UnsafeRawBufferPointer) throws(ProtocolError) {
    guard let connection else {
      defer { self.connection = handshake.connection }
      return try handshake.receiveData(data)
    }
    do throws(LocalProtocolError) {
      try connection.receiveData(data)
    } catch {
      throw .local(error)
    }
  }

  /// Takes bytes from the transport; see ``receiveData(_:)-(UnsafeRawBufferPointer)``.
  public func receiveData(_ data: RawSpan) throws(ProtocolError) {
    try data.withUnsafeBytes { (bytes) throws(ProtocolError) in try receiveData(bytes) }
  }

  /// Takes bytes from the transport: an array, a slice of one, ``Bytes``, any contiguous collection without a copy in
  /// between; see ``receiveData(_:)-(UnsafeRawBufferPointer)``.
  @inlinable
  public func receiveData<S: Sequence>(_ data: S) throws(ProtocolError) where S.Element == UInt8 {
    try withBytes(of: data) { (bytes) throws(ProtocolError) in try receiveData(bytes) }
  }

  /// The transport has ended. Without a Close the events end with a ``CloseConnection`` of 1006 (RFC 6455 §7.1.5).
  ///
  /// - Throws: `RemoteProtocolError` if that cuts the handshake off.
  public func receiveEndOfStream() throws(RemoteProtocolError) {
    if let connection { return connection.receiveEndOfStream() }
    try handshake.receiveEndOfStream()
  }

  /// The next event; `nil` when more bytes are needed. The state moves with the event.
  public func nextEvent() -> Event? {
    handshake.nextEvent() ?? connection?.nextEvent()
  }

  /// The events that the bytes received so far give. Lazy: see ``EventSequence``.
  public func events() -> EventSequence {
    EventSequence { self.nextEvent() }
  }

  /// Takes bytes from the transport and hands each event to `body` at once, from where its bytes are: no copy of
  /// payloads inside the chunk, no allocation in steady state. The bytes are unmasked in place.
  ///
  /// The handshake's events come as ``BorrowedEvent/handshake(_:)``; a server can accept from inside of `body`, and
  /// bytes that followed the request are then read on. `body` may send on this connection; it must not receive on it.
  /// If `body` throws, the bytes behind its event are kept for the next call. Bytes that come after the end of the
  /// connection are ignored.
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
    if let connection, !handshake.hasEvents { return try connection.receive(chunk, body) }
    // The handshake's bytes are copied; they're few, and once.
    do throws(ProtocolError) {
      try receiveData(UnsafeRawBufferPointer(chunk))
    } catch {
      if case .remote(let error) = error { handshakeFailure = error }
    }
    // What was read before the failure comes first.
    while let event = handshake.nextEvent() { try body(.handshake(event)) }
    if let failed = handshakeFailure {
      handshakeFailure = nil
      return try body(.handshakeFailed(failed))
    }
    if let connection { try connection.drainBuffer(body) }
  }

  /// Lets `read` write up to `count` bytes from the transport into the connection's own buffer, and hands each event to
  /// `body`; see ``Connection/receive(upTo:reading:_:)``. What is read before the handshake is over is copied.
  ///
  /// - Returns: what `read` has returned.
  public func receive<Failure: Error>(
    upTo count: Int,
    reading read: (UnsafeMutableRawBufferPointer) throws(Failure) -> Int,
    _ body: (borrowing BorrowedEvent) throws(Failure) -> Void
  ) throws(Failure) -> Int {
    if let connection, !handshake.hasEvents {
      return try connection.receive(upTo: count, reading: read, body)
    }
    var memory = [UInt8](repeating: 0, count: count)
    var span = memory.mutableSpan
    let written = try span.withUnsafeMutableBytes { (room) throws(Failure) in try read(room) }
    precondition(written <= count, "more bytes were read than there was room for")
    try receive(&memory, count: max(0, written), body)
    return written
  }
}
