// SPDX-License-Identifier: Apache-2.0

import Testing
import WSProto
import WSProtoTestSupport

/// What was negotiated for permessage-deflate happens on the wire.
@Suite struct CompressionUseTests {
  /// Random bytes, repeated: they compress well only with a window that reaches back as far as `distance`.
  static func twice(distance: Int, seed: UInt64) -> [UInt8] {
    let block = [UInt8].random(distance, seed: seed)
    return block + block
  }

  /// How far zlib reaches back in a window of `bits` (zlib's manual: the size minus 262), rounded down.
  static func reach(_ bits: Int) -> Int { (1 << bits) - 300 }

  static func server(_ offer: String) throws -> (WSConnection, answer: String?) {
    let server = WSConnection(.server)
    let field = "Sec-WebSocket-Extensions: permessage-deflate" + (offer.isEmpty ? "" : "; \(offer)")
    try server.receiveData(upgradeRequest(extra: field + "\r\n").utf8)
    _ = server.nextEvent()
    let answer = try server.send(AcceptConnection(extensions: [PerMessageDeflate()]))
    return (server, fieldValue("Sec-WebSocket-Extensions", in: answer))
  }

  static func client(answer: String) throws -> WSConnection {
    let client = WSConnection(.client)
    let head = try client.send(Request(host: "h", target: "/", extensions: [PerMessageDeflate()]))
    let field = "Sec-WebSocket-Extensions: permessage-deflate" + (answer.isEmpty ? "" : "; \(answer)")
    try client.receiveData(switchingProtocols(to: head, field + "\r\n").utf8)
    _ = client.nextEvent()
    return client
  }

  /// 64 random bytes, zeros, and the same 64 bytes again, or others, `distance` after the first.
  static func apart(distance: Int, same: Bool, seed: UInt64) -> [UInt8] {
    let block = [UInt8].random(64, seed: seed)
    return block + [UInt8](repeating: 0, count: distance - 64) + (same ? block : .random(64, seed: ~seed))
  }

  /// Expects that it reaches back as far as the window does, and no further.
  static func usesWindow(of bits: Int, _ connection: WSConnection) throws {
    func sent(_ distance: Int, _ same: Bool, _ seed: UInt64) throws -> Int {
      try connection.send(BytesMessage(data: Bytes(apart(distance: distance, same: same, seed: seed)))).count
    }
    let within = try sent(reach(bits), false, 1) - sent(reach(bits), true, 2)
    #expect(within > 40, "\(within)")
    let beyond = try sent(1 << bits + 1, false, 3) - sent(1 << bits + 1, true, 4)
    #expect(abs(beyond) < 40, "\(beyond)")
  }

  /// Expects that it reads data that uses the whole window, including that of the previous message.
  static func reads(windowOf bits: Int, _ connection: WSConnection) throws {
    // zlib can't compress with a window of 8 bits: use 9, with data that stays within 256 bytes.
    let peer = try DeflateStream(windowBits: max(bits, 9))
    let data = twice(distance: bits == 8 ? 200 : reach(bits), seed: 3)
    let payload = try peer.message([data])
    #expect(payload.count < data.count * 3 / 4)
    var seen: [UInt8] = []
    // In small reads, because within one call zlib looks back in its output, however small its window is.
    for piece in WireFrame(to: connection.type, 2, payload, rsv: 4).bytes.cut({ min(100, $0) }) {
      try connection.receiveData(piece)
      while let event = connection.nextEvent() {
        guard case .bytesMessage(let part) = event else {
          Issue.record("\(event)")
          return
        }
        seen += part.data
      }
    }
    #expect(seen == data)
  }

  @Test(
    "a server compresses with the requested window, 9 to 15, and no larger one; with 8 not at all (RFC 7692 §7.1.2.1)",
    .requirement("7692-7.1.2.1-use", "7692-7.1.2.1-range"),
    .fault("D2"),
    arguments: 8...15
  )
  func serverSends(bits: Int) throws {
    let (server, answer) = try Self.server("server_max_window_bits=\(bits)")
    #expect(answer == "permessage-deflate; server_max_window_bits=\(bits)")
    if bits == 8 {
      try Self.sendsUncompressed(server)
    } else {
      try Self.usesWindow(of: bits, server)
    }
  }

  /// Expects that messages, whole and in parts, are sent uncompressed, and that compressed ones are still
  /// read.
  static func sendsUncompressed(_ connection: WSConnection) throws {
    let hello = Array("Hello".utf8)
    let frames = try SentFramesTests.frames(
      connection.send(TextMessage(data: "Hello"))
        + connection.send(BytesMessage(data: [1], messageFinished: false))
        + connection.send(BytesMessage(data: [2]))
    )
    #expect(frames.map { $0.first & 0x40 } == [0, 0, 0])
    #expect(frames.map(\.payload) == [hello, [1], [2]])
    try reads(windowOf: 15, connection)
  }

  @Test(
    "a server reads what a client compresses with any window of 8 to 15 (RFC 7692 §7.1.2.2)",
    .requirement("7692-7.1.2.2-range", "7692-7.1.2.2-answer"),
    arguments: 8...15
  )
  func serverReads(bits: Int) throws {
    let (server, answer) = try Self.server("client_max_window_bits=\(bits)")
    #expect(answer == "permessage-deflate; client_max_window_bits=\(bits)")
    try Self.reads(windowOf: bits, server)
  }

  @Test(
    "a client compresses with the window that the answer allows, 9 to 15, and no larger one; with 8 not at all (RFC 7692 §7.1.2.2)",
    .requirement("7692-7.1.2.2-use"),
    .fault("D2"),
    arguments: 8...15
  )
  func clientSends(bits: Int) throws {
    if bits == 8 {
      try Self.sendsUncompressed(Self.client(answer: "client_max_window_bits=8"))
    } else {
      try Self.usesWindow(of: bits, Self.client(answer: "client_max_window_bits=\(bits)"))
    }
  }

  @Test(
    "a client reads what a server compresses with any window of 8 to 15 (RFC 7692 §7.1.2.1)",
    .requirement("7692-7.1.2.1-range"),
    arguments: 8...15
  )
  func clientReads(bits: Int) throws {
    try Self.reads(windowOf: bits, Self.client(answer: "server_max_window_bits=\(bits)"))
  }

  @Test(
    "an end without context takeover compresses each message alone, whether that was offered or not; otherwise it keeps the history (RFC 7692 §7.1.1)",
    .requirement("7692-7.1.1.1-include", "7692-7.1.1.2-reset", "7692-7.2.2-takeover"),
    arguments: [true, false]
  )
  func takeover(forgets: Bool) throws {
    let client = try Self.client(answer: forgets ? "client_no_context_takeover" : "")
    let (server, answer) = try Self.server(forgets ? "server_no_context_takeover" : "")
    #expect(answer == (forgets ? "permessage-deflate; server_no_context_takeover" : "permessage-deflate"))
    let data = Bytes([UInt8].json(500, seed: 3))
    for end in [client, server] {
      let payloads = try (0..<2).map { _ in
        try SentFramesTests.frames(end.send(BytesMessage(data: data))).flatMap(\.payload)
      }
      if forgets {
        #expect(payloads[0] == payloads[1])
      } else {
        #expect(payloads[1].count < payloads[0].count / 4)
      }
    }
  }

  @Test(
    "blocks with BFINAL in the middle of a message are read, wherever frames and reads are split (RFC 7692 §7.2.3.4)",
    .requirement("7692-7.2.2-bfinal", "7692-7.2.2-takeover", "7692-6.1-fragments"),
    arguments: Door.all
  )
  func finalBlocks(door: Door) throws {
    // "Hello" in a final block, padded; "Hello" by reference to it; an empty final block; "Hello" by reference.
    let back: [UInt8] = [0xF2, 0x00, 0x11, 0x00, 0x00]
    let message =
      [0xF3, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00] + back + [0x00, 0x00, 0xFF, 0xFF, 0x03, 0x00] + back
    let hello = "Hello"
    for role in ConnectionType.allCases {
      for cut in 0...message.count {
        let wire =
          wireFrame(0x41, Array(message[..<cut]), to: role)
          + wireFrame(0x80, Array(message[cut...]), to: role)
          + wireFrame(0xC1, back, to: role)
        for chunk in [1, .max] {
          let seen = try door.receive(wire, as: role, chunk: chunk).seen
          #expect(
            seen == [.text(hello + hello + hello), .text(hello)],
            "\(role), cut \(cut), chunk \(chunk)"
          )
        }
      }
    }
  }

  @Test(
    "compressed messages are read with every limit at Int.max (RFC 7692 §7.2.2)",
    arguments: Door.all
  )
  func withoutLimits(door: Door) throws {
    var limits = Limits(maxMessageBytes: .max)
    limits.maxMessageFragments = .max
    limits.maxPartBytes = .max
    let hello: [UInt8] = [0xF2, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00]
    for role in ConnectionType.allCases {
      let wire = wireFrame(0xC1, hello, to: role)
      for chunk in [1, .max] {
        let seen = try door.receive(wire + wire, as: role, limits: limits, chunk: chunk).seen
        #expect(seen == [.text("Hello"), .text("Hello")], "\(role), chunk \(chunk)")
      }
      var deflate = PerMessageDeflate()
      let header = ExtensionHeader(name: PerMessageDeflate.name)
      if role == .client { try deflate.finalize(header) } else { _ = deflate.accept(header) }
      let decoder = FrameDecoder(client: role == .client, extensions: [deflate], limits: limits)
      decoder.receiveBytes(wire)
      #expect(try decoder.processBuffer()?.payload == .bytes("Hello"))
    }
  }

  @Test(
    "A character that is inflated in parts of fewer bytes comes whole, by every door (RFC 6455 §8.1)",
    arguments: ConnectionType.allCases,
    1...5
  )
  func smallParts(role: ConnectionType, partBytes: Int) throws {
    let text = "a😀é€ж😀"
    let sender = Connection(role.peer, extensions: [try Self.negotiated(role.peer)])
    var stream = try sender.send(TextMessage(data: text))
    stream += try sender.send(TextMessage(data: text, messageFinished: false))
    stream += try sender.send(TextMessage(data: text))
    var configuration = Configuration()
    configuration.limits.maxPartBytes = partBytes
    let expected = [Outcome.Entry(.text(text)), Outcome.Entry(.text(text + text))]
    for pieces in [[stream], stream.map { [$0] }] {
      for door in Splits.Door.allCases {
        let connection = Connection(
          role,
          extensions: [try Self.negotiated(role)],
          configuration: configuration
        )
        let outcome = Splits.run(pieces, door, on: connection, whole: false)
        #expect(outcome.entries == expected && outcome.code == nil, "\(door): \(outcome)")
      }
      let frames = FrameProtocol(
        client: role == .client,
        extensions: [try Self.negotiated(role)],
        configuration: configuration
      )
      var joined = ""
      for piece in pieces {
        frames.receiveBytes(piece)
        for frame in try frames.receivedFrames() {
          if case .text(let part) = frame.payload { joined += part }
        }
      }
      #expect(joined == text + text + text)
    }
  }

  /// As after a negotiation without parameters.
  static func negotiated(_ role: ConnectionType) throws -> PerMessageDeflate {
    var deflate = PerMessageDeflate()
    let header = ExtensionHeader(name: PerMessageDeflate.name)
    switch role {
    case .server: _ = deflate.accept(header)
    case .client: try deflate.finalize(header)
    }
    return deflate
  }
}
