// SPDX-License-Identifier: Apache-2.0

import Testing
import WSProtoTestSupport

@testable import WSProto

/// What is answered automatically: when it waits, when it goes out, when the state moves.
@Suite struct RepliesTests {
  typealias Door = Splits.Door

  /// An open end of either class.
  static func open(
    _ role: ConnectionType,
    wraps: Bool,
    _ replies: AutomaticReplies = .all,
    extensions: [any Extension] = []
  ) throws -> any WebSocketEndpoint {
    let configuration = Configuration(automaticReplies: replies)
    guard wraps else { return Connection(role, extensions: extensions, configuration: configuration) }
    return try WSConnectionPair.open(
      request: Request(host: "h", target: "/", extensions: extensions),
      accept: AcceptConnection(extensions: extensions),
      configuration: configuration
    ).end(role)
  }

  /// The events that bytes of `role` give its peer.
  static func read(_ bytes: [UInt8], from role: ConnectionType, extensions: [any Extension] = []) throws
    -> [Event]
  {
    let peer = Connection(role.peer, extensions: extensions)
    try peer.receiveData(bytes)
    return Array(peer.events())
  }

  static func pings(to role: ConnectionType, _ numbers: Range<UInt8>) -> [UInt8] {
    numbers.flatMap { WireFrame(to: role, WireOpcode.ping, [$0, 0xFF]).bytes }
  }

  static func pongs(_ numbers: some Sequence<UInt8>) -> [Event] {
    numbers.map { .pong(Pong(payload: [$0, 0xFF])) }
  }

  /// Each door and class, in each role.
  static let ends = Door.allCases.flatMap { door in
    [false, true].flatMap { wraps in ConnectionType.allCases.map { (door, wraps, $0) } }
  }

  // MARK: Pongs, RFC 6455 §5.5.2 and §5.5.3

  @Test("nothing is answered unless it was asked for, as with wsproto", arguments: ends.indices)
  func off(index: Int) throws {
    let (door, wraps, role) = Self.ends[index]
    for frame in [
      WireFrame(to: role, WireOpcode.ping, [1]), WireFrame(to: role, WireOpcode.close, closePayload(1000)),
      WireFrame(to: role, 3),
    ] {
      let end = try Self.open(role, wraps: wraps, [])
      var events = 0
      try door.receive(frame.bytes, on: end) { _ in events += 1 }
      let state = end.state
      #expect(events == 1 && end.waitingReplyBytes == 0)
      #expect(try end.sendReplies().isEmpty)
      #expect(end.state == state)
    }
  }

  @Test(
    "one pong a ping while replies are sent after each event: ten pings in one read get ten (RFC 6455 §5.5.2)",
    .requirement("6455-5.5.2-pong", "6455-5.5.3-same"),
    arguments: ends.indices
  )
  func aPongAPing(index: Int) throws {
    let (door, wraps, role) = Self.ends[index]
    let end = try Self.open(role, wraps: wraps)
    var output: [UInt8] = []
    try door.receive(Self.pings(to: role, 0..<10), on: end) { _ in
      let waiting = end.waitingReplyBytes
      let before = output.count
      try end.sendReplies(into: &output)
      #expect(output.count - before == waiting)
      // The events of this door are all taken before the first of them is seen.
      if door != .ownedAtTheEnd { #expect(waiting == (role == .server ? 4 : 8)) }
      #expect(end.waitingReplyBytes == 0)
    }
    #expect(try Self.read(output, from: role) == Self.pongs(door == .ownedAtTheEnd ? 9..<10 : 0..<10))
    #expect(end.state == .open)
  }

  @Test(
    "a pong that waits gives way to that of the newest ping, in one read and in many (RFC 6455 §5.5.3)",
    arguments: ends.indices
  )
  func coalesced(index: Int) throws {
    let (door, wraps, role) = Self.ends[index]
    let end = try Self.open(role, wraps: wraps)
    for reads in [[0..<10], (0..<10).map { $0..<$0 + 1 }] as [[Range<UInt8>]] {
      var seen = 0
      for numbers in reads { try door.receive(Self.pings(to: role, numbers), on: end) { _ in seen += 1 } }
      #expect(seen == 10, "the events tell of each")
      #expect(try Self.read(end.sendReplies(), from: role) == Self.pongs(9..<10))
      #expect(try end.sendReplies().isEmpty)
    }
  }

  @Test("what is longest fits: 131 bytes from a client, 127 from a server; so does what is empty")
  func sizes() throws {
    for role in ConnectionType.allCases {
      for count in [0, 125] {
        let payload = [UInt8](repeating: 7, count: count)
        let end = try Self.open(role, wraps: false)
        try Door.borrowed.receive(WireFrame(to: role, WireOpcode.ping, payload).bytes, on: end) { _ in }
        #expect(end.waitingReplyBytes == count + (role == .client ? 6 : 2))
        #expect(try Self.read(end.sendReplies(), from: role) == [.pong(Pong(payload: Bytes(payload)))])
      }
    }
  }

  // MARK: In front of what is sent next

  /// A way to send something.
  struct Form: CustomTestStringConvertible, Sendable {
    var testDescription: String
    var sent: Event
    /// The room that is asked for, in memory of the caller's; `nil` where an array grows.
    var bound: (@Sendable (any WebSocketEndpoint) -> Int)?
    var send: @Sendable (any WebSocketEndpoint, Int) throws -> [UInt8]

    static func array(
      _ name: String,
      _ sent: Event,
      _ send: @escaping @Sendable (any WebSocketEndpoint, inout [UInt8]) throws(LocalProtocolError) -> Void
    ) -> Form {
      Form(testDescription: "\(name) to an array", sent: sent) { end, _ in
        var output: [UInt8] = [0xAA]
        try send(end, &output)
        #expect(output.removeFirst() == 0xAA)
        return output
      }
    }

    static func span(
      _ name: String,
      _ sent: Event,
      _ bound: @escaping @Sendable (any WebSocketEndpoint) -> Int,
      _ send:
        @escaping @Sendable (any WebSocketEndpoint, inout OutputRawSpan) throws(LocalProtocolError) -> Void
    ) -> Form {
      Form(testDescription: "\(name) to a span", sent: sent, bound: bound) { end, room in
        try PreparedMessageTests.written(room) { (span) throws(LocalProtocolError) in try send(end, &span) }
      }
    }

    static let text = Event.textMessage(TextMessage(data: "hello"))
    static let bytes = Event.bytesMessage(BytesMessage(data: [1, 2, 3]))
    static let events: [(String, Event)] = [
      ("text", text), ("bytes", bytes), ("a ping", .ping(Ping(payload: "p"))),
      ("a pong", .pong(Pong(payload: "q"))),
      ("a Close", .closeConnection(CloseConnection(code: 1000, reason: "bye"))),
    ]
    static let all: [Form] =
      events.flatMap { (name, event) in
        [
          array("\(name), an event,", event) { (end, output) throws(LocalProtocolError) in
            try end.send(event, into: &output)
          },
          span("\(name), an event,", event, { $0.sizeBound(of: event) }) {
            (end, output) throws(LocalProtocolError) in try end.send(event, into: &output)
          },
        ]
      } + [
        array("borrowed text", text) { (end, output) throws(LocalProtocolError) in
          try end.sendText("hello".utf8Span, messageFinished: true, compress: true, into: &output)
        },
        span("borrowed text", text, { $0.sizeBound(ofPayload: 5) }) {
          (end, output) throws(LocalProtocolError) in
          try end.sendText("hello".utf8Span, messageFinished: true, compress: true, into: &output)
        },
        array("borrowed bytes", bytes) { (end, output) throws(LocalProtocolError) in
          let bytes: [UInt8] = [1, 2, 3]
          try end.sendBytes(bytes.span.bytes, messageFinished: true, compress: true, into: &output)
        },
        span("borrowed bytes", bytes, { $0.sizeBound(ofPayload: 3) }) {
          (end, output) throws(LocalProtocolError) in
          let bytes: [UInt8] = [1, 2, 3]
          try end.sendBytes(bytes.span.bytes, messageFinished: true, compress: true, into: &output)
        },
        array("a borrowed pong", .pong(Pong(payload: [1, 2, 3]))) {
          (end, output) throws(LocalProtocolError) in
          let bytes: [UInt8] = [1, 2, 3]
          try end.sendPong(bytes.span.bytes, into: &output)
        },
        array("a prepared message", text) { (end, output) throws(LocalProtocolError) in
          try end.send(PreparedMessage(text: "hello"), into: &output)
        },
        span("a prepared message", text, { $0.sizeBound(ofPayload: 5) }) {
          (end, output) throws(LocalProtocolError) in
          try end.send(PreparedMessage(text: "hello"), into: &output)
        },
      ]
  }

  /// What stands on the connection: nothing, a compression, and extensions that work on every frame.
  static let stacks: [[any Extension]] = [
    [], [PerMessageDeflate.negotiated], [ControlMark(), PerMessageDeflate.negotiated],
  ]

  @Test(
    "the pong that waits goes out before whatever is sent next, by every call; the size told counts it",
    arguments: Form.all,
    [false, true]
  )
  func beforeTheNextSend(form: Form, wraps: Bool) throws {
    for role in ConnectionType.allCases {
      for extensions in Self.stacks where !wraps || extensions.isEmpty {
        let end = try Self.open(role, wraps: wraps, extensions: extensions)
        let peer = Connection(role.peer, extensions: extensions)
        try end.receiveData(peer.send(Ping(payload: [1, 2, 3, 4])))
        while end.nextEvent() != nil {}
        let waiting = end.waitingReplyBytes
        #expect(waiting > 0)
        var room = 0
        if let bound = form.bound {
          room = bound(end)
          // With too little room nothing has changed.
          let error = #expect(throws: LocalProtocolError.self) { try form.send(end, room - 1) }
          #expect(error?.violation == .outputTooSmall(needed: room))
          #expect(end.waitingReplyBytes == waiting && end.state == .open)
        }
        try peer.receiveData(form.send(end, room))
        #expect(Array(peer.events()) == [.pong(Pong(payload: [1, 2, 3, 4])), form.sent])
        #expect(end.waitingReplyBytes == 0)
      }
    }
  }

  @Test("a send that fails appends nothing, and the pong waits on", arguments: [false, true])
  func failedSend(hooks: Bool) throws {
    let extensions: [any Extension] = hooks ? [ControlMark(refuses: .text)] : []
    for role in ConnectionType.allCases {
      let end = Connection(role, extensions: extensions, configuration: Configuration(automaticReplies: .all))
      let peer = Connection(role.peer, extensions: extensions)
      var output = try end.send(BytesMessage(data: [1], messageFinished: false))
      try peer.receiveData(output)
      try end.receiveData(peer.send(Ping(payload: [5])))
      #expect(end.nextEvent() == .ping(Ping(payload: [5])))
      let before = output
      let illegal: [Event] = [
        .textMessage(TextMessage(data: "in the middle of bytes")),
        .ping(Ping(payload: Bytes([UInt8](repeating: 0, count: 126)))),
        .closeConnection(CloseConnection(code: 1004)),
        .request(Request(host: "h", target: "/")),
      ]
      for event in illegal {
        #expect(throws: LocalProtocolError.self) { try end.send(event, into: &output) }
        #expect(output == before)
        #expect(end.waitingReplyBytes > 0)
      }
      #expect(throws: LocalProtocolError.self) { try end.send(PreparedMessage(text: "x"), into: &output) }
      #expect(output == before)
      try peer.receiveData(end.sendReplies())
      #expect(Array(peer.events()).last == .pong(Pong(payload: [5])))
    }
  }

  // MARK: Closes, RFC 6455 §5.5.1 and §7.1.7

  @Test(
    "the peer's Close is answered with its code and reason; the state moves when the reply is sent (RFC 6455 §5.5.1)",
    .requirement("6455-5.5.1-answer", "6455-5.5.1-echo"),
    arguments: ends.indices
  )
  func closes(index: Int) throws {
    let (door, wraps, role) = Self.ends[index]
    let longest = String(repeating: "r", count: 123)
    for payload in [[], closePayload(1000), closePayload(1001, "é"), closePayload(4999, longest)] {
      let end = try Self.open(role, wraps: wraps)
      let twin = try Self.open(role, wraps: wraps, [])
      let wire = WireFrame(to: role, WireOpcode.close, payload).bytes
      var close = CloseConnection(code: 1006)
      try door.receive(wire, on: end) { event in
        guard case .closeConnection(let told) = event else { return }
        close = told
        #expect(end.state == .remoteClosing)
      }
      try twin.receiveData(wire)
      while twin.nextEvent() != nil {}
      #expect(end.waitingReplyBytes == payload.count + (role == .client ? 6 : 2))
      #expect(throws: LocalProtocolError.self) { try end.sendText("too late") }
      #expect(end.state == .remoteClosing)
      let reply = try end.sendReplies()
      let expected = try Self.read(twin.send(close.response()), from: role)
      #expect(
        try Self.read(reply, from: role) == expected
          && reply.count == payload.count + (role == .client ? 6 : 2)
      )
      #expect(end.state == .closed && end.waitingReplyBytes == 0)
      #expect(try end.sendReplies().isEmpty)
    }
  }

  @Test(
    "a violation is answered with its code (RFC 6455 §7.1.7)",
    .requirement("6455-7.1.7-send-close"),
    arguments: ends.indices
  )
  func failures(index: Int) throws {
    let (door, wraps, role) = Self.ends[index]
    for (frame, code) in [
      (WireFrame(to: role, 3), 1002), (WireFrame(to: role, WireOpcode.text, [0xFF]), 1007),
      (WireFrame(to: role, 2, declaredLength: 1 << 40), 1009),
      (WireFrame(to: role, WireOpcode.close, closePayload(1005)), 1002),
    ] as [(WireFrame, CloseReason)] {
      let end = try Self.open(role, wraps: wraps)
      var told: [Event] = []
      try door.receive(frame.bytes, on: end) { told.append($0) }
      guard case .closeConnection(let close)? = told.last else {
        Issue.record("no failure")
        continue
      }
      #expect(end.state == .remoteClosing && end.failure?.code == code && close.code == code)
      #expect(try Self.read(end.sendReplies(), from: role) == [.closeConnection(close.response())])
      #expect(end.state == .closed)
    }
  }

  @Test("a Close that is sent by a call takes the place of the reply", arguments: ends.indices)
  func ownClose(index: Int) throws {
    let (door, wraps, role) = Self.ends[index]
    let end = try Self.open(role, wraps: wraps)
    let ping = WireFrame(to: role, WireOpcode.ping, [1]).bytes
    try door.receive(ping + WireFrame(to: role, WireOpcode.close, closePayload(1000)).bytes, on: end) { _ in }
    #expect(throws: LocalProtocolError.self) { try end.send(CloseConnection(code: 1004)) }
    #expect(end.waitingReplyBytes > 0)
    let sent = try end.send(CloseConnection(code: 4000, reason: "mine"))
    #expect(
      try Self.read(sent, from: role)
        == [.pong(Pong(payload: [1])), .closeConnection(CloseConnection(code: 4000, reason: "mine"))]
    )
    #expect(end.state == .closed && end.waitingReplyBytes == 0)
    #expect(try end.sendReplies().isEmpty)
  }

  @Test(
    "a ping and a Close in one read are both answered, in their order, to an array and to a span",
    arguments: ends.indices
  )
  func pongThenClose(index: Int) throws {
    let (door, wraps, role) = Self.ends[index]
    for toSpan in [false, true] {
      let end = try Self.open(role, wraps: wraps)
      let ping = WireFrame(to: role, WireOpcode.ping, [1]).bytes
      try door.receive(ping + WireFrame(to: role, WireOpcode.close, closePayload(1000)).bytes, on: end) { _ in
      }
      let room = end.waitingReplyBytes
      var sent: [UInt8] = []
      if toSpan {
        #expect(throws: LocalProtocolError.self) {
          try PreparedMessageTests.written(room - 1) { (span) throws(LocalProtocolError) in
            try end.sendReplies(into: &span)
          }
        }
        #expect(end.waitingReplyBytes == room && end.state == .remoteClosing)
        sent = try PreparedMessageTests.written(room) { (span) throws(LocalProtocolError) in
          try end.sendReplies(into: &span)
        }
      } else {
        sent = try end.sendReplies()
      }
      #expect(sent.count == room)
      #expect(
        try Self.read(sent, from: role)
          == [.pong(Pong(payload: [1])), .closeConnection(CloseConnection(code: 1000))]
      )
      #expect(end.state == .closed)
    }
  }

  @Test(
    "after our Close a ping is answered until the peer's Close comes, not any more then (RFC 6455 §5.5.2)",
    arguments: ends.indices
  )
  func afterOurClose(index: Int) throws {
    let (door, wraps, role) = Self.ends[index]
    let end = try Self.open(role, wraps: wraps)
    _ = try end.send(CloseConnection(code: 1000))
    try door.receive(Self.pings(to: role, 0..<1), on: end) { _ in }
    #expect(try Self.read(end.sendReplies(), from: role) == Self.pongs(0..<1))
    #expect(end.state == .localClosing)
    // One that still waits when the peer's Close, a violation, or the end of the transport comes, is not sent.
    for last in [
      WireFrame(to: role, WireOpcode.close, closePayload(1000)).bytes, WireFrame(to: role, 3).bytes, [],
    ] {
      let end = try Self.open(role, wraps: wraps)
      _ = try end.send(CloseConnection(code: 1000))
      try door.receive(Self.pings(to: role, 1..<2), on: end) { _ in }
      #expect(end.waitingReplyBytes > 0)
      if last.isEmpty { try end.receiveEndOfStream() }
      try door.receive(last, on: end) { _ in }
      #expect(end.state == .closed && end.waitingReplyBytes == 0)
      #expect(try end.sendReplies().isEmpty)
    }
  }

  @Test("nothing waits behind the end of the transport", arguments: ends.indices)
  func endOfStream(index: Int) throws {
    let (door, wraps, role) = Self.ends[index]
    for frames in [Self.pings(to: role, 0..<1), WireFrame(to: role, WireOpcode.close).bytes] {
      let end = try Self.open(role, wraps: wraps)
      try door.receive(frames, on: end) { _ in }
      #expect(end.waitingReplyBytes > 0)
      try end.receiveEndOfStream()
      try door.receive([], on: end) { _ in }
      #expect(end.state == .closed && end.waitingReplyBytes == 0)
      #expect(try end.sendReplies().isEmpty)
    }
  }

  @Test("each kind of reply is a choice of its own")
  func kinds() throws {
    for role in ConnectionType.allCases {
      let frames =
        Self.pings(to: role, 0..<1) + WireFrame(to: role, WireOpcode.close, closePayload(1000)).bytes
      func replies(_ kinds: AutomaticReplies) throws -> [Event] {
        let end = try Self.open(role, wraps: false, kinds)
        try Door.owned.receive(frames, on: end) { _ in }
        return try Self.read(end.sendReplies(), from: role)
      }
      let close = Event.closeConnection(CloseConnection(code: 1000))
      #expect(try replies([]).isEmpty && replies(.rejections).isEmpty)
      #expect(try replies(.pongs) == Self.pongs(0..<1))
      #expect(try replies(.closes) == [close])
      #expect(try replies(.all) == Self.pongs(0..<1) + [close])
    }
  }

  @Test(
    "replies can be sent from inside of a borrowed event, and other things behind them",
    arguments: [Door.borrowed, .reading]
  )
  func insideOfTheClosure(door: Door) throws {
    let end = try Self.open(.server, wraps: false)
    var output: [UInt8] = []
    try door.receive(Self.pings(to: .server, 0..<2), on: end) { event in
      guard case .ping(let ping) = event else { return }
      if ping.payload[0] == 0 {
        try end.sendReplies(into: &output)
      } else {
        try end.send(Ping(), into: &output)
      }
    }
    #expect(try Self.read(output, from: .server) == Self.pongs(0..<2) + [.ping(Ping())])
  }

  @Test("with automatic replies a connection of its own allocates nothing for a pong once the first was sent")
  func steadyState() throws {
    let end = Connection(.server, configuration: Configuration(automaticReplies: .all))
    let ping = WireFrame(to: .server, WireOpcode.ping, [UInt8](repeating: 1, count: 125)).bytes
    var output: [UInt8] = []
    output.reserveCapacity(200)
    let storage = output.withUnsafeBytes { $0.baseAddress }
    for _ in 0..<10 {
      try Door.borrowed.receive(ping, on: end) { _ in }
      output.removeAll(keepingCapacity: true)
      try end.sendReplies(into: &output)
      #expect(output.withUnsafeBytes { $0.baseAddress } == storage && output.count == 127)
    }
  }

  // MARK: Extensions of others

  @Test("a reply that an extension refuses is dropped, and the error told; the next one goes out")
  func refusedByAnExtension() throws {
    for role in ConnectionType.allCases {
      let configuration = Configuration(automaticReplies: .all)
      var end = Connection(role, extensions: [ControlMark(refuses: .pong)], configuration: configuration)
      let marked = Connection(role.peer, extensions: [ControlMark()])
      let ping = try marked.send(Ping(payload: [1]))
      for sends in [false, true] {
        try Door.owned.receive(ping, on: end) { _ in }
        var output: [UInt8] = [7]
        #expect(throws: LocalProtocolError.self) {
          if sends { try end.send(Ping(), into: &output) } else { try end.sendReplies(into: &output) }
        }
        #expect(output == [7] && end.waitingReplyBytes == 0)
        try end.send(Ping(), into: &output)
        #expect(output.count > 1)
      }
      end = Connection(role, extensions: [ControlMark(refuses: .close)], configuration: configuration)
      try Door.owned.receive(ping + marked.send(CloseConnection(code: 1000)), on: end) { _ in }
      #expect(throws: LocalProtocolError.self) { try end.sendReplies() }
      // The Close is gone, the pong in front of it isn't.
      #expect(end.state == .remoteClosing)
      let sent = try end.sendReplies()
      #expect(try Self.read(sent, from: role, extensions: [ControlMark()]) == [.pong(Pong(payload: [1]))])
      #expect(try end.sendReplies().isEmpty)
    }
  }
}

/// Puts a mark behind the payload of every control frame, and takes it off again; may refuse to send one kind of frame.
private struct ControlMark: Extension {
  var name: String { "x-control" }
  var refuses: Opcode?
  func enabled() -> Bool { true }

  mutating func frameInboundPayloadData(
    _ context: FrameContext,
    _ data: [UInt8],
    into output: inout [UInt8]
  ) throws(ParseFailed) {
    guard context.opcode.isControl else {
      output += data
      return
    }
    guard data.last == 0x77 else { throw ParseFailed("no mark") }
    output += data.dropLast()
  }

  mutating func frameOutbound(
    _ context: FrameContext,
    opcode: Opcode,
    rsv: RsvBits,
    data: [UInt8],
    fin: Bool
  ) throws(LocalProtocolError) -> (rsv: RsvBits, data: [UInt8]) {
    if opcode == refuses { throw LocalProtocolError("refused", .extension) }
    return (rsv, opcode.isControl ? data + [0x77] : data)
  }
}
