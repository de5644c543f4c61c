// SPDX-License-Identifier: Apache-2.0

import Testing
import WSProtoTestSupport

@testable import WSProto

/// Outputs the bytes of a frame only when it is complete, in reverse.
private struct Holding: Extension {
  var held: [UInt8] = []
  var name: String { "x-holding" }
  func enabled() -> Bool { true }

  mutating func frameInboundPayloadData(
    _ context: FrameContext,
    _ data: [UInt8],
    into output: inout [UInt8]
  ) throws(ParseFailed) { held += data }

  mutating func frameInboundComplete(
    _ context: FrameContext,
    fin: Bool,
    into output: inout [UInt8]
  ) throws(ParseFailed) {
    output += held.reversed()
    held = []
  }

  func frameOutbound(
    _ context: FrameContext,
    opcode: Opcode,
    rsv: RsvBits,
    data: [UInt8],
    fin: Bool
  ) throws(LocalProtocolError) -> (rsv: RsvBits, data: [UInt8]) { (rsv, data.reversed()) }
}

/// Refuses data frames at a certain byte, which must not be delivered.
private struct Refusing: Extension {
  var byte: UInt8
  var code: CloseReason
  var name: String { "x-refusing-\(byte)" }
  func enabled() -> Bool { true }

  func frameInboundPayloadData(
    _ context: FrameContext,
    _ data: [UInt8],
    into output: inout [UInt8]
  ) throws(ParseFailed) {
    guard !context.opcode.isControl, let index = data.firstIndex(of: byte) else {
      output += data
      return
    }
    output += data[..<index]
    throw ParseFailed("the byte \(byte)", code)
  }
}

/// Makes two bytes of each byte of a data frame, whatever the budget.
private struct Doubling: Extension {
  var name: String { "x-doubling" }
  func enabled() -> Bool { true }

  func frameInboundPayloadData(
    _ context: FrameContext,
    _ data: [UInt8],
    into output: inout [UInt8]
  ) throws(ParseFailed) {
    output += context.opcode.isControl ? data : data.flatMap { [$0, $0] }
  }
}

/// Outputs every other byte of a data frame.
private struct Halving: Extension {
  var skips = false
  var name: String { "x-halving" }
  func enabled() -> Bool { true }

  mutating func frameInboundPayloadData(
    _ context: FrameContext,
    _ data: [UInt8],
    into output: inout [UInt8]
  ) throws(ParseFailed) {
    guard !context.opcode.isControl else {
      output += data
      return
    }
    for byte in data {
      if !skips { output.append(byte) }
      skips.toggle()
    }
  }
}

/// Records the opcodes passed to its hooks.
private struct Noting: Extension {
  final class Notes: Hashable, @unchecked Sendable {
    // Used by one test, on one thread.
    var opcodes: [Opcode] = []
    static func == (left: Notes, right: Notes) -> Bool { left === right }
    func hash(into hasher: inout Hasher) { hasher.combine(ObjectIdentifier(self)) }
  }

  var notes = Notes()
  var name: String { "x-noting" }
  func enabled() -> Bool { true }

  func frameInboundHeader(
    _ context: FrameContext,
    opcode: Opcode,
    rsv: RsvBits,
    payloadLength: UInt64
  ) throws(ParseFailed) -> RsvBits {
    #expect(context.opcode == opcode)
    return []
  }

  func frameInboundPayloadData(
    _ context: FrameContext,
    _ data: [UInt8],
    into output: inout [UInt8]
  ) throws(ParseFailed) {
    if !data.isEmpty { notes.opcodes.append(context.opcode) }
    output += data
  }

  func frameInboundComplete(
    _ context: FrameContext,
    fin: Bool,
    into output: inout [UInt8]
  ) throws(ParseFailed) { notes.opcodes.append(context.opcode) }

  func frameOutbound(
    _ context: FrameContext,
    opcode: Opcode,
    rsv: RsvBits,
    data: [UInt8],
    fin: Bool
  ) throws(LocalProtocolError) -> (rsv: RsvBits, data: [UInt8]) {
    #expect(context.opcode == opcode)
    return (rsv, data)
  }
}

/// Combinations of extensions (RFC 6455 §9.1).
@Suite struct ExtensionCompositionTests {
  static let hello: [UInt8] = [0xF2, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00]

  /// The frames that FrameProtocol returns.
  private static func frames(
    _ pieces: [[UInt8]],
    _ role: ConnectionType,
    _ extensions: [any Extension],
    _ limits: Limits
  ) -> Outcome {
    var collector = OutcomeCollector(wholeMessages: false)
    let layer = FrameProtocol(
      client: role == .client,
      extensions: extensions,
      configuration: Configuration(limits: limits)
    )
    do throws(ParseFailed) {
      for piece in pieces {
        layer.receiveBytes(piece)
        while let frame = try layer.nextFrame() {
          switch (frame.opcode, frame.payload) {
          case (.ping, .bytes(let payload)): collector.control(.ping(Array(payload)))
          case (.close, .close(let code, let reason)): collector.end(code.rawValue, reason)
          case (_, .bytes(let payload)):
            // An empty part has no meaning here.
            if payload.isEmpty, !frame.frameFinished { continue }
            collector.message(
              text: false,
              Array(payload),
              frameFinished: frame.frameFinished,
              messageFinished: frame.frameFinished && frame.messageFinished
            )
          default: Issue.record("\(frame)")
          }
        }
      }
    } catch {
      collector.end(error.code.rawValue, nil)
    }
    return collector.finished
  }

  /// Checks that every way to receive a stream gives the same outcome, and returns it.
  private static func outcome(
    of stream: [UInt8],
    _ role: ConnectionType,
    _ extensions: [any Extension],
    limits: Limits = Limits()
  ) -> Outcome {
    var random = TestRandom(seed: UInt64(stream.count))
    let bytes = stream.map { [$0] }
    let expected = frames(bytes, role, extensions, limits)
    for pieces in Splits.pieces(of: stream, random: &random, randomCuts: 3) {
      #expect(frames(pieces, role, extensions, limits) == expected, "FrameProtocol, \(pieces.map(\.count))")
    }
    let found = Splits.disagreements(stream, expected: expected, random: &random, randomCuts: 3) { delivery in
      Connection(
        role,
        extensions: extensions,
        configuration: Configuration(delivery: delivery, limits: limits)
      )
    }
    #expect(found.isEmpty)
    return expected
  }

  @Test(
    "the output of a compressed message before it fails does not depend on how it was split, with or without other extensions",
    .fault("C9"),
    arguments: ConnectionType.allCases
  )
  func broken(role: ConnectionType) throws {
    let deflate = try PerMessageDeflate.negotiated(role)
    // A stored block of five bytes, and a block of a type that does not exist.
    let stream = wireFrame(0x42, [0, 5, 0, 0xFA, 0xFF] + Array("hello".utf8) + [0xFF, 0xFF], to: role)
    var expected = Outcome()
    expected.partial = .bytes(Array("hello".utf8))
    expected.code = 1007
    let lists: [[any Extension]] = [
      [deflate], [deflate, PassiveExtension()], [PassiveExtension(), deflate],
      [PassiveExtension(), deflate, PassiveExtension()],
    ]
    for extensions in lists {
      #expect(Self.outcome(of: stream, role, extensions) == expected, "\(extensions.map(\.name))")
    }
  }

  /// A set of extensions, as a value that a test can name.
  struct Case: CustomTestStringConvertible {
    var testDescription: String
    var extensions: @Sendable (PerMessageDeflate) -> [any Extension]
  }

  static let cases: [Case] = [
    Case(testDescription: "deflate") { [$0] },
    Case(testDescription: "deflate, passive") { [$0, PassiveExtension()] },
    Case(testDescription: "refusing") { _ in [Refusing(byte: 0x6F, code: .policyViolation)] },
    Case(testDescription: "refusing two") { _ in
      [Refusing(byte: 0x6C, code: 4001), Refusing(byte: 0x6F, code: 4002)]
    },
    Case(testDescription: "refusing two, the other way round") { _ in
      [Refusing(byte: 0x6F, code: 4002), Refusing(byte: 0x6C, code: 4001)]
    },
    Case(testDescription: "refusing before deflate") { [Refusing(byte: 0x6F, code: 4002), $0] },
    Case(testDescription: "refusing behind deflate") { [$0, Refusing(byte: 0xC9, code: 4003)] },
    Case(testDescription: "refusing around deflate") {
      [Refusing(byte: 0x6F, code: 4002), $0, Refusing(byte: 0x07, code: 4003)]
    },
    Case(testDescription: "doubling") { _ in [Doubling()] },
    Case(testDescription: "doubling before deflate") { [Doubling(), $0] },
    Case(testDescription: "halving before deflate") { [Halving(), $0] },
    Case(testDescription: "halving before doubling before deflate") { [Halving(), Doubling(), $0] },
    Case(testDescription: "doubling before halving") { _ in [Doubling(), Halving()] },
    Case(testDescription: "holding") { _ in [Holding()] },
    Case(testDescription: "holding before refusing") { _ in
      [Holding(), Refusing(byte: 0x6F, code: .policyViolation)]
    },
    Case(testDescription: "holding before deflate") { [Holding(), $0] },
    Case(testDescription: "holding behind deflate") { [$0, Holding()] },
    Case(testDescription: "doubling before refusing before holding") { _ in
      [Doubling(), Refusing(byte: 0x6C, code: 4001), Holding()]
    },
  ]

  @Test(
    "events never depend on how bytes were split, with any set of extensions: messages, failures, limits",
    .fault("C9"),
    arguments: cases
  )
  func cuts(one: Case) throws {
    for role in ConnectionType.allCases {
      let deflate = try PerMessageDeflate.negotiated(role)
      let extensions = one.extensions(deflate)
      let compresses = extensions.contains { $0 is PerMessageDeflate }
      let ping = wireFrame(0x89, [0x6F, 1], to: role)
      let plain = Array("hello, hello".utf8)
      var streams: [[UInt8]] = []
      // permessage-deflate alone leaves these to the header, which gives their size.
      if extensions.count > 1 || !compresses {
        streams.append(wireFrame(0x82, plain, to: role) + ping)
        streams.append(wireFrame(0x82, Array(plain.prefix(4)), to: role) + ping)
        streams.append(
          wireFrame(0x02, plain, to: role) + ping + wireFrame(0x00, [], to: role)
            + wireFrame(0x80, plain, to: role)
        )
      }
      if compresses {
        let stored = PerMessageDeflateFailureTests.stored(plain)
        for payload in [
          Self.hello, stored + [0], stored + [0x07], stored, Self.hello + [0x00, 0x00, 0xFF, 0xFF, 0x06],
          Array(Self.hello.reversed()), Array((stored + [0]).reversed()), Array(Self.hello.prefix(3)),
        ] {
          streams.append(wireFrame(0xC2, payload, to: role) + ping)
          streams.append(
            wireFrame(0x42, Array(payload.prefix(4)), to: role) + ping
              + wireFrame(0x80, Array(payload.dropFirst(4)), to: role) + ping
          )
        }
      }
      var codes: Set<UInt16?> = []
      for stream in streams {
        for limit in [1, 3, 4, 5, 11, 12, 24, 1_000] {
          var limits = Limits()
          limits.maxMessageBytes = limit
          codes.insert(Self.outcome(of: stream, role, extensions, limits: limits).code)
        }
      }
      // Both outcomes must occur, or the test proves little.
      #expect(codes.contains(1009) && codes.count > 1, "\(codes)")
    }
  }

  @Test(
    "bytes that an extension outputs at the end of a frame reach the extensions before it in the list (RFC 6455 §9.1)",
    .requirement("6455-9.1-order"),
    .fault("C10"),
    arguments: ConnectionType.allCases
  )
  func atTheEnd(role: ConnectionType) throws {
    let deflate = try PerMessageDeflate.negotiated(role)
    let text = Array("Hello".utf8)
    // With the list "deflate, holding", sent data is compressed first; with the other, last.
    let inner = wireFrame(0xC2, Self.hello.reversed(), to: role)
    var expected = Outcome()
    expected.entries = [.init(.bytes(text))]
    #expect(Self.outcome(of: inner, role, [deflate, Holding()]) == expected)
    expected.entries = [.init(.bytes(text.reversed()))]
    #expect(Self.outcome(of: wireFrame(0xC2, Self.hello, to: role), role, [Holding(), deflate]) == expected)

    // Both ends, in parts, with a ping between them.
    for extensions: [any Extension] in [
      [deflate, Holding()], [Holding(), deflate], [Holding(), deflate, Holding()],
    ] {
      let peer: ConnectionType = role == .client ? .server : .client
      let ends = try PerMessageDeflate.negotiate()
      let theirs = extensions.map {
        $0 is PerMessageDeflate ? (peer == .client ? ends.client : ends.server) : $0
      }
      let sender = Connection(peer, extensions: theirs)
      let json = [UInt8].json(5_000, seed: 6)
      var wire = try sender.send(BytesMessage(data: Bytes(json[..<3_000]), messageFinished: false))
      try sender.send(Ping(payload: [1, 2, 3]), into: &wire)
      try sender.send(BytesMessage(data: Bytes(json[3_000...])), into: &wire)
      let outcome = Self.outcome(of: wire, role, extensions)
      // The unit that is reversed is a frame: the parts arrive as they were sent.
      #expect(outcome.entries.map(\.item) == [.ping([1, 2, 3]), .bytes(json)])
      #expect(outcome.code == nil)
    }
  }

  @Test(
    "a hook is told the opcode of its frame, control frames between the parts of a message included",
    .fault("C10")
  )
  func opcodes() throws {
    for role in ConnectionType.allCases {
      let noting = Noting()
      let connection = Connection(role, extensions: [noting])
      for frame in [(0x02, [1]), (0x89, [2]), (0x00, [3]), (0x8A, [4]), (0x80, [5]), (0x88, [])]
        as [(UInt8, [UInt8])]
      {
        try connection.receiveData(wireFrame(frame.0, frame.1, to: role))
      }
      _ = Array(connection.events())
      #expect(
        noting.notes.opcodes == [
          .binary, .binary, .ping, .ping, .continuation, .continuation, .pong, .pong, .continuation,
          .continuation,
          .close,
        ]
      )
      _ = try connection.send(CloseConnection(code: 1000))
    }
  }

  @Test("an extension that waits in a list is copied with its state, and the copy continues independently")
  func copies() throws {
    let deflate = try PerMessageDeflate.negotiated(.client)
    // Two connections that use one value at the same time.
    let connections = (0..<2).map { _ in Connection(.client, extensions: [deflate, PassiveExtension()]) }
    let back: [UInt8] = [0xF2, 0x00, 0x11, 0x00, 0x00]
    for connection in connections {
      #expect(
        try Door().receive(wireFrame(0xC1, Self.hello, to: .client), on: connection).seen == [.text("Hello")]
      )
    }
    for connection in connections {
      #expect(try Door().receive(wireFrame(0xC1, back, to: .client), on: connection).seen == [.text("Hello")])
    }
    // A connection without the history.
    let later = Connection(.client, extensions: [deflate, PassiveExtension()])
    #expect(
      try Door().receive(wireFrame(0xC1, back, to: .client), on: later).seen
        == [.partialText("H"), .close(.invalidFramePayloadData)]
    )
  }
}
