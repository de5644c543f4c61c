// SPDX-License-Identifier: Apache-2.0

import HTTPTypes
import Testing
import WSProtoTestSupport

@testable import WSProto

@Suite struct H11HandshakeTests {
  // MARK: Server, RFC 6455 §4.2.1

  static let refused: [(String, String, status: Int)] = [
    ("another method", upgradeRequest(line: "POST / HTTP/1.1"), 405),
    ("a method in lower case", upgradeRequest(line: "get / HTTP/1.1"), 405),
    ("HEAD", upgradeRequest(line: "HEAD / HTTP/1.1"), 405),
    ("HTTP/1.0", upgradeRequest(line: "GET / HTTP/1.0"), 505),
    ("HTTP/2.0", upgradeRequest(line: "GET / HTTP/2.0"), 505),
    ("no request line", upgradeRequest(line: "hello"), 400),
    ("no Host", upgradeRequest(without: "Host"), 400),
    ("two Hosts", upgradeRequest(extra: "Host: other\r\n"), 400),
    ("no Connection", upgradeRequest(without: "Connection"), 400),
    ("Connection: close", upgradeRequest(without: "Connection", extra: "Connection: close\r\n"), 400),
    ("Connection: upgraded", upgradeRequest(without: "Connection", extra: "Connection: upgraded\r\n"), 400),
    ("no Upgrade", upgradeRequest(without: "Upgrade"), 400),
    ("Upgrade: h2c", upgradeRequest(without: "Upgrade", extra: "Upgrade: h2c\r\n"), 400),
    ("Upgrade: websocket2", upgradeRequest(without: "Upgrade", extra: "Upgrade: websocket2\r\n"), 400),
    ("no key", upgradeRequest(without: "Sec-WebSocket-Key"), 400),
    ("no version", upgradeRequest(without: "Sec-WebSocket-Version"), 400),
    ("two versions", upgradeRequest(extra: "Sec-WebSocket-Version: 8\r\n"), 426),
    ("a subprotocol that is no token", upgradeRequest(extra: "Sec-WebSocket-Protocol: a b\r\n"), 400),
    ("a body by length", upgradeRequest(extra: "Content-Length: 5\r\n"), 400),
    ("a chunked body", upgradeRequest(extra: "Transfer-Encoding: chunked\r\n"), 400),
    (
      "both framings", upgradeRequest(extra: "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"), 400
    ),
    ("another coding", upgradeRequest(extra: "Transfer-Encoding: gzip\r\n"), 501),
    ("a folded field", upgradeRequest(extra: "X: a\r\n b\r\n"), 400),
    ("a bare LF", upgradeRequest(extra: "X: a\nY: b\r\n"), 400),
    ("a NUL in a value", upgradeRequest(extra: "X: a\0b\r\n"), 400),
    ("a space before the colon", upgradeRequest(extra: "X : a\r\n"), 400),
    ("101 fields", upgradeRequest(extra: String(repeating: "X: a\r\n", count: 101)), 431),
    ("a head of 20 KB", upgradeRequest(extra: "X: " + String(repeating: "a", count: 20_000) + "\r\n"), 431),
  ]

  @Test(
    "a server refuses with a specific hint, whole and byte by byte, and reads nothing more (RFC 6455 §4.2.1)",
    .threat(10, 12),
    .requirement(
      "6455-4.2.1-get",
      "6455-4.2.1-host",
      "6455-4.2.1-upgrade",
      "6455-4.2.1-connection",
      "6455-4.2.1-error"
    ),
    arguments: refused.indices,
    [true, false]
  )
  func refuses(index: Int, byteByByte: Bool) throws {
    let (name, head, status) = Self.refused[index]
    let handshake = H11Handshake(.server)
    var failure: RemoteProtocolError?
    for piece in byteByByte ? head.utf8.map({ [$0] }) : [Array(head.utf8)] where failure == nil {
      do throws(ProtocolError) {
        try handshake.receiveData(piece)
      } catch {
        guard case .remote(let remote) = error else {
          Issue.record("\(name): \(error)")
          return
        }
        failure = remote
      }
    }
    guard let hint = failure?.eventHint else {
      Issue.record("\(name) was taken: \(String(describing: failure))")
      return
    }
    #expect(handshake.nextEvent() == nil && handshake.connection == nil)
    try handshake.receiveData(upgradeRequest().utf8)
    #expect(handshake.nextEvent() == nil)
    #expect(throws: LocalProtocolError.self) { try handshake.send(AcceptConnection()) }
    let answer = try handshake.send(hint)
    #expect(answer.starts(with: "HTTP/1.1 \(status) ".utf8), "\(name)")
    #expect(fieldValue("Connection", in: answer) == (status == 426 ? "Upgrade, close" : "close"))
    #expect(handshake.state == .closed)
  }

  static let accepted = [
    upgradeRequest(), upgradeRequest(without: "Upgrade", extra: "upgrade: WebSocket\r\n"),
    upgradeRequest(without: "Connection", extra: "Connection: keep-alive, UPGRADE\r\n"),
    upgradeRequest(without: "Connection", extra: "Connection: keep-alive\r\nConnection: upgrade\r\n"),
    upgradeRequest(without: "Upgrade", extra: "Upgrade: h2c, websocket\r\n"),
    upgradeRequest(extra: "Content-Length: 0\r\n"), "\r\n" + upgradeRequest(),
    upgradeRequest(line: "GET http://server.example.com/x HTTP/1.1"),
    upgradeRequest(extra: "Origin: null\r\nCookie: a=b\r\nX-Umlaut: \u{e9}\r\n"),
  ]

  @Test(
    "what RFC 6455 §4.2.1 allows is accepted, whole and byte by byte",
    .requirement("6455-4.2.1-upgrade", "6455-4.2.1-connection", "6455-4.2.2-accept"),
    arguments: accepted,
    [true, false]
  )
  func accepts(head: String, byteByByte: Bool) throws {
    let handshake = H11Handshake(.server)
    for piece in byteByByte ? head.utf8.map({ [$0] }) : [Array(head.utf8)] {
      try handshake.receiveData(piece)
    }
    guard case .request(let request) = handshake.nextEvent() else {
      Issue.record("no request")
      return
    }
    #expect(request.host == "server.example.com")
    let answer = try handshake.send(AcceptConnection())
    #expect(fieldValue("Sec-WebSocket-Accept", in: answer) == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")
    #expect(handshake.connection?.state == .open && handshake.state == .open)
  }

  @Test("a request's fields are in its event, in order, except those that have their own property")
  func extraHeaders() throws {
    let handshake = H11Handshake(.server)
    try handshake.receiveData(upgradeRequest(extra: "X-A: 1\r\nOrigin: http://o\r\nX-A: 2\r\n").utf8)
    guard case .request(let request) = handshake.nextEvent() else {
      Issue.record("no request")
      return
    }
    let names = request.extraHeaders.map { $0.name.rawName }
    #expect(!names.contains("Host"))
    #expect(names.suffix(3) == ["X-A", "Origin", "X-A"])
    #expect(normedHeaderDict(request.extraHeaders)["x-a"] == "1, 2")
    #expect(request.target == "/chat?x=1")
  }

  @Test("a server can start from a request that was parsed elsewhere")
  func initiate() throws {
    let handshake = H11Handshake(.server)
    let host = fields("Host", "h")
    var headers: Headers = [
      .upgrade: "websocket", .connection: "Upgrade", .secWebSocketVersion: "13",
      .secWebSocketKey: "dGhlIHNhbXBsZSBub25jZQ==",
    ]
    headers.append(contentsOf: host)
    try handshake.initiateUpgradeConnection(headers: headers, path: "/p")
    guard case .request(let request) = handshake.nextEvent() else {
      Issue.record("no request")
      return
    }
    #expect(request.target == "/p" && request.host == "h")
    let client = H11Handshake(.client)
    let error = #expect(throws: ProtocolError.self) {
      try client.initiateUpgradeConnection(headers: headers, path: "/")
    }
    if case .local = error {} else { Issue.record("\(String(describing: error))") }
    let other = H11Handshake(.server)
    #expect(throws: ProtocolError.self) { try other.initiateUpgradeConnection(headers: headers, path: "/ x") }
    #expect(throws: ProtocolError.self) { try other.initiateUpgradeConnection(headers: host, path: "/") }
  }

  // MARK: Client, RFC 6455 §4.1

  static let answers: [(String, @Sendable ([UInt8]) -> String)] = [
    ("no Upgrade", { switchingProtocols(to: $0, without: "Upgrade") }),
    ("another Upgrade", { switchingProtocols(to: $0, "Upgrade: h2c\r\n", without: "Upgrade") }),
    ("two Upgrades", { switchingProtocols(to: $0, "Upgrade: websocket\r\n") }),
    ("no Connection", { switchingProtocols(to: $0, without: "Connection") }),
    ("Connection: close", { switchingProtocols(to: $0, "Connection: close\r\n", without: "Connection") }),
    ("no accept token", { switchingProtocols(to: $0, without: "Sec-WebSocket-Accept") }),
    (
      "another token",
      {
        switchingProtocols(
          to: $0,
          "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n",
          without: "Sec-WebSocket-Accept"
        )
      }
    ),
    ("the token of no key", { _ in switchingProtocols(to: []) }),
    ("a subprotocol not requested", { switchingProtocols(to: $0, "Sec-WebSocket-Protocol: z\r\n") }),
    ("an empty subprotocol", { switchingProtocols(to: $0, "Sec-WebSocket-Protocol:\r\n") }),
    ("two of those requested", { switchingProtocols(to: $0, "Sec-WebSocket-Protocol: a, b\r\n") }),
    (
      "two fields of those requested",
      { switchingProtocols(to: $0, "Sec-WebSocket-Protocol: a\r\nSec-WebSocket-Protocol: b\r\n") }
    ),
    (
      "an extension not offered",
      { switchingProtocols(to: $0, "Sec-WebSocket-Extensions: permessage-deflate\r\n") }
    ),
    ("a bare LF", { switchingProtocols(to: $0, "X: a\nY: b\r\n") }),
    ("no status line", { _ in "hello\r\n\r\n" }),
    ("a status of two digits", { _ in "HTTP/1.1 99 x\r\n\r\n" }),
    (
      "a head of 20 KB",
      { switchingProtocols(to: $0, "X: " + String(repeating: "a", count: 20_000) + "\r\n") }
    ),
  ]

  @Test(
    "a client fails the handshake without an answer, whole and byte by byte (RFC 6455 §4.1)",
    .requirement(
      "6455-4.1-bad-upgrade",
      "6455-4.1-bad-connection",
      "6455-4.1-bad-accept",
      "6455-4.1-bad-extension",
      "6455-4.1-bad-subprotocol",
      "6455-4.3-single"
    ),
    arguments: answers.indices,
    [true, false]
  )
  func clientFails(index: Int, byteByByte: Bool) throws {
    let (name, makeAnswer) = Self.answers[index]
    let handshake = H11Handshake(.client)
    let head = try handshake.send(Request(host: "h", target: "/", subprotocols: ["a", "b"]))
    let answer = Array(makeAnswer(head).utf8)
    var failure: ProtocolError?
    for piece in byteByByte ? answer.map({ [$0] }) : [answer] where failure == nil {
      do throws(ProtocolError) { try handshake.receiveData(piece) } catch { failure = error }
    }
    guard case .remote(let error) = failure else {
      Issue.record("\(name) was taken: \(String(describing: failure))")
      return
    }
    #expect(error.eventHint == nil)
    #expect(handshake.nextEvent() == nil && handshake.connection == nil && handshake.state == .closed)
    #expect(throws: ProtocolError.self) { try handshake.receiveData(switchingProtocols(to: head).utf8) }
  }

  @Test(
    "a client's request contains what RFC 6455 §4.1 requires, and its nonce is fresh",
    .requirement(
      "6455-4.1-get",
      "6455-4.1-target",
      "6455-4.1-host",
      "6455-4.1-connection",
      "6455-4.1-key",
      "6455-4.1-version"
    )
  )
  func request() throws {
    var nonces: Set<String> = []
    for _ in 0..<50 {
      let head = try H11Handshake(.client).send(
        Request(host: "h:81", target: "/a?b", extraHeaders: [.origin: "http://o"], subprotocols: ["x", "y"])
      )
      #expect(head.starts(with: "GET /a?b HTTP/1.1\r\nHost: h:81\r\n".utf8))
      #expect(fieldValue("Connection", in: head) == "Upgrade")
      #expect(fieldValue("Sec-WebSocket-Version", in: head) == "13")
      #expect(fieldValue("Sec-WebSocket-Protocol", in: head) == "x, y")
      #expect(fieldValue("Sec-WebSocket-Extensions", in: head) == nil)
      #expect(fieldValue("Origin", in: head) == "http://o")
      let nonce = fieldValue("Sec-WebSocket-Key", in: head) ?? ""
      #expect(nonce.utf8.count == 24 && isWebSocketKey(Array(nonce.utf8).span))
      nonces.insert(nonce)
    }
    #expect(nonces.count == 50)
  }

  static let badRequests = [
    Request(host: "", target: "/"), Request(host: "a b", target: "/"),
    Request(host: "h\r\nX: y", target: "/"),
    Request(host: "h", target: ""), Request(host: "h", target: "/ x"), Request(host: "h", target: "/#f"),
    Request(host: "h", target: "/é"), Request(host: "h", target: "/\r\nX: y"),
    Request(host: "h", target: "/", subprotocols: ["a", "a"]),
    Request(host: "h", target: "/", subprotocols: [""]),
    Request(host: "h", target: "/", subprotocols: ["a b"]),
    Request(host: "h", target: "/", subprotocols: ["a\r\nX: y"]),
    Request(host: "h", target: "/", extraHeaders: fields("Host", "other")),
    Request(host: "h", target: "/", extraHeaders: [.secWebSocketKey: "k"]),
    Request(host: "h", target: "/", extraHeaders: [.contentLength: "1"]),
  ]

  @Test(
    "a request that must not be sent is refused; state and output are unchanged, and a correct one can follow",
    .requirement("6455-4.1-target", "6455-4.1-subprotocols"),
    arguments: badRequests.indices
  )
  func refusedRequests(index: Int) throws {
    let handshake = H11Handshake(.client)
    var output: [UInt8] = [7]
    let error = #expect(throws: LocalProtocolError.self) {
      try handshake.send(Self.badRequests[index], into: &output)
    }
    #expect(error?.violation == .head || error?.violation == .subprotocol)
    #expect(output == [7] && handshake.state == .connecting)
    #expect(throws: ProtocolError.self) { try handshake.receiveData("HTTP/1.1 101 x\r\n\r\n".utf8) }
    try handshake.send(Request(host: "h", target: "/"), into: &output)
    #expect(output.count > 100)
    #expect(throws: LocalProtocolError.self) { try handshake.send(Request(host: "h", target: "/")) }
  }

  @Test(
    "the events of the other role, and of an open connection, cannot be sent in the handshake",
    .requirement("6455-6.1-open"),
    arguments: ConnectionType.allCases
  )
  func wrongEvents(role: ConnectionType) throws {
    let handshake = H11Handshake(role)
    let events: [Event] = [
      .textMessage(TextMessage(data: "")), .bytesMessage(BytesMessage(data: [])), .ping(Ping()),
      .pong(Pong()),
      .closeConnection(CloseConnection(code: 1000)), .acceptConnection(AcceptConnection()),
      .rejectData(RejectData(data: Bytes(""))),
    ]
    let wrong: [Event] =
      role == .client
      ? events + [.rejectConnection(RejectConnection())]
      : events + [.request(Request(host: "h", target: "/"))]
    for event in wrong {
      let error = #expect(throws: LocalProtocolError.self) { try handshake.send(event) }
      #expect(error?.violation == .state(.connecting))
    }
    #expect(handshake.state == .connecting)
  }

  @Test("the end of the stream inside the handshake is the peer's error (RFC 9112 §8)")
  func endOfStream() throws {
    let client = H11Handshake(.client)
    _ = try client.send(Request(host: "h", target: "/"))
    #expect(throws: ProtocolError.self) { try client.receiveEndOfStream() }
    #expect(client.state == .closed)
    let server = H11Handshake(.server)
    try server.receiveData("GET / HTT".utf8)
    #expect(throws: ProtocolError.self) { try server.receiveEndOfStream() }
    let silent = H11Handshake(.server)
    try silent.receiveEndOfStream()
    #expect(silent.state == .closed)
    let undecided = H11Handshake(.server)
    try undecided.receiveData(upgradeRequest().utf8)
    try undecided.receiveEndOfStream()
    #expect(undecided.state == .closed)
    #expect(throws: LocalProtocolError.self) { try undecided.send(AcceptConnection()) }
  }

  // MARK: Injection

  private static let pieces = [
    "a", "/", "x-1", " ", "\r", "\n", "\r\n", "\0", "\r\nSet-Cookie: a=b", "é", ":", ",", "\t", "\"",
    "\u{85}", "\u{2028}",
  ]

  private static func word(_ random: inout TestRandom) -> String {
    var text = ""
    for _ in 0...random.below(3) { text += pieces[random.below(pieces.count)] }
    return text
  }

  private static func headers(_ random: inout TestRandom) -> Headers {
    var headers = Headers()
    for _ in 0..<random.below(3) {
      guard let name = HTTPField.Name(word(&random)) else { continue }
      headers.append(HTTPField(name: name, value: word(&random)))
    }
    return headers
  }

  /// Whether the head consists of at most `most` lines without CR, LF or NUL inside, ended by one empty line.
  private static func isClean(_ head: [UInt8], most: Int) -> Bool {
    guard !head.contains(0) else { return false }
    let lines = String(decoding: head, as: Unicode.ASCII.self).unicodeScalars.split(
      separator: "\n",
      omittingEmptySubsequences: false
    )
    guard lines.count >= 3, lines.count <= most, lines[lines.count - 1].isEmpty else { return false }
    for (index, line) in lines.dropLast().enumerated() {
      guard line.last == "\r", !line.dropLast().contains("\r") else { return false }
      if line.count == 1, index != lines.count - 2 { return false }
    }
    return true
  }

  @Test(
    "the only CR, LF or NUL sent in a head are the writer's own, whatever the events contain",
    .threat(11)
  )
  func injection() throws {
    var random = TestRandom(seed: 11)
    var sent = 0
    for round in 0..<600 {
      let plain = round % 3 == 0
      let client = H11Handshake(.client)
      let extra = Self.headers(&random)
      let request = Request(
        host: plain ? "h" : Self.word(&random),
        target: plain ? "/" : "/" + Self.word(&random),
        extensions: random.below(3) == 0
          ? [NamedExtension(name: Self.word(&random), value: Self.word(&random))] : [],
        extraHeaders: extra,
        subprotocols: random.below(2) == 0 ? [] : [Self.word(&random)]
      )
      if let head = try? client.send(request) {
        sent += 1
        #expect(Self.isClean(head, most: 10 + extra.count), "\(request)")
      }
      let server = H11Handshake(.server)
      try server.receiveData(upgradeRequest(extra: "Sec-WebSocket-Protocol: a\r\n").utf8)
      let accept = AcceptConnection(subprotocol: plain ? nil : Self.word(&random), extraHeaders: extra)
      if let head = try? server.send(accept) {
        sent += 1
        #expect(Self.isClean(head, most: 8 + extra.count), "\(accept)")
      } else if let head = try? server.send(
        RejectConnection(statusCode: 400 + random.below(30), headers: extra)
      ) {
        sent += 1
        #expect(Self.isClean(head, most: 6 + extra.count), "\(extra)")
      }
    }
    #expect(sent > 300)
  }
}

/// An extension that offers whatever it is told to.
struct NamedExtension: Extension {
  var name: String
  var value: String
  func offer() -> [ExtensionParameter]? { [ExtensionParameter(name: name, value: value)] }
}
