// SPDX-License-Identifier: Apache-2.0

import HTTPTypes
import WSProto

/// The opening handshake in values, both roles, as an upgrade and as an extended CONNECT.
///
/// What must hold for any values: an error has a response that refuses, or says which rule of the caller's it is about;
/// no CR, LF or NUL leaves in a field; a request that a client of ours makes is one that a server of ours takes, and what
/// that answers is taken in turn; and what a server makes of values is what it makes of the same head in bytes.
enum FuzzNegotiation {
  static func run(_ input: inout Input) {
    switch input.byte() & 3 {
    case 0: serve(&input)
    case 1: answer(&input)
    default: negotiate(&input)
    }
  }

  private static let configuration = Configuration(
    randomSource: RandomSource { room in for index in room.indices { room[index] = 7 } }
  )

  // MARK: Grammar

  private static let names = [
    "Host", "Upgrade", "Connection", "Sec-WebSocket-Key", "Sec-WebSocket-Version", "Sec-WebSocket-Protocol",
    "Sec-WebSocket-Extensions", "Sec-WebSocket-Accept", "Content-Length", "Transfer-Encoding", "Origin",
    "Keep-Alive",
    "Proxy-Connection", "TE", "Cookie", "X-Other",
  ]

  private static let values = [
    "", "websocket", "WebSocket", "upgrade", "Upgrade", "keep-alive, Upgrade", "close", "13", "8", "0", "013",
    "chat",
    "chat, v2", "v2", "chat,, v2", "a b", "AAAAAAAAAAAAAAAAAAAAAA==", "BwcHBwcHBwcHBwcHBwcHBw==",
    "AAAAAAAAAAAAAAAAAAAAAB==", "permessage-deflate", "permessage-deflate; client_max_window_bits",
    "permessage-deflate; server_max_window_bits=8", "permessage-deflate; server_no_context_takeover",
    "permessage-deflate; client_max_window_bits=16", "x; y=\"z\"", "a", "a:0", "a:65536", "[::1]:80",
    "a.b:99999", "b@a",
    "chunked", "trailers", "http://a", "null", "\u{212A}", ",", ";", "\"",
  ]

  private static let hosts = [
    "a", "a:0", "a:443", "a:65536", "example.com", "[::1]", "[::1", "a b", "a/b", "u@a", "", "é", "%41",
  ]

  private static let targets = [
    "/", "/chat?x=1", "", "*", "//a/b", "http://a/x", "http://b/x", "https://a", "ws://a/", "/#x", "/a b",
    "/\u{7F}",
    "/é", "/%zz", "http://a:0?q", "/?",
  ]

  private static func text(_ input: inout Input, _ known: [String]) -> String {
    let choice = Int(input.byte())
    if choice < known.count * 4 { return known[choice % known.count] }
    return String(decoding: input.bytes(choice & 31), as: UTF8.self)
  }

  private static func fields(_ input: inout Input) -> Headers {
    var headers = Headers()
    for _ in 0..<input.below(8) {
      guard let name = HTTPField.Name(text(&input, names)) else { continue }
      headers.append(HTTPField(name: name, value: text(&input, values)))
    }
    return headers
  }

  /// A legal head, with changes in it.
  private static func request(_ input: inout Input, extendedConnect: Bool) -> HTTPRequest {
    let choice = input.byte()
    let method =
      choice & 1 == 0
      ? (extendedConnect ? .connect : .get)
      : HTTPRequest.Method(text(&input, ["POST", "GET", "CONNECT", "get"])) ?? .get
    var request = HTTPRequest(
      method: method,
      scheme: choice & 2 == 0
        ? (extendedConnect ? "https" : nil) : text(&input, ["http", "HTTPS", "ws", ""]),
      authority: choice & 4 == 0 ? "a" : choice & 8 == 0 ? nil : text(&input, hosts),
      path: choice & 16 == 0 ? "/" : choice & 8 == 0 ? text(&input, targets) : nil
    )
    if extendedConnect {
      request.extendedConnectProtocol =
        choice & 32 == 0 ? "websocket" : text(&input, ["WebSocket", "connect-udp", ""])
    }
    var headers = Headers()
    if !extendedConnect {
      headers[.upgrade] = "websocket"
      headers[.connection] = "Upgrade"
      headers[.secWebSocketKey] = "AAAAAAAAAAAAAAAAAAAAAA=="
    }
    headers[.secWebSocketVersion] = "13"
    for field in fields(&input) {
      if choice & 64 == 0 { headers[field.name] = nil }
      headers.append(field)
    }
    request.headerFields = headers
    return request
  }

  private static func deflate(_ input: inout Input) -> PerMessageDeflate {
    let choice = input.byte()
    let made = try? PerMessageDeflate(
      clientNoContextTakeover: choice & 1 != 0,
      clientMaxWindowBits: choice & 2 == 0 ? .unspecified : .bits(9 + Int(choice >> 5)),
      serverNoContextTakeover: choice & 4 != 0,
      serverMaxWindowBits: choice & 8 == 0 ? nil : 10,
      memoryLevel: 1
    )
    return made ?? PerMessageDeflate()
  }

  // MARK: A server, and any request

  private static func serve(_ input: inout Input) {
    let choice = input.byte()
    let extendedConnect = choice & 1 != 0
    let request = request(&input, extendedConnect: extendedConnect)
    let server: ServerNegotiation
    do throws(RemoteProtocolError) {
      server =
        try extendedConnect
        ? ServerNegotiation(extendedConnect: request, enableConnectProtocol: choice & 0x70 != 0x70)
        : ServerNegotiation(upgrade: request, minorVersion: choice & 0x70 == 0x70 ? 0 : 1)
    } catch {
      check(error, request)
      if !extendedConnect, choice & 0x70 != 0x70, let other = throughBytes(request) {
        disagree(
          "refused as values, taken as bytes",
          [("request", request), ("fields", request.headerFields), ("error", error), ("other", other)]
        )
      }
      return
    }
    if !extendedConnect {
      let other = throughBytes(request)
      // Whether a length is one is for the framework to see to.
      let isFramed =
        request.headerFields[.contentLength] != nil || request.headerFields[.transferEncoding] != nil
      if other != server.request, other != nil || !isFramed {
        disagree(
          "values and bytes",
          [
            ("request", request), ("fields", request.headerFields), ("read", server.request),
            ("other", other as Any),
          ]
        )
      }
    }
    let subprotocols = server.request.subprotocols
    let deflate = deflate(&input)
    let accept = AcceptConnection(
      subprotocol: choice & 2 == 0 ? subprotocols.first : text(&input, values),
      extensions: [deflate],
      extraHeaders: choice & 4 == 0 ? Headers() : fields(&input)
    )
    do throws(LocalProtocolError) {
      let (response, connection) = try server.accept(accept)
      check(response.headerFields)
      let isRight = response.status.code == (extendedConnect ? 200 : 101) && connection.state == .open
      if !isRight { disagree("an acceptance that is none", [("response", response)]) }
    } catch { check(error, accept) }
    let reject = RejectConnection(
      statusCode: Int(input.byte()) * 4,
      headers: fields(&input),
      hasBody: choice & 8 == 0
    )
    do throws(LocalProtocolError) {
      let response = try server.reject(reject)
      check(response.headerFields)
      if response.status.code != reject.statusCode { disagree("another status", [("response", response)]) }
    } catch { check(error, reject) }
  }

  /// The request that a server reads from the same head in bytes; `nil` where it refuses.
  private static func throughBytes(_ request: HTTPRequest) -> Request? {
    var head = Array("\(request.method.rawValue) \(request.path ?? "") HTTP/1.1\r\n".utf8)
    func field(_ name: String, _ value: [UInt8]) { head += Array("\(name): ".utf8) + value + [0x0D, 0x0A] }
    let host = HTTPField.Name("Host")
    if let authority = request.authority, let host, request.headerFields[host] == nil {
      field("Host", Array(authority.utf8))
    } else if request.authority != nil {
      // Two hosts: values can say more than a head.
      return try? ServerNegotiation(upgrade: request, minorVersion: 1).request
    }
    for one in request.headerFields { field(one.name.rawName, one.withUnsafeBytesOfValue { Array($0) }) }
    head += [0x0D, 0x0A]
    let handshake = H11Handshake(.server)
    guard (try? handshake.receiveData(head)) != nil, case .request(let read) = handshake.nextEvent() else {
      return nil
    }
    return read
  }

  // MARK: A client, and any response

  private static func answer(_ input: inout Input) {
    let choice = input.byte()
    let extendedConnect = choice & 1 != 0
    let deflate = deflate(&input)
    let request = Request(host: "a", target: "/", extensions: [deflate], subprotocols: ["chat", "v2"])
    guard var client = client(request, extendedConnect) else { fatalError("a legal request was refused") }
    for _ in 0...(choice >> 6) * 6 {
      var response = HTTPResponse(
        status: HTTPResponse.Status(
          code: choice & 2 == 0
            ? (extendedConnect ? 200 : 101) : input.pick([100, 101, 103, 200, 204, 299, 302, 404, 999])
        )
      )
      if !extendedConnect, choice & 4 == 0 {
        response.headerFields[.upgrade] = "websocket"
        response.headerFields[.connection] = "Upgrade"
        response.headerFields[.secWebSocketAccept] = generateAcceptToken("BwcHBwcHBwcHBwcHBwcHBw==")
      }
      for field in fields(&input) {
        if choice & 8 == 0 { response.headerFields[field.name] = nil }
        response.headerFields.append(field)
      }
      do throws(RemoteProtocolError) {
        switch try client.receive(response, minorVersion: choice & 0x30 == 0x30 ? 0 : 1) {
        case .informational: continue
        case .accepted(let accept, let connection):
          if let chosen = accept.subprotocol, !request.subprotocols.contains(chosen) {
            disagree("a subprotocol that was not requested", [("response", response)])
          }
          if connection.state != .open { disagree("accepted, but not open", [("response", response)]) }
          if !extendedConnect,
            response.headerFields[.secWebSocketAccept] != generateAcceptToken("BwcHBwcHBwcHBwcHBwcHBw==")
          {
            disagree("accepted without the token", [("response", response)])
          }
        case .rejected(let reject):
          if reject.statusCode != response.status.code || reject.statusCode == 101 {
            disagree("a refusal that is none", [("response", response)])
          }
        }
      } catch {
        if error.message.isEmpty || error.eventHint != nil {
          disagree("a client's error", [("error", error)])
        }
      }
      return
    }
  }

  private static func client(_ request: Request, _ extendedConnect: Bool) -> ClientNegotiation? {
    do throws(LocalProtocolError) {
      return
        try extendedConnect
        ? ClientNegotiation(
          extendedConnect: request,
          enableConnectProtocol: true,
          configuration: configuration
        )
        : ClientNegotiation(upgrade: request, configuration: configuration)
    } catch {
      check(error, request)
      return nil
    }
  }

  // MARK: Both of ours

  private static func negotiate(_ input: inout Input) {
    let choice = input.byte()
    let extendedConnect = choice & 1 != 0
    let deflates = (deflate(&input), deflate(&input))
    let request = Request(
      host: text(&input, hosts),
      target: text(&input, targets),
      extensions: choice & 2 == 0 ? [deflates.0] : [],
      extraHeaders: choice & 4 == 0 ? Headers() : fields(&input),
      subprotocols: (0..<Int(choice >> 6)).map { _ in text(&input, values) }
    )
    guard var client = client(request, extendedConnect) else { return }
    let made = client.httpRequest
    check(made.headerFields)
    let server: ServerNegotiation
    do throws(RemoteProtocolError) {
      server =
        try extendedConnect
        ? ServerNegotiation(extendedConnect: made, enableConnectProtocol: true)
        : ServerNegotiation(upgrade: made, minorVersion: 1)
    } catch { disagree("our own request was refused", [("request", made), ("error", error)]) }
    let read = server.request
    if read.subprotocols != request.subprotocols {
      disagree("other subprotocols", [("request", request), ("read", read)])
    }
    let accept = AcceptConnection(
      subprotocol: choice & 8 == 0 ? request.subprotocols.last : nil,
      extensions: choice & 16 == 0 ? [deflates.1] : [],
      extraHeaders: choice & 32 == 0 ? Headers() : fields(&input)
    )
    let response: HTTPResponse
    do throws(LocalProtocolError) { response = try server.accept(accept).response } catch {
      return check(error, accept)
    }
    check(response.headerFields)
    do throws(RemoteProtocolError) {
      guard case .accepted(let accepted, _) = try client.receive(response) else {
        disagree("our own acceptance is none", [("response", response)])
      }
      let wanted = choice & 0x12 == 0 ? 1 : 0
      if accepted.subprotocol != accept.subprotocol || accepted.extensions.count != wanted {
        disagree("accepted something else", [("response", response), ("accepted", accepted)])
      }
    } catch { disagree("our own acceptance was refused", [("response", response), ("error", error)]) }
  }

  // MARK: Checks

  private static func check(_ headers: Headers) {
    for field in headers {
      field.withUnsafeBytesOfValue { value in
        for byte in value where byte == 0x0D || byte == 0x0A || byte == 0 {
          disagree("an illegal byte in a field", [("field", field)])
        }
      }
    }
  }

  private static func check(_ error: LocalProtocolError, _ value: Any) {
    switch error.violation {
    case .head, .subprotocol, .extension: if !error.message.isEmpty { return }
    default: break
    }
    disagree("an error of another kind", [("error", error), ("value", value)])
  }

  private static func check(_ error: RemoteProtocolError, _ request: HTTPRequest) {
    let response = error.response
    check(response.headerFields)
    if !(400...599 ~= response.status.code) || error.message.isEmpty {
      disagree("an error without an answer", [("request", request), ("error", error)])
    }
    for byte in error.description.utf8
    where byte < 0x20
      || byte > 0x7E && byte != 0xC2 && byte != 0xA7 && byte != 0xE2 && byte != 0x80 && byte != 0xA6
    {
      disagree("an error whose words are not escaped", [("request", request), ("error", error)])
    }
  }

  static func seeds() -> [[UInt8]] {
    var random = SeededRandom(8441)
    return (0..<192).map { number in
      [UInt8(number & 3), UInt8(truncatingIfNeeded: number * 11)] + random.bytes(16 + number % 100)
    }
  }
}
