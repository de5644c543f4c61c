// SPDX-License-Identifier: Apache-2.0

import Testing
import WSProtoTestSupport

@testable import WSProto

@Suite struct InboundPipelineTests {
  static func outcome(
    _ role: ConnectionType,
    _ frames: [WireFrame],
    limits: Limits = Limits(),
    sourceLocation: SourceLocation = #_sourceLocation
  ) -> Outcome {
    let stream = frames.flatMap { $0.bytes }
    var twin = SlowDecoder(role, limits: limits)
    let expected = twin.run(stream)
    var random = TestRandom(seed: 3)
    let found = Splits.disagreements(stream, expected: expected, random: &random) { delivery in
      Connection(role, configuration: Configuration(delivery: delivery, limits: limits))
    }
    #expect(found.isEmpty, "\(found.first ?? "")", sourceLocation: sourceLocation)
    let connection = Connection(role, configuration: Configuration(limits: limits))
    return Splits.run([stream], .owned, on: connection, whole: false)
  }

  @Test(
    "control frames between fragments keep their place (RFC 6455 §5.4)",
    .requirement("6455-5.4-control-between", "6455-5.4-order"),
    arguments: ConnectionType.allCases
  )
  func order(role: ConnectionType) {
    let outcome = Self.outcome(
      role,
      [
        WireFrame(to: role, 1, Array("ab".utf8), fin: false), WireFrame(to: role, 9, [1]),
        WireFrame(to: role, 0, Array("cdé".utf8).dropLast(), fin: false), WireFrame(to: role, 10, [2]),
        WireFrame(to: role, 0, [0xA9]), WireFrame(to: role, 8, closePayload(1001, "x")),
      ]
    )
    #expect(
      outcome.entries == [
        Outcome.Entry(.ping([1]), deliveredBefore: 2), Outcome.Entry(.pong([2]), deliveredBefore: 4),
        Outcome.Entry(.text("abcdé")),
      ]
    )
    #expect(outcome.code == 1001 && outcome.reason == "x")
  }

  static let badText: [(String, [UInt8], valid: String)] = [
    ("a byte that starts nothing", [0x61, 0x80, 0x62], "a"), ("0xFF", [0x61, 0x62, 0xFF], "ab"),
    ("an overlong slash", [0x61, 0xC0, 0xAF], "a"), ("a surrogate", [0x61, 0xED, 0xA0, 0x80], "a"),
    ("beyond U+10FFFF", [0xF4, 0x90, 0x80, 0x80], ""), ("overlong in three", [0x7A, 0xE0, 0x80, 0x80], "z"),
    ("overlong in four", [0x7A, 0xF0, 0x80, 0x80, 0x80], "z"),
    ("five bytes", [0xF8, 0x88, 0x80, 0x80, 0x80], ""),
    ("a character cut by another", [0xE2, 0x82, 0x61], ""),
  ]

  @Test(
    "invalid UTF-8 fails with 1007 at the first byte that proves it, after the text before it is delivered (RFC 6455 §8.1)",
    .requirement("6455-8.1-invalid"),
    arguments: badText.indices,
    ConnectionType.allCases
  )
  func earlyFailure(index: Int, role: ConnectionType) {
    let (name, bytes, valid) = Self.badText[index]
    // A frame that declares more: nothing waits for it.
    let frame = WireFrame(to: role, 1, bytes + [UInt8](repeating: 0x61, count: 100), fin: false)
    let start = frame.header.count
    let stream = frame.bytes
    let expected = bytes.indices.first {
      String(validating: bytes[...$0], as: UTF8.self) == nil && isDead(bytes[...$0])
    }
    let connection = Connection(role)
    var seen = ""
    var failedAt: Int?
    for (offset, byte) in stream.enumerated() {
      guard failedAt == nil, (try? connection.receiveData([byte])) != nil else { break }
      while let event = connection.nextEvent() {
        switch event {
        case .textMessage(let part): seen += part.data
        case .closeConnection(let close):
          #expect(close.code == .invalidFramePayloadData)
          failedAt = offset
        default: Issue.record("\(event)")
        }
      }
    }
    #expect(failedAt.map { $0 - start } == expected, "\(name)")
    #expect(seen == valid, "\(name)")
    let outcome = Self.outcome(role, [frame])
    #expect(outcome.code == 1007 && outcome.partial == (valid.isEmpty ? nil : .text(valid)), "\(name)")
  }

  /// Whether no continuation can make these bytes valid.
  private func isDead(_ bytes: ArraySlice<UInt8>) -> Bool {
    for tail: [UInt8] in [[0x80], [0xBF], [0xA0], [0x9F], [0x90], [0x8F]] {
      for more in 0...2 {
        let whole = Array(bytes) + tail + [UInt8](repeating: 0x80, count: more)
        if String(validating: whole, as: UTF8.self) != nil { return false }
      }
    }
    return true
  }

  @Test(
    "a message that ends inside a character is 1007, even if all its frames do (RFC 6455 §8.1)",
    .requirement("6455-5.6-utf8", "6455-8.1-invalid")
  )
  func unfinishedCharacter() {
    let cut = Self.outcome(.client, [WireFrame(1, [0x61, 0xE2, 0x82])])
    #expect(cut.code == 1007 && cut.partial == .text("a"))
    let split = Self.outcome(
      .client,
      [WireFrame(1, [0xE2], fin: false), WireFrame(0, [0x82], fin: false), WireFrame(0, [0xAC])]
    )
    #expect(split.entries == [Outcome.Entry(.text("€"))])
    let never = Self.outcome(.client, [WireFrame(1, [0xE2], fin: false), WireFrame(0, [0x82])])
    #expect(never.code == 1007 && never.partial == nil)
  }

  @Test(
    "empty messages, empty fragments and empty control frames are events too",
    arguments: ConnectionType.allCases
  )
  func empty(role: ConnectionType) {
    let outcome = Self.outcome(
      role,
      [
        WireFrame(to: role, 1), WireFrame(to: role, 2), WireFrame(to: role, 2, [], fin: false),
        WireFrame(to: role, 9), WireFrame(to: role, 0, [], fin: false), WireFrame(to: role, 0),
        WireFrame(to: role, 8),
      ]
    )
    #expect(outcome.entries.map(\.item) == [.text(""), .bytes([]), .ping([]), .bytes([])])
    #expect(outcome.code == 1005)
  }

  @Test(
    "endless empty continuations end with 1008 at the limit, however they arrive",
    .threat(2),
    arguments: [1, 2, 100]
  )
  func emptyFragments(limit: Int) {
    var limits = Limits()
    limits.maxMessageFragments = limit
    var frames = [WireFrame(to: .server, 2, [7], fin: false)]
    for _ in 1..<limit { frames.append(WireFrame(to: .server, 0, [], fin: false)) }
    #expect(Self.outcome(.server, frames, limits: limits).code == nil)
    frames.append(WireFrame(to: .server, 0, [], fin: true))
    let outcome = Self.outcome(.server, frames, limits: limits)
    #expect(outcome.code == 1008 && outcome.partial == .bytes([7]))
  }

  @Test("the defaults end an endless run of empty fragments, and nothing is held in the meantime", .threat(2))
  func endless() throws {
    let connection = Connection(.client)
    try connection.receiveData(WireFrame(1, [], fin: false).bytes)
    let many = [[UInt8]](repeating: [0x00, 0x00], count: 4096).flatMap { $0 }
    var frames = 1
    var end: CloseConnection?
    while end == nil, frames < 1 << 20 {
      frames += 4096
      var chunk = many
      var span = chunk.mutableSpan
      var bytes = span.mutableBytes
      connection.receive(&bytes) { event in
        if case .closeConnection(let code, let reason) = event {
          end = CloseConnection(code: code, reason: String(copying: reason))
        }
      }
    }
    #expect(end?.code == .policyViolation || end?.code == .messageTooBig)
    #expect(frames <= Limits().maxMessageFragments + 4096)
    #expect(connection.buffer.count == 0)
  }

  @Test(
    "message limits are applied to the header of the frame that exceeds them",
    .threat(3, 5),
    .requirement("6455-10.4-limits")
  )
  func messageLimit() {
    let limits = Limits(maxMessageBytes: 10)
    let role = ConnectionType.client
    #expect(Self.outcome(role, [WireFrame(2, [UInt8](repeating: 1, count: 10))], limits: limits).code == nil)
    let single = Self.outcome(role, [WireFrame(2, declaredLength: 11)], limits: limits)
    #expect(single.code == 1009 && single.partial == nil)
    let split = [WireFrame(2, [1, 2, 3, 4, 5, 6], fin: false), WireFrame(0, declaredLength: 5)]
    let outcome = Self.outcome(role, split, limits: limits)
    #expect(outcome.code == 1009 && outcome.partial == .bytes([1, 2, 3, 4, 5, 6]))
    // The next message starts from zero.
    let two = [
      WireFrame(2, [UInt8](repeating: 1, count: 10)), WireFrame(1, [UInt8](repeating: 0x61, count: 10)),
    ]
    #expect(Self.outcome(role, two, limits: limits).entries.count == 2)
  }

  @Test(
    "RSV1 is legal only if permessage-deflate was negotiated, and only on the first data frame (RFC 7692 §6)",
    .threat(7),
    .requirement("6455-5.2-rsv-receive", "7692-6-rsv1-unnegotiated", "7692-6-rsv1-not-others"),
    arguments: [true, false],
    UInt8(0)...7
  )
  func reservedBits(negotiated: Bool, rsv: UInt8) throws {
    for opcode in Opcode.allCases {
      for role in ConnectionType.allCases {
        let connection = Connection(role, extensions: negotiated ? [PerMessageDeflate.negotiated] : [])
        if opcode == .continuation {
          try connection.receiveData(WireFrame(to: role, 1, [], fin: false).bytes)
        }
        // An empty DEFLATE message is one zero byte; a Close without a payload is legal.
        let payload: [UInt8] = rsv == 4 && !opcode.isControl ? [0] : []
        try connection.receiveData(WireFrame(to: role, opcode.rawValue, payload, rsv: rsv).bytes)
        let last = Array(connection.events()).last
        let legal = rsv == 0 || (negotiated && rsv == 4 && (opcode == .text || opcode == .binary))
        if case .closeConnection(let close) = last, close.code == .protocolError {
          #expect(!legal, "\(opcode) \(role)")
        } else {
          #expect(legal, "\(opcode) \(role)")
        }
      }
    }
  }

  @Test(
    "whole messages equal the joined chunks, for every size and split",
    .requirement("6455-5.4-order", "6455-5.4-receive-both"),
    arguments: [0, 1, 2, 63, 64, 65, 126, 1000, 70000]
  )
  func wholeMessages(size: Int) {
    var payload = [UInt8](repeating: 0, count: size)
    for index in payload.indices { payload[index] = UInt8(truncatingIfNeeded: index &* 11) }
    let cut = size / 3
    let frames = [
      WireFrame(to: .server, 2, Array(payload[..<cut]), fin: false), WireFrame(to: .server, 9, [1]),
      WireFrame(to: .server, 0, Array(payload[cut...])),
    ]
    let stream = frames.flatMap { $0.bytes }
    var random = TestRandom(seed: 9)
    for pieces in [[stream], Splits.cut(stream, random: &random), Splits.cut(stream, random: &random)] {
      for door in Splits.Door.allCases {
        let connection = Connection(.server, configuration: Configuration(delivery: .wholeMessages))
        let outcome = Splits.run(pieces, door, on: connection, whole: true)
        #expect(outcome.entries.map(\.item) == [.ping([1]), .bytes(payload)])
        #expect(outcome.violations.isEmpty)
      }
    }
  }

  @Test("large buffers are released between messages")
  func trims() throws {
    let connection = Connection(.client, configuration: Configuration(delivery: .wholeMessages))
    let payload = [UInt8](repeating: 3, count: 200_000)
    var wire = WireFrame(2, payload, fin: false).bytes + WireFrame(0, payload).bytes
    var count = 0
    var span = wire.mutableSpan
    var bytes = span.mutableBytes
    connection.receive(&bytes) { event in
      if case .bytesMessage(let part) = event { count += part.data.byteCount }
    }
    #expect(count == 400_000)
    #expect(connection.inbound.heldBytes == 0)
  }
}
