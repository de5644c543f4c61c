// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import WSProto

@Suite struct MessageSequenceTests {
  static func begin(
    _ sequence: inout MessageSequence,
    _ opcode: Opcode,
    _ length: UInt64 = 0,
    headerSize: Int = 6,
    limits: Limits = Limits()
  ) throws(ParseFailed) {
    try sequence.begin(
      Header(fin: false, opcode: opcode, payloadLength: length),
      headerSize: headerSize,
      limits: limits
    )
  }

  @Test(
    "a message is text or binary, then continuations, then nothing (RFC 6455 §5.4)",
    .requirement("6455-5.4-first", "6455-5.4-continuation"),
    arguments: [Opcode.text, .binary]
  )
  func order(type: Opcode) throws {
    var sequence = MessageSequence()
    #expect(throws: ParseFailed.self) { try Self.begin(&sequence, .continuation) }
    try Self.begin(&sequence, type)
    #expect(sequence.opcode == type && sequence.fragments == 1)
    try Self.begin(&sequence, .continuation)
    #expect(sequence.opcode == type && sequence.fragments == 2)
    for other in [Opcode.text, .binary] {
      #expect(throws: ParseFailed.self) { try Self.begin(&sequence, other) }
    }
    sequence.end()
    #expect(sequence.opcode == nil)
    try Self.begin(&sequence, .binary)
    #expect(sequence.fragments == 1 && sequence.wireBytes == 0)
  }

  @Test("fragments are counted: the limit passes, one more is 1008", .threat(2), arguments: [1, 2, 50])
  func fragments(limit: Int) throws {
    var limits = Limits()
    limits.maxMessageFragments = limit
    var sequence = MessageSequence()
    try Self.begin(&sequence, .text, limits: limits)
    for _ in 1..<limit { try Self.begin(&sequence, .continuation, limits: limits) }
    let error = #expect(throws: ParseFailed.self) { try Self.begin(&sequence, .continuation, limits: limits) }
    #expect(error?.code == .policyViolation)
  }

  @Test("headers of further frames are charged to the message", .threat(2))
  func overhead() throws {
    var limits = Limits()
    limits.maxMessageWireBytes = 100
    var sequence = MessageSequence()
    try Self.begin(&sequence, .binary, 80, headerSize: 14, limits: limits)
    #expect(sequence.wireBytes == 80)
    try Self.begin(&sequence, .continuation, 0, limits: limits)
    try Self.begin(&sequence, .continuation, 8, limits: limits)
    #expect(sequence.wireBytes == 100)
    let error = #expect(throws: ParseFailed.self) { try Self.begin(&sequence, .continuation, limits: limits) }
    #expect(error?.code == .messageTooBig)
  }

  @Test(
    "the message limit holds for the first frame as for the sum",
    .threat(3),
    arguments: [101, 1 << 40, (1 << 63) - 1] as [UInt64]
  )
  func size(length: UInt64) throws {
    var limits = Limits()
    limits.maxMessageWireBytes = 100
    var sequence = MessageSequence()
    var error = #expect(throws: ParseFailed.self) { try Self.begin(&sequence, .text, length, limits: limits) }
    #expect(error?.code == .messageTooBig)
    sequence = MessageSequence()
    try Self.begin(&sequence, .text, 100, limits: limits)
    error = #expect(throws: ParseFailed.self) {
      try Self.begin(&sequence, .continuation, length, limits: limits)
    }
    #expect(error?.code == .messageTooBig)
  }

  @Test("negative limits allow nothing instead of trapping")
  func negative() {
    var limits = Limits()
    limits.maxMessageWireBytes = -1
    limits.maxFramePayload = -1
    var sequence = MessageSequence()
    #expect(throws: ParseFailed.self) { try Self.begin(&sequence, .text, 1, limits: limits) }
    let header = Header(fin: true, opcode: .text, payloadLength: 1)
    #expect(throws: ParseFailed.self) { try checkFrameSize(header, limits: limits) }
  }

  @Test("a frame's size is checked on its header, control frames apart", .threat(5))
  func frameSize() throws {
    var limits = Limits()
    limits.maxFramePayload = 10
    try checkFrameSize(Header(fin: true, opcode: .text, payloadLength: 10), limits: limits)
    let long = Header(fin: true, opcode: .text, payloadLength: 11)
    let error = #expect(throws: ParseFailed.self) { try checkFrameSize(long, limits: limits) }
    #expect(error?.code == .messageTooBig)
    try checkFrameSize(Header(fin: true, opcode: .ping, payloadLength: 125), limits: limits)
  }
}
