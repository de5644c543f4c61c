// SPDX-License-Identifier: Apache-2.0

import Testing
import WSProtoTestSupport

@testable import WSProto

@Suite struct OutboundPipelineTests {
  @Test(
    "a message in parts is sent as a first frame, continuations and FIN (RFC 6455 §5.4)",
    .requirement("6455-6.1-frames", "6455-5.4-type")
  )
  func parts() throws {
    let server = Connection(.server)
    var wire = try server.send(TextMessage(data: "a", messageFinished: false))
    try server.send(TextMessage(data: "", messageFinished: false), into: &wire)
    try server.send(TextMessage(data: "b"), into: &wire)
    try server.send(BytesMessage(data: [9]), into: &wire)
    #expect(wire == [0x01, 1, 0x61, 0x00, 0, 0x80, 1, 0x62, 0x82, 1, 9])
  }

  @Test("a refused part leaves the current message unchanged (RFC 6455 §5.4)")
  func refused() throws {
    let server = Connection(.server)
    var wire = try server.send(BytesMessage(data: [1], messageFinished: false))
    let before = wire
    let error = #expect(throws: LocalProtocolError.self) {
      try server.send(TextMessage(data: "x"), into: &wire)
    }
    #expect(error?.violation == .messageType)
    #expect(wire == before && server.state == .open)
    try server.send(BytesMessage(data: [2]), into: &wire)
    #expect(wire == [0x02, 1, 1, 0x80, 1, 2])
  }

  @Test(
    "control frames may be sent between the parts of a message (RFC 6455 §5.4)",
    .requirement("6455-5.4-control-between")
  )
  func controlBetween() throws {
    let server = Connection(.server)
    var wire = try server.send(BytesMessage(data: [1], messageFinished: false))
    try server.send(Ping(payload: [7]), into: &wire)
    try server.send(Pong(), into: &wire)
    try server.send(BytesMessage(data: []), into: &wire)
    #expect(wire == [0x02, 1, 1, 0x89, 1, 7, 0x8A, 0, 0x80, 0])
  }

  @Test(
    "a compressed message has RSV1 on its first frame only (RFC 7692 §6.1), unless marked not to be (THREATS 20)",
    .requirement("7692-6-rsv1-first", "7692-6.1-uncompressed")
  )
  func compression() throws {
    var deflate = PerMessageDeflate()
    let offer = ExtensionHeader(
      name: deflate.name,
      parameters: [ExtensionParameter(name: "server_no_context_takeover")]
    )
    #expect(deflate.accept(offer) != nil)
    var pipeline = OutboundPipeline(
      role: .server,
      transform: OutboundTransform(role: .server, ExtensionsInUse(deflate)),
      configuration: Configuration()
    )
    func send(_ pipeline: inout OutboundPipeline, _ text: String, fin: Bool, compress: Bool) throws -> [UInt8]
    {
      var output: [UInt8] = []
      try text.utf8Span.span.bytes.withUnsafeBytes {
        try pipeline.message(.text, $0, finished: fin, compress: compress).write(into: &output)
      }
      return output
    }
    #expect(try send(&pipeline, "Hel", fin: false, compress: true).first == 0x41)
    #expect(try send(&pipeline, "lo", fin: true, compress: true).first == 0x80)
    #expect(try send(&pipeline, "Hello", fin: true, compress: false) == [0x81, 5] + Array("Hello".utf8))
    // RFC 7692 §7.2.3.1
    let whole = try send(&pipeline, "Hello", fin: true, compress: true)
    #expect(whole == [0xC1, 0x07, 0xF2, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00])
    // The first part decides for the whole message.
    #expect(try send(&pipeline, "a", fin: false, compress: false) == [0x01, 1, 0x61])
    #expect(try send(&pipeline, "b", fin: true, compress: true) == [0x80, 1, 0x62])
  }

  @Test("an extension's hook sets the bits and bytes that are sent (RFC 6455 §9)")
  func hooks() throws {
    let server = Connection(.server, extensions: [TaggingExtension(isOn: true)])
    var wire = try server.send(TextMessage(data: "a", messageFinished: false))
    try server.send(TextMessage(data: "b"), into: &wire)
    // RSV3 on every data frame, 1 added to every byte.
    #expect(wire == [0x11, 1, 0x62, 0x90, 1, 0x63])
    let off = Connection(.server, extensions: [TaggingExtension(isOn: false)])
    #expect(try off.send(TextMessage(data: "a")) == [0x81, 1, 0x61])
  }
}

/// An extension that claims RSV3 and adds 1 to each byte of data frames: enough to see every hook called.
struct TaggingExtension: Extension {
  var isOn = false
  var name: String { "x-tagging" }

  func enabled() -> Bool { isOn }
  func offer() -> [ExtensionParameter]? { [ExtensionParameter(name: "by", value: "1")] }

  mutating func accept(_ offer: ExtensionHeader) -> [ExtensionParameter]? {
    guard offer.parameters == [ExtensionParameter(name: "by", value: "1")] else { return nil }
    isOn = true
    return []
  }

  mutating func finalize(_ accepted: ExtensionHeader) throws(NegotiationError) {
    guard accepted.parameters.isEmpty else { throw NegotiationError("x-tagging takes no parameters") }
    isOn = true
  }

  func frameInboundHeader(
    _ context: FrameContext,
    opcode: Opcode,
    rsv: RsvBits,
    payloadLength: UInt64
  ) throws(ParseFailed) -> RsvBits {
    if payloadLength == 13 { throw ParseFailed("thirteen is refused", .policyViolation) }
    return opcode.isControl ? [] : .rsv3
  }

  func frameInboundPayloadData(
    _ context: FrameContext,
    _ data: [UInt8],
    into output: inout [UInt8]
  ) throws(ParseFailed) {
    output += data.map { $0 &- 1 }
  }

  func frameOutbound(
    _ context: FrameContext,
    opcode: Opcode,
    rsv: RsvBits,
    data: [UInt8],
    fin: Bool
  ) throws(LocalProtocolError) -> (rsv: RsvBits, data: [UInt8]) {
    (RsvBits(false, false, !opcode.isControl), data.map { $0 &+ 1 })
  }
}
