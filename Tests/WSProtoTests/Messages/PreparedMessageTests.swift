// SPDX-License-Identifier: Apache-2.0

import Testing
import WSProtoTestSupport

@testable import WSProto

/// Messages that are encoded once for many connections, and output into the caller's memory.
@Suite struct PreparedMessageTests {
  /// A pair that has negotiated permessage-deflate, with takeover or without.
  static func pair(takeover: Bool) throws -> (client: Connection, server: Connection) {
    var server = try PerMessageDeflate(
      clientNoContextTakeover: !takeover,
      serverNoContextTakeover: !takeover
    )
    var client = PerMessageDeflate()
    let answer = server.accept(ExtensionHeader(name: PerMessageDeflate.name)) ?? []
    try client.finalize(ExtensionHeader(name: PerMessageDeflate.name, parameters: answer))
    return (Connection(.client, extensions: [client]), Connection(.server, extensions: [server]))
  }

  static let text = String(repeating: "a message that repeats itself, ", count: 40)

  @Test(
    "ordinary, prepared, ordinary: all arrive, in both directions, with takeover and without (RFC 7692 §7.2.1)",
    arguments: [true, false],
    ConnectionType.allCases
  )
  func between(takeover: Bool, role: ConnectionType) throws {
    let (client, server) = try Self.pair(takeover: takeover)
    let (from, to) = role == .client ? (client, server) : (server, client)
    let prepared = PreparedMessage(text: Self.text + "prepared")
    var sizes: [Int] = []
    func exchange(_ wire: [UInt8], _ expected: String) throws {
      sizes.append(wire.count)
      try to.receiveData(wire)
      var seen = ""
      while case .textMessage(let part) = to.nextEvent() { seen += part.data }
      #expect(seen == expected)
      #expect(to.state == .open)
    }
    for round in 0..<3 {
      try exchange(from.sendText(Self.text + "\(round)"), Self.text + "\(round)")
      try exchange(from.send(prepared), Self.text + "prepared")
      try exchange(from.sendText(Self.text + "\(round)"), Self.text + "\(round)")
      try exchange(from.sendText(Self.text + "\(round)"), Self.text + "\(round)")
    }
    // The history is used between ordinary messages, and starts afresh after a prepared one.
    if takeover { #expect(sizes[3] < sizes[2] && sizes[6] > sizes[3]) }
  }

  @Test("a message is compressed once for all connections with the same parameters")
  func once() throws {
    let prepared = PreparedMessage(bytes: Bytes(Self.text))
    let servers = try (0..<3).map { _ in try Self.pair(takeover: true).server }
    let wires = try servers.map { try $0.send(prepared) }
    #expect(wires[0] == wires[1] && wires[1] == wires[2])
    #expect(wires[0].count < Self.text.utf8.count / 4 && wires[0][0] == 0xC2)
    let settings = DeflateSettings(windowBits: 15, level: -1, memoryLevel: 8)
    let first = try prepared.compressed(settings)
    let second = try prepared.compressed(settings)
    // The same memory: nothing was compressed again.
    #expect(first.withUnsafeBytes { $0.baseAddress } == second.withUnsafeBytes { $0.baseAddress })
  }

  @Test(
    "a client masks each copy with its own key (RFC 6455 §5.3); without compression the payload is unchanged"
  )
  func masks() throws {
    let prepared = PreparedMessage(bytes: [1, 2, 3, 4, 5, 6, 7, 8])
    let (client, server) = (Connection(.client), Connection(.server))
    let one = try client.send(prepared)
    let two = try client.send(prepared)
    #expect(one != two && one.count == 14)
    try server.receiveData(one + two)
    let expected = Event.bytesMessage(BytesMessage(data: [1, 2, 3, 4, 5, 6, 7, 8]))
    #expect(Array(server.events()) == [expected, expected])
    #expect(try server.send(prepared) == [0x82, 8, 1, 2, 3, 4, 5, 6, 7, 8])
    let secret = PreparedMessage(text: Self.text, compress: false)
    #expect(try Self.pair(takeover: true).server.send(secret).first == 0x81)
  }

  @Test(
    "a prepared message between the parts of another is refused (RFC 6455 §5.4)",
    arguments: [true, false]
  )
  func insideAnother(compresses: Bool) throws {
    let server = compresses ? try Self.pair(takeover: true).server : Connection(.server)
    _ = try server.sendText("a", messageFinished: false)
    let error = #expect(throws: LocalProtocolError.self) { try server.send(PreparedMessage(text: "b")) }
    #expect(error?.violation == .messageType)
    _ = try server.sendText("c")
    #expect(try !server.send(PreparedMessage(text: "b")).isEmpty)
  }

  @Test("with custom extensions a prepared message goes through their hooks")
  func hooks() throws {
    let server = Connection(.server, extensions: [TaggingExtension(isOn: true)])
    #expect(try server.send(PreparedMessage(text: "a")) == [0x91, 1, 0x62])
  }

  // MARK: Memory of the caller's

  /// Sends into memory of `room` bytes and returns what was written.
  static func written(
    _ room: Int,
    _ send: (inout OutputRawSpan) throws(LocalProtocolError) -> Void
  ) throws(LocalProtocolError) -> [UInt8] {
    let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: room, alignment: 16)
    defer { memory.deallocate() }
    var span = OutputRawSpan(buffer: memory, initializedCount: 0)
    do throws(LocalProtocolError) {
      try send(&span)
    } catch {
      #expect(span.byteCount == 0, "nothing is written with an error")
      throw error
    }
    return Array(memory.prefix(span.byteCount))
  }

  @Test(
    "for every event, a span gets the same bytes as an array, and the size computed before is enough",
    arguments: [false, true],
    [0, 1, 125, 126, 65535, 65536]
  )
  func spans(compresses: Bool, size: Int) throws {
    let text = String(repeating: "x", count: size)
    let events: [Event] = [
      .textMessage(TextMessage(data: text)), .bytesMessage(BytesMessage(data: Bytes(text))),
      .textMessage(TextMessage(data: text, messageFinished: false)), .ping(Ping(payload: "abc")),
      .textMessage(TextMessage(data: text)), .pong(Pong()),
      .closeConnection(CloseConnection(code: 1000, reason: "bye")),
    ]
    let (one, two) =
      compresses
      ? (try Self.pair(takeover: true).server, try Self.pair(takeover: true).server)
      : (Connection(.server), Connection(.server))
    for event in events {
      let bound = one.sizeBound(of: event)
      let wire = try one.send(event)
      #expect(wire.count <= bound)
      #expect(
        try Self.written(bound) { (span) throws(LocalProtocolError) in try two.send(event, into: &span) }
          == wire
      )
    }
    #expect(one.state == two.state && one.state == .localClosing)
  }

  @Test("text, bytes and prepared messages can be written to a span too")
  func spanForms() throws {
    let server = Connection(.server)
    let bytes: [UInt8] = [1, 2, 3]
    let room = server.sizeBound(ofPayload: 3)
    #expect(
      try Self.written(room) { (span) throws(LocalProtocolError) in
        try server.sendBytes(bytes.span.bytes, messageFinished: true, compress: true, into: &span)
      } == [0x82, 3, 1, 2, 3]
    )
    #expect(
      try Self.written(room) { (span) throws(LocalProtocolError) in
        try server.sendText("abc".utf8Span, messageFinished: true, compress: true, into: &span)
      } == [0x81, 3, 0x61, 0x62, 0x63]
    )
    #expect(
      try Self.written(room) { (span) throws(LocalProtocolError) in
        try server.send(PreparedMessage(text: "abc"), into: &span)
      } == [0x81, 3, 0x61, 0x62, 0x63]
    )
  }

  @Test(
    "too little room is an error that says how much is needed, and the message can be sent again",
    arguments: [false, true]
  )
  func noRoom(compresses: Bool) throws {
    let server = compresses ? try Self.pair(takeover: true).server : Connection(.server)
    let client = compresses ? try Self.pair(takeover: true).client : Connection(.client)
    let event = Event.textMessage(TextMessage(data: Self.text))
    let bound = server.sizeBound(of: event)
    for room in [0, 1, 10, bound - 1] {
      let error = #expect(throws: LocalProtocolError.self) {
        try Self.written(room) { (span) throws(LocalProtocolError) in try server.send(event, into: &span) }
      }
      #expect(error?.violation == .outputTooSmall(needed: bound))
    }
    try client.receiveData(server.send(event))
    #expect(client.nextEvent() == event)
  }

  @Test("the handshake can be written to a span as well")
  func handshake() throws {
    let (client, server) = (WSConnection(.client), WSConnection(.server))
    let request = Event.request(
      Request(
        host: "example.com",
        target: "/chat?x=1",
        extensions: [PerMessageDeflate()],
        subprotocols: ["a", "b"]
      )
    )
    let sent = try Self.written(client.sizeBound(of: request)) { (span) throws(LocalProtocolError) in
      try client.send(request, into: &span)
    }
    try server.receiveData(sent)
    guard case .request = server.nextEvent() else {
      Issue.record("no request")
      return
    }
    let accept = Event.acceptConnection(AcceptConnection(subprotocol: "b", extensions: [PerMessageDeflate()]))
    let answer = try Self.written(server.sizeBound(of: accept)) { (span) throws(LocalProtocolError) in
      try server.send(accept, into: &span)
    }
    try client.receiveData(answer)
    guard case .acceptConnection = client.nextEvent() else {
      Issue.record("not accepted")
      return
    }
    #expect(client.state == .open && server.state == .open)
    let text = Event.textMessage(TextMessage(data: "hi"))
    let wire = try Self.written(server.sizeBound(of: text)) { (span) throws(LocalProtocolError) in
      try server.send(text, into: &span)
    }
    try client.receiveData(wire)
    #expect(client.nextEvent() == text)
  }

  // MARK: Where a borrowed payload lies

  @Test(
    "a borrowed event says where in the chunk its payload lies, or that it lies elsewhere",
    arguments: ConnectionType.allCases
  )
  func offsets(role: ConnectionType) throws {
    let whole = WireFrame(to: role, 2, [1, 2, 3])
    let connection = Connection(role)
    var chunk =
      whole.bytes + WireFrame(to: role, 1, [0xE2, 0x82], fin: false).bytes
      + WireFrame(to: role, 0, [0xAC, 0x61]).bytes
    var seen: [(Int?, [UInt8])] = []
    connection.receive(&chunk, count: chunk.count) { event in
      switch event {
      case .bytesMessage(let part): seen.append((part.offset, Array(Bytes(copying: part.data))))
      case .textMessage(let part): seen.append((part.offset, Array(String(copying: part.data).utf8)))
      case .ping, .pong, .closeConnection, .handshake, .handshakeFailed: Issue.record("another event")
      }
    }
    #expect(seen.first?.0 == whole.header.count && seen.first?.1 == [1, 2, 3])
    // Unmasked in place.
    #expect(Array(chunk[whole.header.count..<whole.bytes.count]) == [1, 2, 3])
    // Assembled from two frames: elsewhere.
    #expect(seen.last?.0 == nil && seen.last?.1 == Array("€a".utf8))
  }
}
