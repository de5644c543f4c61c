// SPDX-License-Identifier: Apache-2.0

import Testing
import WSProto
import WSProtoTestSupport

/// A Close initiated by the peer, in every state of a connection.
@Suite struct PeerCloseTests {
  enum Situation: CaseIterable {
    case open, insideTheirMessage, insideTheirFrame, insideOurMessage, localClosing, remoteClosing, failed,
      closed
  }

  /// A connection in the given situation, with its events taken, and what must precede the Close.
  static func connection(_ role: ConnectionType, _ situation: Situation) throws -> (
    Connection, before: [UInt8]
  ) {
    let connection = Connection(role)
    var before: [UInt8] = []
    switch situation {
    case .open: break
    case .insideTheirMessage:
      try connection.receiveData(WireFrame(to: role, 1, Array("ab".utf8), fin: false).bytes)
    case .insideTheirFrame:
      let frame = WireFrame(to: role, 2, [1, 2, 3]).bytes
      try connection.receiveData(frame.dropLast())
      before = frame.suffix(1)
    case .insideOurMessage: _ = try connection.send(TextMessage(data: "ab", messageFinished: false))
    case .localClosing: _ = try connection.send(CloseConnection(code: 1001))
    case .remoteClosing: try connection.receiveData(WireFrame(to: role, 8, closePayload(3001, "first")).bytes)
    case .failed: try connection.receiveData(WireFrame(to: role, 3).bytes)
    case .closed:
      try connection.receiveData(WireFrame(to: role, 8).bytes)
      _ = Array(connection.events())
      _ = try connection.send(CloseConnection(code: 1000))
    }
    _ = Array(connection.events())
    return (connection, before)
  }

  @Test(
    "a Close from the peer is reported once in every state, answered once, and ignored after the end (RFC 6455 §5.5.1, §7.1.5)",
    .requirement("6455-5.5.1-answer", "6455-5.5.1-echo", "6455-5.5.1-closed", "6455-7.1.5-first"),
    arguments: ConnectionType.allCases,
    Situation.allCases
  )
  func everyState(role: ConnectionType, situation: Situation) throws {
    let wire = WireFrame(to: role, 8, closePayload(3000, "bye")).bytes
    let theirs = CloseConnection(code: 3000, reason: "bye")
    for byteByByte in [false, true] {
      let (connection, before) = try Self.connection(role, situation)
      if situation == .closed {
        try connection.receiveData(wire)
        #expect(connection.nextEvent() == nil && connection.state == .closed)
        continue
      }
      try connection.receiveData(before)
      _ = Array(connection.events())
      var events: [Event] = []
      for piece in byteByByte ? wire.map({ [$0] }) : [wire] where connection.state != .closed {
        try connection.receiveData(piece)
        events += Array(connection.events())
      }
      switch situation {
      case .open, .insideTheirMessage, .insideTheirFrame, .insideOurMessage:
        #expect(events == [.closeConnection(theirs)])
        #expect(connection.state == .remoteClosing)
        let answer = try SentFramesTests.frames(connection.send(theirs.response()))
        #expect(answer.map(\.first) == [0x88])
        #expect(answer.map(\.payload) == [closePayload(3000, "bye")])
      case .localClosing: #expect(events == [.closeConnection(theirs)])
      case .remoteClosing, .failed:
        // The first one counts, or the failure: this one is no longer read.
        #expect(events == [])
        #expect(connection.state == .remoteClosing)
        #expect(try connection.send(CloseConnection(code: 3001)).first == 0x88)
      case .closed: break
      }
      #expect(connection.state == .closed)
      #expect(throws: LocalProtocolError.self) { try connection.send(CloseConnection(code: 1000)) }
    }
  }

  @Test(
    "a Close that arrives with the 101, or right after the request, is reported once the connection is open (RFC 6455 §4.1)",
    arguments: ConnectionType.allCases
  )
  func withTheHandshake(role: ConnectionType) throws {
    let wire = WireFrame(to: role, 8, closePayload(1001)).bytes
    let connection = WSConnection(role)
    if role == .client {
      let head = try connection.send(Request(host: "h", target: "/"))
      try connection.receiveData(Array(switchingProtocols(to: head).utf8) + wire)
      #expect(connection.nextEvent() == .acceptConnection(AcceptConnection()))
    } else {
      try connection.receiveData(Array(upgradeRequest().utf8) + wire)
      _ = try #require(connection.nextEvent())
      #expect(connection.nextEvent() == nil && connection.state == .connecting)
      _ = try connection.send(AcceptConnection())
    }
    #expect(connection.state == .open)
    #expect(Array(connection.events()) == [.closeConnection(CloseConnection(code: 1001, reason: ""))])
    #expect(connection.state == .remoteClosing)
  }

  @Test("a Close frame in place of the handshake is the peer's error, not a Close (RFC 6455 §4)")
  func insteadOfTheHandshake() throws {
    for role in ConnectionType.allCases {
      let connection = WSConnection(role)
      if role == .client { _ = try connection.send(Request(host: "h", target: "/")) }
      let error = #expect(throws: ProtocolError.self) {
        try connection.receiveData(WireFrame(to: role, 8, closePayload(1000)).bytes + Array("\r\n\r\n".utf8))
      }
      if case .remote = error {} else { Issue.record("\(String(describing: error))") }
      #expect(connection.nextEvent() == nil && connection.connection == nil)
    }
  }

  @Test(
    "a Close frame after the head of a rejection is its body; after a sent rejection it is ignored (RFC 6455 §4.1)"
  )
  func whileRejecting() throws {
    let client = WSConnection(.client)
    _ = try client.send(Request(host: "h", target: "/"))
    try client.receiveData("HTTP/1.1 403 Forbidden\r\n\r\n".utf8)
    guard case .rejectConnection = client.nextEvent() else {
      Issue.record("no rejection")
      return
    }
    try client.receiveData([0x88, 0x00] as [UInt8])
    #expect(Array(client.events()) == [.rejectData(RejectData(data: [0x88, 0x00], bodyFinished: false))])
    #expect(client.state == .rejecting)
    let server = WSConnection(.server)
    try server.receiveData(upgradeRequest().utf8)
    _ = server.nextEvent()
    _ = try server.send(RejectConnection(statusCode: 403))
    try server.receiveData(WireFrame(to: .server, 8).bytes)
    #expect(server.nextEvent() == nil && server.state == .closed)
  }

  @Test(
    "the first of several Closes counts, and everything after it is discarded (RFC 6455 §5.5.1, §7.1.5)",
    .requirement("6455-5.5.1-ignore", "6455-7.1.5-first", "6455-7.1.6-reason"),
    arguments: ConnectionType.allCases,
    [1, 7, 1000]
  )
  func first(role: ConnectionType, chunk: Int) throws {
    let stream =
      [
        WireFrame(to: role, 8, closePayload(1001, "one")), WireFrame(to: role, 8, closePayload(1008, "two")),
        WireFrame(to: role, 1, Array("late".utf8)), WireFrame(to: role, 9), WireFrame(to: role, 3),
      ].flatMap { $0.bytes }
    let connection = Connection(role)
    var events: [Event] = []
    for piece in stream.cut({ min(chunk, $0) }) {
      try connection.receiveData(piece)
      events += Array(connection.events())
    }
    #expect(events == [.closeConnection(CloseConnection(code: 1001, reason: "one"))])
    #expect(connection.state == .remoteClosing)
  }

  @Test(
    "1012, 1013 and 1014 are sent, received and echoed (RFC 6455 §7.4, IANA's registry)",
    .requirement("6455-7.4.1-defined", "6455-7.1.2-close"),
    arguments: [1012, 1013, 1014] as [UInt16],
    ConnectionType.allCases
  )
  func registered(number: UInt16, role: ConnectionType) throws {
    let pair = ConnectionPair()
    let close = CloseConnection(code: CloseReason(number), reason: "later")
    let sent = try pair.end(role).send(close)
    #expect(try SentFramesTests.frames(sent).map(\.payload) == [closePayload(number, "later")])
    try pair.end(role.peer).receiveData(sent)
    #expect(Array(pair.end(role.peer).events()) == [.closeConnection(close)])
    #expect(try pair.send(close.response(), from: role.peer) == [.closeConnection(close)])
    #expect(pair.client.state == .closed && pair.server.state == .closed)
  }

  @Test(
    "a reason of 123 bytes is sent and received whole; one of 124 is cut when sent, and 1002 when received (RFC 6455 §5.5)",
    .requirement("6455-5.5-length"),
    arguments: ConnectionType.allCases
  )
  func longestReason(role: ConnectionType) throws {
    let longest = String(repeating: "r", count: 123)
    for reason in [longest, longest + "r"] {
      let sent = try Connection(role).send(CloseConnection(code: 1000, reason: reason))
      #expect(try SentFramesTests.frames(sent).map(\.payload) == [closePayload(1000, longest)])
    }
    let connection = Connection(role)
    try connection.receiveData(WireFrame(to: role, 8, closePayload(1000, longest)).bytes)
    #expect(Array(connection.events()) == [.closeConnection(CloseConnection(code: 1000, reason: longest))])
    let tooLong = WireFrame(to: role, 8, closePayload(1000, longest + "r")).bytes
    #expect(try ReceivedFramesTests.closeCode(role, tooLong) == .protocolError)
  }
}
