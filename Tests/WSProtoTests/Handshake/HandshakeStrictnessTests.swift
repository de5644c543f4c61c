// SPDX-License-Identifier: Apache-2.0

import HTTPTypes
import Testing
import WSProto

@Suite struct HandshakeStrictnessTests {
  private static func head(host: String? = "example.com", extra: String = "") -> [UInt8] {
    let host = host.map { "Host: \($0)\r\n" } ?? ""
    return Array(
      ("GET /chat HTTP/1.1\r\n" + host + "Connection: Upgrade\r\nUpgrade: websocket\r\n"
        + "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" + extra + "\r\n")
        .utf8
    )
  }

  /// The error that a server reports for these bytes, and the request it delivers, if any.
  private static func serve(_ bytes: [UInt8]) -> (error: RemoteProtocolError?, request: Request?) {
    let server = WSConnection(.server)
    do throws(ProtocolError) {
      try server.receiveData(bytes)
    } catch {
      if case .remote(let error) = error { return (error, nil) }
      return (nil, nil)
    }
    guard case .request(let request) = server.nextEvent() else { return (nil, nil) }
    return (nil, request)
  }

  /// The accept token for a nonce of zeros.
  private static let accept = generateAcceptToken("AAAAAAAAAAAAAAAAAAAAAA==")

  private static func client() throws -> WSConnection {
    let zeros = RandomSource { $0.initializeMemory(as: UInt8.self, repeating: 0) }
    let client = WSConnection(.client, configuration: Configuration(randomSource: zeros))
    _ = try client.send(Request(host: "example.com", target: "/"))
    return client
  }

  private static func response(version: String = "HTTP/1.1") -> [UInt8] {
    Array(
      ("\(version) 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        + "Sec-WebSocket-Accept: \(accept)\r\nServer: s\r\n\r\n").utf8
    )
  }

  @Test(
    "RFC 9110 §7.2: a host with or without a port is accepted",
    arguments: [
      "a", "example.com", "server.example.com:8080", "127.0.0.1:80", "[::1]", "[2001:db8::1]:443", "[v1.a:b]",
      "a_b-c~d", "xn--bcher-kva.example", "%c3%bc.example:1", "a!$&'()*+,;=b", "example.com:",
    ]
  )
  func legalHost(host: String) {
    #expect(Self.serve(Self.head(host: host)).request?.host == host)
  }

  @Test(
    "RFC 9110 §7.2: a value that is not a host with a port is refused with 400",
    arguments: [
      "", ":80", "a:b", "a:80:80", "a:-1", "user@a", "a/b", "a?b", "a#b", "a b", "a, b", "[", "[]", "[::1",
      "::1",
      "[::1]x", "[::1]:x", "a]", "%", "%4", "%zz", "b\u{fc}cher", "a\\b", "\"a\"", "<a>", "a%00%",
    ]
  )
  func illegalHost(host: String) throws {
    let (error, request) = Self.serve(Self.head(host: host))
    #expect(request == nil)
    #expect(error?.eventHint == .rejectConnection(RejectConnection(statusCode: 400)))
    #expect(error?.message == "Bad header, 'Host'")
  }

  @Test("RFC 9110 §7.2: a request without a host, or with two, is refused with 400")
  func hostCount() {
    for bytes in [Self.head(host: nil), Self.head(extra: "Host: example.com\r\n")] {
      let (error, request) = Self.serve(bytes)
      #expect(request == nil)
      #expect(error?.eventHint == .rejectConnection(RejectConnection(statusCode: 400)))
    }
  }

  @Test("RFC 9110 §15.2: a client refuses a 101 of HTTP/1.0")
  func switchingInHTTP10() throws {
    let client = try Self.client()
    #expect(throws: ProtocolError.self) { try client.receiveData(Self.response(version: "HTTP/1.0")) }
    #expect(client.state == .closed)
    #expect(client.connection == nil)
    let other = try Self.client()
    try other.receiveData(Self.response())
    #expect(other.state == .open)
  }

  @Test("RFC 9110 §15.2: sixteen 1xx responses may come before the final one, not seventeen")
  func informationalResponses() throws {
    let hints = { (count: Int) in
      Array(repeating: Array("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n".utf8), count: count).flatMap {
        $0
      }
    }
    let client = try Self.client()
    try client.receiveData(hints(16) + Self.response())
    #expect(client.state == .open)
    let bytewise = try Self.client()
    for byte in hints(16) + Self.response() { try bytewise.receiveData([byte]) }
    #expect(bytewise.state == .open)
    let flooded = try Self.client()
    #expect(throws: ProtocolError.self) { try flooded.receiveData(hints(17) + Self.response()) }
    #expect(flooded.state == .closed)
  }

  @Test("what arrives before the decision is kept, and read after it")
  func earlyBytes() throws {
    // An empty ping, masked with a key of zeros.
    let ping: [UInt8] = [0x89, 0x80, 0, 0, 0, 0]
    let server = WSConnection(.server)
    try server.receiveData(Self.head())
    for _ in 0..<10_922 { try server.receiveData(ping) }
    try server.receiveData(ping.prefix(4))
    guard case .request = server.nextEvent() else {
      Issue.record("no request")
      return
    }
    _ = try server.send(AcceptConnection())
    var pings = 0
    while let event = server.nextEvent() {
      #expect(event == .ping(Ping(payload: Bytes())))
      pings += 1
    }
    #expect(pings == 10_922)
  }

  @Test("the properties of a received request stay right when changed, copied and compared")
  func receivedRequest() throws {
    let extra =
      "Origin: http://example.com\r\nX-Odd: 1\r\nSec-WebSocket-Protocol: a, b\r\n"
      + "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits, x\r\n"
    let request = try #require(Self.serve(Self.head(extra: extra)).request)
    let same = try #require(Self.serve(Self.head(extra: extra)).request)
    #expect(request == same)
    #expect(request.hashValue == same.hashValue)
    #expect(request.host == "example.com")
    #expect(request.target == "/chat")
    #expect(request.subprotocols == ["a", "b"])
    #expect(request.extensions.map(\.name) == ["permessage-deflate", "x"])
    #expect(
      request.extraHeaders.map(\.name.rawName) == [
        "Connection", "Upgrade", "Sec-WebSocket-Version", "Sec-WebSocket-Key", "Origin", "X-Odd",
      ]
    )
    var changed = request
    changed.host = "other"
    changed.target = "/"
    changed.extensions = []
    changed.extraHeaders[.origin] = nil
    #expect(changed.host == "other" && changed.target == "/" && changed.extensions.isEmpty)
    #expect(changed.extraHeaders[.origin] == nil)
    #expect(changed.extraHeaders.count == 5)
    #expect(changed != request)
    #expect(request.extraHeaders[.origin] == "http://example.com")
    #expect(request == same)

    let client = try Self.client()
    try client.receiveData(Self.response())
    guard case .acceptConnection(var accept) = client.nextEvent() else {
      Issue.record("no acceptance")
      return
    }
    #expect(accept == AcceptConnection(extraHeaders: [.server: "s"]))
    accept.extraHeaders[.server] = nil
    #expect(accept == AcceptConnection())
  }
}
