// SPDX-License-Identifier: Apache-2.0

import Testing
import WSProto
import WSProtoTestSupport

/// Where connections can be kept, and what remains after a closure throws.
@Suite struct ConnectionUseTests {
  actor Session {
    let connection = Connection(.server)
    private(set) var events: [Event] = []

    func receive(_ bytes: [UInt8]) throws -> [UInt8] {
      try connection.receiveData(bytes)
      var output: [UInt8] = []
      for event in connection.events() {
        events.append(event)
        if case .ping(let ping) = event { try connection.send(ping.response(), into: &output) }
      }
      return output
    }
  }

  @Test("a connection can be stored in an array and in a dictionary")
  func collections() throws {
    let connections = (0..<3).map { _ in Connection(.server) }
    for (index, connection) in connections.enumerated() {
      let payload = [UInt8(index)]
      try connection.receiveData(WireFrame(to: .server, 9, payload).bytes)
    }
    #expect(connections.map { $0.nextEvent() } == (0..<3).map { .ping(Ping(payload: Bytes([UInt8($0)]))) })
    var named: [String: WSConnection] = ["a": WSConnection(.client), "b": WSConnection(.server)]
    let head = try named["a"]?.send(Request(host: "h", target: "/")) ?? []
    try named["b"]?.receiveData(head)
    guard case .request = named["b"]?.nextEvent() else {
      Issue.record("no request")
      return
    }
    named["a"] = nil
    #expect(named["b"]?.state == .connecting)
  }

  @Test("a connection can be used in an actor", .requirement("6455-5.5.2-pong"))
  func inActor() async throws {
    let session = Session()
    let reply = try await session.receive(WireFrame(to: .server, 9, [1]).bytes)
    #expect(reply == [0x8A, 1, 1])
    let events = await session.events
    #expect(events == [.ping(Ping(payload: [1]))])
  }

  struct Stop: Error {}

  /// Feeds `stream` in pieces to a closure that records each event and then throws if `stops` says so.
  static func run(_ pieces: [[UInt8]], on connection: Connection, stops: (Int) -> Bool) -> (
    Outcome, thrown: Int
  ) {
    var collector = OutcomeCollector(wholeMessages: false)
    var count = 0
    var thrown = 0
    for piece in pieces + [[], [], []] {
      var chunk = piece
      var span = chunk.mutableSpan
      var bytes = span.mutableBytes
      do throws(Stop) {
        try connection.receive(&bytes) { (event) throws(Stop) in
          collector.add(event)
          count += 1
          if stops(count) { throw Stop() }
        }
      } catch {
        thrown += 1
      }
    }
    // The rest comes with the next calls, or with owned events.
    while let event = connection.nextEvent() { collector.add(event) }
    return (collector.finished, thrown)
  }

  static func stream(_ role: ConnectionType, last: WireFrame) -> [UInt8] {
    let frames = [
      WireFrame(to: role, 1, Array("aé".utf8), fin: false), WireFrame(to: role, 9, [1]),
      WireFrame(to: role, 0, Array("b€".utf8)), WireFrame(to: role, 2, [UInt8](repeating: 9, count: 300)),
      WireFrame(to: role, 10, [2]), last,
    ]
    return frames.flatMap { $0.bytes }
  }

  @Test(
    "if the closure of receive(_:_:) throws, nothing is lost, at whatever event, in whatever pieces",
    arguments: ConnectionType.allCases,
    [1, 2, 3, 4, 5, 6, 7]
  )
  func throwing(role: ConnectionType, at: Int) {
    let ends = [
      WireFrame(to: role, 8, closePayload(1000, "bye")), WireFrame(to: role, 1, [0x61, 0xFF]),
      WireFrame(to: role, 3, [1]),
    ]
    for (number, last) in ends.enumerated() {
      let stream = Self.stream(role, last: last)
      var twin = SlowDecoder(role)
      let expected = twin.run(stream)
      var random = TestRandom(seed: UInt64(at))
      for pieces in Splits.pieces(of: stream, random: &random, randomCuts: 6) {
        let once = Self.run(pieces, on: Connection(role)) { $0 == at }
        #expect(
          once.0.agrees(with: expected),
          "end \(number), \(pieces.count) pieces: \(once.0), not \(expected)"
        )
        let every = Self.run(pieces, on: Connection(role)) { $0 % at == 0 }
        #expect(
          every.0.agrees(with: expected),
          "end \(number), \(pieces.count) pieces: \(every.0), not \(expected)"
        )
        if at <= 5 { #expect(once.thrown == 1 && every.thrown >= 1) }
      }
    }
  }

  @Test("a closure may send, and a refused send throws its own error")
  func sending() throws {
    let server = Connection(.server)
    var wire = WireFrame(to: .server, 9, [1]).bytes + WireFrame(to: .server, 8, closePayload(1001)).bytes
    var output: [UInt8] = []
    var span = wire.mutableSpan
    var bytes = span.mutableBytes
    try server.receive(&bytes) { (event) throws(LocalProtocolError) in
      switch event {
      case .ping(let payload): try server.sendPong(payload, into: &output)
      case .closeConnection(let code, let reason):
        try server.send(CloseConnection(code: code, reason: String(copying: reason)), into: &output)
      default: Issue.record("unexpected")
      }
    }
    #expect(output == [0x8A, 1, 1, 0x88, 2, 0x03, 0xE9])
    #expect(server.state == .closed)
  }

  @Test("events keep their bytes while the connection reads on")
  func ownedEventsStay() throws {
    let server = Connection(.server)
    var kept: [Bytes] = []
    for number in 0..<200 {
      let payload = [UInt8](repeating: UInt8(number), count: number)
      try server.receiveData(WireFrame(to: .server, 2, payload).bytes)
      while let event = server.nextEvent() {
        if case .bytesMessage(let message) = event { kept.append(message.data) }
      }
    }
    #expect(kept.count == 200)
    for (number, bytes) in kept.enumerated() {
      #expect(bytes == Bytes([UInt8](repeating: UInt8(number), count: number)))
    }
  }

  @Test("pings that nobody takes are held as received bytes, and answered one by one")
  func pingFlood() throws {
    let client = Connection(.client)
    let flood = [[UInt8]](repeating: [0x89, 0x00], count: 1000).flatMap { $0 }
    for _ in 0..<20 { try client.receiveData(flood) }
    var count = 0
    while let event = client.nextEvent() {
      #expect(event == .ping(Ping()))
      count += 1
    }
    #expect(count == 20_000)
  }

  @Test(
    "send errors leave state and output unchanged",
    .requirement("6455-5.5.1-no-data-after", "6455-6.1-open", "6455-5.5-length"),
    arguments: ConnectionType.allCases
  )
  func sendErrors(role: ConnectionType) throws {
    let connection = Connection(role)
    var output: [UInt8] = [1, 2]
    let long = Bytes([UInt8](repeating: 0, count: 126))
    func refused(_ event: some EventConvertible) {
      #expect(throws: LocalProtocolError.self) { try connection.send(event, into: &output) }
    }
    refused(Ping(payload: long))
    refused(Pong(payload: long))
    refused(CloseConnection(code: 1004))
    refused(CloseConnection(code: 1005, reason: "x"))
    refused(Request(host: "h", target: "/"))
    refused(AcceptConnection())
    refused(RejectConnection())
    refused(RejectData(data: Bytes("")))
    #expect(output == [1, 2] && connection.state == .open)
    try connection.send(CloseConnection(code: 1000), into: &output)
    let after = output
    refused(TextMessage(data: ""))
    refused(BytesMessage(data: []))
    refused(Ping())
    refused(CloseConnection(code: 1000))
    #expect(output == after && connection.state == .localClosing)
  }

  @Test("receiveData accepts arrays, slices, Bytes, spans, buffers and lazy sequences")
  func inputs() throws {
    let client = Connection(.client)
    let wire: [UInt8] = [0x89, 0x00]
    try client.receiveData(wire)
    try client.receiveData(wire[...])
    try client.receiveData(ContiguousArray(wire))
    try client.receiveData(Bytes(wire))
    try client.receiveData(wire.span.bytes)
    try wire.withUnsafeBytes { try client.receiveData($0) }
    try client.receiveData(wire.lazy.map { $0 })
    try client.receiveData(EmptyCollection<UInt8>())
    #expect(Array(client.events()).count == 7)
  }

  @Test(
    "trailing data given to the initialiser comes first, also through receive(_:_:)",
    arguments: [true, false]
  )
  func trailing(borrowed: Bool) throws {
    let client = Connection(.client, trailingData: [0x81, 0x02, 0x61])
    var seen: [String] = []
    if borrowed {
      var wire: [UInt8] = [0x62, 0x89, 0x00]
      var span = wire.mutableSpan
      var bytes = span.mutableBytes
      client.receive(&bytes) { event in
        if case .textMessage(let part) = event { seen.append(String(copying: part.data)) }
        if case .ping = event { seen.append("ping") }
      }
    } else {
      try client.receiveData([0x62, 0x89, 0x00] as [UInt8])
      for event in client.events() {
        if case .textMessage(let text) = event { seen.append(text.data) }
        if case .ping = event { seen.append("ping") }
      }
    }
    #expect(seen.joined() == "abping")
  }
}
