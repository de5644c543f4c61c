// SPDX-License-Identifier: Apache-2.0

import Testing
import WSProto

@Suite struct FrameTests {
  @Test("frames and headers are values: they are equal if all fields are")
  func equality() {
    let frame = Frame(opcode: .text, payload: .text("a"), frameFinished: true, messageFinished: true)
    var other = frame
    #expect(frame == other)
    other.messageFinished = false
    #expect(frame != other)
    #expect(frame.payload != .bytes([0x61]))
    let header = Header(fin: true, opcode: .ping, payloadLength: 3, maskingKey: 1)
    var changed = header
    #expect(header == changed)
    changed.maskingKey = nil
    #expect(header != changed)
    #expect(Set([header, changed, header]).count == 2)
  }
}
