// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import WSProto

// The frame hooks by themselves, as wsproto's own tests use them.
@Suite struct PerMessageDeflateHooksTests {
  static let text = [UInt8](repeating: 0x78, count: 23)
  static let compressed: [UInt8] = [0xAA, 0xA8, 0xC0, 0x0A, 0x00, 0x00]
  static let rsv1 = RsvBits(true, false, false)

  @Test(
    "RFC 7692 §6: RSV1 on a control frame or a continuation is refused",
    .requirement("7692-6-rsv1-not-others"),
    arguments: ConnectionType.allCases
  )
  func reservedBit(role: ConnectionType) throws {
    for opcode in [Opcode.ping, .pong, .close, .continuation] {
      let context = FrameContext(role: role, opcode: opcode)
      var deflate = try PerMessageDeflate.negotiated(role)
      #expect(throws: ParseFailed.self) {
        try deflate.frameInboundHeader(context, opcode: opcode, rsv: Self.rsv1, payloadLength: 1)
      }
    }
    for opcode in [Opcode.text, .binary, .continuation, .ping] {
      let context = FrameContext(role: role, opcode: opcode)
      var deflate = try PerMessageDeflate.negotiated(role)
      let claimed = try deflate.frameInboundHeader(context, opcode: opcode, rsv: [], payloadLength: 1)
      #expect(claimed == Self.rsv1)
      #expect(try deflate.payload(context, Self.text) == Self.text)
      #expect(try deflate.complete(context, fin: true) == [])
    }
  }

  @Test("a compressed message in two frames with a ping between them", arguments: ConnectionType.allCases)
  func fragments(role: ConnectionType) throws {
    let first = FrameContext(role: role, opcode: .binary)
    let second = FrameContext(role: role, opcode: .continuation)
    let ping = FrameContext(role: role, opcode: .ping)
    var deflate = try PerMessageDeflate.negotiated(role)
    _ = try deflate.frameInboundHeader(first, opcode: .binary, rsv: Self.rsv1, payloadLength: 3)
    var data = try deflate.payload(first, Array(Self.compressed[..<3]))
    // Also before the first part has been read completely: the hook recognises the frame by its opcode (C10).
    _ = try deflate.frameInboundHeader(ping, opcode: .ping, rsv: [], payloadLength: 2)
    #expect(try deflate.payload(ping, [1, 2]) == [1, 2])
    #expect(try deflate.complete(ping, fin: true) == [])
    #expect(try deflate.complete(first, fin: false) == [])
    _ = try deflate.frameInboundHeader(second, opcode: .continuation, rsv: [], payloadLength: 3)
    data += try deflate.payload(second, Array(Self.compressed[3...]))
    #expect(try deflate.complete(second, fin: true) == [])
    #expect(data == Self.text)
    // The message has ended: the next one is not compressed.
    _ = try deflate.frameInboundHeader(first, opcode: .binary, rsv: [], payloadLength: 3)
    #expect(try deflate.payload(first, [1, 2]) == [1, 2])
  }

  @Test(
    "errors carry the close code and keep earlier output; at most one byte beyond the budget is given"
  )
  func errors() throws {
    var deflate = try PerMessageDeflate.negotiated(.client)
    func context(_ budget: Int) -> FrameContext {
      FrameContext(role: .client, opcode: .binary, remainingMessageBytes: budget)
    }
    _ = try deflate.frameInboundHeader(context(23), opcode: .binary, rsv: Self.rsv1, payloadLength: 3)
    func outcome(_ data: [UInt8], _ budget: Int) -> (code: CloseReason?, given: [UInt8]) {
      var other = deflate
      var output: [UInt8] = [9]
      do throws(ParseFailed) {
        try other.frameInboundPayloadData(context(budget), data, into: &output)
        return (nil, output)
      } catch {
        return (error.code, output)
      }
    }
    #expect(outcome(Self.compressed, 23) == (nil, [9] + Self.text))
    #expect(outcome(Self.compressed, .max) == (nil, [9] + Self.text))
    for budget in [22, 1, 0, -1] {
      let text = Array(Self.text.prefix(max(0, budget) + 1))
      #expect(outcome(Self.compressed, budget) == (.messageTooBig, [9] + text))
    }
    #expect(outcome(Self.text, 23) == (.invalidFramePayloadData, [9]))
    let stored = PerMessageDeflateFailureTests.stored([1, 2, 3])
    #expect(outcome(stored + [0x07], 23) == (.invalidFramePayloadData, [9, 1, 2, 3]))
    // More than one slice of the inflater.
    let long = try DeflateStream().message([[UInt8](repeating: 1, count: 200_000)])
    #expect(outcome(long, .max).given.count == 200_001)
    for budget in [65_535, 65_536, 199_999] {
      let found = outcome(long, budget)
      #expect(found.given.count == budget + 2 && found.code == .messageTooBig)
    }
    // Ends inside a block.
    _ = try deflate.payload(context(23), Array(Self.compressed[..<2]))
    #expect {
      try deflate.complete(context(23), fin: true)
    } throws: { ($0 as? ParseFailed)?.code == .invalidFramePayloadData }
  }

  /// Expects that these bytes are ``text``, compressed.
  private static func expectCompressed(_ data: [UInt8]) throws {
    #if ISAL
    // zlib and ISA-L may choose any of the many encodings.
    #expect(try InflateStream().message(data) == text && data.count < text.count)
    #else
    #expect(data == compressed)
    #endif
  }

  @Test(
    "data frames are sent compressed, with RSV1 on the first; control frames are unchanged",
    .requirement("7692-6-rsv1-first"),
    arguments: ConnectionType.allCases
  )
  func outbound(role: ConnectionType) throws {
    func frame(_ deflate: inout PerMessageDeflate, _ opcode: Opcode, _ data: ArraySlice<UInt8>, _ fin: Bool)
      throws -> (rsv: RsvBits, data: [UInt8])
    {
      let context = FrameContext(role: role, opcode: opcode)
      return try deflate.frameOutbound(context, opcode: opcode, rsv: [], data: Array(data), fin: fin)
    }
    var deflate = try PerMessageDeflate.negotiated(role)
    let ping = try frame(&deflate, .ping, Self.text[...], true)
    #expect(ping.rsv == [] && ping.data == Self.text)
    var copy = deflate
    let whole = try frame(&copy, .binary, Self.text[...], true)
    #expect(whole.rsv == Self.rsv1)
    try Self.expectCompressed(whole.data)
    let first = try frame(&deflate, .binary, Self.text[..<12], false)
    let last = try frame(&deflate, .continuation, Self.text[12...], true)
    #expect(first.rsv == Self.rsv1 && last.rsv == [])
    #expect(try InflateStream().message(first.data + last.data) == Self.text)
    // Each frame carries its data (D3).
    var seen = AssemblyBuffer()
    try InflateStream().feed(first.data, into: &seen, limit: .max)
    #expect([UInt8](seen.take()) == Array(Self.text[..<12]))
  }

  @Test(
    "without context takeover each message starts over, with it the history stays",
    .requirement("7692-7.1.1.1-include"),
    arguments: [false, true]
  )
  func takeover(reset: Bool) throws {
    let ends = try PerMessageDeflate.negotiate(client: PerMessageDeflate(serverNoContextTakeover: reset))
    var server = ends.server
    var client = ends.client
    let toServer = FrameContext(role: .server, opcode: .binary)
    let toClient = FrameContext(role: .client, opcode: .binary)
    var sizes: [Int] = []
    for _ in 0..<2 {
      let data = [UInt8].json(500, seed: 3)
      let (rsv, sent) = try server.frameOutbound(toServer, opcode: .binary, rsv: [], data: data, fin: true)
      sizes.append(sent.count)
      _ = try client.frameInboundHeader(
        toClient,
        opcode: .binary,
        rsv: rsv,
        payloadLength: UInt64(sent.count)
      )
      #expect(try client.payload(toClient, sent) == data)
      #expect(try client.complete(toClient, fin: true) == [])
    }
    #expect(reset ? sizes[0] == sizes[1] : sizes[1] < sizes[0] / 4)
  }

  @Test("a copy is an independent value, in the middle of a message too")
  func valueSemantics() throws {
    var one = try PerMessageDeflate.negotiated(.client)
    let context = FrameContext(role: .client, opcode: .text)
    _ = try one.frameOutbound(context, opcode: .text, rsv: [], data: Array("Hello".utf8), fin: true)
    var two = one
    // The same history gives the same bytes from both, whichever goes first.
    for data in [Array("Hello".utf8), Array("world".utf8), Array("Hello world".utf8)] {
      let a = try one.frameOutbound(context, opcode: .text, rsv: [], data: data, fin: true).data
      let b = try two.frameOutbound(context, opcode: .text, rsv: [], data: data, fin: true).data
      #expect(a == b)
    }
    _ = try one.frameInboundHeader(context, opcode: .text, rsv: Self.rsv1, payloadLength: 7)
    #expect(try one.payload(context, [0xF2, 0x48, 0xCD]).isEmpty == false)
    var three = one
    // A copy that gets other data doesn't affect the other copy.
    #expect(try three.payload(context, [0xFF, 0xFF, 0xFF]).isEmpty == false)
    let rest = try one.payload(context, [0xC9, 0xC9, 0x07, 0x00])
    #expect(String(decoding: rest, as: UTF8.self).hasSuffix("lo"))
    #expect(try one.complete(context, fin: true) == [])
    #expect(one == two && one == three && one.hashValue == three.hashValue)
    #expect(one != PerMessageDeflate())
  }

  private static func contexts(_ deflate: PerMessageDeflate) -> (inbound: Bool, outbound: Bool) {
    (deflate.hooks.inbound?.hasContext ?? false, deflate.hooks.outbound?.hasContext ?? false)
  }

  @Test("zlib allocates nothing before the first compressed frame")
  func laziness() throws {
    var deflate = try PerMessageDeflate.negotiated(.client)
    let context = FrameContext(role: .client, opcode: .text)
    _ = try deflate.frameOutbound(context, opcode: .ping, rsv: [], data: [1], fin: true)
    let plain = FrameContext(role: .client, opcode: .text, compress: false)
    let sent = try deflate.frameOutbound(plain, opcode: .text, rsv: [], data: [0x61], fin: true)
    #expect(sent.rsv == [] && sent.data == [0x61])
    _ = try deflate.frameInboundHeader(context, opcode: .text, rsv: [], payloadLength: 1)
    _ = try deflate.payload(context, [0x61])
    _ = try deflate.complete(context, fin: true)
    #expect(Self.contexts(deflate) == (false, false))
    _ = try deflate.frameOutbound(context, opcode: .text, rsv: [], data: [0x61], fin: true)
    #expect(Self.contexts(deflate) == (false, true))
    _ = try deflate.frameInboundHeader(context, opcode: .text, rsv: Self.rsv1, payloadLength: 1)
    _ = try deflate.payload(context, [0x00])
    #expect(Self.contexts(deflate) == (true, true))
  }

  @Test("FrameProtocol sends and reads compressed messages", arguments: [false, true])
  func frameProtocol(client: Bool) throws {
    let ends = try PerMessageDeflate.negotiate()
    let sender = FrameProtocol(client: client, extensions: [client ? ends.client : ends.server])
    let receiver = FrameProtocol(client: !client, extensions: [client ? ends.server : ends.client])
    for chunk in [1, 7, .max] {
      for piece in try (sender.sendData("Hel", fin: false) + sender.ping([1]) + sender.sendData("lo")).cut({
        min(chunk, $0)
      }) {
        receiver.receiveBytes(piece)
      }
      var text = ""
      for frame in try receiver.receivedFrames() {
        if case .text(let part) = frame.payload { text += part }
      }
      #expect(text == "Hello")
    }
  }
}
