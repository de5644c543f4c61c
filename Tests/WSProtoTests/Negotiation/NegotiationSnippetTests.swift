// SPDX-License-Identifier: Apache-2.0

import HTTPTypes
import Testing
import WSProto

/// The code in the documentation of the negotiation, copied verbatim, compiled and run.
@Suite struct NegotiationSnippetTests {
  // ServerNegotiation
  func serve(_ request: HTTPRequest, minorVersion: Int) throws -> (HTTPResponse, Connection?) {
    let negotiation: ServerNegotiation
    do throws(RemoteProtocolError) {
      negotiation = try ServerNegotiation(upgrade: request, minorVersion: minorVersion)
    } catch {
      return (error.response, nil)
    }
    guard negotiation.request.target == "/chat" else {
      return (try negotiation.reject(RejectConnection(statusCode: 404)), nil)
    }
    return try negotiation.accept(AcceptConnection(extensions: [PerMessageDeflate()]))
  }

  // ClientNegotiation
  func open(
    _ request: Request,
    serverTakesExtendedConnect: Bool,
    exchange: (HTTPRequest) throws -> HTTPResponse
  ) throws -> Connection? {
    var negotiation = try ClientNegotiation(
      extendedConnect: request,
      enableConnectProtocol: serverTakesExtendedConnect
    )
    let response = try exchange(negotiation.httpRequest)
    switch try negotiation.receive(response) {
    case .accepted(_, let connection): return connection
    case .rejected(let reject): print("refused with \(reject.statusCode)")
    case .informational: break  // the final response is still to come
    }
    return nil
  }

  // Negotiation.md
  func answer(
    _ request: HTTPRequest,
    minorVersion: Int,
    early: Bytes
  ) throws -> (HTTPResponse, Connection?) {
    let negotiation: ServerNegotiation
    do throws(RemoteProtocolError) {
      negotiation = try ServerNegotiation(upgrade: request, minorVersion: minorVersion)
    } catch {
      return (error.response, nil)
    }
    guard negotiation.request.target == "/chat" else {
      return (try negotiation.reject(RejectConnection(statusCode: 404)), nil)
    }
    let accept = AcceptConnection(extensions: [PerMessageDeflate()])
    return try negotiation.accept(accept, trailingData: early)
  }

  // Negotiation.md
  func connect(
    to request: Request,
    announced: Bool,
    exchange: (HTTPRequest) throws -> HTTPResponse
  ) throws -> Connection? {
    var negotiation = try ClientNegotiation(extendedConnect: request, enableConnectProtocol: announced)
    var response = try exchange(negotiation.httpRequest)
    while true {
      switch try negotiation.receive(response) {
      case .accepted(_, let connection): return connection
      case .rejected: return nil
      case .informational: response = try exchange(negotiation.httpRequest)
      }
    }
  }

  // Negotiation.md
  func forward(_ front: H11Handshake, _ back: H11Handshake) throws -> [UInt8] {
    guard case .request(let request) = front.nextEvent() else { return [] }
    return try back.send(request)
  }

  // Negotiation.md
  func join(_ front: H11Handshake, _ back: H11Handshake) throws -> (toClient: [UInt8], toServer: [UInt8]) {
    guard case .acceptConnection(let accept) = back.nextEvent() else { return ([], []) }
    let answer = try front.send(accept)
    return (answer + Array(try back.takeTrailingBytes()), Array(try front.takeTrailingBytes()))
  }

  @Test("the documentation's server accepts, refuses and answers an illegal request")
  func server() throws {
    for target in ["/chat", "/other", "*"] {
      let client = try ClientNegotiation(
        upgrade: Request(host: "h", target: "/chat", extensions: [PerMessageDeflate()])
      )
      var request = client.httpRequest
      request.path = target
      let early: Bytes = [0x89, 0x80, 0, 0, 0, 0]
      let first = try serve(request, minorVersion: 1)
      let second = try answer(request, minorVersion: 1, early: early)
      let status = ["/chat": 101, "/other": 404, "*": 400][target]
      #expect(first.0.status.code == status && second.0.status.code == status)
      #expect(
        (first.1 != nil) == (status == 101) && second.1?.nextEvent() == (status == 101 ? .ping(Ping()) : nil)
      )
    }
    #expect(
      try serve(ClientNegotiation(upgrade: Request(host: "h", target: "/chat")).httpRequest, minorVersion: 0)
        .1 == nil
    )
  }

  @Test("the documentation's clients open a stream, and handle a refusal")
  func client() throws {
    let request = Request(host: "h", target: "/chat")
    for status in [200, 403] {
      var count = 0
      let exchange = { (request: HTTPRequest) throws -> HTTPResponse in
        #expect(request.extendedConnectProtocol == "websocket")
        count += 1
        return HTTPResponse(status: .init(code: count == 2 ? 103 : status))
      }
      #expect(
        (try open(request, serverTakesExtendedConnect: true, exchange: exchange) != nil) == (status == 200)
      )
      #expect((try connect(to: request, announced: true, exchange: exchange) != nil) == (status == 200))
      #expect(count == 3)
      #expect(throws: LocalProtocolError.self) {
        try open(request, serverTakesExtendedConnect: false, exchange: exchange)
      }
    }
  }

  @Test("the documentation's relay joins two ends")
  func relay() throws {
    let (client, front) = (H11Handshake(.client), H11Handshake(.server))
    let (back, server) = (H11Handshake(.client), H11Handshake(.server))
    try front.receiveData(client.send(Request(host: "h", target: "/")))
    try front.receiveData([1, 2])
    try server.receiveData(forward(front, back))
    try back.receiveData(server.send(AcceptConnection()) + [3])
    let (toClient, toServer) = try join(front, back)
    #expect(toClient.starts(with: "HTTP/1.1 101 ".utf8) && toClient.last == 3 && toServer == [1, 2])
  }
}
