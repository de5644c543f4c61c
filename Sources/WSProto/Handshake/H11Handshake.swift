// SPDX-License-Identifier: Apache-2.0

import HTTPTypes

/// The opening handshake over HTTP/1.1, for either role (RFC 6455 §4, RFC 9112).
///
/// ``WSConnection`` drives one of these; use it directly to take over the ``connection`` once it is there.
public final class H11Handshake {
  /// The role of this end.
  public let type: ConnectionType

  /// Whether this end is the client.
  public var client: Bool { type == .client }

  /// The connection that the handshake has led to; `nil` until then.
  @exclusivity(unchecked) public internal(set) var connection: Connection?

  let configuration: Configuration
  // Unchecked: code of others (an event's conversion, an extension's `accept`, a random source) works on locals, never
  // inside of an access to one of these, so no two accesses can overlap.
  @exclusivity(unchecked) var machine: ConnectionStateMachine
  @exclusivity(unchecked) var reader: HTTP1HeadReader
  @exclusivity(unchecked) var queue = EventQueue()

  /// The request: sent, or to be decided on.
  @exclusivity(unchecked) var request: Request?
  /// Server: the head of that request, with the key and the offers.
  @exclusivity(unchecked) var received: ReceivedHead?
  /// Client: what the server must answer to the nonce.
  @exclusivity(unchecked) var expectedAccept: [UInt8] = []
  /// Client: the 1xx responses so far.
  @exclusivity(unchecked) var informationalCount = 0

  /// The body of a rejection: being sent, or being read.
  @exclusivity(unchecked) var bodyWriter: HTTP1BodyWriter?
  @exclusivity(unchecked) var bodyReader: HTTP1BodyReader?

  /// A handshake that hasn't begun.
  public init(_ type: ConnectionType, configuration: Configuration = Configuration()) {
    self.type = type
    self.configuration = configuration
    machine = ConnectionStateMachine(type)
    let limits = HTTP1Limits(
      maxHeadBytes: configuration.limits.maxHeadBytes,
      maxFieldCount: configuration.limits.maxHeadFields
    )
    reader = HTTP1HeadReader(type == .server ? .request : .response, limits: limits)
  }

  /// Connecting, rejecting, open or closed.
  public var state: ConnectionState { machine.publicState }

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
    let start = output.count
    do throws(LocalProtocolError) {
      switch event.event {
      case .request(let request): try initiate(request, into: &output)
      case .acceptConnection(let accept): try self.accept(accept, into: &output)
      case .rejectConnection(let reject): try self.reject(reject, into: &output)
      case .rejectData(let data): try sendRejectData(data, into: &output)
      case .textMessage, .bytesMessage, .closeConnection, .ping, .pong:
        throw LocalProtocolError("the event cannot be sent during the handshake", .state(state))
      }
    } catch {
      output.removeSubrange(start...)
      throw error
    }
  }

  // MARK: Receiving

  /// Takes bytes from the transport and reads what they complete. Call ``nextEvent()`` afterwards.
  ///
  /// - Throws: `ProtocolError.remote` if the peer's part isn't legal: a server sends the error's `eventHint`, then
  ///   either closes. `ProtocolError.local` if the handshake is over or hasn't begun.
  public func receiveData(_ data: UnsafeRawBufferPointer) throws(ProtocolError) {
    guard try acceptsData() else { return }
    switch type {
    case .client: try receiveResponse(data)
    case .server: try receiveRequest(data)
    }
  }

  /// Takes bytes from the transport; see ``receiveData(_:)-(UnsafeRawBufferPointer)``.
  @inlinable
  public func receiveData<S: Sequence>(_ data: S) throws(ProtocolError) where S.Element == UInt8 {
    try withBytes(of: data) { (bytes) throws(ProtocolError) in try receiveData(bytes) }
  }

  private func acceptsData() throws(ProtocolError) -> Bool {
    switch machine.reading {
    case .reads where machine.state != .open: return true
    case .ignores where machine.state != .closed: return false
    case .reads, .ignores:
      throw .local(LocalProtocolError("the handshake is over", .state(state)))
    case .illegal:
      throw .local(LocalProtocolError("data was received before the request was sent", .state(state)))
    }
  }

  /// The transport has ended.
  ///
  /// - Throws: `RemoteProtocolError` if that cuts a message off, or leaves a client without an answer.
  public func receiveEndOfStream() throws(RemoteProtocolError) {
    guard state == .connecting || state == .rejecting else { return }
    let before = machine.state
    machine.applyIfLegal(.endOfStream)
    if before == .readingRejection {
      do throws(HTTP1Error) {
        try bodyReader?.endOfStream()
        queue.append(.rejectData(RejectData(data: Bytes(), bodyFinished: true)))
      } catch {
        throw RemoteProtocolError("Bad HTTP message", detail: error.description)
      }
    } else if before == .awaitingResponse || reader.isInsideHead && before == .awaitingRequest {
      throw RemoteProtocolError(
        "Bad HTTP message",
        detail: "the stream ended inside the handshake (RFC 9112 §8)"
      )
    }
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

  /// What the peer did wrong; the handshake has failed with it.
  func fail(_ error: RemoteProtocolError) -> ProtocolError {
    machine.applyIfLegal(.failHandshake)
    return .remote(error)
  }

  /// A head that isn't legal HTTP/1.1.
  func fail(_ error: HTTP1Error) -> ProtocolError {
    var hint: Event?
    if type == .server { hint = .rejectConnection(RejectConnection(statusCode: error.suggestedStatus)) }
    return fail(RemoteProtocolError("Bad HTTP message", detail: error.description, eventHint: hint))
  }

  /// Fields that the handshake writes itself; the caller's must not contradict them.
  static func checkExtraHeaders(_ headers: Headers) throws(LocalProtocolError) {
    for field in headers {
      switch field.name.canonicalName {
      case "host", "upgrade", "connection", "content-length", "transfer-encoding", "sec-websocket-key",
        "sec-websocket-accept", "sec-websocket-version", "sec-websocket-protocol", "sec-websocket-extensions":
        throw LocalProtocolError("the field \(field.name.rawName) is the handshake's own", .head)
      default: break
      }
    }
  }

  /// Runs the head writer, whose errors are the caller's.
  func writing(_ body: () throws(HTTP1WriteError) -> Void) throws(LocalProtocolError) {
    do throws(HTTP1WriteError) {
      try body()
    } catch {
      switch error {
      case .bodyNotAllowed, .bodyTooLong, .bodyTooShort, .bodyAlreadyFinished, .invalidContentLength,
        .unsupportedTransferCoding, .contentLengthWithTransferEncoding:
        throw LocalProtocolError(error.description, .bodyFraming)
      case .invalidMethod, .invalidTarget, .invalidStatusCode, .invalidReasonPhrase, .invalidFieldName,
        .invalidFieldValue:
        throw LocalProtocolError(error.description, .head)
      }
    }
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
