// SPDX-License-Identifier: Apache-2.0

import HTTPTypes
import Testing
import WSProto

/// Heads of real programs that were once handled wrongly, for a server, in every way that a request can
/// arrive.
@Suite struct ServerHeadTests {
  @Test(
    "H1: a whole URI as the target determines host and path; its Host field is ignored (RFC 9112 §3.2.2)",
    .fault("H1"),
    arguments: [
      ("http://other.example:8080/ws?x=1", "other.example:8080", "/ws?x=1"),
      ("HTTPS://other.example", "other.example", "/"), ("http://other.example?x=1", "other.example", "/?x=1"),
      ("ws://[::1]:9/", "[::1]:9", "/"), ("wss://other.example/a//b", "other.example", "/a//b"),
    ],
    ServerDoor.allCases
  )
  func absoluteForm(row: (target: String, host: String, path: String), door: ServerDoor) throws {
    let request = try door.open(upgradeRequest(line: "GET \(row.target) HTTP/1.1"))
    #expect(request.host == row.host && request.target == row.path)
  }

  @Test(
    "H1: a missing, repeated or illegal Host field is refused even with a whole URI (RFC 9112 §3.2)",
    .fault("H1")
  )
  func absoluteFormNeedsHost() {
    let line = "GET http://other.example/ HTTP/1.1"
    for head in [
      upgradeRequest(line: line, without: "Host"), upgradeRequest(line: line, extra: "Host: a\r\n"),
      upgradeRequest(line: line, without: "Host", extra: "Host: a/b\r\n"),
    ] {
      #expect(ServerDoor.whole.refusal(of: head)?.eventHint == .rejectConnection(RejectConnection()))
    }
  }

  static let badTargets = [
    "foo", "*", "/x#f", "/<>", "/\"", "h:80", "ftp://h/", "http:/h", "http://", "http:///x", "http://u@h/",
    "//h/x#",
    "http://h/#f", "http://h:x/", "/a{b}", "/a\\b", "/a`b", "?x=1", "http://h\\x",
  ]

  @Test(
    "H2: a target that is neither a path nor a whole URI is refused with 400, and quoted (RFC 9112 §3.2, RFC 6455 §3)",
    .fault("H2"),
    arguments: badTargets,
    ServerDoor.allCases
  )
  func badTarget(target: String, door: ServerDoor) {
    let error = door.refusal(of: upgradeRequest(line: "GET \(target) HTTP/1.1"))
    #expect(error?.message == "Bad request target")
    #expect(error?.eventHint == .rejectConnection(RejectConnection()))
    let quoted = target.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"")
    #expect(error?.detail?.hasPrefix("\"\(quoted)\": ") == true)
  }

  @Test(
    "H2: what browsers leave unencoded is accepted (WHATWG URL), and what RFC 3986 allows",
    .fault("H2"),
    arguments: [
      "/", "//", "/a|b[c]^d", "/%zz%", "/?q=[a]{b}|c\\d^e`f", "/x?y?z", "/a;b=c,d'(e)*!$&+:@~_.-",
      "/?http://h/",
    ],
    ServerDoor.allCases
  )
  func goodTarget(target: String, door: ServerDoor) throws {
    #expect(try door.open(upgradeRequest(line: "GET \(target) HTTP/1.1")).target == target)
  }

  @Test(
    "H4: another version is answered with 426, Upgrade and Connection: Upgrade, close (RFC 9110 §15.5.22, §7.8)",
    .fault("H4"),
    arguments: ServerDoor.allCases
  )
  func versionHint(door: ServerDoor) throws {
    let head = upgradeRequest(without: "Sec-WebSocket-Version", extra: "Sec-WebSocket-Version: 8\r\n")
    let error = try #require(door.refusal(of: head))
    #expect(error.response.status == 426)
    #expect(error.response.headerFields[.upgrade] == "websocket")
    #expect(error.response.headerFields[.connection] == "Upgrade")
    #expect(error.response.headerFields[.secWebSocketVersion] == "13")
    #expect(error.response.headerFields[.contentLength] == "0")
    let hint = try #require(error.eventHint)
    let wire = try H11Handshake(.server).send(hint)
    #expect(fieldValue("Upgrade", in: wire) == "websocket")
    #expect(fieldValue("Connection", in: wire) == "Upgrade, close")
  }

  static let connections: [([String], upgrade: Bool, String)] = [
    ([], false, "close"), (["close"], false, "close"), (["Close"], false, "Close"),
    (["Upgrade"], true, "Upgrade, close"), (["keep-alive", "Upgrade"], true, "keep-alive, Upgrade, close"),
    (["X-A"], false, "X-A, close"), ([], true, "Upgrade, close"),
    (["upgrade , close"], true, "upgrade , close"),
  ]

  @Test(
    "H4: a caller's connection options are extended, not replaced",
    .fault("H4"),
    arguments: connections,
    [403, 426]
  )
  func connectionOptions(row: ([String], upgrade: Bool, value: String), status: Int) throws {
    var headers = Headers()
    headers[values: .connection] = row.0
    if row.upgrade { headers[.upgrade] = "websocket" }
    let server = H11Handshake(.server)
    try server.receiveData(upgradeRequest().utf8)
    let wire = try server.send(RejectConnection(statusCode: status, headers: headers))
    // A 426 always names the protocol to upgrade to.
    if status == 403 || row.upgrade {
      #expect(fieldValue("Connection", in: wire) == row.value)
    } else {
      #expect(fieldValue("Upgrade", in: wire) == "websocket")
      let options = splitCommaHeader(fieldValue("Connection", in: wire) ?? "").map { $0.lowercased() }
      #expect(options.contains("upgrade") && options.contains("close"))
    }
  }

  @Test(
    "H9: fields with one name are one list, empty elements are skipped, and an empty list counts as absent (RFC 9110 §5.6.1)",
    .fault("H9"),
    arguments: [
      ("Sec-WebSocket-Extensions: a; b=1\r\nSec-WebSocket-Extensions:", ["a; b=1"]),
      ("Sec-WebSocket-Extensions:\r\nSec-WebSocket-Extensions: , a,\t,c", ["a", "c"]),
      ("Sec-WebSocket-Extensions:", []), ("Sec-WebSocket-Extensions: , ,", []),
      ("Sec-WebSocket-Extensions: \r\nSec-WebSocket-Extensions: ,", []),
    ],
    ServerDoor.allCases
  )
  func emptyOffers(row: (fields: String, offers: [String]), door: ServerDoor) throws {
    let request = try door.open(upgradeRequest(extra: row.fields + "\r\n"))
    #expect(request.extensions.compactMap { ($0 as? OfferedExtension)?.header.description } == row.offers)
  }

  @Test(
    "H9: the same for subprotocols, each of which is listed once",
    .fault("H9"),
    arguments: ServerDoor.allCases
  )
  func emptySubprotocols(door: ServerDoor) throws {
    let extra =
      "Sec-WebSocket-Protocol:\r\nSec-WebSocket-Protocol: a, ,b\r\nSec-WebSocket-Protocol: ,a,c\r\n"
    #expect(try door.open(upgradeRequest(extra: extra)).subprotocols == ["a", "b", "c"])
  }

  struct NamedAnswer: Extension {
    var name = "x"
    var parameters: [ExtensionParameter]
    func accept(_ offer: ExtensionHeader) -> [ExtensionParameter]? { parameters }
  }

  @Test(
    "H10: an extension's answer that is not made of tokens is refused, and nothing is written (RFC 6455 §9.1)",
    .fault("H10"),
    arguments: [
      ExtensionParameter(name: "p, y; z"), ExtensionParameter(name: ""), ExtensionParameter(name: "p=q"),
      ExtensionParameter(name: "p", value: "a b"), ExtensionParameter(name: "p", value: ""),
      ExtensionParameter(name: "p", value: "\""), ExtensionParameter(name: "é"),
      ExtensionParameter(name: "p", value: "a\r\nb: c"),
    ]
  )
  func badAnswer(parameter: ExtensionParameter) throws {
    let server = H11Handshake(.server)
    try server.receiveData(upgradeRequest(extra: "Sec-WebSocket-Extensions: x\r\n").utf8)
    guard case .request = server.nextEvent() else {
      Issue.record("no request")
      return
    }
    let accept = AcceptConnection(extensions: [NamedAnswer(parameters: [parameter])])
    var output: [UInt8] = [1]
    let error = #expect(throws: LocalProtocolError.self) { try server.send(accept, into: &output) }
    #expect(error?.violation == .head && output == [1] && server.state == .connecting)
    let negotiation = try ServerNegotiation(
      upgrade: HTTPRequest(
        method: .get,
        scheme: nil,
        authority: "h",
        path: "/",
        headerFields: HeadValues(upgradeRequest(without: "Host", extra: "Sec-WebSocket-Extensions: x\r\n"))
          .fields
      ),
      minorVersion: 1
    )
    #expect(throws: LocalProtocolError.self) { try negotiation.accept(accept) }
    var supported: [any Extension] = accept.extensions
    #expect(throws: LocalProtocolError.self) {
      try serverExtensionsHandshake([ExtensionHeader(name: "x")], &supported)
    }
    // The request can still be accepted.
    #expect(try server.send(AcceptConnection()).starts(with: "HTTP/1.1 101 ".utf8))
  }

  static let causes: [(String, message: String, quoted: String)] = [
    (upgradeRequest(line: "POST / HTTP/1.1"), "Request method must be GET", "POST"),
    (
      upgradeRequest(without: "Sec-WebSocket-Version", extra: "Sec-WebSocket-Version: 8\r\n"),
      "Bad header, 'Sec-WebSocket-Version'", "8"
    ),
    (
      upgradeRequest(extra: "Sec-WebSocket-Version: 13\r\n"), "Repeated header, 'Sec-WebSocket-Version'",
      "13, 13"
    ),
    (
      upgradeRequest(extra: "Sec-WebSocket-Key: b\r\n"), "Repeated header, 'Sec-WebSocket-Key'",
      "dGhlIHNhbXBsZSBub25jZQ==, b"
    ),
    (
      upgradeRequest(without: "Sec-WebSocket-Key", extra: "Sec-WebSocket-Key: b\r\n"),
      "Bad header, 'Sec-WebSocket-Key'", "b"
    ),
    (
      upgradeRequest(without: "Upgrade", extra: "Upgrade: h2c\r\n"), "Missing header, 'Upgrade: WebSocket'",
      "h2c"
    ),
    (
      upgradeRequest(without: "Connection", extra: "Connection: keep-alive\r\n"),
      "Missing header, 'Connection: Upgrade'", "keep-alive"
    ),
    (upgradeRequest(extra: "Sec-WebSocket-Protocol: a b\r\n"), "Bad header, 'Sec-WebSocket-Protocol'", "a b"),
    (
      upgradeRequest(extra: "Sec-WebSocket-Extensions: a b\r\n"), "Bad header, 'Sec-WebSocket-Extensions'",
      "a b"
    ),
    (upgradeRequest(without: "Host", extra: "Host: u@h\r\n"), "Bad header, 'Host'", "u@h"),
  ]

  @Test(
    "H11: each cause is named, with the value, and cites its section once",
    .fault("H11"),
    arguments: causes.indices,
    [ServerDoor.whole, .values]
  )
  func cause(index: Int, door: ServerDoor) {
    let (head, message, value) = Self.causes[index]
    let error = door.refusal(of: head)
    #expect(error?.message == message)
    #expect(error?.detail?.contains("\"\(value)\"") == true, "\(String(describing: error?.detail))")
    #expect(error?.detail?.split(separator: "RFC 6455 §9.1").count ?? 0 <= 2)
    #expect(error.map { sectionsAreTold(once: $0) } == true)
  }

  @Test("H11: a long value is cut, and what is not visible ASCII is escaped", .fault("H11"))
  func bounded() throws {
    let key = String(repeating: "k", count: 3000)
    let head = upgradeRequest(without: "Sec-WebSocket-Key", extra: "Sec-WebSocket-Key: \(key)\u{e9}\r\n")
    for door in ServerDoor.allCases {
      let detail = try #require(door.refusal(of: head)?.detail)
      #expect(detail.utf8.count < 200 && detail.contains("k\"…"))
    }
    let odd = upgradeRequest(without: "Host", extra: "Host: \u{202E}\r\n")
    let error = try #require(ServerDoor.whole.refusal(of: odd))
    #expect(error.detail?.utf8.allSatisfy { $0 < 0x80 || $0 == 0xC2 || $0 == 0xA7 } == true, "\(error)")
  }
}

/// Whether no section of a standard is cited twice.
func sectionsAreTold(once error: RemoteProtocolError) -> Bool {
  let words = error.description.split { !($0.isLetter || $0.isNumber || $0 == "§" || $0 == "." || $0 == " ") }
  var seen: Set<String> = []
  for phrase in words {
    var rest = Substring(phrase)
    while let start = rest.firstRange(of: "RFC ") {
      let section = rest[start.lowerBound...].prefix { $0 != "," && $0 != ")" }
      if !seen.insert(String(section)).inserted { return false }
      rest = rest[start.upperBound...]
    }
  }
  return true
}

/// The same for a client, in every way that a response can arrive.
@Suite struct ClientHeadTests {
  static let badHosts: [(String, String)] = [
    ("::1", "brackets"), ("user@h", "user information"), ("u:p@h", "user information"), ("h/x", "alone"),
    ("h:80:80", "port"), ("", "no host"), (":80", "no host"), ("h:x", "port"), ("h, g", "alone"),
    ("a b", "alone"),
    ("[::1", "bracket"), ("[]", "bracket"), ("%zz", "percent"), ("bücher.example", "IDNA"),
    ("h<", "character"),
    ("h\r\nX:y", "character"), ("h?x", "alone"),
  ]

  @Test(
    "H3: a host that a server would refuse is not sent; the error says why (RFC 9110 §7.2)",
    .fault("H3"),
    arguments: badHosts
  )
  func badHost(host: String, why: String) {
    for target in ["/", "/?x=1"] {
      for error in Self.errors(Request(host: host, target: target)) {
        #expect(error?.violation == .head)
        #expect(error?.message.hasPrefix("the host \"") == true && error?.message.contains(why) == true)
      }
    }
  }

  static let badTargets: [(String, String)] = [
    ("?x=1", "neither a path"), ("chat", "neither a path"), ("*", "neither a path"), ("", "empty"),
    ("/#f", "fragment"), ("/ x", "character"), ("/é", "character"), ("/\r\nX: y", "character"),
    ("h:80", "neither a path"), ("http://other/", "host"), ("http://u@h/", "user information"),
    ("http\u{1A}\u{0F}\u{0F}h/", "neither a path"),
  ]

  @Test(
    "H3: a target that a server would refuse is not sent; the error says why (RFC 9112 §3.2)",
    .fault("H3"),
    arguments: badTargets
  )
  func badTarget(target: String, why: String) {
    for error in Self.errors(Request(host: "h", target: target)) {
      #expect(error?.violation == .head)
      #expect(error?.message.hasPrefix("the target \"") == true)
    }
    #expect(Self.errors(Request(host: "h", target: target)).first??.message.contains(why) == true)
  }

  /// The errors thrown by each way to send a request.
  private static func errors(_ request: Request) -> [LocalProtocolError?] {
    func error(_ body: () throws(LocalProtocolError) -> Void) -> LocalProtocolError? {
      do throws(LocalProtocolError) {
        try body()
        return nil
      } catch {
        return error
      }
    }
    return [
      error { () throws(LocalProtocolError) in _ = try H11Handshake(.client).send(request) },
      error { () throws(LocalProtocolError) in _ = try ClientNegotiation(upgrade: request) },
      error { () throws(LocalProtocolError) in
        _ = try ClientNegotiation(extendedConnect: request, enableConnectProtocol: true)
      },
    ]
  }

  @Test("H3: what a client sends, a server accepts, and vice versa (one set of rules)", .fault("H3"))
  func sameRules() throws {
    let hosts = ["h", "h:80", "h:", "[::1]", "[::1]:8", "%41", "::1", "h:x", "", "a@b", "h/", "a,b", "a_b"]
    let targets = [
      "/", "/?", "/a|b", "/a b", "*", "x", "", "http://h/", "https://h", "ws://h?a", "http://g/", "/{", "/?{",
      "/%",
    ]
    for host in hosts {
      for target in targets {
        let client = H11Handshake(.client)
        guard let head = try? client.send(Request(host: host, target: target)) else {
          // A server replaces a Host that the URI contradicts; a client must not send it.
          if target.contains("://"), !target.hasSuffix("://h/") || host != "h" { continue }
          let text = "GET \(target) HTTP/1.1\r\nHost: \(host)\r\n"
          let rest = upgradeRequest(without: "Host").split(separator: "\r\n", maxSplits: 1)[1]
          #expect(ServerDoor.whole.refusal(of: text + rest) != nil, "\(host) \(target)")
          continue
        }
        let request = try ServerDoor.whole.open(String(decoding: head, as: UTF8.self))
        #expect(request.host == host && (request.target == target || target.contains("://")))
      }
    }
  }

  @Test(
    "H5: a field folded onto a second line is accepted, in a 101 and in a refusal (RFC 9112 §5.2)",
    .fault("H5"),
    arguments: [ClientDoor.whole, .byteByByte]
  )
  func folded(door: ClientDoor) throws {
    let fold = "X-A: a;\r\n b\r\n"
    guard let name = HTTPField.Name("X-A") else { return }
    let accepted = try door.answer { switchingProtocols(to: $0, fold) }
    guard case .acceptConnection(let accept) = accepted.events.first else {
      Issue.record("\(accepted)")
      return
    }
    #expect(accept.extraHeaders[name] == "a;   b")
    let refused = try door.answer { _ in "HTTP/1.1 403 No\r\n\(fold)Content-Length: 0\r\n\r\n" }
    guard case .rejectConnection(let reject) = refused.events.first else {
      Issue.record("\(refused)")
      return
    }
    #expect(reject.statusCode == 403 && reject.headers[name] == "a;   b" && refused.error == nil)
  }

  @Test(
    "H6: a status above 599, or below 100, is a refusal with that status (RFC 9110 §15)",
    .fault("H6"),
    arguments: [600, 999, 99],
    ClientDoor.allCases
  )
  func oddStatus(status: Int, door: ClientDoor) throws {
    let digits = status < 100 ? "099" : "\(status)"
    let (events, error) = try door.answer { _ in "HTTP/1.1 \(digits) Denied\r\nContent-Length: 0\r\n\r\n" }
    guard case .rejectConnection(let reject) = events.first else {
      Issue.record("\(events) \(String(describing: error))")
      return
    }
    #expect(reject.statusCode == status && reject.hasBody && error == nil)
  }

  @Test(
    "H7: the head of a 101 ends at its empty line, whatever its framing fields say, and so does that of a 100 (RFC 9112 §6.3)",
    .fault("H7"),
    arguments: [
      "Transfer-Encoding: identity", "Transfer-Encoding: chunked\r\nContent-Length: 0", "Content-Length: abc",
      "Content-Length: 5", "Transfer-Encoding: gzip, chunked",
    ],
    ClientDoor.allCases
  )
  func noBody(fields: String, door: ClientDoor) throws {
    let (events, error) = try door.answer { switchingProtocols(to: $0, fields + "\r\n") }
    guard case .acceptConnection = events.first, error == nil else {
      Issue.record("\(events) \(String(describing: error))")
      return
    }
    guard door != .values else { return }
    let late = try door.answer {
      "HTTP/1.1 100 Continue\r\n\(fields)\r\n\r\n" + switchingProtocols(to: $0, fields + "\r\n")
    }
    #expect(late.events.count == 1 && late.error == nil)
    let none = try door.answer { _ in "HTTP/1.1 204 No\r\n\(fields)\r\n\r\n" }
    #expect(none.events.last == .rejectData(RejectData(data: Bytes(), bodyFinished: true)))
    #expect(none.events.count == 2 && none.error == nil)
  }

  @Test(
    "H8: a refusal's status comes first, then its body with the remaining codings (RFC 9112 §6.3)",
    .fault("H8"),
    arguments: [
      ("Transfer-Encoding: gzip, chunked", "3\r\n\u{1}\u{2}\u{3}\r\n0\r\n\r\n", true),
      ("Transfer-Encoding: gzip", "\u{1}\u{2}\u{3}", false),
      ("Transfer-Encoding: identity", "\u{1}\u{2}\u{3}", false),
    ],
    [ClientDoor.whole, .byteByByte]
  )
  func coded(row: (fields: String, body: String, ends: Bool), door: ClientDoor) throws {
    let (events, error) = try door.answer { _ in "HTTP/1.1 403 No\r\n\(row.fields)\r\n\r\n\(row.body)" }
    guard case .rejectConnection(let reject) = events.first else {
      Issue.record("\(events)")
      return
    }
    #expect(reject.statusCode == 403 && error == nil)
    #expect(reject.headers[.transferEncoding].map { "Transfer-Encoding: \($0)" } == row.fields)
    var body: [UInt8] = []
    var ended = false
    for case .rejectData(let data) in events {
      body += data.data
      ended = data.bodyFinished
    }
    #expect(body == [1, 2, 3] && ended == row.ends)
  }

  @Test(
    "H8: if the framing is not legal, the refusal comes first, then the error that names it (RFC 9112 §6.3)",
    .fault("H8"),
    arguments: [
      ("Transfer-Encoding: chunked\r\nContent-Length: 3", "Content-Length beside Transfer-Encoding"),
      ("Transfer-Encoding: chunked, chunked", "chunked"), ("Content-Length: abc", "Content-Length"),
    ],
    [ClientDoor.whole, .byteByByte]
  )
  func badFraming(row: (fields: String, why: String), door: ClientDoor) throws {
    let (events, error) = try door.answer { _ in "HTTP/1.1 403 No\r\n\(row.fields)\r\n\r\nabc" }
    guard case .rejectConnection(let reject) = events.first else {
      Issue.record("\(events)")
      return
    }
    #expect(reject.statusCode == 403 && events.count == 1)
    #expect(error?.message == "Bad HTTP message" && error?.detail?.contains(row.why) == true)
  }

  @Test("H8: with borrowed events, too, the refusal comes first, then the error", .fault("H8"))
  func badFramingBorrowed() throws {
    let client = WSConnection(.client)
    _ = try client.send(Request(host: "h", target: "/"))
    var seen: [String] = []
    var input = Array("HTTP/1.1 403 No\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n".utf8)
    client.receive(&input, count: input.count) { event in
      switch event {
      case .handshake(.rejectConnection(let reject)): seen.append("\(reject.statusCode)")
      case .handshakeFailed(let error): seen.append(error.message)
      default: seen.append("?")
      }
    }
    #expect(seen == ["403", "Bad HTTP message"])
    #expect(client.state == .closed)
  }

  @Test(
    "H9: an answer's fields with one name are one list, and an empty list counts as absent (RFC 9110 §5.3, §5.6.1)",
    .fault("H9"),
    arguments: [
      "Sec-WebSocket-Extensions: x-tagging\r\nSec-WebSocket-Extensions:\r\n",
      "Sec-WebSocket-Extensions: ,\r\nSec-WebSocket-Extensions: , x-tagging,\r\n",
      "Sec-WebSocket-Extensions:\r\n",
      "Sec-WebSocket-Extensions: , \t,\r\n",
    ],
    ClientDoor.allCases
  )
  func emptyAnswer(fields: String, door: ClientDoor) throws {
    let request = Request(host: "h", target: "/", extensions: [TaggingExtension()])
    let (events, error) = try door.answer(request) { switchingProtocols(to: $0, fields) }
    guard case .acceptConnection(let accept) = events.first else {
      Issue.record("\(String(describing: error))")
      return
    }
    #expect(accept.extensions.map { $0.enabled() } == (fields.contains("x-tagging") ? [true] : []))
  }

  @Test(
    "H10: an offer that is not made of tokens is refused, and nothing is written (RFC 6455 §9.1)",
    .fault("H10"),
    arguments: [
      ("x, permessage-deflate", "v"), ("", "v"), ("x; y", "v"), ("x\r\nA: b", "v"), ("x", "a b"), ("x", ""),
      ("x", "\""), ("x", "é"),
    ]
  )
  func badOffer(name: String, value: String) throws {
    let request = Request(host: "h", target: "/", extensions: [NamedExtension(name: name, value: value)])
    let client = H11Handshake(.client)
    var output: [UInt8] = [1]
    let error = #expect(throws: LocalProtocolError.self) { try client.send(request, into: &output) }
    #expect(error?.violation == .head && output == [1] && client.state == .connecting)
    #expect(throws: LocalProtocolError.self) { try ClientNegotiation(upgrade: request) }
    #expect(try client.send(Request(host: "h", target: "/")).isEmpty == false)
  }

  static let causes: [(@Sendable ([UInt8]) -> String, message: String, detail: String)] = [
    (
      { switchingProtocols(to: $0, "Upgrade: websocket\r\n") }, "Repeated header, 'Upgrade'",
      "websocket, websocket"
    ),
    (
      { switchingProtocols(to: $0, "Upgrade: h2c\r\n", without: "Upgrade") },
      "Missing header, 'Upgrade: WebSocket'",
      "\"h2c\""
    ),
    ({ switchingProtocols(to: $0, without: "Upgrade") }, "Missing header, 'Upgrade: WebSocket'", "missing"),
    (
      { switchingProtocols(to: $0, "Sec-WebSocket-Accept: b\r\n") },
      "Repeated header, 'Sec-WebSocket-Accept'", ", b\""
    ),
    ({ switchingProtocols(to: $0, without: "Sec-WebSocket-Accept") }, "Bad accept token", "missing"),
    (
      { switchingProtocols(to: $0, "Sec-WebSocket-Accept: b\r\n", without: "Sec-WebSocket-Accept") },
      "Bad accept token", "\"b\""
    ),
    (
      { switchingProtocols(to: $0, "Sec-WebSocket-Protocol: z\r\n") }, "unrecognized subprotocol z",
      "not requested"
    ),
    (
      { switchingProtocols(to: $0, "Sec-WebSocket-Protocol: a\r\nSec-WebSocket-Protocol: a\r\n") },
      "Repeated header, 'Sec-WebSocket-Protocol'", "\"a, a\""
    ),
    (
      { switchingProtocols(to: $0, "Sec-WebSocket-Extensions: y\r\n") }, "unrecognized extension y",
      "not offered"
    ),
    (
      { switchingProtocols(to: $0, "Sec-WebSocket-Extensions: y;\r\n") },
      "Bad header, 'Sec-WebSocket-Extensions'",
      "\"y;\""
    ),
  ]

  @Test(
    "H11: each cause is named, with the value, and cites its section once",
    .fault("H11"),
    arguments: causes.indices,
    ClientDoor.allCases
  )
  func cause(index: Int, door: ClientDoor) throws {
    let (answer, message, detail) = Self.causes[index]
    let request = Request(host: "h", target: "/", subprotocols: ["a"])
    let error = try door.answer(request, with: answer).error
    #expect(error?.message == message)
    #expect(error?.detail?.contains(detail) == true, "\(String(describing: error))")
    #expect(error?.eventHint == nil)
    #expect(error.map { sectionsAreTold(once: $0) } == true)
  }

  @Test("H11: values from a server are shortened and escaped, in messages too", .fault("H11"))
  func bounded() throws {
    let long = String(repeating: "z", count: 5000)
    for field in ["Sec-WebSocket-Protocol", "Sec-WebSocket-Extensions", "Upgrade"] {
      for door in ClientDoor.allCases {
        let error = try door.answer { switchingProtocols(to: $0, "\(field): \(long)\r\n") }.error
        #expect((error?.description.utf8.count ?? .max) < 300, "\(String(describing: error))")
      }
    }
  }
}
