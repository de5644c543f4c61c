// SPDX-License-Identifier: Apache-2.0

import HTTPTypes
import WSProto

/// The parts of a message's head, as a framework passes them.
struct HeadValues {
  var line: [String]
  var fields = Headers()

  /// - Parameter text: a head whose lines end with CR LF and are not folded.
  init(_ text: String) {
    var lines = text.split(separator: "\r\n", omittingEmptySubsequences: false)
    line = lines.removeFirst().split(separator: " ", omittingEmptySubsequences: false).map(String.init)
    for one in lines {
      guard let colon = one.utf8.firstIndex(of: 0x3A), let name = HTTPField.Name(String(one[..<colon])) else {
        continue
      }
      fields.append(HTTPField(name: name, value: String(one[one.index(after: colon)...])))
    }
  }
}

/// How a request can reach a server.
enum ServerDoor: CaseIterable {
  case whole, byteByByte
  /// Parsed by a framework, answered with bytes.
  case initiate
  /// Values, with `Host` among the fields, and as the authority.
  case values, authority

  /// The request that a server has to decide on.
  ///
  /// - Parameter head: legal except for what is tested, with nothing after it.
  func open(_ head: String) throws(ProtocolError) -> Request {
    let server = H11Handshake(.server)
    let parts = HeadValues(head)
    switch self {
    case .whole: try server.receiveData(head.utf8)
    case .byteByByte: for byte in head.utf8 { try server.receiveData([byte]) }
    case .initiate: try server.initiateUpgradeConnection(headers: parts.fields, path: parts.line[1])
    case .values, .authority:
      do throws(RemoteProtocolError) {
        return try ServerNegotiation(upgrade: request(parts), minorVersion: 1).request
      } catch {
        throw .remote(error)
      }
    }
    guard case .request(let request) = server.nextEvent() else {
      throw .local(LocalProtocolError("no request", .head))
    }
    return request
  }

  private func request(_ parts: HeadValues) -> HTTPRequest {
    var request = HTTPRequest(
      method: HTTPRequest.Method(parts.line[0]) ?? .get,
      scheme: nil,
      authority: nil,
      path: parts.line[1],
      headerFields: parts.fields
    )
    if self == .authority, let host = HTTPField.Name("Host") {
      request.authority = request.headerFields[host]
      request.headerFields[host] = nil
    }
    return request
  }

  /// The error with which a server refuses a request.
  func refusal(of head: String) -> RemoteProtocolError? {
    do throws(ProtocolError) {
      _ = try open(head)
      return nil
    } catch {
      if case .remote(let error) = error { return error }
      return nil
    }
  }
}

/// How a response can reach a client.
enum ClientDoor: CaseIterable {
  case whole, byteByByte
  /// Read by a framework.
  case values

  /// The events that an answer gives, and the error that ends it.
  ///
  /// - Parameter answer: makes the answer of the request as it was sent.
  func answer(
    _ request: Request = Request(host: "h", target: "/"),
    with answer: ([UInt8]) -> String
  ) throws -> (events: [Event], error: RemoteProtocolError?) {
    if self == .values { return try answerInValues(request, answer) }
    let client = H11Handshake(.client)
    let bytes = Array(answer(try client.send(request)).utf8)
    var failure: RemoteProtocolError?
    for piece in self == .whole ? [bytes] : bytes.map({ [$0] }) where failure == nil {
      do throws(ProtocolError) {
        try client.receiveData(piece)
      } catch {
        guard case .remote(let remote) = error else { throw error }
        failure = remote
      }
    }
    return (Array(client.events()), failure)
  }

  private func answerInValues(
    _ request: Request,
    _ answer: ([UInt8]) -> String
  ) throws -> (events: [Event], error: RemoteProtocolError?) {
    var negotiation = try ClientNegotiation(upgrade: request)
    let key = negotiation.httpRequest.headerFields[.secWebSocketKey] ?? ""
    let parts = HeadValues(answer(Array("Sec-WebSocket-Key: \(key)\r\n".utf8)))
    let status = HTTPResponse.Status(code: Int(parts.line[1]) ?? 500)
    do throws(RemoteProtocolError) {
      switch try negotiation.receive(HTTPResponse(status: status, headerFields: parts.fields)) {
      case .informational: return ([], nil)
      case .accepted(let accept, _): return ([.acceptConnection(accept)], nil)
      case .rejected(let reject): return ([.rejectConnection(reject)], nil)
      }
    } catch {
      return ([], error)
    }
  }
}
