// SPDX-License-Identifier: Apache-2.0

public import HTTPTypes

/// The opening handshake over HTTP/1.1, for either role (RFC 6455 §4, RFC 9112).
///
/// ``WSConnection`` drives one of these; use it directly to take over the ``connection`` once it is there, or, as a relay
/// does, the bytes behind the handshake (``takeTrailingBytes()``). Where something else reads and writes HTTP, use
/// ``ServerNegotiation`` and ``ClientNegotiation``.
public final class H11Handshake {
  /// The role of this end.
  public let type: ConnectionType

  /// Whether this end is the client.
  public var client: Bool { type == .client }

  let configuration: Configuration
  private var phase: Phase
  private var queue = EventQueue()
  /// Reads the peer's heads, and keeps what comes behind them until it is clear whose it is.
  var reader: HTTP1HeadReader

  /// What the handshake is doing, with all that it has for it.
  enum Phase {
    /// Client: the request has not been sent.
    case requestUnsent
    /// Client: the response is being read.
    indirect case awaitingResponse(ClientNegotiation)
    /// Client: the body of a refusal is being read.
    indirect case readingRejection(HTTP1BodyReader)
    /// Server: the request is being read.
    case awaitingRequest
    /// Server: the caller decides; the reader has what comes meanwhile.
    case awaitingDecision(ReceivedHead)
    /// Server: the request is not legal; the caller can only reject. The rejection is the reply that waits, if replies are
    /// automatic.
    indirect case awaitingRejection(RejectConnection?)
    /// Server: the body of a refusal is being sent.
    indirect case sendingRejection(HTTP1BodyWriter)
    /// Accepted. Nobody has asked for the connection, and what has come behind the handshake is still in the reader.
    case established(Connection)
    /// Accepted; the connection has its bytes.
    case open(Connection)
    /// Accepted; the bytes belong to a relay.
    case relayed
    /// Over without a connection.
    case closed
    /// Inside of a call, in which code of others may run: extensions, random sources.
    case busy(ConnectionStateMachine.State)

    /// The same in the terms of the table of transitions.
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

  /// A handshake that hasn't begun.
  public init(_ type: ConnectionType, configuration: Configuration = Configuration()) {
    self.type = type
    self.configuration = configuration
    let limits = HTTP1Limits(
      maxHeadBytes: configuration.limits.maxHeadBytes,
      maxFieldCount: configuration.limits.maxHeadFields
    )
    switch type {
    case .client:
      phase = .requestUnsent
      reader = HTTP1HeadReader(.response, limits: limits)
    case .server:
      phase = .awaitingRequest
      reader = HTTP1HeadReader(.request, limits: limits)
    }
  }

  /// Connecting, rejecting, open or closed.
  public var state: ConnectionState { ConnectionStateMachine(state: phase.state).publicState }

  // MARK: Sending

  /// The bytes that put `event` on the wire: ``Request`` for a client; ``AcceptConnection``, ``RejectConnection`` or
  /// ``RejectData`` for a server.
  ///
  /// - Throws: `LocalProtocolError` if the event is not legal in this state or at all; nothing has changed then.
  public func send(_ event: some EventConvertible) throws(LocalProtocolError) -> [UInt8] {
    var output: [UInt8] = []
    try send(event, into: &output)
    return output
  }

  /// Appends the bytes that put `event` on the wire; see ``send(_:)``.
  public func send(_ event: some EventConvertible, into output: inout [UInt8]) throws(LocalProtocolError) {
    try send(event.event, into: &output, atMost: .max)
  }

  /// The same, unless it would be more than `limit` bytes. No bound is known before: what an extension answers is its own
  /// matter.
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
        // What followed a request that was refused is of no use (RFC 9112 §9.6).
        if case .rejectConnection = event { _ = reader.takeTrailingBytes() }
      }
    } catch {
      output.removeSubrange(start...)
      throw error
    }
  }

  // MARK: Receiving

  /// Starts with a request that an HTTP server has read and parsed already. Call ``nextEvent()`` afterwards.
  ///
  /// The answer is bytes, as wsproto has it. A framework that writes its responses by itself uses ``ServerNegotiation``.
  /// - Parameters:
  ///   - headers: all fields of the request, `Host` included.
  ///   - path: the request target.
  /// - Throws: `ProtocolError.local` for a client, and when a request was read, or begun to be read, before;
  ///   `ProtocolError.remote` as for received bytes.
  public func initiateUpgradeConnection(headers: Headers, path: String) throws(ProtocolError) {
    guard type == .server else {
      throw .local(
        LocalProtocolError("a client cannot start from a request that was received", .state(state))
      )
    }
    try receiving { (phase) throws(ProtocolError) in try startFromRequest(headers, path, &phase) }
  }

  /// Takes bytes from the transport and reads what they complete. Call ``nextEvent()`` afterwards.
  ///
  /// - Throws: `ProtocolError.remote` if the peer's part isn't legal: a server sends the error's `eventHint`, then
  ///   either closes. Events that were read before it can still be taken, such as a refusal whose body is not legal.
  ///   `ProtocolError.local` if the handshake is over or hasn't begun, bytes that come then belong to the
  ///   ``connection``; and if more than ``Limits/maxUntakenBytes`` of a refusal's body wait in events that were not taken.
  public func receiveData(_ data: UnsafeRawBufferPointer) throws(ProtocolError) {
    let limit = configuration.limits.maxUntakenBytes
    if queue.heldBytes > limit { throw .local(.eventsNotTaken(queue.heldBytes, limit: limit)) }
    try keep(data)
  }

  /// Takes bytes, however many wait: for the borrowed doors, which have taken them already.
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
        // Of no use: the connection ends with the refusal (RFC 9112 §9.6).
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
  /// - Throws: `ProtocolError.remote` if that cuts a message off, or leaves a client without an answer.
  ///   `ProtocolError.local` if the connection is open: tell the ``connection``.
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

  /// The next head; `nil` when more bytes are needed.
  func nextHead(_ phase: inout Phase, orEnd end: Phase) throws(ProtocolError) -> HTTP1Head? {
    do throws(HTTP1Error) {
      return try reader.next()
    } catch {
      over(&phase, end)
      throw .remote(RemoteProtocolError(error, for: type))
    }
  }

  /// There is no connection, and there will be none: bytes are of no use any more.
  func over(_ phase: inout Phase, _ end: Phase = .closed) {
    phase = end
    _ = reader.takeTrailingBytes()
  }

  private var handshakeIsOver: LocalProtocolError {
    LocalProtocolError("the handshake is over: what follows belongs to its connection", .state(state))
  }

  /// Whether events wait to be taken.
  var hasEvents: Bool { !queue.isEmpty }

  /// The next event; `nil` when more bytes are needed.
  public func nextEvent() -> Event? {
    queue.popFirst()
  }

  /// The events that the bytes received so far give.
  public func events() -> EventSequence {
    EventSequence { self.nextEvent() }
  }

  func deliver(_ event: Event) { queue.append(event) }

  func deliver(_ part: RejectData) { queue.append(part) }

  /// Runs a part of the peer's. What answers an illegal request waits, if replies are automatic.
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

  /// The most bytes that the rejection takes which waits to be sent; 0 if none does. See
  /// ``AutomaticReplies/rejections``.
  public var waitingReplyBytes: Int { waitingRejection.map { sizeBound(of: .rejectConnection($0)) } ?? 0 }

  /// The bytes of the rejection that waits, none if none does: write all of them to the transport. ``state`` is then
  /// closed.
  public func sendReplies() throws(LocalProtocolError) -> [UInt8] {
    var output: [UInt8] = []
    try sendReplies(into: &output, atMost: .max)
    return output
  }

  /// Appends the bytes of the rejection that waits; see ``sendReplies()``.
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

  // MARK: What comes of it

  /// The connection that the handshake has led to; `nil` until then, and after ``takeTrailingBytes()``.
  ///
  /// Whoever asks for it first lets it have the bytes that followed the handshake.
  public var connection: Connection? {
    switch phase {
    case .open(let connection): return connection
    case .established(let connection):
      phase = .open(connection)
      // It is open, and takes bytes.
      try? connection.receiveData(reader.takeTrailingBytes())
      return connection
    default: return nil
    }
  }

  /// The bytes that have come behind the handshake, for a relay: a program that hands on the bytes of the transport
  /// instead of reading messages, such as a proxy between two handshakes.
  ///
  /// Call it once the handshake is accepted, and don't ask for the ``connection`` before. From then on the transport is
  /// the caller's: write these bytes to the other side first, then all that is read.
  /// - Throws: `LocalProtocolError` if there was no acceptance, or the bytes are the connection's already.
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

  /// Runs `body` on the phase, which is ``Phase/busy(_:)`` for everyone else meanwhile: code of others that calls back
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
  /// A head or a body that isn't legal HTTP/1.1.
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
  /// The fields of a head of HTTP/1.1.
  init(_ head: HTTP1Head) {
    self.init()
    let bytes = head.bytes
    for field in head.fields where field.id != .other { append(HeadPart(bytes, field.value), to: field.id) }
  }
}

extension H11Handshake {
  /// The most bytes that an event of the handshake takes on the wire.
  func sizeBound(of event: Event) -> Int {
    func size(_ headers: Headers) -> Int {
      headers.reduce(0) { $0 + $1.name.rawName.utf8.count + $1.value.utf8.count + 4 }
    }
    func size(_ extensions: [any Extension]) -> Int {
      extensions.reduce(0) { sum, one in
        one.offers().reduce(sum) { sum, parameters in
          sum + 2 * ExtensionHeader(name: one.name, parameters: parameters).description.utf8.count + 4
        }
      }
    }
    // Room for the start line and the fields that every handshake has.
    let fixed = 512
    switch event {
    case .request(let request):
      return fixed + request.host.utf8.count + request.target.utf8.count + size(request.extraHeaders)
        + size(request.extensions) + request.subprotocols.reduce(0) { $0 + $1.utf8.count + 2 }
    case .acceptConnection(let accept):
      // An answer has at most what extensions of this package can say; others get room too.
      return fixed + (accept.subprotocol?.utf8.count ?? 0) + size(accept.extraHeaders)
        + accept.extensions.count * 256 + size(accept.extensions)
    case .rejectConnection(let reject): return fixed + size(reject.headers)
    case .rejectData(let data): return data.data.count + 32
    case .textMessage, .bytesMessage, .closeConnection, .ping, .pong: return 0
    }
  }
}
