// SPDX-License-Identifier: Apache-2.0

import HTTPTypes
import Testing
import WSProto
import WSProtoTestSupport

/// The parts of the opening handshake that Autobahn never varies.
@Suite struct OpeningTests {
  static let answers: [(String, @Sendable ([UInt8]) -> String)] = [
    ("Upgrade in another case", { switchingProtocols(to: $0, "upgrade: WebSocket\r\n", without: "Upgrade") }),
    (
      "Connection as a list in another case",
      { switchingProtocols(to: $0, "Connection: keep-alive, UPGRADE\r\n", without: "Connection") }
    ),
    (
      "Connection in two fields",
      {
        switchingProtocols(to: $0, "connection: keep-alive\r\nConnection: upgrade\r\n", without: "Connection")
      }
    ),
    (
      "whitespace around the token",
      { head in
        let token = generateAcceptToken(fieldValue("Sec-WebSocket-Key", in: head) ?? "")
        return switchingProtocols(
          to: head,
          "SEC-WEBSOCKET-ACCEPT: \t \(token)\t \r\n",
          without: "Sec-WebSocket-Accept"
        )
      }
    ),
    ("fields that nobody knows", { switchingProtocols(to: $0, "Server: x\r\nX-Odd: \u{e9}\r\n") }),
  ]

  @Test(
    "a client accepts what RFC 6455 §4.1 allows in an answer, whole and byte by byte",
    .requirement("6455-4.1-bad-upgrade", "6455-4.1-bad-connection", "6455-4.1-bad-accept"),
    arguments: answers.indices,
    [true, false]
  )
  func clientTakes(index: Int, byteByByte: Bool) throws {
    let (name, makeAnswer) = Self.answers[index]
    let client = WSConnection(.client)
    let answer = Array(makeAnswer(try client.send(Request(host: "h", target: "/"))).utf8)
    for piece in byteByByte ? answer.map({ [$0] }) : [answer] { try client.receiveData(piece) }
    guard case .acceptConnection = client.nextEvent() else {
      Issue.record("\(name) was not taken")
      return
    }
    #expect(client.state == .open)
  }

  @Test(
    "between its request and the complete answer a client sends nothing (RFC 6455 §4.1)",
    .requirement("6455-4.1-wait", "6455-6.1-open")
  )
  func waits() throws {
    let events: [Event] = [
      .request(Request(host: "h", target: "/")), .textMessage(TextMessage(data: "a")),
      .bytesMessage(BytesMessage(data: [1])), .ping(Ping()), .pong(Pong()),
      .closeConnection(CloseConnection(code: 1000)),
    ]
    let client = WSConnection(.client)
    let head = try client.send(Request(host: "h", target: "/"))
    let answer = Array(switchingProtocols(to: head).utf8)
    var output: [UInt8] = []
    for piece in [[], Array(answer.dropLast())] {
      try client.receiveData(piece)
      for event in events {
        let error = #expect(throws: LocalProtocolError.self) { try client.send(event, into: &output) }
        #expect(error?.violation == .state(.connecting))
      }
    }
    #expect(output.isEmpty)
    try client.receiveData(answer.suffix(1))
    #expect(try client.send(TextMessage(data: "a")).count == 7)
  }

  @Test(
    "a server that selects no subprotocol sends no Sec-WebSocket-Protocol, and both ends are open (RFC 6455 §4.2.2)",
    .requirement("6455-4.2.2-no-subprotocol"),
    arguments: [[], ["a"], ["a", "b"]] as [[String]]
  )
  func noSubprotocol(requested: [String]) throws {
    let pair = WSConnectionPair()
    try pair.send(Request(host: "h", target: "/", subprotocols: requested), from: .client)
    let answer = try pair.server.send(AcceptConnection())
    #expect(fieldValue("Sec-WebSocket-Protocol", in: answer) == nil)
    try pair.client.receiveData(answer)
    #expect(pair.client.nextEvent() == .acceptConnection(AcceptConnection()))
    #expect(pair.client.state == .open && pair.server.state == .open)
  }

  @Test(
    "any of the requested subprotocols can be selected (RFC 6455 §4.1, §4.2.2)",
    .requirement("6455-4.2.2-subprotocol"),
    arguments: ["a", "b", "soap.v1+x"]
  )
  func subprotocol(chosen: String) throws {
    let pair = WSConnectionPair()
    try pair.send(Request(host: "h", target: "/", subprotocols: ["a", "b", "soap.v1+x"]), from: .client)
    let seen = try pair.send(AcceptConnection(subprotocol: chosen), from: .server)
    #expect(seen == [.acceptConnection(AcceptConnection(subprotocol: chosen))])
  }

  @Test(
    "a server sees Origin as it was sent, and can refuse it with 403 (RFC 6455 §4.2.2, §10.2)",
    .requirement("6455-10.2-origin")
  )
  func origin() throws {
    let server = WSConnection(.server)
    try server.receiveData(upgradeRequest(extra: "Origin: https://evil.example\r\n").utf8)
    guard case .request(let request) = server.nextEvent() else {
      Issue.record("no request")
      return
    }
    #expect(request.extraHeaders[.origin] == "https://evil.example")
    #expect(
      try server.send(RejectConnection(statusCode: 403)).starts(with: "HTTP/1.1 403 Forbidden\r\n".utf8)
    )
    #expect(server.state == .closed)
  }
}
