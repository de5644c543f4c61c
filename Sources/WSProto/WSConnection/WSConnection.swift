// SPDX-License-Identifier: Apache-2.0

public import HTTPTypes

/// One end of a WebSocket connection, from the first byte of the HTTP/1.1 handshake to the end.
///
/// A client begins with `send(Request(…))` and waits for ``AcceptConnection``; a server waits for ``Request``
/// and answers with `send(AcceptConnection())`. From then on both are the same. The methods are those of
/// ``WebSocketEndpoint``, which explains what the caller must do after each event.
public final class WSConnection: WebSocketEndpoint {
  /// The handshake.
  public let handshake: H11Handshake

  // Sending a small message costs less than the runtime's exclusivity check would. No other code runs while this changes.
  /// The connection that results from the handshake; `nil` until then.
  @exclusivity(unchecked) public private(set) var connection: Connection?

  /// A failure that must still be delivered as a borrowed event, after the events of the handshake.
  private var handshakeFailure: RemoteProtocolError?

  /// The role of this end.
  public var type: ConnectionType { handshake.type }

  /// A connection whose handshake hasn't begun.
  ///
  /// - Parameters:
  ///   - type: the role of this end.
  ///   - configuration: limits, delivery, randomness.
  ///   - deflatePool: as for `Connection.init`.
  public init(
    _ type: ConnectionType,
    configuration: Configuration = Configuration(),
    deflatePool: DeflatePool? = nil
  ) {
    handshake = H11Handshake(type, configuration: configuration, deflatePool: deflatePool)
  }

  /// See ``WebSocketEndpoint/state``.
  public var state: ConnectionState { connection?.state ?? handshake.state }

  /// See ``WebSocketEndpoint/failure``.
  public var failure: ParseFailed? { connection?.failure }

  /// Starts with a request that an HTTP server has already parsed; see
  /// ``H11Handshake/initiateUpgradeConnection(headers:path:)``.
  public func initiateUpgradeConnection(headers: Headers, path: String) throws(ProtocolError) {
    try handshake.initiateUpgradeConnection(headers: headers, path: path)
  }

  // MARK: Receiving

  public func receiveData(_ data: UnsafeRawBufferPointer) throws(ProtocolError) {
    if let connection { return try connection.receiveData(data) }
    // What follows a refusal is ignored (RFC 6455 §1.4).
    if handshake.state == .closed { return }
    defer { connection = handshake.connection }
    try handshake.receiveData(data)
  }

  /// The same for borrowed events, whose bytes have been taken already, however many wait.
  private func keep(_ data: UnsafeRawBufferPointer) throws(ProtocolError) {
    if let connection { return connection.keep(data) }
    if handshake.state == .closed { return }
    defer { connection = handshake.connection }
    try handshake.keep(data)
  }

  public func receiveEndOfStream() throws(ProtocolError) {
    if let connection { return try connection.receiveEndOfStream() }
    try handshake.receiveEndOfStream()
  }

  public func nextEvent() -> Event? {
    handshake.nextEvent() ?? connection?.nextEvent()
  }

  public func receive<Failure: Error>(
    _ chunk: UnsafeMutableRawBufferPointer,
    _ body: (borrowing BorrowedEvent) throws(Failure) -> Void
  ) throws(Failure) {
    if let connection, !handshake.hasEvents { return try connection.receive(chunk, body) }
    // The handshake's bytes are copied: they are few, and it happens once.
    do throws(ProtocolError) {
      try keep(UnsafeRawBufferPointer(chunk))
    } catch {
      if case .remote(let error) = error { handshakeFailure = error }
    }
    // Deliver what was read before the failure first.
    while let event = handshake.nextEvent() { try body(.handshake(event)) }
    if let failed = handshakeFailure {
      handshakeFailure = nil
      return try body(.handshakeFailed(failed))
    }
    try connection?.receive(UnsafeMutableRawBufferPointer(start: nil, count: 0), body)
  }

  public func receive<Failure: Error>(
    upTo count: Int,
    reading read: (UnsafeMutableRawBufferPointer) throws(Failure) -> Int,
    _ body: (borrowing BorrowedEvent) throws(Failure) -> Void
  ) throws(Failure) -> Int {
    if let connection, !handshake.hasEvents {
      return try connection.receive(upTo: count, reading: read, body)
    }
    guard count > 0 else { return 0 }
    var memory = [UInt8](repeating: 0, count: count)
    var span = memory.mutableSpan
    let written = try span.withUnsafeMutableBytes { (room) throws(Failure) in try read(room) }
    precondition(written <= count, "more bytes were read than there was room for")
    try receive(&memory, count: written, body)
    return written
  }

  // MARK: Sending

  public func send(_ event: Event, into output: inout [UInt8]) throws(LocalProtocolError) {
    if let connection { return try connection.send(event, into: &output) }
    try handshake.send(event, into: &output)
    connection = handshake.connection
  }

  public func send(_ event: Event, into output: inout OutputRawSpan) throws(LocalProtocolError) {
    if let connection { return try connection.send(event, into: &output) }
    var head: [UInt8] = []
    try handshake.send(event, into: &head, atMost: output.freeCapacity)
    connection = handshake.connection
    for byte in head { output.append(byte) }
  }

  @inlinable
  public func sendText(
    _ text: UTF8Span,
    messageFinished: Bool,
    compress: Bool,
    into output: inout [UInt8]
  ) throws(LocalProtocolError) {
    guard let connection else { throw notOpen }
    try connection.sendText(text, messageFinished: messageFinished, compress: compress, into: &output)
  }

  @inlinable
  public func sendBytes(
    _ bytes: RawSpan,
    messageFinished: Bool,
    compress: Bool,
    into output: inout [UInt8]
  ) throws(LocalProtocolError) {
    guard let connection else { throw notOpen }
    try connection.sendBytes(bytes, messageFinished: messageFinished, compress: compress, into: &output)
  }

  @inlinable
  public func sendText(
    _ text: UTF8Span,
    messageFinished: Bool,
    compress: Bool,
    into output: inout OutputRawSpan
  ) throws(LocalProtocolError) {
    guard let connection else { throw notOpen }
    try connection.sendText(text, messageFinished: messageFinished, compress: compress, into: &output)
  }

  @inlinable
  public func sendBytes(
    _ bytes: RawSpan,
    messageFinished: Bool,
    compress: Bool,
    into output: inout OutputRawSpan
  ) throws(LocalProtocolError) {
    guard let connection else { throw notOpen }
    try connection.sendBytes(bytes, messageFinished: messageFinished, compress: compress, into: &output)
  }

  public func sendPong(_ payload: RawSpan, into output: inout [UInt8]) throws(LocalProtocolError) {
    try open().sendPong(payload, into: &output)
  }

  public func send(_ message: PreparedMessage, into output: inout [UInt8]) throws(LocalProtocolError) {
    try open().send(message, into: &output)
  }

  public func send(_ message: PreparedMessage, into output: inout OutputRawSpan) throws(LocalProtocolError) {
    try open().send(message, into: &output)
  }

  public func sizeBound(of event: Event) -> Int {
    connection?.sizeBound(of: event) ?? handshake.sizeBound(of: event)
  }

  public func sizeBound(ofPayload count: Int) -> Int {
    connection?.sizeBound(ofPayload: count) ?? count
  }

  // MARK: Replies

  public var waitingReplyBytes: Int { connection?.waitingReplyBytes ?? handshake.waitingReplyBytes }

  public func sendReplies(into output: inout [UInt8]) throws(LocalProtocolError) {
    if let connection { return try connection.sendReplies(into: &output) }
    try handshake.sendReplies(into: &output)
  }

  public func sendReplies(into output: inout OutputRawSpan) throws(LocalProtocolError) {
    if let connection { return try connection.sendReplies(into: &output) }
    var head: [UInt8] = []
    try handshake.sendReplies(into: &head, atMost: output.freeCapacity)
    for byte in head { output.append(byte) }
  }

  private func open() throws(LocalProtocolError) -> Connection {
    if let connection { return connection }
    throw notOpen
  }

  @usableFromInline var notOpen: LocalProtocolError {
    LocalProtocolError("the event cannot be sent during the handshake", .state(state))
  }
}
