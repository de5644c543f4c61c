// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import WSProto

@Suite struct PerMessageDeflateTests {
  static let hello: [UInt8] = [0xF2, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00]

  // MARK: Receiving

  /// §7.2.3, as frames of opcode and payload, and the messages they carry.
  static let examples: [(frames: [(UInt8, [UInt8])], seen: [Seen])] = [
    ([(0xC1, hello)], [.text("Hello")]),
    ([(0x41, [0xF2, 0x48, 0xCD]), (0x80, [0xC9, 0xC9, 0x07, 0x00])], [.text("Hello")]),
    ([(0xC1, hello), (0xC1, [0xF2, 0x00, 0x11, 0x00, 0x00])], [.text("Hello"), .text("Hello")]),
    ([(0xC1, hello), (0xC1, hello)], [.text("Hello"), .text("Hello")]),
    ([(0xC1, [0x00, 0x05, 0x00, 0xFA, 0xFF, 0x48, 0x65, 0x6C, 0x6C, 0x6F, 0x00])], [.text("Hello")]),
    ([(0xC1, [0xF3, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00, 0x00])], [.text("Hello")]),
    (
      [(0xC1, [0xF2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xFF, 0xFF, 0xCA, 0xC9, 0xC9, 0x07, 0x00])],
      [.text("Hello")]
    ),
    ([(0xC1, [0x00])], [.text("")]),
    (
      [(0xC2, [0x00]), (0xC2, [0x02, 0x00]), (0xC2, hello)],
      [.bytes([]), .bytes([]), .bytes(Array("Hello".utf8))]
    ),
    // An uncompressed message between two compressed ones leaves the context alone (§6).
    (
      [(0xC1, hello), (0x81, Array("plain".utf8)), (0xC1, [0xF2, 0x00, 0x11, 0x00, 0x00])],
      [.text("Hello"), .text("plain"), .text("Hello")]
    ),
    // Control frames between the frames of a compressed message (RFC 6455 §5.4).
    (
      [
        (0x41, [0xF2, 0x48]), (0x89, [1, 2]), (0x00, []), (0x00, [0xCD, 0xC9]), (0x89, []),
        (0x80, [0xC9, 0x07, 0x00]),
      ],
      [.ping([1, 2]), .ping([]), .text("Hello")]
    ),
    // The final frame is empty, or contains only the last octet.
    ([(0x41, hello), (0x80, [])], [.text("Hello")]),
    ([(0x41, []), (0x00, Array(hello.dropLast())), (0x80, [0x00])], [.text("Hello")]),
  ]

  @Test(
    "RFC 7692 §7.2.3: the examples arrive, however the bytes are split",
    .requirement(
      "7692-6.1-fragments",
      "7692-6.2-mixed",
      "7692-7.2.2-append",
      "7692-7.2.2-stored",
      "7692-7.2.2-blocks",
      "7692-7.2.2-takeover",
      "7692-7.2.1-empty"
    ),
    arguments: Door.all
  )
  func examples(door: Door) throws {
    for role in ConnectionType.allCases {
      for (frames, seen) in Self.examples {
        let wire = frames.flatMap { wireFrame($0.0, $0.1, to: role) }
        for chunk in [1, 3, .max] {
          #expect(try door.receive(wire, as: role, chunk: chunk).seen == seen, "\(role) \(chunk) \(frames)")
        }
      }
    }
  }

  @Test(
    "RSV1 is legal on the first frame of a data message if negotiated; no other bit ever is (RFC 7692 §6)",
    .threat(7),
    .requirement(
      "7692-6-rsv1-first",
      "7692-6-rsv1-not-others",
      "7692-6-rsv1-unnegotiated",
      "6455-5.2-rsv-receive"
    )
  )
  func reservedBits() throws {
    let opcodes: [Opcode] = [.continuation, .text, .binary, .close, .ping, .pong]
    for role in ConnectionType.allCases {
      let deflate = try PerMessageDeflate.negotiated(role)
      let lists: [[any Extension]] = [
        [], [PerMessageDeflate()], [deflate], [deflate, PassiveExtension()], [PassiveExtension()],
      ]
      for (index, extensions) in lists.enumerated() {
        let negotiated = index == 2 || index == 3
        for opcode in opcodes {
          for rsv in 0..<8 as Range<UInt8> {
            let connection = Connection(role, extensions: extensions)
            if opcode == .continuation { try connection.receiveData(wireFrame(0x02, [], to: role)) }
            _ = Array(connection.events())
            // The header alone decides: the one-byte payload has not arrived.
            let header = wireFrame(0x80 | rsv << 4 | opcode.rawValue, [0], to: role).dropLast()
            try connection.receiveData(header)
            let events = Array(connection.events())
            let isLegal = rsv == 0 || (rsv == 4 && negotiated && (opcode == .text || opcode == .binary))
            let codes = events.map { event -> CloseReason? in
              if case .closeConnection(let close) = event { close.code } else { nil }
            }
            #expect(codes == (isLegal ? [] : [.protocolError]), "\(role) list \(index) \(opcode) rsv \(rsv)")
          }
        }
      }
    }
  }

  // MARK: Sending

  @Test(
    "RFC 7692 §7.2.3.1, §7.2.3.2: the examples are what is sent",
    .requirement("7692-7.2.1-tail", "7692-7.2.2-takeover"),
    arguments: [false, true]
  )
  func sending(takeover: Bool) throws {
    let ends = try PerMessageDeflate.negotiate(server: PerMessageDeflate(serverNoContextTakeover: !takeover))
    let server = Connection(.server, extensions: [ends.server])
    let first = [0xC1, 0x07] + Self.hello
    #expect(try server.send(TextMessage(data: "Hello")) == first)
    let second = try server.send(TextMessage(data: "Hello"))
    #if ISAL
    // The example is one of several encodings; that of ISA-L is accepted if it uses the history and is no
    // longer.
    #expect(takeover ? second.count <= first.count : second == first)
    #else
    #expect(second == (takeover ? [0xC1, 0x05, 0xF2, 0x00, 0x11, 0x00, 0x00] : first))
    #endif
    #expect(try server.send(TextMessage(data: "")).prefix(1) == [0xC1])
    #expect(try server.send(Ping(payload: [1])) == [0x89, 1, 1])
  }

  @Test("RFC 7692 §7.2.3.6: an empty message is one octet", .requirement("7692-7.2.1-empty"))
  func emptyMessage() throws {
    let server = try Door().connection(.server)
    #expect(try server.send(TextMessage(data: "")) == [0xC1, 0x01, 0x00])
    #expect(try server.send(BytesMessage(data: [])) == [0xC2, 0x01, 0x00])
    // In two parts that are both empty.
    #expect(try server.send(BytesMessage(data: [], messageFinished: false)) == [0x42, 0x00])
    #expect(try server.send(BytesMessage(data: [])) == [0x80, 0x01, 0x00])
  }

  @Test(
    "a message marked not to be compressed is sent unchanged, with RSV1 clear",
    .threat(20),
    .requirement("7692-6.1-uncompressed", "7692-8-secrets", "7692-6.2-mixed"),
    arguments: [false, true]
  )
  func optOut(hooks: Bool) throws {
    let server = try Door(hooks: hooks).connection(.server)
    let client = try Door(hooks: hooks).connection(.client)
    let hello = Array("Hello".utf8)
    let wire = try [
      server.send(TextMessage(data: "Hello")),
      server.send(TextMessage(data: "Hello", compress: false)),
      // The first part decides for the whole message, either way.
      server.send(BytesMessage(data: hello, messageFinished: false, compress: false)),
      server.send(BytesMessage(data: hello, compress: true)),
      server.send(BytesMessage(data: [], messageFinished: false, compress: true)),
      server.send(BytesMessage(data: hello, compress: false)),
      server.send(TextMessage(data: "Hello")),
    ]
    #expect(wire[1] == [0x81, 0x05] + hello)
    #expect(wire[2] == [0x02, 0x05] + hello)
    #expect(wire[3] == [0x80, 0x05] + hello)
    #expect(wire[4].first == 0x42)
    #expect(wire[5].first == 0x80)
    #expect(wire[5] != [0x80, 0x05] + hello)
    #expect(wire[6].first == 0xC1)
    let seen = try Door().receive(Array(wire.joined()), on: client).seen
    #expect(seen == [.text("Hello"), .text("Hello"), .bytes(hello + hello), .bytes(hello), .text("Hello")])
  }

  @Test(
    "each part of a compressed message can be read as soon as its frame arrives (RFC 7692 §7.2.1)",
    .requirement("7692-6.1-fragments"),
    .fault("D3"),
    arguments: Door.all
  )
  func partsCarryTheirData(door: Door) throws {
    for role in ConnectionType.allCases {
      let sender = try door.connection(role)
      let receiver = try Door(borrowed: door.borrowed, hooks: door.hooks)
        .connection(role == .client ? .server : .client)
      for round in 0..<3 {
        let parts = ["Hello, ", "", String(repeating: "wörld ", count: 5_000 * round), "!", ""]
        var outcome = DeflateOutcome()
        for (index, part) in parts.enumerated() {
          let last = index == parts.count - 1
          let frame = try sender.send(TextMessage(data: part, messageFinished: last))
          #expect(frame.first == [0x41, 0, 0, 0, 0x80][index])
          let seen = try Door(borrowed: door.borrowed).receive(frame, on: receiver)
          outcome.seen += seen.seen
          #expect(seen.seen == (part.isEmpty ? (last ? [.text("")] : []) : [.partialText(part)]))
        }
        #expect(outcome.seen.count == (round == 0 ? 3 : 4))
      }
    }
  }

  @Test(
    "a whole message below the threshold is sent uncompressed; one in parts is compressed (RFC 7692 §6)",
    .requirement("7692-6.1-uncompressed"),
    .fault("D4"),
    arguments: [false, true]
  )
  func threshold(hooks: Bool) throws {
    for role in ConnectionType.allCases {
      let set = try PerMessageDeflate(threshold: 100)
      let ends = try PerMessageDeflate.negotiate(client: set, server: set)
      let mine = role == .client ? ends.client : ends.server
      let theirs = role == .client ? ends.server : ends.client
      #expect(mine.threshold == 100)
      let sender = Connection(role, extensions: hooks ? [mine, PassiveExtension()] : [mine])
      let receiver = Connection(role == .client ? .server : .client, extensions: [theirs])
      let short = String(repeating: "a", count: 99)
      let wire = try [
        sender.send(TextMessage(data: short)),
        sender.send(TextMessage(data: short + "a")),
        sender.send(TextMessage(data: "")),
        sender.send(TextMessage(data: "a", messageFinished: false)),
        sender.send(TextMessage(data: "b")),
        sender.send(TextMessage(data: short + "a", compress: false)),
        sender.send(BytesMessage(data: [])),
      ]
      #expect(wire.map { $0.first } == [0x81, 0xC1, 0x81, 0x41, 0x80, 0x81, 0x82])
      let seen = try Door().receive(Array(wire.joined()), on: receiver).seen
      #expect(
        seen == [.text(short), .text(short + "a"), .text(""), .text("ab"), .text(short + "a"), .bytes([])]
      )
    }
    // Off by default.
    #expect(PerMessageDeflate().threshold == 0)
    #expect(try Door(hooks: hooks).connection(.server).send(TextMessage(data: "a")).first == 0xC1)
  }

  @Test(
    "every window works, with takeover and without, in both directions, in parts and whole",
    .requirement("7692-6.1-fragments"),
    arguments: 9...15
  )
  func roundTrips(bits: Int) throws {
    for flags in 0..<4 {
      let ends = try PerMessageDeflate.negotiate(
        client: PerMessageDeflate(
          clientNoContextTakeover: flags & 1 != 0,
          clientMaxWindowBits: .bits(bits),
          level: [-1, 1, 9, 0][flags]
        ),
        server: PerMessageDeflate(
          serverNoContextTakeover: flags & 2 != 0,
          serverMaxWindowBits: 24 - bits,
          memoryLevel: [8, 9, 1, 5][flags]
        )
      )
      #expect(ends.client.clientMaxWindowBits == bits && ends.server.clientMaxWindowBits == bits)
      #expect(ends.client.serverMaxWindowBits == 24 - bits && ends.server.serverMaxWindowBits == 24 - bits)
      for role in ConnectionType.allCases {
        let mine = role == .client ? ends.client : ends.server
        let theirs = role == .client ? ends.server : ends.client
        for hooks in [false, true] {
          let sender = Connection(role, extensions: hooks ? [PassiveExtension(), mine] : [mine])
          let receiver = Connection(role == .client ? .server : .client, extensions: [theirs])
          let json = [UInt8].json(3000, seed: 7)
          var wire: [UInt8] = []
          try sender.send(BytesMessage(data: json), into: &wire)
          try sender.send(BytesMessage(data: Array(json[..<1000]), messageFinished: false), into: &wire)
          try sender.send(BytesMessage(data: Array(json[1000...])), into: &wire)
          try sender.send(BytesMessage(data: [UInt8].random(3000, seed: 8)), into: &wire)
          try sender.send(BytesMessage(data: json), into: &wire)
          let seen = try Door().receive(wire, on: receiver, chunk: 700).seen
          #expect(seen == [.bytes(json), .bytes(json), .bytes(.random(3000, seed: 8)), .bytes(json)])
        }
      }
    }
  }

  @Test("a peer that compresses with 8 bits is understood (RFC 7692 §7.1.2)")
  func eightBits() throws {
    var server = PerMessageDeflate()
    let offer = ExtensionHeader(
      name: server.name,
      parameters: [.init(name: "client_max_window_bits", value: "8")]
    )
    let answer = server.accept(offer)
    #expect(answer == offer.parameters)
    #expect(server.clientMaxWindowBits == 8)
    var client = PerMessageDeflate()
    try client.finalize(
      ExtensionHeader(name: client.name, parameters: [.init(name: "server_max_window_bits", value: "8")])
    )
    #expect(client.serverMaxWindowBits == 8)
    for (role, deflate) in [(ConnectionType.server, server), (.client, client)] {
      for extensions: [any Extension] in [[deflate], [deflate, PassiveExtension()]] {
        let connection = Connection(role, extensions: extensions)
        let wire =
          wireFrame(0xC1, Self.hello, to: role) + wireFrame(0xC1, [0xF2, 0x00, 0x11, 0x00, 0x00], to: role)
        #expect(try Door().receive(wire, on: connection).seen == [.text("Hello"), .text("Hello")])
        // The other direction has its own window.
        #expect(try connection.send(TextMessage(data: "Hello")).first == 0xC1)
      }
    }
  }

  @Test("the hooks send the same bytes as the direct path")
  func hooksSendTheSame() throws {
    let direct = try Door().connection(.server)
    let hooked = try Door(hooks: true).connection(.server)
    for seed in 0..<20 as Range<UInt64> {
      let data = [UInt8].json(Int(seed) * 97, seed: seed)
      let message = BytesMessage(data: data, messageFinished: seed % 3 != 0, compress: seed % 5 != 0)
      #expect(try direct.send(message) == hooked.send(message))
    }
  }

  @Test("zlib's contexts are created by the first compressed message, not before")
  func laziness() throws {
    let client = try Door().connection(.client)
    let server = try Door().connection(.server)
    guard case .deflate(let outbound) = client.outbound.transform,
      case .deflate(let inbound) = server.inbound.transform
    else {
      Issue.record("not the direct path")
      return
    }
    try server.receiveData(client.send(TextMessage(data: "plain", compress: false)))
    try server.receiveData(client.send(Ping()))
    #expect(Array(server.events()).count == 2)
    #expect(!outbound.hasContext && !inbound.hasContext)
    try server.receiveData(client.send(TextMessage(data: "compressed")))
    #expect(outbound.hasContext && !inbound.hasContext)
    #expect(Array(server.events()) == [.textMessage(TextMessage(data: "compressed"))])
    #expect(inbound.hasContext)
  }
}
