// SPDX-License-Identifier: Apache-2.0

import Testing
import WSProto

@Suite struct ConnectionTests {
  @Test("a message goes from either end to the other", arguments: ConnectionType.allCases)
  func message(sender: ConnectionType) throws {
    let local = Connection(sender)
    let remote = Connection(sender == .client ? .server : .client)
    try remote.receiveData(local.send(TextMessage(data: "ƒñö®∂😎")))
    try remote.receiveData(local.send(BytesMessage(data: [1, 2, 3], messageFinished: false)))
    #expect(remote.nextEvent() == .textMessage(TextMessage(data: "ƒñö®∂😎")))
    #expect(remote.nextEvent() == .bytesMessage(BytesMessage(data: [1, 2, 3], messageFinished: false)))
    #expect(remote.nextEvent() == nil)
  }

  @Test(
    "RFC 6455 §5.7: the examples decode as the section says",
    .requirement("6455-5.4-receive-both", "6455-6.2-unmask")
  )
  func examples() throws {
    let client = Connection(.client)
    try client.receiveData([0x81, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f] as [UInt8])
    #expect(Array(client.events()) == [.textMessage(TextMessage(data: "Hello"))])
    try client.receiveData([0x01, 0x03, 0x48, 0x65, 0x6c] as [UInt8])
    try client.receiveData([0x80, 0x02, 0x6c, 0x6f] as [UInt8])
    #expect(
      Array(client.events()) == [
        .textMessage(TextMessage(data: "Hel", messageFinished: false)), .textMessage(TextMessage(data: "lo")),
      ]
    )
    let server = Connection(.server)
    try server.receiveData([0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58] as [UInt8])
    #expect(Array(server.events()) == [.textMessage(TextMessage(data: "Hello"))])
  }

  @Test("borrowed events are the same, and their closure can send")
  func borrowed() throws {
    let client = Connection(.client)
    let server = Connection(.server)
    var wire = try client.send(TextMessage(data: "Hello"))
    try client.send(Ping(payload: [7]), into: &wire)
    var reply: [UInt8] = []
    var seen: [String] = []
    var span = wire.mutableSpan
    var bytes = span.mutableBytes
    try server.receive(&bytes) { (event) throws(LocalProtocolError) in
      switch event {
      case .textMessage(let part):
        seen.append(String(copying: part.data))
        try server.sendText(part.data, into: &reply)
      case .ping(let payload): try server.sendPong(payload, into: &reply)
      default: Issue.record("unexpected event")
      }
    }
    #expect(seen == ["Hello"])
    try client.receiveData(reply)
    #expect(Array(client.events()) == [.textMessage(TextMessage(data: "Hello")), .pong(Pong(payload: [7]))])
  }

  @Test("RFC 6455 §7.1.7: a failure can be distinguished from the peer's Close with the same code")
  func failure() throws {
    let closed = Connection(.client)
    try closed.receiveData([0x88, 0x02, 0x03, 0xea] as [UInt8])
    #expect(closed.nextEvent() == .closeConnection(CloseConnection(code: .protocolError, reason: "")))
    #expect(closed.failure == nil)

    let failed = Connection(.client)
    try failed.receiveData([0x83, 0x00] as [UInt8])
    #expect(failed.failure == nil)
    guard case .closeConnection(let event) = failed.nextEvent() else {
      Issue.record("no failure")
      return
    }
    #expect(event.code == .protocolError)
    #expect(failed.failure?.code == .protocolError)
    #expect(failed.failure?.message == event.reason)
    #expect(failed.state == closed.state)
  }

  @Test("borrowed events report a failure too, even behind an event whose closure threw")
  func failureBorrowed() throws {
    struct Stop: Error {}
    let failed = Connection(.client)
    var wire: [UInt8] = [0x81, 0x02, 0x61, 0xff]
    var codes: [CloseReason] = []
    #expect(throws: Stop.self) {
      try failed.receive(&wire, count: 4) { event in
        if case .closeConnection(let code, _) = event { codes.append(code) } else { throw Stop() }
      }
    }
    var none: [UInt8] = []
    failed.receive(&none, count: 0) { event in
      if case .closeConnection(let code, _) = event { codes.append(code) }
    }
    #expect(codes == [.invalidFramePayloadData])
    #expect(failed.failure?.code == .invalidFramePayloadData)
  }
}
