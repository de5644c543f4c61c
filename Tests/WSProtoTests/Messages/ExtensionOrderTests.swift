// SPDX-License-Identifier: Apache-2.0

import Testing
import WSProto

/// Appends its mark to each data frame, and removes it again.
private struct Marking: Extension {
  var mark: UInt8
  var name: String { "x-mark-\(mark)" }
  func enabled() -> Bool { true }

  mutating func frameInboundPayloadData(
    _ context: FrameContext,
    _ data: [UInt8],
    into output: inout [UInt8]
  ) throws(ParseFailed) {
    guard data.last == mark else { throw ParseFailed("no mark \(mark)") }
    output += data.dropLast()
  }

  mutating func frameOutbound(
    _ context: FrameContext,
    opcode: Opcode,
    rsv: RsvBits,
    data: [UInt8],
    fin: Bool
  ) throws(LocalProtocolError) -> (rsv: RsvBits, data: [UInt8]) { (rsv, data + [mark]) }
}

@Suite struct ExtensionOrderTests {
  @Test(
    "RFC 6455 §9.1: of the extensions \"1, 2\" the first processes sent data first and received data last",
    .requirement("6455-9.1-order")
  )
  func order() throws {
    let extensions = [Marking(mark: 1), Marking(mark: 2)]
    let server = Connection(.server, extensions: extensions)
    let client = Connection(.client, extensions: extensions)
    let wire = try server.send(BytesMessage(data: [9]))
    #expect(wire == [0x82, 3, 9, 1, 2])
    try client.receiveData(wire)
    #expect(Array(client.events()) == [.bytesMessage(BytesMessage(data: [9]))])
  }
}
