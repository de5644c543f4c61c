// SPDX-License-Identifier: Apache-2.0

import HTTPTypes
import Testing
import WSProto

@Suite struct WSConnectionTests {
  @Test(
    "a client and a server complete the handshake and exchange messages",
    .requirement(
      "6455-5.5.1-answer",
      "6455-5.5.1-echo",
      "6455-5.5.1-closed",
      "6455-7.1.2-close",
      "6455-7.1.6-reason"
    )
  )
  func conversation() throws {
    let client = WSConnection(.client)
    let server = WSConnection(.server)
    try server.receiveData(
      client.send(Request(host: "localhost", target: "/chat", subprotocols: ["a", "b"]))
    )
    guard case .request(let request) = server.nextEvent() else {
      Issue.record("no request")
      return
    }
    #expect(request.host == "localhost")
    #expect(request.target == "/chat")
    #expect(request.subprotocols == ["a", "b"])
    var wire = try server.send(AcceptConnection(subprotocol: "b"))
    try server.send(TextMessage(data: "hi"), into: &wire)
    try client.receiveData(wire)
    #expect(client.nextEvent() == .acceptConnection(AcceptConnection(subprotocol: "b")))
    #expect(client.nextEvent() == .textMessage(TextMessage(data: "hi")))
    #expect(client.state == .open)
    #expect(server.state == .open)
    try server.receiveData(client.send(CloseConnection(code: .normalClosure, reason: "bye")))
    guard case .closeConnection(let close) = server.nextEvent() else {
      Issue.record("no close")
      return
    }
    #expect(close == CloseConnection(code: 1000, reason: "bye"))
    #expect(server.state == .remoteClosing)
    try client.receiveData(server.send(close.response()))
    #expect(client.nextEvent() == .closeConnection(CloseConnection(code: 1000, reason: "bye")))
    #expect(client.state == .closed)
    #expect(server.state == .closed)
  }

  @Test("RFC 6455 §7.1.7: a failure after the handshake is reported, a Close isn't one")
  func failure() throws {
    let streams: [(wire: [UInt8], code: CloseReason?)] = [
      ([0x88, 0x80, 0, 0, 0, 0], nil), ([0x81, 0], .protocolError),
    ]
    for (wire, code) in streams {
      let client = WSConnection(.client)
      let server = WSConnection(.server)
      #expect(server.failure == nil)
      try server.receiveData(client.send(Request(host: "localhost", target: "/")))
      _ = server.nextEvent()
      _ = try server.send(AcceptConnection())
      try server.receiveData(wire)
      guard case .closeConnection = server.nextEvent() else {
        Issue.record("no close")
        return
      }
      #expect(server.failure?.code == code)
    }
  }

  @Test(
    "RFC 6455 §1.3: the example key is answered with the example token",
    .requirement("6455-4.2.2-101", "6455-4.2.2-accept")
  )
  func exampleHandshake() throws {
    let server = WSConnection(.server)
    let head = """
      GET /chat HTTP/1.1\r
      Host: server.example.com\r
      Upgrade: websocket\r
      Connection: Upgrade\r
      Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r
      Origin: http://example.com\r
      Sec-WebSocket-Protocol: chat, superchat\r
      Sec-WebSocket-Version: 13\r
      \r

      """
    try server.receiveData(head.utf8)
    guard case .request = server.nextEvent() else {
      Issue.record("no request")
      return
    }
    let answer = String(decoding: try server.send(AcceptConnection(subprotocol: "chat")), as: UTF8.self)
    #expect(
      answer == """
        HTTP/1.1 101 Switching Protocols\r
        Upgrade: websocket\r
        Connection: Upgrade\r
        Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r
        Sec-WebSocket-Protocol: chat\r
        \r

        """
    )
  }

  @Test(
    "a rejection with a body arrives in pieces, in all three framings",
    .requirement("6455-4.1-other-status")
  )
  func rejection() throws {
    for (headers, pieces) in [
      (HTTPFields([HTTPField(name: .contentLength, value: "5")]), ["Hello"]), (HTTPFields(), ["Hel", "lo"]),
    ] {
      let client = WSConnection(.client)
      let server = WSConnection(.server)
      try server.receiveData(client.send(Request(host: "localhost", target: "/")))
      _ = server.nextEvent()
      var wire = try server.send(RejectConnection(statusCode: 403, headers: headers, hasBody: true))
      for (index, piece) in pieces.enumerated() {
        try server.send(
          RejectData(data: Bytes(piece), bodyFinished: index == pieces.count - 1),
          into: &wire
        )
      }
      #expect(server.state == .closed)
      try client.receiveData(wire)
      var body: [UInt8] = []
      guard case .rejectConnection(let reject) = client.nextEvent() else {
        Issue.record("no rejection")
        return
      }
      #expect(reject.statusCode == 403)
      #expect(reject.hasBody)
      while let event = client.nextEvent() {
        guard case .rejectData(let data) = event else {
          Issue.record("no data")
          return
        }
        body += data.data
      }
      #expect(body == Array("Hello".utf8))
      #expect(client.state == .closed)
    }
  }
}
