// SPDX-License-Identifier: Apache-2.0

import Synchronization
import Testing
import WSProtoTestSupport

@testable import WSProto

/// What every way to receive promises, for ``Connection`` and ``WSConnection`` alike.
@Suite struct WebSocketEndpointTests {
  /// An open end of either class; a ``WSConnection`` after its handshake.
  static func open(_ role: ConnectionType, wraps: Bool) throws -> any WebSocketEndpoint {
    guard wraps else { return Connection(role) }
    let (client, server) = (WSConnection(.client), WSConnection(.server))
    try server.receiveData(client.send(Request(host: "h", target: "/")))
    while server.nextEvent() != nil {}
    try client.receiveData(server.send(AcceptConnection()))
    while client.nextEvent() != nil {}
    return role == .client ? client : server
  }

  /// Feeds bytes to an end in one of the ways; returns the codes of its closes, and the number of other
  /// events.
  static func codes(
    _ bytes: [UInt8],
    _ door: Splits.Door,
    _ end: some WebSocketEndpoint
  ) throws -> (codes: [CloseReason], others: Int) {
    var codes: [CloseReason] = []
    var others = 0
    func take(_ event: borrowing BorrowedEvent) {
      switch event {
      case .closeConnection(let code, reason: _): codes.append(code)
      case .textMessage, .bytesMessage, .ping, .pong, .handshake, .handshakeFailed: others += 1
      }
    }
    switch door {
    case .owned, .ownedAtTheEnd:
      try end.receiveData(bytes)
      for event in end.events() {
        if case .closeConnection(let close) = event { codes.append(close.code) } else { others += 1 }
      }
    case .borrowed:
      var copy = bytes
      end.receive(&copy, count: copy.count) { take($0) }
    case .reading:
      _ = end.receive(
        upTo: bytes.count + 1,
        reading: { room in
          room.copyBytes(from: bytes)
          return bytes.count
        },
        { take($0) }
      )
    }
    return (codes, others)
  }

  @Test(
    "the end of the stream is reported as 1006 by every way to receive, and ends the connection (RFC 6455 §7.1.5)",
    .fault("C4"),
    arguments: [false, true],
    Splits.Door.allCases
  )
  func endOfStream(wraps: Bool, door: Splits.Door) throws {
    for role in ConnectionType.allCases {
      let end = try Self.open(role, wraps: wraps)
      #expect(try Self.codes(WireFrame(to: role, 9).bytes + [0x82], door, end).others == 1)
      try end.receiveEndOfStream()
      let (codes, others) = try Self.codes([], door, end)
      #expect(codes == [.abnormalClosure] && others == 0)
      #expect(end.state == .closed)
      #expect(try Self.codes([], door, end).codes.isEmpty)
      // Then immediately, in a separate call.
      let other = try Self.open(role, wraps: wraps)
      var told: [CloseReason] = []
      other.receiveEndOfStream { event in
        if case .closeConnection(let code, reason: _) = event { told.append(code) }
      }
      #expect(told == [.abnormalClosure] && other.state == .closed)
    }
  }

  @Test(
    "bytes after the end are ignored by every way to receive: after a Close, both Closes, a failure and 1006 (RFC 6455 §1.4)",
    .fault("C6"),
    arguments: [false, true],
    Splits.Door.allCases
  )
  func bytesBehindTheEnd(wraps: Bool, door: Splits.Door) throws {
    for role in ConnectionType.allCases {
      let close = WireFrame(to: role, 8, closePayload(1000)).bytes
      let text = WireFrame(to: role, 1, [0x61]).bytes
      for ends in 0..<4 {
        let end = try Self.open(role, wraps: wraps)
        switch ends {
        case 0: #expect(try Self.codes(close, door, end).codes == [1000])
        case 1:
          _ = try end.send(CloseConnection(code: 1000))
          #expect(try Self.codes(close, door, end).codes == [1000])
          #expect(end.state == .closed)
        case 2: #expect(try Self.codes([0xFF, 0xFF], door, end).codes == [.protocolError])
        default:
          try end.receiveEndOfStream()
          #expect(try Self.codes([], door, end).codes == [.abnormalClosure])
        }
        for bytes in [text, close, [0xFF], []] {
          let (codes, others) = try Self.codes(bytes, door, end)
          #expect(codes.isEmpty && others == 0, "\(role) \(ends) \(bytes)")
        }
      }
    }
  }

  @Test("a count of -1, as returned by recv, receives nothing", .fault("C7"), arguments: [false, true])
  func negativeCount(wraps: Bool) throws {
    let end = try Self.open(.client, wraps: wraps)
    var buffer: [UInt8] = [0x81, 0x01, 0x61]
    var events = 0
    for count in [-1, 0, Int.min] { end.receive(&buffer, count: count) { _ in events += 1 } }
    for count in [-1, 0, Int.min] {
      #expect(end.receive(upTo: count, reading: { _ in 5 }, { _ in events += 1 }) == 0)
    }
    #expect(end.receive(upTo: 10, reading: { _ in -1 }, { _ in events += 1 }) == -1)
    #expect(events == 0 && end.state == .open)
    // A count beyond the end of the buffer means the whole buffer.
    end.receive(&buffer, count: 1000) { _ in events += 1 }
    #expect(events == 1)
  }

  @Test("received events can be sent: a Close without a reason, a text, bytes, a ping", .fault("C11"))
  func sendOn() throws {
    let received: [Event] = [
      .textMessage(TextMessage(data: "é")), .bytesMessage(BytesMessage(data: [1])), .ping(Ping(payload: "p")),
      .pong(Pong()), .closeConnection(CloseConnection(code: 1003)),
    ]
    let pair = ConnectionPair()
    let next = ConnectionPair()
    for event in received {
      let seen = try pair.send(event, from: .client)
      #expect(seen == [event])
      for one in seen { #expect(try next.send(one, from: .server) == [event]) }
    }
    var close = CloseConnection(code: 1000, reason: "")
    #expect(close.reason == nil && close == CloseConnection(code: 1000))
    close.reason = ""
    #expect(close.reason == nil)
  }

  // MARK: One call at a time

  /// Calls back into its connection from each frame hook.
  struct CallingBack: Extension {
    final class Target: Sendable {
      struct Log: Sendable {
        var errors: [LocalProtocolError.Violation] = []
        var sent = 0
      }
      let connection = Mutex<(@Sendable () -> [LocalProtocolError.Violation?])?>(nil)
      let log = Mutex(Log())

      func call() {
        guard let body = connection.withLock({ $0 }) else { return }
        let results = body()
        log.withLock { log in
          log.errors += results.compactMap { $0 }
          log.sent += results.filter { $0 == nil }.count
        }
      }
    }

    var target = Target()
    var name: String { "x-calls" }
    func enabled() -> Bool { true }
    static func == (left: CallingBack, right: CallingBack) -> Bool { left.target === right.target }
    func hash(into hasher: inout Hasher) { hasher.combine(ObjectIdentifier(target)) }

    func frameInboundPayloadData(
      _ context: FrameContext,
      _ data: [UInt8],
      into output: inout [UInt8]
    ) throws(ParseFailed) {
      output += data
      target.call()
    }
    func frameOutbound(
      _ context: FrameContext,
      opcode: Opcode,
      rsv: RsvBits,
      data: [UInt8],
      fin: Bool
    ) throws(LocalProtocolError) -> (rsv: RsvBits, data: [UInt8]) {
      target.call()
      return (rsv, data)
    }
  }

  /// The connection, for closures that must be Sendable; the test uses it on one thread. Weak, because the
  /// connection holds its extension, which holds the closure.
  struct Held: @unchecked Sendable { weak var connection: Connection? }

  @Test(
    "an outbound hook that sends on its connection gets an error, and the current frame is unharmed",
    .fault("C8")
  )
  func sendingHook() throws {
    let hook = CallingBack()
    let connection = Connection(.server, extensions: [hook])
    let held = Held(connection: connection)
    hook.target.connection.withLock {
      $0 = {
        do throws(LocalProtocolError) {
          _ = try held.connection?.send(Ping())
          return [nil]
        } catch {
          return [error.violation]
        }
      }
    }
    #expect(try connection.sendText("a") == [0x81, 1, 0x61])
    #expect(try connection.send(.ping(Ping(payload: "p"))) == [0x89, 1, 0x70])
    #expect(hook.target.log.withLock { $0.errors } == [.reentrance, .reentrance])
    #expect(hook.target.log.withLock { $0.sent } == 0)
  }

  @Test(
    "an inbound hook may send, but gets an error if it receives",
    .fault("C8"),
    arguments: Splits.Door.allCases
  )
  func receivingHook(door: Splits.Door) throws {
    let hook = CallingBack()
    let connection = Connection(.client, extensions: [hook])
    let held = Held(connection: connection)
    hook.target.connection.withLock {
      $0 = {
        var results: [LocalProtocolError.Violation?] = []
        for call in 0..<2 {
          do throws(ProtocolError) {
            if call == 0 {
              try held.connection?.receiveData([0x81, 0] as [UInt8])
            } else {
              try held.connection?.receiveEndOfStream()
            }
            results.append(nil)
          } catch {
            if case .local(let error) = error { results.append(error.violation) }
          }
        }
        return results
      }
    }
    let (codes, others) = try Self.codes([0x81, 1, 0x61], door, connection)
    #expect(codes.isEmpty && others == 1)
    #expect(hook.target.log.withLock { $0.errors } == [.reentrance, .reentrance])
    #expect(connection.state == .open)
  }

  @Test("a random source that sends on its connection gets an error", .fault("C8"))
  func randomSource() throws {
    let target = CallingBack.Target()
    let source = RandomSource { buffer in
      buffer.initializeMemory(as: UInt8.self, repeating: 7)
      target.call()
    }
    let connection = Connection(.client, configuration: Configuration(randomSource: source))
    let held = Held(connection: connection)
    target.connection.withLock {
      $0 = {
        do throws(LocalProtocolError) {
          _ = try held.connection?.send(Ping())
          return [nil]
        } catch {
          return [error.violation]
        }
      }
    }
    #expect(try connection.sendBytes([1]).count == 7)
    #expect(target.log.withLock { $0.errors } == [.reentrance])
  }

  // MARK: What people type

  @Test("events can be sent as cases, as structs, as text and as bytes", arguments: [false, true])
  func spellings(wraps: Bool) throws {
    let server = try Self.open(.server, wraps: wraps)
    #expect(try server.send(.ping(Ping(payload: "abc"))) == [0x89, 3, 0x61, 0x62, 0x63])
    #expect(try server.send(Ping(payload: "abc")) == server.send(.ping(Ping(payload: "abc"))))
    #expect(try server.sendText("hi") == [0x81, 2, 0x68, 0x69])
    #expect(try server.sendBytes([1, 2, 3]) == [0x82, 3, 1, 2, 3])
    #expect(try server.sendText("h", messageFinished: false) == [0x01, 1, 0x68])
    #expect(try server.sendText("i") == [0x80, 1, 0x69])
    let bytes: Bytes = "abc"
    let (count, second) = (bytes.span.count, bytes.span[1])
    #expect(count == 3 && second == 0x62)
    let isEmpty = Bytes().span.isEmpty
    #expect(isEmpty)
    let code: CloseCode = .goingAway
    #expect(try server.send(.closeConnection(CloseConnection(code: code))) == [0x88, 2, 0x03, 0xE9])
  }

  @Test(
    "the room for any size can be asked for, without a trap",
    arguments: ConnectionMemoryTests.Negotiated.allCases
  )
  func roomForAnySize(negotiated: ConnectionMemoryTests.Negotiated) throws {
    for role in ConnectionType.allCases {
      let end = Connection(
        role,
        extensions: try negotiated.extensions(role),
        configuration: Configuration(automaticReplies: .all)
      )
      for pings in 0..<2 {
        for size in [Int.max, .max - 1, .max - 14, .max / 2 + 1] {
          #expect(end.sizeBound(ofPayload: size) >= size)
        }
        #expect(end.sizeBound(ofPayload: .max) == .max)
        if pings == 0 {
          try end.receiveData(WireFrame(to: role, WireOpcode.ping, [1]).bytes)
          #expect(Array(end.events()).count == 1 && end.waitingReplyBytes > 0)
        }
      }
      // A number of bytes can't be negative; a caller's slip must not trap either.
      #expect(end.sizeBound(ofPayload: -1) >= 0)
    }
  }
}
