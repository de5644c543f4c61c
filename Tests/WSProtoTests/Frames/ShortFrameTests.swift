// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import WSProto

@Suite("Short frames, which are written in the caller's module")
struct ShortFrameTests {
  @Test(
    "every size gives the bytes of a FrameEncoder, in both sinks, and nothing else changes",
    arguments: 0...125
  )
  func sizes(count: Int) throws {
    let payload = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 37 &+ 11) }
    var encoder = FrameEncoder(client: false)
    for opcode in [Opcode.text, .binary] {
      var expected: [UInt8] = [1, 2, 3]
      try encoder.encode(opcode, payload: payload.span.bytes, into: &expected)

      var array: [UInt8] = [1, 2, 3]
      #expect(ShortFrame.append(opcode, payload.span.bytes, to: &array))
      #expect(array == expected)

      // Behind the room that any frame needs nothing is written.
      let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: 3 + count + 14 + 32, alignment: 1)
      defer { memory.deallocate() }
      for index in memory.indices { memory[index] = index < 3 ? UInt8(index + 1) : 0xEE }
      var span = OutputRawSpan(
        buffer: UnsafeMutableRawBufferPointer(rebasing: memory[..<(3 + count + 14)]),
        initializedCount: 3
      )
      #expect(ShortFrame.append(opcode, payload.span.bytes, to: &span))
      let written = span.finalize(for: UnsafeMutableRawBufferPointer(rebasing: memory[..<(3 + count + 14)]))
      #expect(Array(memory[..<written]) == expected)
      #expect(memory[written...].allSatisfy { $0 == 0xEE })
    }
  }

  @Test("a longer payload, and one without the room for any frame, are left to others")
  func refused() {
    let long = [UInt8](repeating: 7, count: 126)
    var array: [UInt8] = []
    #expect(!ShortFrame.append(.binary, long.span.bytes, to: &array))
    #expect(array.isEmpty)

    let short: [UInt8] = [1, 2, 3]
    let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: 3 + 13, alignment: 1)
    defer { memory.deallocate() }
    var span = OutputRawSpan(buffer: memory, initializedCount: 0)
    #expect(!ShortFrame.append(.binary, short.span.bytes, to: &span))
    #expect(span.byteCount == 0)
    _ = span.finalize(for: memory)
  }
}
