// SPDX-License-Identifier: Apache-2.0

import Testing
import WSProto

/// Choosing among the subprotocols that client and server support (RFC 6455 §1.9, §4.2.2).
@Suite struct SubprotocolChoiceTests {
  @Test(
    "the first common one in the order of the server, or of the client; none if there is none (RFC 6455 §4.2.2)",
    arguments: [
      (["a", "b"], ["b", "a"], "b", "a"),
      (["a", "b", "c"], ["x", "c", "b"], "c", "b"),
      (["a"], ["a"], "a", "a"),
      (["a", "b"], ["c"], nil, nil),
      ([], ["a"], nil, nil),
      (["a"], [], nil, nil),
      ([], [], nil, nil),
      (["Chat"], ["chat"], nil, nil),
      (["chat", "Chat"], ["Chat", "chat"], "Chat", "chat"),
      (["chat.v2"], ["chat"], nil, nil),
      (["a", "a", "b"], ["b", "b", "a"], "b", "a"),
    ] as [([String], [String], String?, String?)]
  )
  func choice(requested: [String], supported: [String], server: String?, client: String?) {
    let request = Request(host: "h", target: "/", subprotocols: requested)
    #expect(request.subprotocol(from: supported) == server)
    #expect(request.subprotocol(from: supported, preferring: .server) == server)
    #expect(request.subprotocol(from: supported, preferring: .client) == client)
  }

  @Test("the chosen subprotocol can be accepted with, and arrives", arguments: ConnectionType.allCases)
  func accepted(role: ConnectionType) throws {
    let client = WSConnection(.client)
    let server = WSConnection(.server)
    try server.receiveData(
      client.send(Request(host: "h", target: "/", subprotocols: ["v1.chat", "v2.chat", "v3.chat"]))
    )
    for case .request(let request) in server.events() {
      let chosen = request.subprotocol(from: ["v3.chat", "v2.chat"], preferring: role)
      try client.receiveData(server.send(AcceptConnection(subprotocol: chosen)))
    }
    for case .acceptConnection(let accept) in client.events() {
      #expect(accept.subprotocol == (role == .server ? "v3.chat" : "v2.chat"))
    }
    #expect(client.state == .open)
  }
}
