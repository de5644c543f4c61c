// SPDX-License-Identifier: Apache-2.0

import HTTPTypes
import Testing
import WSProto

/// Every name of wsproto's API as a user of this library writes it. No `@testable` import: whatever doesn't
/// compile here isn't public.
@Suite struct PublicAPITests {
  /// A third-party extension that implements every hook: it reverses data, marks frames with RSV2, and
  /// refuses some.
  struct Reversing: Extension {
    var isOn = false
    var name: String { "x-reversing" }

    func enabled() -> Bool { isOn }
    func offer() -> [ExtensionParameter]? { [] }
    func offers() -> [[ExtensionParameter]] { [[ExtensionParameter(name: "version", value: "2")], []] }

    mutating func accept(_ offer: ExtensionHeader) -> [ExtensionParameter]? {
      guard offer.parameters.isEmpty else { return nil }
      isOn = true
      return []
    }

    mutating func finalize(_ accepted: ExtensionHeader) throws(NegotiationError) {
      guard accepted.parameters.isEmpty else {
        throw NegotiationError("no parameters", detail: "x-reversing")
      }
      isOn = true
    }

    mutating func frameInboundHeader(
      _ context: FrameContext,
      opcode: Opcode,
      rsv: RsvBits,
      payloadLength: UInt64
    ) throws(ParseFailed) -> RsvBits {
      if payloadLength == 13 { throw ParseFailed("thirteen bytes", .policyViolation) }
      return RsvBits(false, true, false)
    }

    mutating func frameInboundPayloadData(
      _ context: FrameContext,
      _ data: [UInt8],
      into output: inout [UInt8]
    ) throws(ParseFailed) {
      guard data.count <= context.remainingMessageBytes else { throw ParseFailed("too much", .messageTooBig) }
      output += data.reversed()
    }

    mutating func frameInboundComplete(
      _ context: FrameContext,
      fin: Bool,
      into output: inout [UInt8]
    ) throws(ParseFailed) {
      if context.opcode == .pong { output.append(0) }
    }

    mutating func frameOutbound(
      _ context: FrameContext,
      opcode: Opcode,
      rsv: RsvBits,
      data: [UInt8],
      fin: Bool
    ) throws(LocalProtocolError) -> (rsv: RsvBits, data: [UInt8]) {
      if data.count == 7 { throw LocalProtocolError("seven bytes", .extension) }
      var marked = rsv
      marked.insert(.rsv2)
      return (marked, Array(data.reversed()))
    }
  }

  static func open() throws -> (client: WSConnection, server: WSConnection) {
    let client = WSConnection(.client)
    let server = WSConnection(.server)
    let request = Request(host: "h", target: "/", extensions: [Reversing()], subprotocols: ["chat"])
    try server.receiveData(client.send(request))
    for event in server.events() {
      guard case .request(let request) = event else { continue }
      #expect(request.extensions.map(\.name) == ["x-reversing", "x-reversing"])
      try client.receiveData(
        server.send(AcceptConnection(subprotocol: request.subprotocols.first, extensions: [Reversing()]))
      )
    }
    guard case .acceptConnection(let accepted) = client.nextEvent() else {
      Issue.record("not accepted")
      return (client, server)
    }
    #expect(accepted.subprotocol == "chat")
    #expect(accepted.extensions.map { $0.enabled() } == [true])
    return (client, server)
  }

  @Test("a third-party extension negotiates, and its hooks see every frame")
  func extensionOfOnesOwn() throws {
    let (client, server) = try Self.open()
    let wire = try server.send(TextMessage(data: "abc"))
    #expect(wire == [0xA1, 3, 0x63, 0x62, 0x61])
    try client.receiveData(wire)
    #expect(client.nextEvent() == .textMessage(TextMessage(data: "abc")))
    try server.receiveData(client.send(Ping(payload: [1, 2])))
    #expect(server.nextEvent() == .ping(Ping(payload: [1, 2])))
    // A hook sees the opcode: this one adds a byte to each pong.
    try server.receiveData(client.send(Pong(payload: [1, 2])))
    #expect(server.nextEvent() == .pong(Pong(payload: [1, 2, 0])))
  }

  @Test("an extension may refuse a frame with a close code, and refuse to encode")
  func extensionRefuses() throws {
    let (client, server) = try Self.open()
    let error = #expect(throws: LocalProtocolError.self) { try server.send(TextMessage(data: "1234567")) }
    #expect(error?.violation == .extension && server.state == .open)
    try client.receiveData(server.send(TextMessage(data: "1234567890123")))
    #expect(
      client.nextEvent()
        == .closeConnection(CloseConnection(code: .policyViolation, reason: "thirteen bytes"))
    )
    #expect(client.state == .remoteClosing)
  }

  @Test("a user's loop over events can switch over all of them")
  func loop() throws {
    func reply(to event: Event) -> Event? {
      switch event {
      case .request: .acceptConnection(AcceptConnection())
      case .acceptConnection, .rejectConnection, .rejectData: nil
      case .textMessage(let message): .textMessage(TextMessage(data: message.data.uppercased()))
      case .bytesMessage(let message): .bytesMessage(message)
      case .ping(let ping): .pong(ping.response())
      case .pong: nil
      case .closeConnection(let close): .closeConnection(close.response())
      }
    }
    let client = WSConnection(.client)
    let server = WSConnection(.server)
    var seen: [Event] = []
    let script: [any EventConvertible] = [
      Request(host: "h", target: "/"), TextMessage(data: "abc"), BytesMessage(data: [1, 2]),
      Ping(payload: Bytes("?")),
      CloseConnection(code: .normalClosure, reason: "done"),
    ]
    for event in script {
      try server.receiveData(client.send(event))
      for received in server.events() {
        if let answer = reply(to: received) { try client.receiveData(server.send(answer)) }
      }
      seen += Array(client.events())
    }
    #expect(
      seen == [
        .acceptConnection(AcceptConnection()), .textMessage(TextMessage(data: "ABC")),
        .bytesMessage(BytesMessage(data: [1, 2])), .pong(Pong(payload: Bytes("?"))),
        .closeConnection(CloseConnection(code: 1000, reason: "done")),
      ]
    )
    #expect(client.state == .closed && server.state == .closed)
    #expect(client.type == .client && client.client && !server.client)
  }

  @Test("events are Hashable and Sendable values")
  func values() {
    let events: Set<Event> = [
      .request(Request(host: "h", target: "/", extensions: [Reversing()])),
      .request(Request(host: "h", target: "/", extensions: [Reversing()])),
      .request(Request(host: "h", target: "/")),
      .acceptConnection(AcceptConnection(extensions: [Reversing()])),
      .acceptConnection(AcceptConnection()), .rejectConnection(RejectConnection(statusCode: 404)),
      .rejectData(RejectData(data: Bytes("x"), bodyFinished: false)), .textMessage(TextMessage(data: "a")),
      .bytesMessage(BytesMessage(data: Bytes("a"))), .ping(Ping()), .pong(Pong()),
      .closeConnection(CloseConnection(code: .goingAway)),
    ]
    #expect(events.count == 11)
    func isSendable(_ value: some Sendable) -> Bool { true }
    #expect(isSendable(events))
    #expect(TextMessage(data: "a").event == .textMessage(TextMessage(data: "a")))
  }

  @Test("six states and two roles, with wsproto's raw values")
  func rawValues() {
    #expect(ConnectionState.allCases.map(\.rawValue) == [0, 1, 2, 3, 4, 5])
    #expect(ConnectionType.allCases.map(\.rawValue) == [1, 2])
  }

  @Test("a Connection can be used by itself, with trailing data and a configuration")
  func connection() throws {
    var limits = Limits()
    limits.maxMessageBytes = 100
    let configuration = Configuration(delivery: .wholeMessages, limits: limits, randomSource: .system)
    let connection = Connection(
      .client,
      extensions: [],
      trailingData: [0x89, 0x00],
      configuration: configuration
    )
    #expect(connection.nextEvent() == .ping(Ping()))
    var output: [UInt8] = []
    try connection.sendText("é".utf8Span, messageFinished: true, compress: false, into: &output)
    try connection.sendBytes(([1] as [UInt8]).span.bytes, into: &output)
    try connection.sendPong(([2] as [UInt8]).span.bytes, into: &output)
    #expect(output.count == 8 + 7 + 7)
    #expect(connection.state == .open && connection.client && connection.type == .client)
  }

  @Test("the errors say what was violated")
  func errors() {
    let local = LocalProtocolError("a", .state(.open))
    let remote = RemoteProtocolError("b", detail: "c", eventHint: .rejectConnection(RejectConnection()))
    #expect(local.description == "a" && local.violation == .state(.open))
    #expect(remote.description == "b: c" && remote.eventHint != nil)
    #expect(ProtocolError.local(local).description == "a")
    #expect(ProtocolError.remote(remote).description == "b: c")
    #expect(ParseFailed("d").code == .protocolError)
  }

  @Test("the utilities are the same as wsproto's: nonce, token, header dictionary, comma lists")
  func utilities() {
    #expect(generateAcceptToken("dGhlIHNhbXBsZSBub25jZQ==") == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")
    #expect(generateNonce().utf8.count == 24 && generateNonce() != generateNonce())
    let headers: Headers = [.accept: "a", .origin: "h"]
    #expect(normedHeaderDict(headers) == ["accept": "a", "origin": "h"])
    #expect(splitCommaHeader("a, b ,c") == ["a", "b", "c"])
  }

  @Test("the handshake can be driven by itself, and hands over its connection")
  func handshake() throws {
    let client = H11Handshake(.client)
    let server = H11Handshake(.server)
    try server.receiveData(client.send(Request(host: "h", target: "/")))
    guard case .request = server.nextEvent() else {
      Issue.record("no request")
      return
    }
    try client.receiveData(server.send(AcceptConnection()))
    #expect(Array(client.events()).count == 1)
    let (one, other) = (client.connection, server.connection)
    try other?.receiveData(one?.send(TextMessage(data: "x")) ?? [])
    #expect(other?.nextEvent() == .textMessage(TextMessage(data: "x")))
    var supported: [any Extension] = [Reversing()]
    let offers = [ExtensionHeader(name: "x-reversing")]
    #expect(try serverExtensionsHandshake(offers, &supported) == "x-reversing")
    #expect(try clientExtensionsHandshake(offers, [Reversing()]).count == 1)
  }

  @Test("the low-level API: FrameProtocol, FrameDecoder, MessageDecoder, FrameEncoder, Header, RsvBits")
  func lowLevel() throws {
    let sender = FrameProtocol(client: true, extensions: [Reversing(isOn: true)])
    let receiver = FrameProtocol(
      client: false,
      extensions: [Reversing(isOn: true)],
      configuration: Configuration()
    )
    receiver.receiveBytes(try sender.sendData("abc") + sender.ping([1, 2]) + sender.close(code: 1000))
    let frames = try receiver.receivedFrames()
    #expect(frames.map(\.opcode) == [.text, .ping, .close])
    #expect(frames.first?.payload == .text("abc"))
    var encoder = FrameEncoder(client: false)
    var output: [UInt8] = []
    try encoder.encode(.text, fin: false, payload: Array("hé".utf8).span.bytes, into: &output)
    let header = try encoder.header(.ping, payloadLength: 0)
    output += header
    let decoder = FrameDecoder(client: true, limits: Limits(maxMessageBytes: 1000))
    decoder.receiveBytes(output)
    var messages = MessageDecoder()
    let first = try decoder.processBuffer()
    let text = try first.map { (frame) throws(ParseFailed) in try messages.processFrame(frame) }
    #expect(text == Frame(opcode: .text, payload: .text("hé"), frameFinished: true, messageFinished: false))
    #expect(messages.opcode == .text)
    #expect(try decoder.processBuffer()?.opcode == .ping)
    #expect(Header(fin: true, opcode: .text, payloadLength: 3).rsv == [])
  }

  @Test("a borrowed event can be copied, with WSConnection's own receive(_:_:)")
  func borrowed() throws {
    let client = WSConnection(.client)
    let server = WSConnection(.server)
    var wire = try client.send(Request(host: "h", target: "/"))
    var answer: [UInt8] = []
    var kept: [String] = []
    func feed() throws {
      var span = wire.mutableSpan
      var bytes = span.mutableBytes
      try server.receive(&bytes) { (event) throws(LocalProtocolError) in
        switch event {
        case .handshake(.request): try server.send(AcceptConnection(), into: &answer)
        case .textMessage(let part): kept.append(String(copying: part.data))
        case .bytesMessage(let part): kept.append(Bytes(copying: part.data).description)
        case .closeConnection(let code, let reason): kept.append("\(code) \(String(copying: reason))")
        case .handshakeFailed(let error): kept.append(error.message)
        case .ping, .pong, .handshake: kept.append("?")
        }
      }
    }
    try feed()
    try client.receiveData(answer)
    _ = client.nextEvent()
    wire = try client.send(TextMessage(data: "hi"))
    try client.send(BytesMessage(data: [1, 255]), into: &wire)
    try client.send(CloseConnection(code: 4000, reason: "so long"), into: &wire)
    try feed()
    #expect(kept == ["hi", "2 bytes: 01 ff", "4000 so long"])
  }

  @Test(
    "events of a handshake that were read before its failure come before the failure, also through receive(_:_:)"
  )
  func failureBehindEvents() throws {
    let client = WSConnection(.client)
    _ = try client.send(Request(host: "h", target: "/"))
    var wire = Array("HTTP/1.1 403 Forbidden\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\nzz\r\n".utf8)
    var seen: [String] = []
    var span = wire.mutableSpan
    var bytes = span.mutableBytes
    client.receive(&bytes) { event in
      switch event {
      case .handshake(.rejectConnection(let reject)): seen.append("\(reject.statusCode)")
      case .handshake(.rejectData(let data)): seen.append(String(decoding: data.data, as: UTF8.self))
      case .handshakeFailed: seen.append("failed")
      default: seen.append("?")
      }
    }
    #expect(seen == ["403", "a", "failed"])
    #expect(client.state == .closed)
  }
}
