// SPDX-License-Identifier: Apache-2.0

import HTTPTypes
import Testing
import WSProtoTestSupport

@testable import WSProto

/// The threats that come in as bytes, each by every door, in both roles, deliveries and classes. What each row means in
/// full is tested where its defence is; here no door may lack it. The C interface has `c-interface/threats.c`.
@Suite struct ThreatsByDoorTests {
  // MARK: Frames

  /// A way for frames to come in, and what comes of them.
  enum Way: Hashable, CustomTestStringConvertible {
    case endpoint(Splits.Door, wraps: Bool, MessageDelivery)
    case frameProtocol
    case decoders

    static let all: [Way] =
      Splits.Door.allCases.flatMap { door in
        [false, true].flatMap { wraps in
          MessageDelivery.all.map { .endpoint(door, wraps: wraps, $0) }
        }
      } + [.frameProtocol, .decoders]

    var testDescription: String {
      switch self {
      case .endpoint(let door, let wraps, let delivery):
        "\(door), \(wraps ? "WSConnection" : "Connection"), \(delivery)"
      case .frameProtocol: "FrameProtocol"
      case .decoders: "FrameDecoder and MessageDecoder"
      }
    }
  }

  struct Result {
    /// What the frames were refused with.
    var code: CloseReason?
    /// Of messages, as delivered.
    var bytes = 0
    var events = 0
    /// The most that was held, where that can be seen.
    var held = 0
  }

  /// Gives the pieces to an end, until it refuses.
  static func run(
    _ pieces: some Sequence<[UInt8]>,
    _ way: Way,
    _ role: ConnectionType,
    limits: Limits = Limits(),
    compresses: Bool = false
  ) throws -> Result {
    var result = Result()
    switch way {
    case .endpoint(let door, let wraps, let delivery):
      let configuration = Configuration(delivery: delivery, limits: limits)
      let offered: [any Extension] = compresses ? [PerMessageDeflate()] : []
      let end: any WebSocketEndpoint =
        wraps
        ? try WSConnectionPair.open(
          request: Request(host: "h", target: "/", extensions: offered),
          accept: AcceptConnection(extensions: offered),
          configuration: configuration
        ).end(role)
        : Connection(
          role,
          extensions: compresses ? [PerMessageDeflate.negotiated] : [],
          configuration: configuration
        )
      for piece in pieces where result.code == nil {
        try door.receive(piece, on: end) { event in
          switch event {
          case .closeConnection: result.code = end.failure?.code
          case .textMessage(let part): result.bytes += part.data.utf8.count
          case .bytesMessage(let part): result.bytes += part.data.count
          default: break
          }
          result.events += 1
        }
        result.held = max(result.held, UntakenEventsTests.held(end))
      }
    case .frameProtocol:
      let frames = FrameProtocol(
        client: role == .client,
        extensions: compresses ? [PerMessageDeflate.negotiated] : [],
        configuration: Configuration(limits: limits)
      )
      result.code = refusal { () throws(ParseFailed) in
        for piece in pieces {
          frames.receiveBytes(piece)
          while let frame = try frames.nextFrame() { result.add(frame) }
        }
      }
    case .decoders:
      let frames = FrameDecoder(
        client: role == .client,
        extensions: compresses ? [PerMessageDeflate.negotiated] : [],
        limits: limits
      )
      var messages = MessageDecoder()
      result.code = refusal { () throws(ParseFailed) in
        for piece in pieces {
          frames.receiveBytes(piece)
          while let frame = try frames.processBuffer() {
            result.add(frame.opcode.isControl ? frame : try messages.processFrame(frame))
          }
        }
      }
    }
    return result
  }

  private static func refusal(_ body: () throws(ParseFailed) -> Void) -> CloseReason? {
    do throws(ParseFailed) {
      try body()
      return nil
    } catch {
      return error.code
    }
  }

  @Test(
    "a bomb ends at the limit with 1009, and holds no more than that (RFC 7692 §8)",
    .threat(1),
    arguments: Way.all
  )
  func bomb(way: Way) throws {
    let limit = 64 << 10
    let payload = try DeflateStream(level: 9).message([[UInt8](repeating: 0x20, count: 4 << 20)])
    for role in ConnectionType.allCases {
      let frame = WireFrame(to: role, WireOpcode.text, payload, rsv: 4).bytes
      for size in [100, frame.count] {
        let pieces = stride(from: 0, to: frame.count, by: size).map {
          Array(frame[$0..<min(frame.count, $0 + size)])
        }
        let result = try Self.run(pieces, way, role, limits: Limits(maxMessageBytes: limit), compresses: true)
        #expect(result.code == .messageTooBig && result.bytes <= limit && result.held <= 4 * limit)
      }
    }
  }

  @Test(
    "empty fragments without end are 1008, and nothing is held meanwhile (RFC 6455 §10.4)",
    .threat(2),
    arguments: Way.all
  )
  func fragments(way: Way) throws {
    var limits = Limits()
    limits.maxMessageFragments = 5000
    for role in ConnectionType.allCases {
      let more = WireFrame(to: role, 0, fin: false).bytes
      let many = [UInt8](Array(repeating: more, count: 500).joined())
      let pieces =
        [WireFrame(to: role, WireOpcode.binary, fin: false).bytes] + Array(repeating: many, count: 20)
      let result = try Self.run(pieces, way, role, limits: limits)
      #expect(result.code == .policyViolation && result.bytes == 0 && result.held < 64 << 10)
    }
  }

  @Test(
    "a message beyond the limit is 1009 in one frame, by its header, and in many (RFC 6455 §10.4)",
    .threat(3, 5),
    arguments: Way.all
  )
  func messages(way: Way) throws {
    for role in ConnectionType.allCases {
      let whole = WireFrame(to: role, WireOpcode.binary, declaredLength: 101)
      let first = WireFrame(to: role, WireOpcode.text, [UInt8](repeating: 0x61, count: 60), fin: false)
      let second = WireFrame(to: role, 0, declaredLength: 41)
      for wire in [whole.header, first.bytes + second.header] {
        for pieces in [[wire], wire.map { [$0] }] {
          let result = try Self.run(pieces, way, role, limits: Limits(maxMessageBytes: 100))
          #expect(result.code == .messageTooBig && result.bytes <= 60)
        }
      }
    }
  }

  @Test(
    "lengths that overflow, and those in too long a form, are 1002; a huge one reserves nothing (RFC 6455 §5.2)",
    .threat(4),
    arguments: Way.all
  )
  func lengths(way: Way) throws {
    var limits = Limits(maxMessageBytes: .max)
    limits.maxFramePayload = .max
    for role in ConnectionType.allCases {
      for (form, length) in [
        (.sixtyFourBits, 1 << 63), (.sixtyFourBits, .max), (.sixtyFourBits, .max - 3), (.sixteenBits, 125),
        (.sixtyFourBits, 125), (.sixtyFourBits, 65535),
      ] as [(LengthForm, UInt64)] {
        let header = WireFrame(to: role, WireOpcode.binary, form: form, declaredLength: length).header
        for pieces in [[header], header.map { [$0] }] {
          #expect(try Self.run(pieces, way, role, limits: limits).code == .protocolError)
        }
      }
      let huge = WireFrame(to: role, WireOpcode.binary, declaredLength: 1 << 62).header + [1, 2, 3]
      let result = try Self.run([huge], way, role, limits: limits)
      #expect(result.code == nil && result.held < 5000)
    }
  }

  @Test(
    "a frame that is bound to be refused is refused by its header alone (RFC 6455 §5)",
    .threat(5),
    arguments: Way.all
  )
  func doomed(way: Way) throws {
    for role in ConnectionType.allCases {
      for (frame, code) in [
        (WireFrame(to: role, WireOpcode.binary, declaredLength: 1 << 30), .messageTooBig),
        (WireFrame(to: role, 3, declaredLength: 100), .protocolError),
        (WireFrame(to: role, WireOpcode.text, rsv: 2, declaredLength: 100), .protocolError),
        (WireFrame(to: role.peer, WireOpcode.text, declaredLength: 100), .protocolError),
        (WireFrame(to: role, WireOpcode.ping, declaredLength: 126), .protocolError),
        (WireFrame(to: role, WireOpcode.ping, fin: false, declaredLength: 10), .protocolError),
        (WireFrame(to: role, 0, declaredLength: 10), .protocolError),
      ] as [(WireFrame, CloseReason)] {
        // A decoder of frames alone knows nothing of their order.
        if way == .decoders, frame.opcode == 0 { continue }
        let header = frame.header
        for pieces in [[header], header.map { [$0] }] {
          let result = try Self.run(pieces, way, role)
          #expect(result.code == code && result.bytes == 0, "\(frame)")
        }
      }
    }
  }

  @Test(
    "reserved bits: RSV1 where permessage-deflate was negotiated, on a first data frame, and nothing else (RFC 7692 §6)",
    .threat(7),
    arguments: Way.all
  )
  func reservedBits(way: Way) throws {
    for role in ConnectionType.allCases {
      for compresses in [false, true] {
        for opcode in Opcode.allCases {
          let start = opcode == .continuation ? WireFrame(to: role, WireOpcode.text, fin: false).bytes : []
          for rsv in 1..<8 as Range<UInt8> {
            let header = WireFrame(to: role, opcode.rawValue, rsv: rsv, declaredLength: 1).header
            let isLegal = compresses && rsv == 4 && (opcode == .text || opcode == .binary)
            let result = try Self.run([start + header], way, role, compresses: compresses)
            #expect(result.code == (isLegal ? nil : .protocolError), "\(compresses) \(opcode) \(rsv)")
          }
        }
      }
    }
  }

  @Test(
    "a mask that is missing, or must not be, is 1002 by the second byte, and nothing is delivered (RFC 6455 §5.1)",
    .threat(14),
    arguments: Way.all
  )
  func masks(way: Way) throws {
    for role in ConnectionType.allCases {
      for opcode in Opcode.allCases {
        let start = opcode == .continuation ? WireFrame(to: role, WireOpcode.binary, fin: false).bytes : []
        let frame = WireFrame(to: role.peer, opcode.rawValue, [0x03, 0xE8]).bytes
        for wire in [start + frame, start + frame.prefix(2)] {
          let result = try Self.run([wire], way, role)
          #expect(result.code == .protocolError && result.bytes == 0)
        }
      }
    }
  }

  // MARK: Heads

  @Test(
    "a head a byte at a time is refused at the limit, and no byte is searched twice",
    .threat(9, 10),
    arguments: Splits.Door.allCases,
    ConnectionType.allCases
  )
  func slowHead(door: Splits.Door, role: ConnectionType) throws {
    let end = WSConnection(role)
    if role == .client { _ = try end.send(Request(host: "h", target: "/")) }
    let start = role == .server ? "GET / HTTP/1.1\r\nx: " : "HTTP/1.1 101 Switching Protocols\r\nx: "
    try door.receive(Array(start.utf8), on: end) { _ in }
    var count = start.utf8.count
    var failure: RemoteProtocolError?
    while failure == nil, count < 20_000 {
      do {
        try door.receive([0x61], on: end) { _ in }
        count += 1
        let reader = end.handshake.reader
        if reader.searched != reader.bufferedCount { Issue.record("byte \(count) is searched again") }
      } catch ProtocolError.remote(let error) {
        failure = error
      }
    }
    #expect(count == Limits().maxHeadBytes && failure != nil)
    #expect(end.handshake.reader.bufferedCount == 0)
    if role == .server, case .rejectConnection(let reject) = failure?.eventHint {
      #expect(reject.statusCode == 431)
    }
  }

  @Test(
    "what follows a refused request is dropped by every door, in the same read and later (RFC 9112 §9.6)",
    .threat(12),
    arguments: Splits.Door.allCases,
    [403, 426]
  )
  func pipelined(door: Splits.Door, status: Int) throws {
    let second = Array(upgradeRequest(line: "GET /second HTTP/1.1").utf8)
    for together in [true, false] {
      let server = WSConnection(.server)
      var targets: [String] = []
      var wire: [UInt8] = []
      func take(_ event: Event) throws {
        guard case .request(let request) = event else { return }
        targets.append(request.target)
        try server.send(RejectConnection(statusCode: status), into: &wire)
      }
      try door.receive(Array(upgradeRequest().utf8) + (together ? second : []), on: server, take)
      try door.receive(second, on: server, take)
      #expect(targets == ["/chat?x=1"] && server.state == .closed)
      #expect(fieldValue("Connection", in: wire) == (status == 426 ? "Upgrade, close" : "close"))
    }
  }

  /// Parameters of permessage-deflate that must lead to nothing.
  static let parameters = [
    "server_max_window_bits=0", "server_max_window_bits=7", "server_max_window_bits=16",
    "server_max_window_bits=-1",
    "server_max_window_bits=99999999999", "server_max_window_bits=\"x\"", "server_max_window_bits",
    "server_max_window_bits=10; server_max_window_bits=11",
  ]

  @Test(
    "illegal deflate parameters: a server declines the offer, by every way that a request comes",
    .threat(6),
    arguments: ServerDoor.allCases,
    parameters
  )
  func deflateOffers(door: ServerDoor, parameters: String) throws {
    let extra = "Sec-WebSocket-Extensions: permessage-deflate; \(parameters)\r\n"
    let request: Request
    do throws(ProtocolError) {
      request = try door.open(upgradeRequest(extra: extra))
    } catch {
      // No grammar at all: the request is refused.
      guard case .remote = error else { throw error }
      return
    }
    for offer in request.extensions {
      var own = PerMessageDeflate()
      let header = (offer as? OfferedExtension)?.header
      #expect(header.flatMap { own.accept($0) } == nil && !own.enabled())
    }
  }

  @Test(
    "illegal deflate parameters: a client fails the handshake, by every way that an answer comes",
    .threat(6),
    arguments: ClientDoor.allCases,
    parameters
  )
  func deflateAnswers(door: ClientDoor, parameters: String) throws {
    let request = Request(host: "h", target: "/", extensions: [PerMessageDeflate()])
    let answer = try door.answer(request) {
      switchingProtocols(to: $0, "Sec-WebSocket-Extensions: permessage-deflate; \(parameters)\r\n")
    }
    #expect(answer.events.isEmpty && answer.error != nil)
  }

  @Test(
    "a field that a parser could go over again and again is read once, by every way that a request comes",
    .threat(8),
    arguments: ServerDoor.allCases
  )
  func linear(door: ServerDoor) throws {
    // What a head may have; a megabyte where a framework has read it.
    let size = door == .whole || door == .byteByByte ? 15_000 : 1 << 20
    for (start, more) in [("b", " "), ("b;a=\"", "\\c"), ("", ","), ("b;a", "\t"), ("b", " ,")] {
      let value = start + String(repeating: more, count: size / more.utf8.count)
      let head = upgradeRequest(extra: "Sec-WebSocket-Extensions: \(value)c\r\n")
      do throws(ProtocolError) { _ = try door.open(head) } catch {
        guard case .remote = error else { throw error }
      }
    }
  }

  @Test("an origin is judged by every way that a request comes", .threat(13), arguments: ServerDoor.allCases)
  func origins(door: ServerDoor) throws {
    let policy = try OriginPolicy.list(parsing: ["https://example.com"], missing: .refused)
    for (origin, isLetIn) in [
      ("https://example.com", true), ("https://example.com.evil", false), ("https://evilexample.com", false),
      ("http://example.com", false), ("https://example.com:444", false), ("null", false),
    ] {
      let request = try door.open(upgradeRequest(extra: "Origin: \(origin)\r\n"))
      if isLetIn {
        try request.checkOrigin(policy)
      } else {
        #expect(throws: OriginRefusal.self) { try request.checkOrigin(policy) }
      }
    }
    let without = try door.open(upgradeRequest())
    #expect(throws: OriginRefusal.self) { try without.checkOrigin(policy) }
  }

  // MARK: Sending

  @Test("every call that sends a frame of a client draws a key of its own (RFC 6455 §5.3)", .threat(15))
  func keys() throws {
    let client = Connection(.client, configuration: Configuration(automaticReplies: .all))
    let frames = FrameProtocol(client: true)
    var encoder = FrameEncoder(client: true)
    let prepared = PreparedMessage(text: "same")
    var keys: [[UInt8]] = []
    /// All of these frames are short.
    func add(_ wire: [UInt8]) {
      var rest = wire[...]
      while rest.count >= 6 {
        let bytes = Array(rest.prefix(6))
        #expect(bytes[1] & 0x80 != 0)
        keys.append(Array(bytes[2...]))
        rest = rest.dropFirst(6 + Int(bytes[1] & 0x7F))
      }
      #expect(rest.isEmpty)
    }
    for _ in 0..<200 {
      add(try client.send(Ping()))
      add(try client.send(prepared))
      add(
        try PreparedMessageTests.written(client.sizeBound(ofPayload: 4)) {
          (span) throws(LocalProtocolError) in
          try client.send(prepared, into: &span)
        }
      )
      add(
        try PreparedMessageTests.written(client.sizeBound(ofPayload: 1)) {
          (span) throws(LocalProtocolError) in
          try client.sendText("a".utf8Span, messageFinished: true, compress: true, into: &span)
        }
      )
      try client.receiveData(WireFrame(WireOpcode.ping, [1]).bytes)
      _ = client.nextEvent()
      add(try client.sendReplies())
      add(try frames.sendData("a"))
      var wire: [UInt8] = []
      try encoder.encode(.binary, payload: [UInt8](repeating: 1, count: 3).span.bytes, into: &wire)
      add(wire)
    }
    #expect(keys.count == 1400)
    // Of 1,400 keys of 32 bits two are equal by chance in one run of 4,400; three never are.
    #expect(Set(keys).count >= keys.count - 1)
  }

  @Test("a message that must not be compressed goes out as it is by every call (RFC 7692 §6.1)", .threat(20))
  func uncompressed() throws {
    let secret = String(repeating: "secret ", count: 100)
    let bytes = Array(secret.utf8)
    for role in ConnectionType.allCases {
      let end = Connection(role, extensions: [PerMessageDeflate.negotiated])
      let room = end.sizeBound(ofPayload: bytes.count)
      var wires: [[UInt8]] = []
      wires.append(try end.send(TextMessage(data: secret, compress: false)))
      wires.append(try end.send(BytesMessage(data: Bytes(bytes), compress: false)))
      wires.append(try end.sendText(secret, compress: false))
      wires.append(try end.sendBytes(bytes, compress: false))
      wires.append(try end.send(PreparedMessage(text: secret, compress: false)))
      wires.append(
        try PreparedMessageTests.written(room) { (span) throws(LocalProtocolError) in
          try end.sendText(secret.utf8Span, messageFinished: true, compress: false, into: &span)
        }
      )
      wires.append(
        try PreparedMessageTests.written(room) { (span) throws(LocalProtocolError) in
          try end.sendBytes(bytes.span.bytes, messageFinished: true, compress: false, into: &span)
        }
      )
      wires.append(
        try PreparedMessageTests.written(room) { (span) throws(LocalProtocolError) in
          try end.send(PreparedMessage(text: secret, compress: false), into: &span)
        }
      )
      for wire in wires {
        #expect(wire[0] & 0x70 == 0 && wire.count == bytes.count + (role == .client ? 8 : 4))
      }
      #expect(try end.sendText(secret)[0] & 0x70 == 0x40)
    }
  }
}

extension ThreatsByDoorTests.Result {
  fileprivate mutating func add(_ frame: Frame) {
    events += 1
    switch frame.payload {
    case .bytes(let data): if !frame.opcode.isControl { bytes += data.count }
    case .text(let text): bytes += text.utf8.count
    case .close: break
    }
  }
}
