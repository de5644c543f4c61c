// SPDX-License-Identifier: Apache-2.0

import Testing
import WSProto
import WSProtoTestSupport

@Suite("Which extensions a connection reports")
struct ConnectionExtensionsTests {
  @Test("Both ends show the extension with the negotiated parameters (RFC 6455 §9.1)")
  func negotiated() throws {
    let client = WSConnection(.client)
    let server = WSConnection(.server)
    let offer = try PerMessageDeflate(serverMaxWindowBits: 11)
    try server.receiveData(client.send(Request(host: "example.com", target: "/", extensions: [offer])))
    _ = try #require(server.nextEvent())
    try client.receiveData(server.send(AcceptConnection(extensions: [PerMessageDeflate()])))
    for end in [client, server] {
      let extensions = try #require(end.connection).extensions
      #expect(extensions.count == 1)
      let deflate = try #require(extensions.first as? PerMessageDeflate)
      #expect(deflate.enabled())
      #expect(deflate.serverMaxWindowBits == 11)
    }
  }

  @Test(
    "An extension that the client did not offer is listed, but not enabled (RFC 6455 §9.1)",
    .requirement("6455-4.2.2-extensions", "7692-5-unoffered")
  )
  func declined() throws {
    let client = WSConnection(.client)
    let server = WSConnection(.server)
    try server.receiveData(client.send(Request(host: "example.com", target: "/")))
    _ = try #require(server.nextEvent())
    try client.receiveData(server.send(AcceptConnection(extensions: [PerMessageDeflate()])))
    #expect(try #require(client.connection).extensions.isEmpty)
    #expect(try #require(server.connection).extensions.map { $0.enabled() } == [false])
  }

  @Test(
    "characters that an extension makes byte by byte are put together, in parts of any size (RFC 6455 §8.1)",
    arguments: Splits.Door.allCases,
    [1, 2, 3, 4, 5]
  )
  func partsOfAByte(door: Splits.Door, partBytes: Int) throws {
    // An extension sees 1 KiB at a time, and this one leaves one byte of each.
    let letters = [UInt8]("a€😀é".utf8)
    let payload = letters.flatMap { [$0] + [UInt8](repeating: 0x20, count: 1023) }
    for role in ConnectionType.allCases {
      var configuration = Configuration()
      configuration.limits.maxPartBytes = partBytes
      let end = Connection(role, extensions: [Sieve()], configuration: configuration)
      var text = ""
      var finished = false
      try door.receive(WireFrame(to: role, WireOpcode.text, payload).bytes, on: end) { event in
        guard case .textMessage(let part) = event else {
          Issue.record("\(event)")
          return
        }
        text += part.data
        finished = part.messageFinished
      }
      #expect(text == "a€😀é" && finished)
    }
  }
}

/// Leaves the first byte of each 1024.
private struct Sieve: Extension {
  var name: String { "x-sieve" }
  private var position = 0
  func enabled() -> Bool { true }

  mutating func frameInboundPayloadData(
    _ context: FrameContext,
    _ data: [UInt8],
    into output: inout [UInt8]
  ) throws(ParseFailed) {
    for byte in data {
      if position & 1023 == 0 { output.append(byte) }
      position += 1
    }
  }
}
