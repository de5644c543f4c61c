// SPDX-License-Identifier: Apache-2.0

import Testing
import WSProtoTestSupport

@testable import WSProto

/// Received bytes whose events nobody takes: ``Limits/maxUntakenBytes``.
@Suite struct UntakenEventsTests {
  static func configuration(_ limit: Int, _ delivery: MessageDelivery = .chunks) -> Configuration {
    var configuration = Configuration(delivery: delivery, automaticReplies: .all)
    configuration.limits.maxUntakenBytes = limit
    return configuration
  }

  static func end(_ role: ConnectionType, wraps: Bool, _ configuration: Configuration) throws
    -> any WebSocketEndpoint
  {
    wraps
      ? try WSConnectionPair.open(configuration: configuration).end(role)
      : Connection(role, configuration: configuration)
  }

  /// The bytes that are held for events, capacity included.
  static func held(_ end: any WebSocketEndpoint) -> Int {
    guard let connection = (end as? Connection) ?? (end as? WSConnection)?.connection else { return 0 }
    return max(connection.buffer.count, connection.buffer.window?.byteCapacity ?? 0)
      + connection.inbound.heldBytes + connection.waitingReplyBytes
  }

  @Test(
    "beyond the limit receiveData throws and takes nothing; once the events were taken it goes on",
    .threat(16),
    arguments: [false, true],
    MessageDelivery.all
  )
  func limit(wraps: Bool, delivery: MessageDelivery) throws {
    for role in ConnectionType.allCases {
      let end = try Self.end(role, wraps: wraps, Self.configuration(1000, delivery))
      for (frame, isText) in [
        (WireFrame(to: role, WireOpcode.ping, [1, 2]), false),
        (WireFrame(to: role, WireOpcode.text, [0x61]), true),
      ] {
        var taken = 0
        for _ in 0..<2 {
          var accepted = 0
          var refusal: ProtocolError?
          while refusal == nil, accepted < 1000 {
            do throws(ProtocolError) {
              try end.receiveData(frame.bytes)
              accepted += 1
            } catch {
              refusal = error
            }
          }
          // What waits is held against the limit, not what a call brings.
          #expect(accepted == 1000 / frame.bytes.count + 1)
          guard case .local(let error) = refusal else {
            Issue.record("not refused")
            return
          }
          #expect(error.violation == .eventsNotTaken(limit: 1000))
          #expect(throws: ProtocolError.self) { try end.receiveData(frame.bytes) }
          #expect(end.state == .open && end.failure == nil)
          taken = 0
          while let event = end.nextEvent() {
            if case .textMessage = event { #expect(isText) } else { #expect(!isText) }
            taken += 1
          }
          #expect(taken == accepted)
        }
      }
    }
  }

  @Test("a caller that takes all events after each read never meets the limit, not even one of 0")
  func correctCaller() throws {
    for role in ConnectionType.allCases {
      for delivery in MessageDelivery.all {
        let end = try Self.end(role, wraps: false, Self.configuration(0, delivery))
        // A message that is whole after many reads, a control frame inside of it, and much in one read.
        let payload = [UInt8](repeating: 5, count: 100_000)
        let half = WireFrame(to: role, WireOpcode.binary, payload, fin: false).bytes
        let stream =
          half + WireFrame(to: role, WireOpcode.ping).bytes + WireFrame(to: role, 0, payload).bytes
          // One frame lies in the buffer until it is whole.
          + WireFrame(to: role, WireOpcode.binary, payload).bytes
        var bytes = 0
        for start in stride(from: 0, to: stream.count, by: 1000) {
          try end.receiveData(stream[start..<min(stream.count, start + 1000)])
          for event in end.events() { if case .bytesMessage(let part) = event { bytes += part.data.count } }
        }
        try end.receiveData(half + WireFrame(to: role, 0, payload).bytes)
        for event in end.events() { if case .bytesMessage(let part) = event { bytes += part.data.count } }
        #expect(bytes == 500_000)
      }
    }
  }

  @Test("what was read is not held against a caller that takes its events one by one")
  func oneByOne() throws {
    for role in ConnectionType.allCases {
      let end = try Self.end(role, wraps: false, Self.configuration(100))
      let ping = WireFrame(to: role, WireOpcode.ping, [9]).bytes
      try end.receiveData(ping + ping)
      // Two wait, one comes, one is taken: for ever.
      for _ in 0..<1000 {
        try end.receiveData(ping)
        #expect(end.nextEvent() == .ping(Ping(payload: [9])))
      }
      #expect(Self.held(end) < 64 << 10)
    }
  }

  @Test(
    "the borrowed doors take what waits by the owned one, and bring no refusal",
    arguments: [Splits.Door.borrowed, .reading]
  )
  func otherDoors(door: Splits.Door) throws {
    for role in ConnectionType.allCases {
      let end = try Self.end(role, wraps: false, Self.configuration(50))
      let pings = [UInt8](Array(repeating: WireFrame(to: role, WireOpcode.ping).bytes, count: 100).joined())
      try end.receiveData(pings)
      #expect(throws: ProtocolError.self) { try end.receiveData([0]) }
      var seen = 0
      try door.receive(pings, on: end) { _ in seen += 1 }
      #expect(seen == 200)
      try end.receiveData(pings)
      #expect(end.events().reduce(0) { sum, _ in sum + 1 } == 100)
    }
  }

  @Test("what a borrowed door has read and its closure has thrown at counts too, by both doors")
  func afterAThrow() throws {
    struct Stop: Error {}
    for role in ConnectionType.allCases {
      let pings = [UInt8](Array(repeating: WireFrame(to: role, WireOpcode.ping).bytes, count: 100).joined())
      for reads in [false, true] {
        let end = Connection(role, configuration: Self.configuration(50))
        var chunk = pings
        #expect(throws: Stop.self) {
          if reads {
            _ = try end.receive(
              upTo: pings.count,
              reading: { (room) throws(Stop) -> Int in
                room.copyBytes(from: pings)
                return pings.count
              },
              { (_) throws(Stop) in throw Stop() }
            )
          } else {
            try end.receive(&chunk, count: chunk.count) { (_) throws(Stop) in throw Stop() }
          }
        }
        #expect(throws: ProtocolError.self) { try end.receiveData(pings) }
        #expect(Array(end.events()).count == 99)
        try end.receiveData(pings)
      }
    }
  }

  @Test("what follows a handshake in its read is not lost, whatever the limit (RFC 6455 §4.1)")
  func behindAHandshake() throws {
    let server = WSConnection(.server, configuration: Self.configuration(-1))
    var bytes = try WSConnection(.client).send(Request(host: "h", target: "/"))
    bytes += WireFrame(to: .server, WireOpcode.ping, [1]).bytes
    var pings = 0
    // The owned door takes nothing with this limit.
    try server.receive(&bytes, count: bytes.count) { (event) throws(LocalProtocolError) in
      switch event {
      case .handshake(.request): _ = try server.send(AcceptConnection())
      case .ping: pings += 1
      default: Issue.record("another event")
      }
    }
    #expect(pings == 1)
  }

  // MARK: The body of a refusal

  static let bodies: [(name: String, fields: String, part: [UInt8])] = [
    ("by length", "Content-Length: 100000000\r\n", [UInt8](repeating: 0x61, count: 1000)),
    ("until the end", "", [UInt8](repeating: 0x61, count: 1000)),
    ("in chunks of a byte", "Transfer-Encoding: chunked\r\n", Array("1\r\na\r\n".utf8)),
  ]

  @Test(
    "the body of a refusal that nobody takes is stopped at the limit, and goes on once it was taken",
    .threat(16),
    arguments: bodies.indices,
    [false, true]
  )
  func refusalBody(index: Int, wraps: Bool) throws {
    let (_, fields, part) = Self.bodies[index]
    let limit = 20_000
    let wrapped = WSConnection(.client, configuration: Self.configuration(limit))
    let client = wrapped.handshake
    func receive(_ bytes: [UInt8]) throws(ProtocolError) {
      if wraps { try wrapped.receiveData(bytes) } else { try client.receiveData(bytes) }
    }
    _ = try client.send(Request(host: "h", target: "/"))
    try receive(Array("HTTP/1.1 403 Forbidden\r\n\(fields)\r\n".utf8))
    for _ in 0..<2 {
      var accepted = 0
      var refusal: ProtocolError?
      while refusal == nil, accepted < 10_000 {
        do throws(ProtocolError) {
          try receive(part)
          accepted += 1
        } catch {
          refusal = error
        }
      }
      guard case .local(let error) = refusal else {
        Issue.record("not refused")
        return
      }
      #expect(error.violation == .eventsNotTaken(limit: limit))
      #expect(client.state == .rejecting)
      #expect(accepted <= limit / part.count)
      var bytes = 0
      while let event = wraps ? wrapped.nextEvent() : client.nextEvent() {
        if case .rejectData(let data) = event { bytes += data.data.count }
      }
      #expect(bytes == accepted * (part.count < 10 ? 1 : part.count))
    }
  }

  @Test("a queue of events that is never empty does not keep those that were taken")
  func queue() throws {
    var queue = EventQueue()
    func part(_ number: Int) -> RejectData {
      RejectData(
        data: Bytes(sharing: ByteStorage.allocate(16), offset: 0, count: 0),
        bodyFinished: number < 0
      )
    }
    weak var first: ByteStorage?
    do {
      let storage = ByteStorage.allocate(16)
      first = storage
      queue.append(part(0))
      queue.append(RejectData(data: Bytes(sharing: storage, offset: 0, count: 0), bodyFinished: false))
    }
    for number in 0..<1000 {
      queue.append(part(number))
      #expect(queue.popFirst() != nil)
    }
    #expect(first == nil)
    #expect(queue.heldBytes > 0)
    var left = 0
    while queue.popFirst() != nil { left += 1 }
    #expect(left == 2 && queue.heldBytes == 0 && queue.isEmpty)
  }
}
