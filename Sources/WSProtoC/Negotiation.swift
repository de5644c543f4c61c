// SPDX-License-Identifier: Apache-2.0

public import CWSProto
import HTTPTypes
import WSProto

/// `wsproto_negotiation`: either half of an extended CONNECT, with the fields as lists.
final class Negotiation {
  enum Half {
    case server(ServerNegotiation)
    case client(ClientNegotiation)
  }

  private(set) var half: Half
  private let deflatePool: DeflatePool?
  private(set) var connection: Connection?
  private var isOver = false
  let known = KnownExtensions()
  let calls = CallGuard()
  let arena = Arena()

  /// A server's negotiation, from the request it received.
  init(
    request fields: [HTTPField],
    enableConnectProtocol: Bool,
    _ configuration: UnsafePointer<wsproto_configuration>?
  ) throws(RemoteProtocolError) {
    deflatePool = pool(configuration)
    guard let request = try? HTTPRequest(parsed: fields) else { throw malformed("request") }
    half = .server(
      try ServerNegotiation(
        extendedConnect: request,
        enableConnectProtocol: enableConnectProtocol,
        configuration: Configuration(configuration)
      )
    )
  }

  /// A client's negotiation, from the WSPROTO_REQUEST to send.
  init(
    _ event: wsproto_event,
    isSecure: Bool,
    enableConnectProtocol: Bool,
    _ configuration: UnsafePointer<wsproto_configuration>?
  ) throws(LocalProtocolError) {
    deflatePool = pool(configuration)
    guard case .request(let request) = try event.swift() else {
      throw LocalProtocolError("a client's negotiation begins with a request", .state(.connecting))
    }
    half = .client(
      try ClientNegotiation(
        extendedConnect: request,
        isSecure: isSecure,
        enableConnectProtocol: enableConnectProtocol,
        configuration: Configuration(configuration)
      )
    )
    known.boxes = event.boxes
  }

  /// The request: as an event for a server, as fields for a client.
  func request() -> (UnsafePointer<wsproto_event>?, wsproto_head) {
    arena.reset()
    switch half {
    case .server(let server):
      let event = Event.request(server.request).c(in: arena) { known.box(for: $0) }
      return (arena.pointer(to: event), wsproto_head())
    case .client(let client):
      let request = client.httpRequest
      let pseudo = request.pseudoHeaderFields
      let fields = [
        pseudo.method, pseudo.scheme, pseudo.authority, pseudo.path, pseudo.extendedConnectProtocol,
      ]
      return (nil, arena.head(status: 0, fields.compactMap { $0 } + request.headerFields))
    }
  }

  /// A server's answer.
  func send(_ event: wsproto_event) throws(LocalProtocolError) -> wsproto_head {
    guard case .server(let server) = half, !isOver else {
      throw LocalProtocolError("there is no request to answer", .state(.connecting))
    }
    let response: HTTPResponse
    switch try event.swift() {
    case .acceptConnection(let accept):
      let (accepted, made) = try server.accept(accept, deflatePool: deflatePool)
      response = accepted
      connection = made
      known.boxes = event.boxes
      known.settle(made)
    case .rejectConnection(let reject): response = try server.reject(reject)
    case .request, .rejectData, .textMessage, .bytesMessage, .closeConnection, .ping, .pong:
      throw LocalProtocolError("a request is accepted or rejected", .state(.connecting))
    }
    isOver = true
    arena.reset()
    return arena.head(response)
  }

  /// Takes a response. Returns it as an event, or `nil` if it is not the final response.
  func receive(_ fields: [HTTPField]) throws(RemoteProtocolError) -> UnsafePointer<wsproto_event>? {
    guard case .client(var client) = half, !isOver else {
      throw RemoteProtocolError("Bad HTTP message", detail: "a response that nothing was asked for")
    }
    guard let response = try? HTTPResponse(parsed: fields) else { throw malformed("response") }
    defer { half = .client(client) }
    let event: Event
    switch try client.receive(response, deflatePool: deflatePool) {
    case .informational: return nil
    case .rejected(let reject): event = .rejectConnection(reject)
    case .accepted(let accept, let made):
      connection = made
      known.settle(made)
      event = .acceptConnection(accept)
    }
    isOver = true
    arena.reset()
    return arena.pointer(to: event.c(in: arena) { known.box(for: $0) })
  }
}

/// RFC 9113 §8.1.1, RFC 9114 §4.1.2: a stream error; a server may answer 400 first.
private func malformed(_ what: String) -> RemoteProtocolError {
  RemoteProtocolError(
    "Bad HTTP message",
    detail: "a malformed \(what), in its pseudo-header fields or names (RFC 9114 §4.2, §4.3)",
    eventHint: what == "request" ? .rejectConnection(RejectConnection()) : nil
  )
}

/// Fields as HPACK and QPACK deliver them, including pseudo-header fields.
private func parsedFields(
  _ fields: UnsafePointer<wsproto_field>?,
  _ count: Int,
  _ what: String
) throws(RemoteProtocolError) -> [HTTPField] {
  var parsed: [HTTPField] = []
  for field in elements(fields, count) {
    // A value that isn't legal would silently be replaced by spaces.
    guard let name = HTTPField.Name(parsed: field.name.text), HTTPField.isValidValue(field.value.raw) else {
      throw malformed(what)
    }
    parsed.append(HTTPField(name: name, value: field.value.raw))
  }
  return parsed
}

extension Arena {
  /// Fields with names in lower case, as HTTP/2 and HTTP/3 require (RFC 9113 §8.2).
  func head(status: Int32, _ fields: [HTTPField]) -> wsproto_head {
    let made = fields.map { field in
      wsproto_field(
        name: copy(field.name.canonicalName),
        value: field.withUnsafeBytesOfValue { copy(UnsafeRawBufferPointer($0)) }
      )
    }
    return wsproto_head(status: status, fields: array(made), field_count: made.count)
  }

  func head(_ response: HTTPResponse) -> wsproto_head {
    let status = response.pseudoHeaderFields.status
    return head(status: Int32(clamping: response.status.code), [status] + response.headerFields)
  }
}

/// `wsproto_server_negotiation_new` of wsproto.h.
@_cdecl("wsproto_server_negotiation_new")
public func serverNegotiationNew(
  _ fields: UnsafePointer<wsproto_field>?,
  _ count: Int,
  _ enableConnectProtocol: Bool,
  _ configuration: UnsafePointer<wsproto_configuration>?,
  _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> OpaquePointer? {
  var made: OpaquePointer?
  _ = attempt(error, { (failure: RemoteProtocolError) in ErrorBox(failure) }) {
    () throws(RemoteProtocolError) in
    made = retained(
      try Negotiation(
        request: try parsedFields(fields, count, "request"),
        enableConnectProtocol: enableConnectProtocol,
        configuration
      )
    )
  }
  return made
}

/// `wsproto_client_negotiation_new` of wsproto.h.
@_cdecl("wsproto_client_negotiation_new")
public func clientNegotiationNew(
  _ request: UnsafePointer<wsproto_event>,
  _ isSecure: Bool,
  _ enableConnectProtocol: Bool,
  _ configuration: UnsafePointer<wsproto_configuration>?,
  _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> OpaquePointer? {
  var made: OpaquePointer?
  _ = attempt(error, { (failure: LocalProtocolError) in ErrorBox(failure) }) {
    () throws(LocalProtocolError) in
    made = retained(
      try Negotiation(
        request.pointee,
        isSecure: isSecure,
        enableConnectProtocol: enableConnectProtocol,
        configuration
      )
    )
  }
  return made
}

/// `wsproto_negotiation_free` of wsproto.h.
@_cdecl("wsproto_negotiation_free")
public func negotiationFree(_ pointer: OpaquePointer?) { release(pointer, as: Negotiation.self) }

/// `wsproto_negotiation_request` of wsproto.h.
@_cdecl("wsproto_negotiation_request")
public func negotiationRequest(_ pointer: OpaquePointer) -> UnsafePointer<wsproto_event>? {
  let negotiation = object(pointer, as: Negotiation.self)
  return negotiation.calls.run { negotiation.request().0 } ?? nil
}

/// `wsproto_negotiation_request_head` of wsproto.h.
@_cdecl("wsproto_negotiation_request_head")
public func negotiationRequestHead(_ pointer: OpaquePointer) -> wsproto_head {
  let negotiation = object(pointer, as: Negotiation.self)
  return negotiation.calls.run { negotiation.request().1 } ?? wsproto_head()
}

/// `wsproto_negotiation_send` of wsproto.h.
@_cdecl("wsproto_negotiation_send")
public func negotiationSend(
  _ pointer: OpaquePointer,
  _ event: UnsafePointer<wsproto_event>,
  _ response: UnsafeMutablePointer<wsproto_head>,
  _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> Bool {
  let negotiation = object(pointer, as: Negotiation.self)
  return negotiation.calls.attempt(error, { (failure: LocalProtocolError) in ErrorBox(failure) }) {
    () throws(LocalProtocolError) in
    response.pointee = try negotiation.send(event.pointee)
  }
}

/// `wsproto_negotiation_receive` of wsproto.h.
@_cdecl("wsproto_negotiation_receive")
public func negotiationReceive(
  _ pointer: OpaquePointer,
  _ fields: UnsafePointer<wsproto_field>?,
  _ count: Int,
  _ event: UnsafeMutablePointer<UnsafePointer<wsproto_event>?>,
  _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> Bool {
  let negotiation = object(pointer, as: Negotiation.self)
  return negotiation.calls.attempt(error, { (failure: RemoteProtocolError) in ErrorBox(failure) }) {
    () throws(RemoteProtocolError) in
    event.pointee = try negotiation.receive(try parsedFields(fields, count, "response"))
  }
}

/// `wsproto_negotiation_connection` of wsproto.h.
@_cdecl("wsproto_negotiation_connection")
public func negotiationConnection(_ pointer: OpaquePointer) -> OpaquePointer? {
  let negotiation = object(pointer, as: Negotiation.self)
  return negotiation.connection.map { retained(Endpoint(.open($0), known: negotiation.known)) }
}
