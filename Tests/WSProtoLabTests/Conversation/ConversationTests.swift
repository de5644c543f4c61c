// SPDX-License-Identifier: Apache-2.0

import Testing
import WSProto

@testable import WSProtoLab

@Suite struct ConversationTests {
  private func inspect(_ recording: Recording, isWhole: Bool = true) -> Inspected {
    Inspected(CaptureBuilder(recording, isWhole: isWhole).pcap())
  }

  // MARK: Handshakes

  @Test("A handshake is told with what it agrees on (RFC 6455 §4.2.2)")
  func handshake() throws {
    let inspected = inspect(try Recording(extensions: [PerMessageDeflate()], subprotocol: "chat"))
    #expect(inspected.openings.map(\.kind) == [.webSocket])
    let response = inspected.observations.compactMap { observation in
      if case .response(let one) = observation.content { one } else { nil }
    }.first
    #expect(response?.status == 101)
    #expect(response?.subprotocol == "chat")
    #expect(response?.extensions == ["permessage-deflate; client_max_window_bits=15"])
    #expect(inspected.violations.isEmpty)
  }

  static func heads(request: [(String, String)] = [], response: [(String, String)] = []) -> Recording {
    var asked =
      "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
      + "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    var answered =
      "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
      + "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
    for (old, new) in request { asked = asked.replacing(old, with: new) }
    for (old, new) in response { answered = answered.replacing(old, with: new) }
    return Recording(steps: [
      Recording.Step(sender: .client, bytes: Array(asked.utf8)),
      Recording.Step(sender: .server, bytes: Array(answered.utf8)),
      Recording.Step(sender: .server, bytes: [0x81, 2, 0x68, 0x69]),
    ])
  }

  @Test("The example of RFC 6455 §1.3 has no fault")
  func example() {
    let inspected = inspect(Self.heads())
    #expect(inspected.violations.isEmpty)
    #expect(inspected.texts() == ["hi"])
  }

  @Test(
    "A fault of a request is told at its field (RFC 6455 §4.2.1)",
    arguments: [
      ("Sec-WebSocket-Version: 13", "Sec-WebSocket-Version: 12", "RFC 6455 §4.4", 111),
      ("dGhlIHNhbXBsZSBub25jZQ==", "short", "RFC 6455 §4.2.1", 66),
      ("Connection: Upgrade\r\n", "", "RFC 6455 §4.2.1", 0),
      ("Host: a\r\n", "", "RFC 6455 §4.2.1", 0),
    ] as [(String, String, String, Int)]
  )
  func badRequest(_ old: String, _ new: String, _ section: String, _ offset: Int) {
    let inspected = inspect(Self.heads(request: [(old, new)]))
    #expect(inspected.violations.map(\.rule) == ["handshake"])
    #expect(inspected.violations.first?.section == section)
    #expect(inspected.violations.first?.offset == offset)
    // The server has accepted it all the same.
    #expect(inspected.texts() == ["hi"])
  }

  @Test(
    "A fault of a response is told at its field (RFC 6455 §4.1)",
    arguments: [
      ("s3pPLMBi", "s3pPLMBj", 75), ("Upgrade: websocket\r\n", "", 0),
      ("\r\n\r\n", "\r\nSec-WebSocket-Protocol: x\r\n\r\n", 0),
      ("\r\n\r\n", "\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n", 0),
    ] as [(String, String, Int)]
  )
  func badResponse(_ old: String, _ new: String, _ offset: Int) {
    let inspected = inspect(Self.heads(response: [(old, new)]))
    #expect(inspected.violations.map(\.rule) == ["handshake"])
    #expect(inspected.violations.first?.offset == offset)
    #expect(inspected.texts() == ["hi"])
  }

  @Test("A refusal is told, and its body is no frames (RFC 6455 §4.2.2)")
  func refusal() {
    let inspected = inspect(Self.heads(response: [("101 Switching Protocols", "403 Forbidden")]))
    #expect(inspected.frames.isEmpty)
    #expect(inspected.violations.isEmpty)
  }

  @Test("An unknown extension is named, and reserved bits are not judged with it (RFC 6455 §9.1)")
  func unknownExtension() {
    var recording = Self.heads(
      request: [("\r\n\r\n", "\r\nSec-WebSocket-Extensions: x-new\r\n\r\n")],
      response: [("\r\n\r\n", "\r\nSec-WebSocket-Extensions: x-new\r\n\r\n")]
    )
    recording.append([0xF1, 1, 0x61], from: .server)
    let inspected = inspect(recording)
    #expect(inspected.violations.isEmpty)
    #expect(inspected.rules.contains("unknown-extension"))
    #expect(inspected.texts() == ["hi", "a"])
  }

  @Test("A window of 8 bits is read (RFC 7692 §7.1.2)")
  func smallWindow() {
    let offer = "\r\nSec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=8\r\n\r\n"
    var recording = Self.heads(request: [("\r\n\r\n", offer)], response: [("\r\n\r\n", offer)])
    recording.append([0xC1, 7, 0xF2, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00], from: .server)
    let inspected = inspect(recording)
    #expect(inspected.violations.isEmpty)
    #expect(inspected.texts() == ["hi", "Hello"])
  }

  @Test(
    "What cannot be read is named",
    arguments: [
      ([0x16, 3, 1, 0, 5, 1, 0, 0, 1, 0], ConnectionOpening.Kind.tls),
      (Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8), .http2),
      (Array("GET / HTTP/1.1\r\nHost: a\r\n\r\n".utf8), .http1),
      (Array("SSH-2.0-OpenSSH_9.2p1\r\n".utf8), .unknown),
    ] as [([UInt8], ConnectionOpening.Kind)]
  )
  func otherProtocols(_ bytes: [UInt8], _ kind: ConnectionOpening.Kind) {
    let inspected = inspect(Recording(steps: [Recording.Step(sender: .client, bytes: bytes)]))
    #expect(inspected.openings.map(\.kind) == [kind])
    #expect(inspected.violations.isEmpty)
    if kind == .tls { #expect(inspected.findings.first?.message.contains("SSLKEYLOGFILE") == true) }
  }

  // MARK: Compression

  @Test("Compressed messages are inflated, with the history that was agreed on (RFC 7692 §7.2.2)")
  func compressed() throws {
    var recording = try Recording(extensions: [PerMessageDeflate()])
    let text = String(repeating: "compressible ", count: 40)
    for _ in 0..<3 {
      try recording.send(TextMessage(data: text), from: .client)
      try recording.send(TextMessage(data: text), from: .server)
    }
    let inspected = inspect(recording)
    #expect(inspected.texts() == [String](repeating: text, count: 6))
    #expect(inspected.messages().allSatisfy { $0.isCompressed && $0.wireBytes < 60 && $0.unknownBytes == 0 })
    #expect(inspected.violations.isEmpty)
  }

  @Test(
    "In the middle of a connection, what refers to bytes before the capture is unknown, and the rest is not"
  )
  func underWay() throws {
    var recording = try Recording(extensions: [PerMessageDeflate()])
    try recording.send(TextMessage(data: "the history that is not captured"), from: .server)
    let count = recording.steps.count
    try recording.send(TextMessage(data: "new words, then the history that is not captured"), from: .server)
    try recording.send(TextMessage(data: "quite other words"), from: .server)
    let later = Recording(steps: Array(recording.steps[count...]))
    let inspected = inspect(later, isWhole: false)
    #expect(inspected.openings.map(\.kind) == [.webSocketUnderWay])
    #expect(inspected.violations.isEmpty)
    let messages = inspected.messages(from: .fromServer)
    #expect(messages.count == 2)
    let first = String(decoding: messages[0].content, as: UTF8.self)
    #expect(first.hasPrefix("new words,"))
    #expect(first.contains("?????"))
    #expect(messages[0].unknownBytes == UInt64(first.filter { $0 == "?" }.count))
    #expect(messages[0].size == 48)
  }

  @Test("After 32 KiB of known bytes nothing is unknown any more")
  func recovered() throws {
    var recording = try Recording(extensions: [PerMessageDeflate()])
    var random = SystemRandomNumberGenerator()
    let noise = (0..<40_000).map { _ in UInt8.random(in: 0...255, using: &random) }
    try recording.send(TextMessage(data: "the history that is not captured"), from: .server)
    let count = recording.steps.count
    try recording.send(BytesMessage(data: Bytes(noise)), from: .server)
    try recording.send(TextMessage(data: "the history that is not captured"), from: .server)
    let inspected = inspect(Recording(steps: Array(recording.steps[count...])), isWhole: false)
    #expect(inspected.messages().map(\.unknownBytes) == [0, 0])
    #expect(inspected.texts().last == "the history that is not captured")
  }

  @Test("A capture that begins inside a message tells its rest")
  func insideMessage() {
    let steps = [
      Recording.Step(sender: .server, bytes: [0x00, 2, 0x61, 0x62]),
      Recording.Step(sender: .server, bytes: [0x80, 1, 0x63]),
      Recording.Step(sender: .client, bytes: masked(0x81, Array("hi".utf8))),
    ]
    let inspected = inspect(Recording(steps: steps), isWhole: false)
    #expect(inspected.violations.isEmpty)
    #expect(inspected.messages().map(\.opcode) == [nil, .text])
    #expect(inspected.texts(from: .fromServer) == ["abc"])
    #expect(inspected.texts(from: .fromClient) == ["hi"])
  }

  @Test("A capture that begins inside a frame finds the next one")
  func insideFrame() throws {
    var recording = try Recording()
    let start = recording.count(from: .server)
    try recording.send(TextMessage(data: String(repeating: "long ", count: 400)), from: .server)
    for number in 0..<3 { try recording.send(TextMessage(data: "message \(number)"), from: .server) }
    let rest = Array(recording.bytes(from: .server).dropFirst(start + 700))
    let steps = [rest.prefix(700), rest.dropFirst(700)].map {
      Recording.Step(sender: .server, bytes: Array($0))
    }
    var builder = CaptureBuilder(Recording(steps: steps), size: 700, isWhole: false)
    // The last part of the long frame is a segment, each message another.
    let tail = 2004 - 700 - 700
    let last = Array(rest.dropFirst(700))
    builder = CaptureBuilder(
      Recording(
        steps: [
          Recording.Step(sender: .server, bytes: Array(rest.prefix(700))),
          Recording.Step(sender: .server, bytes: Array(last.prefix(tail))),
        ] + recording.steps.suffix(3)
      ),
      isWhole: false
    )
    let inspected = Inspected(builder.pcap())
    #expect(inspected.texts() == ["message 0", "message 1", "message 2"])
    #expect(inspected.rules.contains("no-frames"))
    #expect(inspected.violations.isEmpty)
  }

  // MARK: Both directions

  @Test("A pong has the time since its ping, and an unsolicited one is an oddity (RFC 6455 §5.5.3)")
  func roundTrips() throws {
    var recording = try Recording()
    try recording.send(Ping(payload: "a"), from: .client)
    try recording.send(Pong(payload: "a"), from: .server)
    try recording.send(Pong(payload: "b"), from: .server)
    let inspected = inspect(recording)
    #expect(inspected.frames.filter { $0.head.meaning == .pong }.map(\.roundTrip) == [1_000_000, nil])
    #expect(inspected.rules == ["unsolicited-pong", "no-close"])
  }

  @Test("A Close that is not answered is an oddity (RFC 6455 §5.5.1)")
  func unanswered() throws {
    var recording = try Recording()
    try recording.send(CloseConnection(code: 1000), from: .client)
    #expect(inspect(recording).rules == ["unanswered-close"])
  }

  @Test("Only the connection that is asked for is told of")
  func filter() throws {
    let one = CaptureBuilder(try TCPStreamTests.recording())
    var two = one
    two.clientPort = 50_001
    var options = InspectionOptions()
    options.connection = 2
    let inspected = Inspected(one.pcap() + two.pcap().dropFirst(24), options: options)
    #expect(inspected.openings.map { $0.client?.port } == [50_001])
    #expect(inspected.observations.allSatisfy { $0.connection == 2 })
  }
}
