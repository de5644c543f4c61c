// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import WSProto

@Suite struct MessageBudgetTests {
  static func charge(
    _ budget: inout MessageBudget,
    _ opcode: Opcode,
    _ length: UInt64 = 0,
    headerSize: Int = 6
  ) throws(ParseFailed) {
    try budget.charge(Header(fin: false, opcode: opcode, payloadLength: length), headerSize: headerSize)
  }

  @Test("fragments are counted: the limit passes, one more is 1008", .threat(2), arguments: [1, 2, 50])
  func fragments(limit: Int) throws {
    var limits = Limits()
    limits.maxMessageFragments = limit
    var budget = MessageBudget(limits: limits)
    try Self.charge(&budget, .text)
    for _ in 1..<limit { try Self.charge(&budget, .continuation) }
    let error = #expect(throws: ParseFailed.self) { try Self.charge(&budget, .continuation) }
    #expect(error?.code == .policyViolation)
  }

  @Test("headers of later frames are charged to the message", .threat(2))
  func overhead() throws {
    var limits = Limits()
    limits.maxMessageWireBytes = 100
    var budget = MessageBudget(limits: limits)
    try Self.charge(&budget, .binary, 80, headerSize: 14)
    #expect(budget.wireBytes == 80)
    try Self.charge(&budget, .continuation, 0)
    try Self.charge(&budget, .continuation, 8)
    #expect(budget.wireBytes == 100)
    let error = #expect(throws: ParseFailed.self) { try Self.charge(&budget, .continuation) }
    #expect(error?.code == .messageTooBig)
  }

  @Test(
    "the message limit applies to the first frame as well as to the sum",
    .threat(3),
    arguments: [101, 1 << 40, (1 << 63) - 1] as [UInt64]
  )
  func size(length: UInt64) throws {
    var limits = Limits()
    limits.maxMessageWireBytes = 100
    var budget = MessageBudget(limits: limits)
    var error = #expect(throws: ParseFailed.self) { try Self.charge(&budget, .text, length) }
    #expect(error?.code == .messageTooBig)
    budget.reset()
    try Self.charge(&budget, .text, 100)
    error = #expect(throws: ParseFailed.self) {
      try Self.charge(&budget, .continuation, length)
    }
    #expect(error?.code == .messageTooBig)
  }

  @Test("negative limits allow nothing instead of trapping")
  func negative() {
    var limits = Limits()
    limits.maxMessageWireBytes = -1
    limits.maxFramePayload = -1
    var budget = MessageBudget(limits: limits)
    #expect(throws: ParseFailed.self) { try Self.charge(&budget, .text, 1) }
    let header = Header(fin: true, opcode: .text, payloadLength: 1)
    #expect(throws: ParseFailed.self) { try budget.checkFrame(header) }
  }

  @Test("a frame's size is checked with its header, except for control frames", .threat(5))
  func frameSize() throws {
    var limits = Limits()
    limits.maxFramePayload = 10
    let budget = MessageBudget(limits: limits)
    try budget.checkFrame(Header(fin: true, opcode: .text, payloadLength: 10))
    let long = Header(fin: true, opcode: .text, payloadLength: 11)
    let error = #expect(throws: ParseFailed.self) { try budget.checkFrame(long) }
    #expect(error?.code == .messageTooBig)
    try budget.checkFrame(Header(fin: true, opcode: .ping, payloadLength: 125))
  }
}
