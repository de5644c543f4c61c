// SPDX-License-Identifier: Apache-2.0

import HTTPTypes
import Testing

@testable import WSProto

private let host = HTTPField.Name("Host") ?? .accept

/// The HTTP/1.1 handshake as values. It has the same rules as for bytes; the tests of heads cover both.
@Suite struct UpgradeNegotiationTests {
  static func request(_ fields: Headers = [:], without name: HTTPField.Name? = nil) -> HTTPRequest {
    var headers: Headers = [
      .upgrade: "websocket", .connection: "Upgrade", .secWebSocketKey: "dGhlIHNhbXBsZSBub25jZQ==",
      .secWebSocketVersion: "13",
    ]
    if let name { headers[name] = nil }
    headers.append(contentsOf: fields)
    return HTTPRequest(
      method: .get,
      scheme: nil,
      authority: "example.com",
      path: "/chat?x=1",
      headerFields: headers
    )
  }

  @Test("a server gets a request, an acceptance and a connection as values (RFC 6455 §1.3, §4.2.2)")
  func server() throws {
    let negotiation = try ServerNegotiation(
      upgrade: Self.request([
        .secWebSocketProtocol: "a, b", .secWebSocketExtensions: "permessage-deflate", .origin: "http://o",
      ]),
      minorVersion: 1
    )
    let request = negotiation.request
    #expect(
      request.host == "example.com" && request.target == "/chat?x=1" && request.subprotocols == ["a", "b"]
    )
    #expect(request.extensions.map(\.name) == ["permessage-deflate"])
    #expect(request.extraHeaders[.origin] == "http://o" && request.extraHeaders[.secWebSocketProtocol] == nil)
    let (response, connection) = try negotiation.accept(
      AcceptConnection(subprotocol: "b", extensions: [PerMessageDeflate()], extraHeaders: [.server: "s"]),
      trailingData: [0x89, 0x80, 0, 0, 0, 0]
    )
    #expect(response.status == .switchingProtocols)
    #expect(
      response.headerFields == [
        .upgrade: "websocket", .connection: "Upgrade", .secWebSocketAccept: "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
        .secWebSocketProtocol: "b", .secWebSocketExtensions: "permessage-deflate", .server: "s",
      ]
    )
    #expect(connection.state == .open && connection.nextEvent() == .ping(Ping()))
    #expect(connection.extensions.map { $0.enabled() } == [true])
  }

  @Test("the version is an argument: a request of HTTP/1.0 is answered with 505 (RFC 6455 §4.2.1)")
  func http10() {
    let error = #expect(throws: RemoteProtocolError.self) {
      try ServerNegotiation(upgrade: Self.request(), minorVersion: 0)
    }
    #expect(error?.response.status == 505)
  }

  @Test("an illegal acceptance changes nothing; another one can follow (RFC 6455 §4.2.2)")
  func badAccept() throws {
    let negotiation = try ServerNegotiation(upgrade: Self.request(), minorVersion: 1)
    for accept in [
      AcceptConnection(subprotocol: "a"), AcceptConnection(extraHeaders: [.connection: "close"]),
      AcceptConnection(extraHeaders: [.secWebSocketAccept: "x"]),
    ] {
      #expect(throws: LocalProtocolError.self) { try negotiation.accept(accept) }
    }
    var odd = Headers()
    odd.append(HTTPField(name: .server, lenientValue: [0x61, 0x01]))
    #expect(throws: LocalProtocolError.self) { try negotiation.accept(AcceptConnection(extraHeaders: odd)) }
    #expect(throws: LocalProtocolError.self) {
      try negotiation.reject(RejectConnection(statusCode: 403, headers: odd))
    }
    #expect(try negotiation.accept().response.status == .switchingProtocols)
  }

  @Test("a refusal as a value has its status and fields, and leaves the connection to the framework")
  func reject() throws {
    let negotiation = try ServerNegotiation(upgrade: Self.request(), minorVersion: 1)
    let refused = try negotiation.reject(RejectConnection(statusCode: 403, headers: [.server: "s"]))
    #expect(refused.status == 403 && refused.headerFields == [.server: "s", .contentLength: "0"])
    let upgrade = try negotiation.reject(RejectConnection(statusCode: 426, hasBody: true))
    #expect(upgrade.headerFields == [.upgrade: "websocket", .connection: "Upgrade"])
    #expect(try negotiation.reject(RejectConnection(statusCode: 204)).headerFields.isEmpty)
    for status in [-1, 101, 199, 600] {
      #expect(throws: LocalProtocolError.self) {
        try negotiation.reject(RejectConnection(statusCode: status))
      }
    }
  }

  @Test("the host comes from the authority, or from the field if a framework keeps it there (RFC 9112 §3.2)")
  func authority() throws {
    var request = Self.request([host: "field.example"])
    #expect(try ServerNegotiation(upgrade: request, minorVersion: 1).request.host == "example.com")
    request.authority = nil
    #expect(try ServerNegotiation(upgrade: request, minorVersion: 1).request.host == "field.example")
    request.headerFields[host] = nil
    #expect(throws: RemoteProtocolError.self) { try ServerNegotiation(upgrade: request, minorVersion: 1) }
    request.authority = "u@h"
    #expect(throws: RemoteProtocolError.self) { try ServerNegotiation(upgrade: request, minorVersion: 1) }
    request.authority = "h"
    request.path = nil
    #expect(throws: RemoteProtocolError.self) { try ServerNegotiation(upgrade: request, minorVersion: 1) }
  }

  @Test("a client and a server complete the handshake with values, and exchange messages")
  func pair() throws {
    var client = try ClientNegotiation(
      upgrade: Request(
        host: "example.com:81",
        target: "/a?b",
        extensions: [PerMessageDeflate()],
        extraHeaders: [.origin: "http://o"],
        subprotocols: ["a", "b"]
      )
    )
    let request = client.httpRequest
    #expect(request.method == .get && request.authority == "example.com:81" && request.path == "/a?b")
    #expect(request.headerFields[.upgrade] == "websocket" && request.headerFields[.connection] == "Upgrade")
    #expect(request.headerFields[.secWebSocketVersion] == "13" && request.headerFields[.origin] == "http://o")
    #expect(request.headerFields[.secWebSocketProtocol] == "a, b")
    let server = try ServerNegotiation(upgrade: request, minorVersion: 1)
    let (response, one) = try server.accept(
      AcceptConnection(subprotocol: "a", extensions: [PerMessageDeflate()])
    )
    guard case .accepted(let accept, let other) = try client.receive(response, trailingData: [0x8A, 0]) else {
      Issue.record("not accepted")
      return
    }
    #expect(accept.subprotocol == "a" && accept.extraHeaders.isEmpty && accept.extensions.count == 1)
    #expect(other.nextEvent() == .pong(Pong()))
    try other.receiveData(one.send(TextMessage(data: "hello, hello, hello")))
    #expect(other.nextEvent() == .textMessage(TextMessage(data: "hello, hello, hello")))
  }

  @Test("a client accepts 1xx responses as values, up to a limit, and a refusal (RFC 9110 §15.2)")
  func responses() throws {
    var client = try ClientNegotiation(upgrade: Request(host: "h", target: "/"))
    for _ in 0..<16 {
      guard case .informational = try client.receive(HTTPResponse(status: .earlyHints)) else {
        Issue.record("103 is informational")
        return
      }
    }
    var flooded = client
    #expect(throws: RemoteProtocolError.self) { try flooded.receive(HTTPResponse(status: .continue)) }
    guard
      case .rejected(let reject) = try client.receive(
        HTTPResponse(status: .notFound, headerFields: [.server: "s"])
      )
    else {
      Issue.record("404 is a refusal")
      return
    }
    #expect(reject == RejectConnection(statusCode: 404, headers: [.server: "s"], hasBody: true))
    // 200 only opens an extended CONNECT.
    guard case .rejected = try client.receive(HTTPResponse(status: .ok)) else {
      Issue.record("200 is no upgrade")
      return
    }
    let token = generateAcceptToken(client.httpRequest.headerFields[.secWebSocketKey] ?? "")
    let answer = HTTPResponse(
      status: .switchingProtocols,
      headerFields: [.upgrade: "websocket", .connection: "Upgrade", .secWebSocketAccept: token]
    )
    #expect(throws: RemoteProtocolError.self) { try client.receive(answer, minorVersion: 0) }
    guard case .accepted = try client.receive(answer) else {
      Issue.record("not accepted")
      return
    }
  }

  @Test("the key is drawn from the configured source, once for each request (RFC 6455 §4.1)")
  func key() throws {
    let zeros = RandomSource { $0.initializeMemory(as: UInt8.self, repeating: 0) }
    let client = try ClientNegotiation(
      upgrade: Request(host: "h", target: "/"),
      configuration: Configuration(randomSource: zeros)
    )
    #expect(client.httpRequest.headerFields[.secWebSocketKey] == "AAAAAAAAAAAAAAAAAAAAAA==")
    let other = try ClientNegotiation(upgrade: Request(host: "h", target: "/"))
    #expect(other.httpRequest == other.httpRequest && other.httpRequest != client.httpRequest)
  }

  @Test("no CR, LF or NUL gets into the values, whatever the events contain (THREATS 11)", .threat(11))
  func injection() throws {
    let odd = ["a\r\nb: c", "a\nb", "a\0b", "a\rb", "\u{85}", "é"]
    for text in odd {
      let requests = [
        Request(host: text, target: "/"), Request(host: "h", target: "/" + text),
        Request(host: "h", target: "/", subprotocols: [text]),
        Request(host: "h", target: "/", extensions: [NamedExtension(name: text, value: "v")]),
        Request(host: "h", target: "/", extensions: [NamedExtension(name: "x", value: text)]),
      ]
      for request in requests {
        #expect(throws: LocalProtocolError.self) { try ClientNegotiation(upgrade: request) }
        #expect(throws: LocalProtocolError.self) {
          try ClientNegotiation(extendedConnect: request, enableConnectProtocol: true)
        }
      }
    }
  }
}
