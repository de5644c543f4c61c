// SPDX-License-Identifier: Apache-2.0

import Testing
import WSProto

@Suite struct TextPartsTests {
  private static let text = "aé€😎z😎€é"

  /// The parts of a message that arrives in reads of `size` bytes.
  private func parts(_ size: Int, _ wire: [UInt8], _ server: Connection) throws -> [String] {
    var parts: [String] = []
    var finished = false
    for start in stride(from: 0, to: wire.count, by: size) {
      var read = Array(wire[start..<min(start + size, wire.count)])
      let count = read.count
      server.receive(&read, count: count) { event in
        guard case .textMessage(let part) = event else {
          Issue.record("unexpected event")
          return
        }
        parts.append(String(copying: part.data))
        #expect(!finished)
        finished = part.messageFinished
      }
    }
    #expect(finished)
    return parts
  }

  @Test(
    "RFC 6455 §5.6: parts of a text end between characters, however the reads split it",
    arguments: 1...12
  )
  func cut(size: Int) throws {
    let client = Connection(.client)
    let server = Connection(.server, configuration: Configuration(delivery: .chunks))
    let wire = try client.send(TextMessage(data: Self.text))
    // Twice, because the second message reuses what the first has left.
    for _ in 0..<2 { #expect(try parts(size, wire, server).joined() == Self.text) }
  }

  @Test("RFC 7692: the same for compressed text", arguments: 1...12)
  func compressed(size: Int) throws {
    let (client, server) = try openPair()
    let text = String(repeating: Self.text, count: 50)
    for _ in 0..<2 {
      let wire = try client.send(TextMessage(data: text))
      var got = ""
      for start in stride(from: 0, to: wire.count, by: size) {
        var read = Array(wire[start..<min(start + size, wire.count)])
        let count = read.count
        server.receive(&read, count: count) { event in
          guard case .textMessage(let part) = event else {
            Issue.record("unexpected event")
            return
          }
          got += String(copying: part.data)
        }
      }
      #expect(got == text)
    }
  }

  private func openPair() throws -> (client: WSConnection, server: WSConnection) {
    let client = WSConnection(.client)
    let server = WSConnection(.server)
    try server.receiveData(client.send(Request(host: "h", target: "/", extensions: [PerMessageDeflate()])))
    _ = server.nextEvent()
    try client.receiveData(server.send(AcceptConnection(extensions: [PerMessageDeflate()])))
    _ = client.nextEvent()
    return (client, server)
  }
}
