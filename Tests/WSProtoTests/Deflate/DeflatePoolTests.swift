// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import WSProto

@Suite struct DeflatePoolTests {
  static let settings = DeflateSettings()

  static func outbound(_ pool: DeflatePool?, takeover: Bool = false, windowBits: Int = 15) -> OutboundDeflate
  {
    OutboundDeflate(DeflateSettings(windowBits: windowBits), noContextTakeover: !takeover, pool: pool)
  }

  static func inbound(_ pool: DeflatePool?, takeover: Bool = false) -> InboundDeflate {
    InboundDeflate(windowBits: 15, noContextTakeover: !takeover, pool: pool)
  }

  static func compress(_ outbound: OutboundDeflate, _ text: [UInt8], finished: Bool = true) throws -> [UInt8]
  {
    var output = AssemblyBuffer()
    try text.withUnsafeBytes { try outbound.compress($0, finished: finished, into: &output) }
    return [UInt8](output.take())
  }

  static func inflate(_ inbound: InboundDeflate, _ payload: [UInt8], finished: Bool = true) throws -> [UInt8]
  {
    var output = AssemblyBuffer()
    try payload.withUnsafeBytes { bytes in
      var rest = bytes
      try inbound.inflate(&rest, into: &output, atMost: .max)
    }
    if finished { try inbound.finishMessage() }
    return [UInt8](output.take())
  }

  static func idle(_ pool: DeflatePool) -> [Int] { [pool.idleContexts.outbound, pool.idleContexts.inbound] }

  @Test(
    "without context takeover a context is borrowed for a message and returned at its end (RFC 7692 §7.1.1)"
  )
  func borrows() throws {
    let pool = DeflatePool()
    let (sender, receiver) = (Self.outbound(pool), Self.inbound(pool))
    let text = [UInt8].json(3_000, seed: 1)
    for _ in 0..<3 {
      let first = try Self.compress(sender, text, finished: false)
      #expect(sender.hasContext && pool.idleContexts.outbound == 0)
      let last = try Self.compress(sender, text)
      #expect(!sender.hasContext && pool.idleContexts.outbound == 1)
      #expect(try Self.inflate(receiver, first, finished: false) == text)
      #expect(receiver.hasContext && pool.idleContexts.inbound == 0)
      #expect(try Self.inflate(receiver, last) == text)
      #expect(!receiver.hasContext && pool.idleContexts.inbound == 1)
    }
  }

  @Test(
    "any number of connections needs only as many contexts as there are messages in progress, and none sees another's history"
  )
  func shares() throws {
    let pool = DeflatePool()
    let alone = Self.outbound(nil)
    let senders = (0..<50).map { _ in Self.outbound(pool) }
    let receivers = (0..<50).map { _ in Self.inbound(pool) }
    for round in 0..<3 as Range<UInt64> {
      for (index, (sender, receiver)) in zip(senders, receivers).enumerated() {
        let text = [UInt8].json(1_000, seed: round * 7 + UInt64(index % 5))
        let payload = try Self.compress(sender, text)
        // Like one with its own context.
        #expect(try payload == Self.compress(alone, text))
        #expect(try Self.inflate(receiver, payload) == text)
      }
    }
    #expect(Self.idle(pool) == [1, 1])
    // Three messages at once.
    for sender in senders[..<3] { _ = try Self.compress(sender, [1], finished: false) }
    #expect(pool.idleContexts.outbound == 0)
    for sender in senders[..<3] { _ = try Self.compress(sender, [2]) }
    #expect(pool.idleContexts.outbound == 3)
  }

  @Test(
    "an empty message needs no context, on either side (RFC 7692 §7.2.3.6)",
    arguments: [true, false]
  )
  func empty(pooled: Bool) throws {
    let pool = pooled ? DeflatePool() : nil
    for takeover in [true, false] {
      let (sender, receiver) = (
        Self.outbound(pool, takeover: takeover), Self.inbound(pool, takeover: takeover)
      )
      for _ in 0..<2 {
        #expect(try Self.compress(sender, [], finished: false) == [])
        #expect(try Self.compress(sender, []) == [0])
        #expect(!sender.hasContext)
        #expect(try Self.inflate(receiver, [], finished: false) == [])
        #expect(try Self.inflate(receiver, []) == [])
        #expect(!receiver.hasContext)
      }
      // The next one works as usual.
      #expect(try Self.inflate(receiver, Self.compress(sender, [1, 2])) == [1, 2])
      #expect(try Self.compress(sender, []) == [0])
      #expect(try Self.inflate(receiver, [0]) == [])
    }
  }

  @Test("a context from the pool is the one that was returned: nothing is allocated")
  func identity() throws {
    let pool = DeflatePool()
    let deflater = try pool.deflater(Self.settings)
    pool.give(deflater, Self.settings)
    let inflater = try pool.inflater(windowBits: 15)
    pool.give(inflater, windowBits: 15)
    for _ in 0..<3 {
      _ = try Self.compress(Self.outbound(pool), [1, 2, 3])
      _ = try Self.inflate(Self.inbound(pool), DeflateStreamTests.hello)
    }
    #expect(try pool.deflater(Self.settings) === deflater)
    #expect(try pool.inflater(windowBits: 15) === inflater)
    #expect(Self.idle(pool) == [0, 0])
  }

  @Test("contexts with different windows, levels and memory levels are not mixed up")
  func keys() throws {
    let pool = DeflatePool()
    let all = [9, 15].flatMap { bits in
      [1, 9].flatMap { level in
        [1, 9].map { DeflateSettings(windowBits: bits, level: level, memoryLevel: $0) }
      }
    }
    let made = try all.map { try pool.deflater($0) }
    for (one, settings) in zip(made, all) { pool.give(one, settings) }
    for (one, settings) in zip(made, all).reversed() { #expect(try pool.deflater(settings) === one) }
    let small = try pool.inflater(windowBits: 9)
    pool.give(small, windowBits: 9)
    #expect(try pool.inflater(windowBits: 10) !== small)
    #expect(try pool.inflater(windowBits: 9) === small)
  }

  @Test(
    "at most as many idle contexts are kept as the capacity; the least recently used one goes first",
    arguments: 0...3
  )
  func capacity(capacity: Int) throws {
    let pool = DeflatePool(capacity: capacity)
    let made = try (9...15).map { try pool.deflater(DeflateSettings(windowBits: $0)) }
    for (one, bits) in zip(made, 9...15) {
      pool.give(one, DeflateSettings(windowBits: bits))
      #expect(pool.idleContexts.outbound <= capacity)
    }
    for bits in 9...15 {
      let one = try pool.deflater(DeflateSettings(windowBits: bits))
      #expect((one === made[bits - 9]) == (bits > 15 - capacity))
    }
    let inflaters = try (0..<7).map { _ in try pool.inflater(windowBits: 15) }
    for one in inflaters { pool.give(one, windowBits: 15) }
    #expect(Self.idle(pool) == [0, capacity])
    pool.removeAll()
    #expect(Self.idle(pool) == [0, 0])
    #expect(DeflatePool(capacity: -1).capacity == 0)
  }

  @Test("a context returned in the middle of a message, or after an error, is like a new one")
  func resets() throws {
    let pool = DeflatePool()
    let deflater = try pool.deflater(Self.settings)
    _ = try deflater.frames([.json(5_000, seed: 2), []])
    pool.give(deflater, Self.settings)
    #expect(try Self.compress(Self.outbound(pool), Array("Hello".utf8)) == Deflater().message("Hello"))
    let inflater = try pool.inflater(windowBits: 15)
    #expect(throws: InflateError.invalid) { try inflater.message([0x07]) }
    pool.give(inflater, windowBits: 15)
    #expect(try Self.inflate(Self.inbound(pool), DeflateStreamTests.hello) == Array("Hello".utf8))
  }

  @Test(
    "with context takeover a connection keeps its contexts; the one for sending can be released between messages"
  )
  func takeover() throws {
    let pool = DeflatePool()
    let (sender, receiver) = (Self.outbound(pool, takeover: true), Self.inbound(pool, takeover: true))
    let text = [UInt8].json(2_000, seed: 4)
    var sizes: [Int] = []
    for round in 0..<4 {
      let payload = try Self.compress(sender, text)
      sizes.append(payload.count)
      #expect(try Self.inflate(receiver, payload) == text)
      #expect(sender.hasContext && receiver.hasContext && Self.idle(pool) == [0, 0])
      // The receiver's history is needed, because the peer may refer to it.
      #expect(!receiver.releaseContext() && receiver.hasContext)
      if round == 1 {
        #expect(sender.releaseContext() && !sender.hasContext)
        #expect(Self.idle(pool) == [1, 0])
      }
    }
    #expect(sizes[1] < sizes[0] / 4 && sizes[2] == sizes[0] && sizes[3] == sizes[1])
  }

  @Test("a context is not released in the middle of a message", arguments: [true, false])
  func midMessage(pooled: Bool) throws {
    let pool = pooled ? DeflatePool() : nil
    let (sender, receiver) = (Self.outbound(pool), Self.inbound(pool))
    #expect(sender.releaseContext() && receiver.releaseContext())
    let first = try Self.compress(sender, Array("Hello, ".utf8), finished: false)
    #expect(!sender.releaseContext() && sender.hasContext)
    let last = try Self.compress(sender, Array("Hello".utf8))
    _ = try Self.inflate(receiver, first, finished: false)
    #expect(!receiver.releaseContext() && receiver.hasContext)
    #expect(try Self.inflate(receiver, last) == Array("Hello".utf8))
    // Without a pool they are kept for the next message until they are released.
    #expect(sender.hasContext == !pooled && receiver.hasContext == !pooled)
    #expect(sender.releaseContext() && !sender.hasContext)
    #expect(receiver.releaseContext() && !receiver.hasContext)
    #expect(try Self.inflate(receiver, Self.compress(sender, [1, 2, 3])) == [1, 2, 3])
  }

  @Test(
    "a message that was compressed elsewhere can be sent between others, if the sender restarts after it (RFC 7692 §7.2.2)",
    arguments: [true, false]
  )
  func compressedOnce(takeover: Bool) throws {
    let pool = DeflatePool()
    let sender = Self.outbound(nil, takeover: takeover)
    let receiver = Self.inbound(nil, takeover: takeover)
    let text = [UInt8].json(3_000, seed: 9)
    let prepared = try text.withUnsafeBytes { try OutboundDeflate.compressOnce($0, Self.settings) }
    let pooled = try text.withUnsafeBytes { try OutboundDeflate.compressOnce($0, Self.settings, pool: pool) }
    #expect(prepared == pooled && pool.idleContexts.outbound == 1)
    // Only the payload is held.
    #expect(prepared.storage?.byteCapacity == prepared.count)
    #expect(try Array(OutboundDeflate.compressOnce(.init(start: nil, count: 0), Self.settings)) == [0])
    for round in 0..<3 as Range<UInt64> {
      let message = [UInt8].json(3_000, seed: round)
      #expect(try Self.inflate(receiver, Self.compress(sender, message)) == message)
      #expect(try Self.inflate(receiver, [UInt8](prepared)) == text)
      sender.restart()
      // A reference to the message before the prepared one would now be decoded wrongly.
      #expect(try Self.inflate(receiver, Self.compress(sender, message)) == message)
    }
  }

  @Test(
    "a connection's transforms take contexts from the pool, also with other extensions",
    arguments: [false, true]
  )
  func transforms(hooks: Bool) throws {
    let pool = DeflatePool()
    let ends = try PerMessageDeflate.negotiate(
      client: PerMessageDeflate(clientNoContextTakeover: true, serverNoContextTakeover: true)
    )
    for (role, deflate) in [(ConnectionType.client, ends.client), (.server, ends.server)] {
      let inUse = ExtensionsInUse(hooks ? [deflate, PassiveExtension()] : [deflate])
      let text = Array("Hello".utf8)
      let payload: [UInt8]
      switch OutboundTransform(role: role, inUse, pool: pool) {
      case .none: throw TooBig()
      case .deflate(let outbound): payload = try Self.compress(outbound, text)
      case .hooks(let outbound):
        payload = try text.withUnsafeBytes { try outbound.frame(.text, $0, fin: true, compress: true).1 }
      }
      #expect(pool.idleContexts.outbound == 1)
      switch InboundTransform(role: role, inUse, pool: pool) {
      case .none: throw TooBig()
      case .deflate(let inbound): #expect(try Self.inflate(inbound, payload) == text)
      case .hooks(let inbound):
        _ = try inbound.header(
          Header(fin: true, rsv: .rsv1, opcode: .text, payloadLength: UInt64(payload.count))
        )
        var output = AssemblyBuffer()
        try payload.withUnsafeBytes {
          try inbound.payload($0, opcode: .text, frameFinished: true, fin: true, budget: 99, into: &output)
        }
        #expect([UInt8](output.take()) == text)
      }
      #expect(Self.idle(pool) == [1, 1])
    }
  }

  /// How a pair of connections comes about.
  enum Way: CaseIterable { case whole, handshake, values }

  @Test(
    "every way to a connection takes a pool: with the handshake, by it, and with values",
    arguments: Way.allCases
  )
  func ways(_ way: Way) throws {
    let pools = [DeflatePool(), DeflatePool()]
    let request = Request(
      host: "h",
      target: "/",
      extensions: [try PerMessageDeflate(clientNoContextTakeover: true, serverNoContextTakeover: true)]
    )
    let accept = AcceptConnection(extensions: [PerMessageDeflate()])
    let ends: [any WebSocketEndpoint]
    switch way {
    case .whole:
      let (client, server) = (
        WSConnection(.client, deflatePool: pools[0]), WSConnection(.server, deflatePool: pools[1])
      )
      try server.receiveData(client.send(request))
      while server.nextEvent() != nil {}
      try client.receiveData(server.send(accept))
      while client.nextEvent() != nil {}
      ends = [client, server]
    case .handshake:
      let (client, server) = (
        H11Handshake(.client, deflatePool: pools[0]), H11Handshake(.server, deflatePool: pools[1])
      )
      try server.receiveData(client.send(request))
      while server.nextEvent() != nil {}
      try client.receiveData(server.send(accept))
      while client.nextEvent() != nil {}
      ends = [try #require(client.connection), try #require(server.connection)]
    case .values:
      var client = try ClientNegotiation(upgrade: request)
      let server = try ServerNegotiation(upgrade: client.httpRequest, minorVersion: 1)
      let (response, accepted) = try server.accept(accept, deflatePool: pools[1])
      guard case .accepted(_, let connected) = try client.receive(response, deflatePool: pools[0]) else {
        Issue.record("not accepted")
        return
      }
      ends = [connected, accepted]
    }
    for (from, to) in [(0, 1), (1, 0)] {
      let text = TextMessage(data: "hello, hello, hello")
      try ends[to].receiveData(ends[from].send(text))
      #expect(ends[to].nextEvent() == .textMessage(text))
      #expect(pools[from].idleContexts.outbound == 1 && pools[to].idleContexts.inbound == 1)
    }
  }
}
