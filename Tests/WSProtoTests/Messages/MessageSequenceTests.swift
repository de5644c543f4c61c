// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import WSProto

@Suite struct MessageSequenceTests {
  @Test(
    "a message is text or binary, then continuations, then nothing (RFC 6455 §5.4)",
    .requirement("6455-5.4-first", "6455-5.4-continuation"),
    arguments: [Opcode.text, .binary]
  )
  func order(type: Opcode) throws {
    var sequence = MessageSequence()
    #expect(throws: ParseFailed.self) { try sequence.begin(.continuation) }
    let starts = try sequence.begin(type)
    #expect(starts)
    #expect(sequence.opcode == type)
    let continues = try sequence.begin(.continuation)
    #expect(!continues)
    #expect(sequence.opcode == type)
    for other in [Opcode.text, .binary, .close, .ping, .pong] {
      #expect(throws: ParseFailed.self) { try sequence.begin(other) }
    }
    sequence.end()
    #expect(sequence.opcode == nil)
    let next = try sequence.begin(.binary)
    #expect(next)
  }
}
