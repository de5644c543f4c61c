// SPDX-License-Identifier: Apache-2.0

import HTTPTypes
import Testing
import WSProto
import WSProtoTestSupport

/// What wsproto 1.2.0 does and this library does too: one test for each behaviour, named after it.
@Suite struct ParityBehaviourTests {
  @Test("data frames are streamed: a partial frame gives a message event at once with frameFinished == false")
  func streamed() throws {
    let client = Connection(.client)
    try client.receiveData([0x82, 0x04, 1, 2] as [UInt8])
    #expect(
      Array(client.events())
        == [.bytesMessage(BytesMessage(data: [1, 2], frameFinished: false, messageFinished: false))]
    )
    try client.receiveData([3, 4] as [UInt8])
    #expect(Array(client.events()) == [.bytesMessage(BytesMessage(data: [3, 4]))])
  }

  @Test("control frames are delivered whole, also between the parts of a data frame")
  func controlWhole() throws {
    let client = Connection(.client)
    try client.receiveData([0x02, 0x01, 1, 0x89, 0x02, 5] as [UInt8])
    #expect(Array(client.events()) == [.bytesMessage(BytesMessage(data: [1], messageFinished: false))])
    try client.receiveData([6, 0x80, 0x02, 2] as [UInt8])
    #expect(
      Array(client.events()) == [
        .ping(Ping(payload: [5, 6])),
        .bytesMessage(BytesMessage(data: [2], frameFinished: false, messageFinished: false)),
      ]
    )
  }

  @Test(
    "a text event never splits a character: the tail of an unfinished UTF-8 sequence waits for the next bytes",
    .requirement("6455-5.6-utf8")
  )
  func characters() throws {
    let client = Connection(.client)
    try client.receiveData([0x81, 0x05, 0x61, 0xF0, 0x9F] as [UInt8])
    let part = TextMessage(data: "a", frameFinished: false, messageFinished: false)
    #expect(Array(client.events()) == [.textMessage(part)])
    try client.receiveData([0x98] as [UInt8])
    #expect(Array(client.events()) == [])
    try client.receiveData([0x8E] as [UInt8])
    #expect(Array(client.events()) == [.textMessage(TextMessage(data: "😎"))])
  }

  @Test(
    "invalid UTF-8 fails at the earliest byte that proves it (1007), not at the end of the message",
    .requirement("6455-8.1-invalid")
  )
  func earliest() throws {
    let client = Connection(.client)
    try client.receiveData([0x01, 0x7D, 0x61, 0xED] as [UInt8])
    #expect(Array(client.events()).count == 1)
    // U+D800 and the other surrogates begin with ED A0: the second byte is enough.
    try client.receiveData([0xA0] as [UInt8])
    guard case .closeConnection(let close) = client.nextEvent() else {
      Issue.record("no failure")
      return
    }
    #expect(close.code == .invalidFramePayloadData)
  }

  @Test(
    "a parse failure is delivered as CloseConnection(code, reason), so that the caller answers with it",
    .requirement("6455-5.2-opcode", "6455-7.1.7-send-close")
  )
  func failure() throws {
    let pair = ConnectionPair()
    try pair.client.receiveData([0x83, 0x00] as [UInt8])
    guard case .closeConnection(let close) = pair.client.nextEvent() else {
      Issue.record("no failure")
      return
    }
    #expect(close.code == .protocolError)
    #expect(close.reason?.isEmpty == false)
    #expect(pair.client.state == .remoteClosing)
    let seen = try pair.send(close.response(), from: .client)
    #expect(seen == [.closeConnection(close)])
    #expect(pair.client.state == .closed)
  }

  @Test(
    "the end of the stream without a Close is CloseConnection(1006)",
    .requirement("6455-7.1.5-1006"),
    arguments: ConnectionType.allCases
  )
  func endOfStream(role: ConnectionType) throws {
    let connection = Connection(role)
    try connection.receiveData(WireFrame(to: role, 9, [1]).bytes + [0x82])
    try connection.receiveEndOfStream()
    #expect(
      Array(connection.events()) == [
        .ping(Ping(payload: [1])), .closeConnection(CloseConnection(code: 1006)),
      ]
    )
    #expect(connection.state == .closed)
    #expect(connection.nextEvent() == nil)
    try connection.receiveData([0x89, 0] as [UInt8])
    #expect(connection.nextEvent() == nil)
  }

  @Test(
    "the end of the stream while our own Close is unanswered is CloseConnection(1006) too",
    .requirement("6455-7.1.5-1006")
  )
  func endOfStreamWhileClosing() throws {
    let client = Connection(.client)
    _ = try client.send(CloseConnection(code: 1000))
    try client.receiveEndOfStream()
    #expect(Array(client.events()) == [.closeConnection(CloseConnection(code: 1006))])
    #expect(client.state == .closed)
  }

  @Test("the end of the stream after a Close gives no event")
  func endOfStreamAfterClose() throws {
    let client = Connection(.client)
    try client.receiveData(WireFrame(8, closePayload(1000)).bytes)
    #expect(Array(client.events()).count == 1)
    try client.receiveEndOfStream()
    #expect(Array(client.events()).isEmpty)
    #expect(client.state == .closed)
  }

  @Test("a Close with an empty payload is 1005", .requirement("6455-7.1.5-1005", "6455-7.1.6-reason"))
  func emptyClose() throws {
    let client = Connection(.client)
    try client.receiveData([0x88, 0x00] as [UInt8])
    #expect(Array(client.events()) == [.closeConnection(CloseConnection(code: .noStatusRcvd))])
    #expect(try client.send(CloseConnection(code: .noStatusRcvd).response()).count == 6)
  }

  @Test("a Close with a payload of one byte is an error", .requirement("6455-5.5.1-code"))
  func shortClose() throws {
    let client = Connection(.client)
    try client.receiveData([0x88, 0x01, 0x03] as [UInt8])
    guard case .closeConnection(let close) = client.nextEvent() else {
      Issue.record("no close")
      return
    }
    #expect(close.code == .protocolError)
  }

  @Test(
    "1005, 1006 and 1015 are never sent: 1005 sends an empty Close, the others 1000",
    .requirement("6455-7.4.1-local")
  )
  func localCodes() throws {
    #expect(try Connection(.server).send(CloseConnection(code: 1005)) == [0x88, 0])
    for code: CloseReason in [1006, 1015] {
      #expect(try Connection(.server).send(CloseConnection(code: code)) == [0x88, 2, 0x03, 0xE8])
    }
  }

  @Test("close reasons are cut to 123 bytes between characters")
  func reasonCut() throws {
    let pair = ConnectionPair()
    let reason = "x" + String(repeating: "€", count: 60)
    let seen = try pair.send(CloseConnection(code: 1000, reason: reason), from: .client)
    let expected = "x" + String(repeating: "€", count: 40)
    #expect(seen == [.closeConnection(CloseConnection(code: 1000, reason: expected))])
  }

  @Test("a close reason without a code is refused")
  func reasonWithoutCode() throws {
    let server = Connection(.server)
    let error = #expect(throws: LocalProtocolError.self) {
      try server.send(CloseConnection(code: .noStatusRcvd, reason: "why"))
    }
    #expect(error?.violation == .closeCode)
    #expect(server.state == .open)
  }

  @Test(
    "a message's type is fixed by its first frame",
    .requirement("6455-5.4-type"),
    arguments: ConnectionType.allCases
  )
  func type(role: ConnectionType) throws {
    let connection = Connection(role)
    try connection.receiveData(WireFrame(to: role, 1, [0x61], fin: false).bytes)
    try connection.receiveData(WireFrame(to: role, 0, [0x62]).bytes)
    #expect(
      Array(connection.events())
        == [
          .textMessage(TextMessage(data: "a", messageFinished: false)), .textMessage(TextMessage(data: "b")),
        ]
    )
  }

  @Test(
    "mixing text and bytes inside one message is refused, sent and received",
    .requirement("6455-5.4-continuation")
  )
  func mixing() throws {
    let server = Connection(.server)
    _ = try server.send(BytesMessage(data: [1], messageFinished: false))
    let error = #expect(throws: LocalProtocolError.self) { try server.send(TextMessage(data: "a")) }
    #expect(error?.violation == .messageType)
    let client = Connection(.client)
    try client.receiveData([0x01, 0x00, 0x82, 0x00] as [UInt8])
    guard case .closeConnection(let close) = Array(client.events()).last else {
      Issue.record("no failure")
      return
    }
    #expect(close.code == .protocolError)
  }

  @Test("only requested subprotocols can be accepted", .requirement("6455-4.2.2-subprotocol"))
  func subprotocol() throws {
    let pair = WSConnectionPair()
    try pair.send(Request(host: "h", target: "/", subprotocols: ["one", "two"]), from: .client)
    for other in ["three", "One", "one, two", ""] {
      let error = #expect(throws: LocalProtocolError.self) {
        try pair.server.send(AcceptConnection(subprotocol: other))
      }
      #expect(error?.violation == .subprotocol)
      #expect(pair.server.state == .connecting)
    }
    let seen = try pair.send(AcceptConnection(subprotocol: "two"), from: .server)
    #expect(seen == [.acceptConnection(AcceptConnection(subprotocol: "two"))])
  }

  @Test(
    "a server's answer with a subprotocol that was not requested is refused",
    .requirement("6455-4.1-bad-subprotocol")
  )
  func unrequested() throws {
    for requested in [[], ["one"]] as [[String]] {
      let client = WSConnection(.client)
      let head = try client.send(Request(host: "h", target: "/", subprotocols: requested))
      let answer = switchingProtocols(to: head, "Sec-WebSocket-Protocol: two\r\n")
      #expect(throws: ProtocolError.self) { try client.receiveData(answer.utf8) }
      #expect(client.state == .closed)
      #expect(client.nextEvent() == nil)
    }
  }

  @Test(
    "repeated Sec-WebSocket-Protocol and Sec-WebSocket-Extensions fields are joined",
    .requirement("6455-4.3-joined")
  )
  func joined() throws {
    let server = WSConnection(.server)
    try server.receiveData(
      upgradeRequest(
        extra: "Sec-WebSocket-Protocol: a, b\r\nSec-WebSocket-Extensions: x; p=1\r\n"
          + "sec-websocket-protocol: c\r\nsec-websocket-extensions: y, x; q\r\n"
      ).utf8
    )
    guard case .request(let request) = server.nextEvent() else {
      Issue.record("no request")
      return
    }
    #expect(request.subprotocols == ["a", "b", "c"])
    #expect(
      request.extensions.compactMap { ($0 as? OfferedExtension)?.header.description } == [
        "x; p=1", "y", "x; q",
      ]
    )
  }

  @Test(
    "the core refuses a host that is not ASCII, with an error that says what to do",
    arguments: ["bücher.example", "芝士汉堡"]
  )
  func host(host: String) throws {
    let client = WSConnection(.client)
    let error = #expect(throws: LocalProtocolError.self) { try client.send(Request(host: host, target: "/")) }
    #expect(error?.violation == .head)
    #expect(error?.message.contains("IDNA") == true)
    #expect(client.state == .connecting)
    #expect(try client.send(Request(host: "xn--7ks3rz39bh7u", target: "/")).isEmpty == false)
  }

  @Test("the client keeps bytes that follow the 101 in the same packet")
  func clientTrailing() throws {
    let client = WSConnection(.client)
    let head = try client.send(Request(host: "h", target: "/"))
    let answer = Array(switchingProtocols(to: head).utf8) + [0x81, 0x02, 0x68, 0x69, 0x89]
    try client.receiveData(answer)
    #expect(client.nextEvent() == .acceptConnection(AcceptConnection()))
    #expect(client.nextEvent() == .textMessage(TextMessage(data: "hi")))
    #expect(client.nextEvent() == nil)
    try client.receiveData([0x00] as [UInt8])
    #expect(client.nextEvent() == .ping(Ping()))
  }

  @Test("events are lazy: the state changes when an event is taken, not when bytes are received")
  func lazy() throws {
    let client = Connection(.client)
    try client.receiveData(WireFrame(9).bytes + WireFrame(8, closePayload(1000)).bytes)
    #expect(client.state == .open)
    var events = client.events().makeIterator()
    #expect(events.next() == .ping(Ping()))
    #expect(client.state == .open)
    #expect(events.next() == .closeConnection(CloseConnection(code: 1000, reason: "")))
    #expect(client.state == .remoteClosing)
  }

  @Test(
    "Ping.response() is the matching Pong, CloseConnection.response() the matching Close",
    .requirement("6455-5.5.2-pong", "6455-5.5.3-same", "6455-5.5.1-echo")
  )
  func responses() {
    #expect(Ping(payload: [1, 2]).response() == Pong(payload: [1, 2]))
    #expect(CloseConnection(code: 4000, reason: "r").response() == CloseConnection(code: 4000, reason: "r"))
    #expect(CloseConnection(code: 1005).response() == CloseConnection(code: 1005))
  }
}
