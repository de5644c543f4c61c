// SPDX-License-Identifier: Apache-2.0

import Testing
import WSProto

@Suite struct OpcodeTests {
  @Test(
    "the six opcodes of RFC 6455 §11.8 exist, the reserved ones cannot be represented",
    arguments: UInt8.min...255
  )
  func rawValues(value: UInt8) {
    let expected: [UInt8: Opcode] = [
      0: .continuation, 1: .text, 2: .binary, 8: .close, 9: .ping, 10: .pong,
    ]
    #expect(Opcode(rawValue: value) == expected[value])
  }

  @Test("control opcodes have their highest bit set (RFC 6455 §5.5)", arguments: Opcode.allCases)
  func control(opcode: Opcode) {
    #expect(opcode.isControl == (opcode == .close || opcode == .ping || opcode == .pong))
  }
}
