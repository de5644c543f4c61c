// SPDX-License-Identifier: Apache-2.0

import Testing
import WSProto

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
}
