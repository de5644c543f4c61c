// SPDX-License-Identifier: Apache-2.0

public import HTTPTypes

/// The opening handshake over HTTP/1.1, for either role (RFC 6455 §4, RFC 9112).
///
/// ``WSConnection`` contains one of these. Use it directly to take over the ``connection`` when it is open,
/// or, in a relay, the bytes after the handshake (``takeTrailingBytes()``). If other code reads and writes
/// HTTP, use ``ServerNegotiation`` and ``ClientNegotiation``.
public final class H11Handshake {
  /// The role of this end.
  public let type: ConnectionType

  /// Whether this end is the client.
  public var client: Bool { type == .client }

  let configuration: Configuration
  private let deflatePool: DeflatePool?
  private var phase: Phase
  private var queue = EventQueue()
  /// Reads the peer's heads, and keeps what follows them until it is clear who gets it.
  var reader: HTTP1HeadReader

  /// The current step of the handshake, with its data.
  enum Phase {
    /// Client: the request has not been sent.
    case requestUnsent
    /// Client: the response is being read.
    indirect case awaitingResponse(ClientNegotiation)
    /// Client: the body of a refusal is being read.
    indirect case readingRejection(HTTP1BodyReader)
    /// Server: the request is being read.
    case awaitingRequest
    /// Server: the caller decides; the reader keeps what arrives in the meantime.
    case awaitingDecision(ReceivedHead)
    /// Server: the request is not legal; the caller can only reject. If replies are automatic, the rejection
    /// waits here.
    indirect case awaitingRejection(RejectConnection?)
    /// Server: the body of a refusal is being sent.
    indirect case sendingRejection(HTTP1BodyWriter)
    /// Accepted. Nobody has asked for the connection yet; what followed the handshake is still in the reader.
    case established(Connection)
    /// Accepted; the connection has its bytes.
    case open(Connection)
    /// Accepted; the bytes belong to a relay.
    case relayed
    /// Over, without a connection.
    case closed
    /// Inside a call that may run other code: extensions, random sources.
    case busy(ConnectionStateMachine.State)

    /// The corresponding state in the table of transitions.
    var state: ConnectionStateMachine.State {
      switch self {
      case .requestUnsent: .requestUnsent
      case .awaitingResponse: .awaitingResponse
      case .readingRejection: .readingRejection
      case .awaitingRequest: .awaitingRequest
      case .awaitingDecision: .awaitingDecision
      case .awaitingRejection: .awaitingRejection
      case .sendingRejection: .sendingRejection
      case .established, .open, .relayed: .open
      case .closed: .closed
      case .busy(let state): state
      }
    }
  }

  /// A handshake that hasn't begun. Its connection gets the configuration and the pool.
  public init(
    _ type: ConnectionType,
    configuration: Configuration = Configuration(),
    deflatePool: DeflatePool? = nil
  ) {
    self.type = type
    self.configuration = configuration
    self.deflatePool = deflatePool
    let limits = HTTP1Limits(configuration.limits)
    switch type {
    case .client:
      phase = .requestUnsent
      reader = HTTP1HeadReader(.response, limits: limits)
    case .server:
      phase = .awaitingRequest
      reader = HTTP1HeadReader(.request, limits: limits)
    }
  }

  /// The connection that the handshake results in, without the bytes that followed it.
  func makeConnection(_ extensions: [any Extension]) -> Connection {
    Connection(type, extensions: extensions, configuration: configuration, deflatePool: deflatePool)
  }

  /// Connecting, rejecting, open or closed.
  public var state: ConnectionState { ConnectionStateMachine(state: phase.state).publicState }

  // MARK: Sending

  /// Encodes `event`: ``Request`` on a client; ``AcceptConnection``, ``RejectConnection`` or ``RejectData``
  /// on a server.
  ///
  /// - Throws: `LocalProtocolError` if the event is illegal, in this state or in general; nothing has changed
  ///   then.
  public func send(_ event: some EventConvertible) throws(LocalProtocolError) -> [UInt8] {
    var output: [UInt8] = []
    try send(event, into: &output)
    return output
  }

  /// Appends the bytes of `event`; see ``send(_:)``.
  public func send(_ event: some EventConvertible, into output: inout [UInt8]) throws(LocalProtocolError) {
    try send(event.event, into: &output, atMost: .max)
  }

  /// The same, but fails if it would need more than `limit` bytes. The size can't be computed before, because
  /// an extension may answer anything.
  func send(_ event: Event, into output: inout [UInt8], atMost limit: Int) throws(LocalProtocolError) {
    let start = output.count
    do throws(LocalProtocolError) {
      try alone { (phase) throws(LocalProtocolError) in
        var next = phase
        switch event {
        case .request(let request): try sendRequest(request, &next, into: &output)
        case .acceptConnection(let accept): try sendAccept(accept, &next, into: &output)
        case .rejectConnection(let reject): try sendReject(reject, &next, into: &output)
        case .rejectData(let data): try sendRejectData(data, &next, into: &output)
        case .textMessage, .bytesMessage, .closeConnection, .ping, .pong:
          throw LocalProtocolError("the event cannot be sent during the handshake", .state(state))
        }
        let count = output.count - start
        guard count <= limit else { throw OutboundFrame.noRoom(count, limit) }
        phase = next
        // What followed a refused request is not needed (RFC 9112 §9.6).
        if case .rejectConnection = event { _ = reader.takeTrailingBytes() }
      }
    } catch {
      output.removeSubrange(start...)
      throw error
    }
  }

  // MARK: Receiving

  /// Starts with a request that an HTTP server has already parsed. Call ``nextEvent()`` afterwards.
  ///
  /// The answer is bytes, as in wsproto. A framework that writes its responses itself uses
  /// ``ServerNegotiation``.
  /// - Parameters:
  ///   - headers: all fields of the request, including `Host`.
  ///   - path: the request target.
  /// - Throws: `ProtocolError.local` on a client, and if a request has been read completely or in part
  ///   before; `ProtocolError.remote` as for received bytes.
  public func initiateUpgradeConnection(headers: Headers, path: String) throws(ProtocolError) {
    guard type == .server else {
      throw .local(
        LocalProtocolError("a client cannot start from a request that was received", .state(state))
      )
    }
    try receiving { (phase) throws(ProtocolError) in try startFromRequest(headers, path, &phase) }
  }

  /// Takes bytes from the transport and processes what they complete. Call ``nextEvent()`` afterwards.
  ///
  /// - Throws: `ProtocolError.remote` if the peer's part isn't legal: a server sends the error's `eventHint`,
  ///   then closes the transport; a client just closes it. Events before the error can still be taken, such
  ///   as a refusal whose body is not legal. `ProtocolError.local` if the handshake is over or hasn't begun
  ///   (later bytes belong to the ``connection``), and if more than ``Limits/maxUntakenBytes`` of a refusal's
  ///   body wait in events that were not taken.
  public func receiveData(_ data: UnsafeRawBufferPointer) throws(ProtocolError) {
    let limit = configuration.limits.maxUntakenBytes
    if queue.heldBytes > limit { throw .local(.eventsNotTaken(queue.heldBytes, limit: limit)) }
    try keep(data)
  }

  /// Takes bytes, however many wait: for borrowed events, whose bytes have been taken already.
  func keep(_ data: UnsafeRawBufferPointer) throws(ProtocolError) {
    try receiving { (phase) throws(ProtocolError) in
      switch phase {
      case .awaitingResponse(let negotiation):
        try receiveResponse(data, negotiation, &phase)
      case .readingRejection(let reader):
        try receiveBody(Array(data)[...], reader, &phase)
      case .awaitingRequest:
        try receiveRequest(data, &phase)
      case .awaitingDecision:
        try receiveEarly(data, &phase)
      case .awaitingRejection, .sendingRejection:
        // Not needed: the connection ends with the refusal (RFC 9112 §9.6).
        return
      case .requestUnsent:
        throw .local(LocalProtocolError("data was received before the request was sent", .state(state)))
      case .closed:
        throw .local(LocalProtocolError("the connection is already closed", .state(.closed)))
      case .established, .open, .relayed, .busy:
        throw .local(handshakeIsOver)
      }
    }
  }

  /// Takes bytes from the transport; see ``receiveData(_:)-(UnsafeRawBufferPointer)``.
  @inlinable
  public func receiveData<S: Sequence>(_ data: S) throws(ProtocolError) where S.Element == UInt8 {
    try withBytes(of: data) { (bytes) throws(ProtocolError) in try receiveData(bytes) }
  }

  /// The transport has ended.
  ///
  /// - Throws: `ProtocolError.remote` if that cuts off a message, or leaves a client without an answer.
  ///   `ProtocolError.local` if the connection is open: tell the ``connection`` instead.
  public func receiveEndOfStream() throws(ProtocolError) {
    try alone(or: { .local($0) }) { (phase) throws(ProtocolError) in
      switch phase {
      case .established, .open, .relayed, .busy: throw .local(handshakeIsOver)
      case .requestUnsent, .awaitingDecision, .awaitingRejection, .sendingRejection, .closed: over(&phase)
      case .awaitingResponse:
        over(&phase)
        throw .remote(.cutOff)
      case .awaitingRequest:
        let isInsideHead = reader.isInsideHead
        over(&phase)
        if isInsideHead { throw .remote(.cutOff) }
      case .readingRejection(var body):
        over(&phase)
        do throws(HTTP1Error) {
          try body.endOfStream()
        } catch {
          throw .remote(RemoteProtocolError(error, for: type))
        }
        deliver(RejectData(data: Bytes(), bodyFinished: true))
      }
    }
  }

  /// The next head; `nil` if more bytes are needed.
  func nextHead(_ phase: inout Phase, orEnd end: Phase) throws(ProtocolError) -> HTTP1Head? {
    do throws(HTTP1Error) {
      return try reader.next()
    } catch {
      over(&phase, end)
      throw .remote(RemoteProtocolError(error, for: type))
    }
  }

  /// Called when there is no connection and never will be: bytes are no longer needed.
  func over(_ phase: inout Phase, _ end: Phase = .closed) {
    phase = end
    _ = reader.takeTrailingBytes()
  }

  private var handshakeIsOver: LocalProtocolError {
    LocalProtocolError("the handshake is over: what follows belongs to its connection", .state(state))
  }

  /// Whether events wait to be taken.
  var hasEvents: Bool { !queue.isEmpty }

  /// The next event; `nil` if more bytes are needed.
  public func nextEvent() -> Event? {
    queue.popFirst()
  }

  /// The events in the bytes received so far.
  public func events() -> EventSequence {
    EventSequence { self.nextEvent() }
  }

  func deliver(_ event: Event) { queue.append(event) }

  func deliver(_ part: RejectData) { queue.append(part) }

  /// Processes input from the peer. If replies are automatic, the answer to an illegal request then waits.
  private func receiving(_ body: (inout Phase) throws(ProtocolError) -> Void) throws(ProtocolError) {
    try alone(or: { .local($0) }) { (phase) throws(ProtocolError) in
      do throws(ProtocolError) {
        try body(&phase)
      } catch {
        if case .awaitingRejection(nil) = phase, case .remote(let failed) = error,
          case .rejectConnection(let rejection) = failed.eventHint,
          configuration.automaticReplies.contains(.rejections)
        {
          phase = .awaitingRejection(rejection)
        }
        throw error
      }
    }
  }

  // MARK: Replies

  /// The maximum number of bytes that the waiting rejection takes; 0 if there is none. See
  /// ``AutomaticReplies/rejections``.
  public var waitingReplyBytes: Int { waitingRejection.map { sizeBound(of: .rejectConnection($0)) } ?? 0 }

  /// The bytes of the waiting rejection; empty if there is none. Write all of them to the transport. The
  /// ``state`` is then closed.
  public func sendReplies() throws(LocalProtocolError) -> [UInt8] {
    var output: [UInt8] = []
    try sendReplies(into: &output, atMost: .max)
    return output
  }

  /// Appends the bytes of the waiting rejection; see ``sendReplies()``.
  public func sendReplies(into output: inout [UInt8]) throws(LocalProtocolError) {
    try sendReplies(into: &output, atMost: .max)
  }

  func sendReplies(into output: inout [UInt8], atMost limit: Int) throws(LocalProtocolError) {
    guard let rejection = waitingRejection else { return }
    try send(.rejectConnection(rejection), into: &output, atMost: limit)
  }

  private var waitingRejection: RejectConnection? {
    if case .awaitingRejection(let rejection) = phase { rejection } else { nil }
  }

  // MARK: The result

  /// The connection that results from the handshake; `nil` until then, and after ``takeTrailingBytes()``.
  ///
  /// The first access passes it the bytes that followed the handshake.
  public var connection: Connection? {
    switch phase {
    case .open(let connection): return connection
    case .established(let connection):
      phase = .open(connection)
      reader.takeTrailingBytes().withUnsafeBytes { connection.keep($0) }
      return connection
    default: return nil
    }
  }

  /// The bytes after the handshake, for a relay: a program that forwards the bytes of the transport instead
  /// of reading messages, such as a proxy between two handshakes.
  ///
  /// Call it when the handshake is accepted, without having accessed ``connection``. From then on the
  /// transport is yours: first write these bytes to the other side, then everything you read.
  /// - Throws: `LocalProtocolError` if the handshake was not accepted, or the connection already has the
  ///   bytes.
  public func takeTrailingBytes() throws(LocalProtocolError) -> Bytes {
    try alone { (phase) throws(LocalProtocolError) in
      guard case .established = phase else {
        throw LocalProtocolError("there are no bytes behind a handshake to be taken", .state(state))
      }
      phase = .relayed
      return Bytes(reader.takeTrailingBytes())
    }
  }

  // MARK: One call at a time

  /// Runs `body` on the phase, which is ``Phase/busy(_:)`` in the meantime: other code that calls back
  /// changes nothing and gets an error.
  private func alone<Result, Failure: Error>(
    or failure: (LocalProtocolError) -> Failure,
    _ body: (inout Phase) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    var current = Phase.busy(phase.state)
    swap(&current, &phase)
    if case .busy = current {
      throw failure(
        LocalProtocolError("an extension or a random source must not call its handshake", .reentrance)
      )
    }
    defer { swap(&current, &phase) }
    return try body(&current)
  }

  private func alone<Result>(
    _ body: (inout Phase) throws(LocalProtocolError) -> Result
  ) throws(LocalProtocolError) -> Result {
    try alone(or: { $0 }, body)
  }
}

extension RemoteProtocolError {
  /// An error for a head or a body that isn't legal HTTP/1.1.
  init(_ error: HTTP1Error, for role: ConnectionType) {
    self.init(
      HandshakeFault("Bad HTTP message", error.description, status: error.suggestedStatus),
      for: role
    )
  }

  fileprivate static var cutOff: RemoteProtocolError {
    RemoteProtocolError("Bad HTTP message", detail: "the stream ended inside the handshake (RFC 9112 §8)")
  }
}

extension HandshakeFields {
  /// The fields of an HTTP/1.1 head.
  init(_ head: HTTP1Head) {
    self.init()
    let bytes = head.bytes
    for field in head.fields where field.id != .other { append(HeadPart(bytes, field.value), to: field.id) }
  }
}
