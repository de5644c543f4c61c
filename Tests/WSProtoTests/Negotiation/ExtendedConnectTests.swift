// SPDX-License-Identifier: Apache-2.0

import HTTPTypes
import Testing

@testable import WSProto

private func field(_ name: String, _ value: String) -> HTTPField {
  HTTPField(name: HTTPField.Name(name) ?? .accept, value: value)
}

/// The handshake over HTTP/2 (RFC 8441) and HTTP/3 (RFC 9220), which is the same as values.
@Suite struct ExtendedConnectTests {
  static func request(_ change: (inout HTTPRequest) -> Void = { _ in }) -> HTTPRequest {
    var request = HTTPRequest(
      method: .connect,
      scheme: "https",
      authority: "server.example.com",
      path: "/chat",
      headerFields: [.secWebSocketVersion: "13"]
    )
    request.extendedConnectProtocol = "websocket"
    change(&request)
    return request
  }

  @Test("the example of RFC 8441 §5.1 is accepted with 200, and carries messages")
  func example() throws {
    let request = Self.request {
      $0.headerFields[.secWebSocketProtocol] = "chat, superchat"
      $0.headerFields[.secWebSocketExtensions] = "permessage-deflate"
      $0.headerFields[.origin] = "http://www.example.com"
    }
    let negotiation = try ServerNegotiation(extendedConnect: request, enableConnectProtocol: true)
    #expect(negotiation.request.host == "server.example.com" && negotiation.request.target == "/chat")
    #expect(negotiation.request.subprotocols == ["chat", "superchat"])
    #expect(negotiation.request.extraHeaders[.origin] == "http://www.example.com")
    let (response, connection) = try negotiation.accept(AcceptConnection(subprotocol: "chat"))
    #expect(response.status == .ok)
    #expect(response.headerFields == [.secWebSocketProtocol: "chat"])
    try connection.receiveData([0x81, 0x82, 0, 0, 0, 0, 0x68, 0x69] as [UInt8])
    #expect(connection.nextEvent() == .textMessage(TextMessage(data: "hi")))
    // The end of the stream, or its reset, is the end of the transport (RFC 8441 §5).
    try connection.receiveEndOfStream()
    #expect(connection.nextEvent() == .closeConnection(CloseConnection(code: .abnormalClosure)))
  }

  @Test("a client and a server complete the handshake, with compression", arguments: [true, false])
  func pair(isSecure: Bool) throws {
    var client = try ClientNegotiation(
      extendedConnect: Request(
        host: "h",
        target: "/?a",
        extensions: [PerMessageDeflate()],
        extraHeaders: [.cookie: "a=b"],
        subprotocols: ["a"]
      ),
      isSecure: isSecure,
      enableConnectProtocol: true
    )
    let request = client.httpRequest
    #expect(request.method == .connect && request.extendedConnectProtocol == "websocket")
    #expect(
      request.scheme == (isSecure ? "https" : "http") && request.authority == "h" && request.path == "/?a"
    )
    for name in [HTTPField.Name.connection, .upgrade, .secWebSocketKey] {
      #expect(request.headerFields[name] == nil)
    }
    #expect(request.headerFields[.secWebSocketVersion] == "13" && request.headerFields[.cookie] == "a=b")
    let server = try ServerNegotiation(extendedConnect: request, enableConnectProtocol: true)
    let (response, one) = try server.accept(
      AcceptConnection(subprotocol: "a", extensions: [PerMessageDeflate()])
    )
    guard case .accepted(let accept, let other) = try client.receive(response) else {
      Issue.record("not accepted")
      return
    }
    #expect(accept.subprotocol == "a" && accept.extraHeaders.isEmpty)
    let wire = try other.send(TextMessage(data: String(repeating: "hello ", count: 50)))
    #expect(wire.count < 60)
    try one.receiveData(wire)
    #expect(one.nextEvent() == .textMessage(TextMessage(data: String(repeating: "hello ", count: 50))))
  }

  static let refused: [(String, @Sendable (inout HTTPRequest) -> Void, status: Int)] = [
    ("GET", { $0.method = .get }, 405), ("no :protocol", { $0.extendedConnectProtocol = nil }, 400),
    ("another protocol", { $0.extendedConnectProtocol = "connect-udp" }, 501),
    ("a Kelvin sign for the k", { $0.extendedConnectProtocol = "WEBSOC\u{212A}ET" }, 501),
    ("websocket and more", { $0.extendedConnectProtocol = "websocket, x" }, 501),
    ("no :scheme", { $0.scheme = nil }, 400), ("another scheme", { $0.scheme = "wss" }, 400),
    ("no :path", { $0.path = nil }, 400), ("an empty path", { $0.path = "" }, 400),
    ("*", { $0.path = "*" }, 400),
    ("a whole URI", { $0.path = "http://h/" }, 400), ("a fragment", { $0.path = "/#f" }, 400),
    ("no :authority", { $0.authority = nil }, 400), ("an empty authority", { $0.authority = "" }, 400),
    ("a user", { $0.authority = "u@h" }, 400),
    ("another Host", { $0.headerFields.append(field("Host", "other")) }, 400),
    ("Connection", { $0.headerFields[.connection] = "Upgrade" }, 400),
    ("Upgrade", { $0.headerFields[.upgrade] = "websocket" }, 400),
    ("Keep-Alive", { $0.headerFields.append(field("Keep-Alive", "1")) }, 400),
    ("Proxy-Connection", { $0.headerFields.append(field("Proxy-Connection", "close")) }, 400),
    ("Transfer-Encoding", { $0.headerFields[.transferEncoding] = "chunked" }, 400),
    ("TE", { $0.headerFields[.te] = "gzip" }, 400),
    ("no version", { $0.headerFields[.secWebSocketVersion] = nil }, 400),
    ("version 8", { $0.headerFields[.secWebSocketVersion] = "8" }, 400),
    ("two versions", { $0.headerFields.append(HTTPField(name: .secWebSocketVersion, value: "13")) }, 400),
    ("a body", { $0.headerFields[.contentLength] = "1" }, 400),
    ("a bad subprotocol", { $0.headerFields[.secWebSocketProtocol] = "a b" }, 400),
    ("bad offers", { $0.headerFields[.secWebSocketExtensions] = "a;" }, 400),
  ]

  @Test(
    "THREATS 18: a server refuses what is not an extended CONNECT for a WebSocket",
    .threat(18),
    arguments: refused.indices
  )
  func refuses(index: Int) throws {
    let (name, change, status) = Self.refused[index]
    let error = #expect(throws: RemoteProtocolError.self, "\(name)") {
      try ServerNegotiation(extendedConnect: Self.request(change), enableConnectProtocol: true)
    }
    let response = try #require(error?.response)
    #expect(response.status.code == status, "\(name)")
    #expect(HandshakeFields.connectionSpecific(in: response.headerFields) == nil, "\(name)")
    if name.contains("version") { #expect(response.headerFields[.secWebSocketVersion] == "13") }
  }

  @Test(
    "THREATS 18: without the announced setting nothing is accepted, and nothing sent (RFC 8441 §3, §4)",
    .threat(18)
  )
  func setting() {
    let error = #expect(throws: RemoteProtocolError.self) {
      try ServerNegotiation(extendedConnect: Self.request(), enableConnectProtocol: false)
    }
    #expect(error?.response.status == 400)
    let local = #expect(throws: LocalProtocolError.self) {
      try ClientNegotiation(extendedConnect: Request(host: "h", target: "/"), enableConnectProtocol: false)
    }
    #expect(local?.violation == .head)
  }

  @Test("key and accept token are ignored, even if repeated or malformed (RFC 8441 §5)")
  func ignored() throws {
    let request = Self.request {
      $0.headerFields.append(HTTPField(name: .secWebSocketKey, value: "x"))
      $0.headerFields.append(HTTPField(name: .secWebSocketKey, value: ""))
      $0.headerFields[.te] = "trailers"
      $0.headerFields.append(field("Host", "server.example.com"))
      $0.extendedConnectProtocol = "WebSocket"
    }
    let (response, _) = try ServerNegotiation(extendedConnect: request, enableConnectProtocol: true).accept()
    #expect(response.headerFields.isEmpty)
    var client = try ClientNegotiation(
      extendedConnect: Request(host: "h", target: "/"),
      enableConnectProtocol: true
    )
    for token in ["x", ""] {
      guard
        case .accepted = try client.receive(
          HTTPResponse(status: .ok, headerFields: [.secWebSocketAccept: token])
        )
      else {
        Issue.record("not accepted")
        return
      }
    }
  }

  @Test("a client takes any 2xx, and no other status, as an acceptance (RFC 8441 §5)")
  func statuses() throws {
    for status in [200, 201, 204, 299] {
      var client = try Self.client()
      guard case .accepted = try client.receive(HTTPResponse(status: .init(code: status))) else {
        Issue.record("\(status) accepts")
        return
      }
    }
    for status in [300, 304, 400, 403, 426, 501, 599, 600, 999, 99] {
      var client = try Self.client()
      guard case .rejected(let reject) = try client.receive(HTTPResponse(status: .init(code: status))) else {
        Issue.record("\(status) refuses")
        return
      }
      #expect(reject.statusCode == status)
    }
    var client = try Self.client()
    for status in [100, 103] {
      guard case .informational = try client.receive(HTTPResponse(status: .init(code: status))) else {
        Issue.record("\(status) is informational")
        return
      }
    }
  }

  private static func client() throws -> ClientNegotiation {
    try ClientNegotiation(
      extendedConnect: Request(
        host: "h",
        target: "/",
        extensions: [PerMessageDeflate()],
        subprotocols: ["a", "b"]
      ),
      enableConnectProtocol: true
    )
  }

  static let badAnswers: [(String, HTTPResponse)] = [
    ("101", HTTPResponse(status: .switchingProtocols)),
    ("Connection", HTTPResponse(status: .ok, headerFields: [.connection: "Upgrade"])),
    ("Upgrade", HTTPResponse(status: .ok, headerFields: [.upgrade: "websocket"])),
    ("Upgrade in a 426", HTTPResponse(status: .upgradeRequired, headerFields: [.upgrade: "websocket"])),
    ("Connection in a 103", HTTPResponse(status: .earlyHints, headerFields: [.connection: "close"])),
    ("Transfer-Encoding", HTTPResponse(status: .ok, headerFields: [.transferEncoding: "chunked"])),
    ("Keep-Alive", HTTPResponse(status: .ok, headerFields: HTTPFields([field("Keep-Alive", "1")]))),
    ("a subprotocol not requested", HTTPResponse(status: .ok, headerFields: [.secWebSocketProtocol: "z"])),
    ("two subprotocols", HTTPResponse(status: .ok, headerFields: [.secWebSocketProtocol: "a, b"])),
    ("an extension not offered", HTTPResponse(status: .ok, headerFields: [.secWebSocketExtensions: "x"])),
    ("a bad extension", HTTPResponse(status: .ok, headerFields: [.secWebSocketExtensions: "x;"])),
    (
      "a bad parameter",
      HTTPResponse(status: .ok, headerFields: [.secWebSocketExtensions: "permessage-deflate; x"])
    ),
  ]

  @Test("THREATS 18: an illegal answer fails a client", .threat(18), arguments: badAnswers.indices)
  func badAnswer(index: Int) throws {
    let (name, response) = Self.badAnswers[index]
    var client = try Self.client()
    let error = #expect(throws: RemoteProtocolError.self, "\(name)") { try client.receive(response) }
    #expect(error?.eventHint == nil)
  }

  @Test(
    "THREATS 18: nothing that is specific to an HTTP/1.1 connection is sent (RFC 9113 §8.2.2)",
    .threat(18)
  )
  func sent() throws {
    let server = try ServerNegotiation(extendedConnect: Self.request(), enableConnectProtocol: true)
    for one in [
      field("Connection", "close"), field("Upgrade", "websocket"), field("Keep-Alive", "1"),
      field("TE", "gzip"),
      field("Proxy-Connection", "close"), field("Transfer-Encoding", "chunked"),
    ] {
      let headers = HTTPFields([one])
      #expect(throws: LocalProtocolError.self) { try server.accept(AcceptConnection(extraHeaders: headers)) }
      #expect(throws: LocalProtocolError.self) {
        try server.reject(RejectConnection(statusCode: 403, headers: headers, hasBody: true))
      }
      #expect(throws: LocalProtocolError.self) {
        try ClientNegotiation(
          extendedConnect: Request(host: "h", target: "/", extraHeaders: headers),
          enableConnectProtocol: true
        )
      }
    }
    // A 2xx would accept.
    for status in [200, 204, 299, 101] {
      #expect(throws: LocalProtocolError.self) { try server.reject(RejectConnection(statusCode: status)) }
    }
    #expect(try server.reject(RejectConnection(statusCode: 426)).headerFields == [.contentLength: "0"])
  }

  @Test(
    "C11: a request can be forwarded from one version of HTTP to the other, without what concerns a single hop",
    .fault("C11")
  )
  func crossing() throws {
    let old = try ServerNegotiation(
      upgrade: UpgradeNegotiationTests.request([.origin: "http://o", .te: "gzip"]),
      minorVersion: 1
    ).request
    let up = try ClientNegotiation(extendedConnect: old, enableConnectProtocol: true).httpRequest
    #expect(up.headerFields == [.secWebSocketVersion: "13", .origin: "http://o"])
    #expect(up.authority == "example.com" && up.path == "/chat?x=1")
    let new = try ServerNegotiation(
      extendedConnect: Self.request { $0.headerFields[.origin] = "http://o" },
      enableConnectProtocol: true
    ).request
    let wire = try H11Handshake(.client).send(new)
    #expect(
      fieldValue("Origin", in: wire) == "http://o" && fieldValue("Host", in: wire) == "server.example.com"
    )
    #expect(fieldValue("Sec-WebSocket-Version", in: wire) == "13")
  }
}
