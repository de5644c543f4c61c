// SPDX-License-Identifier: Apache-2.0

import Testing
import WSProto

@testable import WSProtoLab

@Suite("A connection through a proxy without rules")
struct ProxyConnectionTests {
  @Test("Frames pass byte for byte, legal or not, however they are cut", arguments: [1, 3, 1000])
  func faithful(_ piece: Int) throws {
    let proxied = try Proxied(["to-server binary /never/ drop", "to-client drop"])
    try proxied.open()
    // A frame with a needlessly long length, a reserved opcode, a control frame inside a message, one that is cut off.
    let bytes: [UInt8] =
      masked(0x01, Array("he".utf8)) + [0x89, 0x80, 9, 9, 9, 9] + masked(0x80, Array("llo".utf8))
      + [0x82, 0xFE, 0, 1, 1, 2, 3, 4, 5] + masked(0x83, [1]) + masked(0x81, [1, 2, 3]).dropLast()
    proxied.pass(bytes, from: .fromClient, piece: piece)
    proxied.end(from: .fromClient)
    #expect(proxied.delivered[.fromClient] == bytes)
    #expect(proxied.finished == [.fromClient])
    proxied.end(from: .fromServer)
    #expect(proxied.finished == [.fromClient, .fromServer])
  }

  @Test(
    "A message that a rule looks at waits until it is complete; control frames inside it do not (RFC 6455 §5.4)"
  )
  func overtaking() throws {
    let proxied = try Proxied(["text /never/ drop"])
    try proxied.open()
    let parts: [[UInt8]] = [[0x01, 1, 0x61], [0x89, 1, 0x70], [0x80, 1, 0x62]]
    proxied.pass(parts[0] + parts[1], from: .fromServer)
    #expect(proxied.delivered[.fromServer] == parts[1])
    proxied.pass(parts[2], from: .fromServer)
    #expect(proxied.delivered[.fromServer] == parts[1] + parts[0] + parts[2])
  }

  @Test("A frame passes before it has ended: a proxy holds no large frame")
  func streamed() throws {
    let proxied = try Proxied()
    try proxied.open()
    proxied.pass([0x82, 0x7F, 0, 0, 0, 1, 0, 0, 0, 0, 1, 2, 3], from: .fromServer)
    #expect(proxied.delivered[.fromServer]?.suffix(3) == [1, 2, 3])
  }

  @Test(
    "Host becomes the target's, the proxy's own Origin too, and / its path; nothing else changes"
  )
  func heads() {
    var target = ProxyTarget(authority: "target.example", isSecure: true, path: "/chat?x=1")
    let head =
      "GET / HTTP/1.1\r\nX: a  b \r\nHOST:\tlocalhost:9002\r\norigin: http://LOCALHOST:9002 \r\nX:\r\n\r\n"
    #expect(
      String(decoding: target.rewrite(Array(head.utf8)), as: UTF8.self)
        == "GET /chat?x=1 HTTP/1.1\r\nX: a  b \r\nHOST:\ttarget.example\r\norigin: https://target.example \r\nX:\r\n\r\n"
    )
    // A foreign page; and one whose name leads to the proxy, for which it must not vouch.
    for (host, origin) in [
      ("127.0.0.1:9002", "https://evil.example"), ("evil.example:9002", "http://evil.example:9002"),
    ] {
      let foreign = "GET /other HTTP/1.1\r\nHost: \(host)\r\nOrigin: \(origin)\r\n\r\n"
      #expect(
        String(decoding: target.rewrite(Array(foreign.utf8)), as: UTF8.self)
          == "GET /other HTTP/1.1\r\nHost: target.example\r\nOrigin: \(origin)\r\n\r\n"
      )
    }
    target.keepsHost = true
    target.path = "/"
    #expect(target.rewrite(Array(head.utf8)) == Array(head.utf8))
  }

  @Test(
    "HTTP requests pass, whatever their bodies are (RFC 9112 §6.3), and a WebSocket can follow them",
    arguments: [1, 7, 4096]
  )
  func http(_ piece: Int) throws {
    let proxied = try Proxied()
    let requests = [
      "POST /a HTTP/1.1\r\nHost: target.example\r\nContent-Length: 5\r\n\r\nGET /",
      "POST /b HTTP/1.1\r\nHost: target.example\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n0\r\nTrailer: 1\r\n\r\n",
      "HEAD /c HTTP/1.1\r\nHost: target.example\r\n\r\n",
    ]
    let responses = [
      "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc",
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\na\r\n0123456789\r\n0\r\n\r\n",
      "HTTP/1.1 200 OK\r\nContent-Length: 300\r\n\r\n",
    ]
    for (request, response) in zip(requests, responses) {
      proxied.pass(Array(request.utf8), from: .fromClient, piece: piece)
      proxied.pass(Array(response.utf8), from: .fromServer, piece: piece)
    }
    #expect(proxied.delivered[.fromClient] == Array(requests.joined().utf8))
    #expect(proxied.delivered[.fromServer] == Array(responses.joined().utf8))
    let (client, server) = (WSConnection(.client), WSConnection(.server))
    proxied.pass(
      try client.send(Request(host: "target.example", target: "/chat")),
      from: .fromClient,
      piece: piece
    )
    #expect(!proxied.inject(.text, "early", from: .fromServer))
    let asked = proxied.delivered[.fromClient]?.dropFirst(requests.joined().utf8.count) ?? []
    try server.receiveData(asked)
    while server.nextEvent() != nil {}
    proxied.pass(try server.send(AcceptConnection()), from: .fromServer, piece: piece)
    #expect(proxied.inject(.text, "hi", from: .fromServer))
    #expect(proxied.delivered[.fromServer]?.suffix(4) == [0x81, 2, 0x68, 0x69])
  }

  @Test("Frames that a client sends before the answer wait for it; after a refusal they are HTTP again")
  func early() throws {
    let proxied = try Proxied(["to-server text /x/ drop"])
    let request = try proxied.client.send(Request(host: "proxy.example", target: "/"))
    proxied.pass(request + masked(0x81, [0x78]) + masked(0x81, [0x79]), from: .fromClient)
    #expect(proxied.delivered[.fromClient]?.suffix(4) == [13, 10, 13, 10])
    #expect(!proxied.connection.wantsInput(from: .fromClient))
    proxied.pass(try proxied.server.send(AcceptConnection()), from: .fromServer)
    #expect(proxied.received[.server]?.last == "text y")

    let refused = try Proxied()
    refused.pass(try refused.client.send(Request(host: "proxy.example", target: "/")), from: .fromClient)
    refused.pass(Array("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n".utf8), from: .fromServer)
    let next = Array("GET /next HTTP/1.1\r\nHost: target.example\r\n\r\n".utf8)
    refused.pass(next, from: .fromClient)
    #expect(refused.delivered[.fromClient]?.suffix(next.count) == next[...])
  }

  @Test(
    "What is not HTTP/1.1 passes as it is",
    arguments: [
      [0x16, 3, 1, 0, 5, 0x0A, 0x0D, 0x0A], Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8),
      Array("CONNECT a:1 HTTP/1.1\r\n\r\nanything".utf8), [0x47] + [UInt8](repeating: 0x41, count: 70_000),
      Array("GET / HTTP/1.1\r\nContent-Length: x\r\n\r\nbody".utf8),
    ] as [[UInt8]]
  )
  func opaque(_ bytes: [UInt8]) throws {
    let proxied = try Proxied()
    proxied.pass(bytes, from: .fromClient)
    proxied.end(from: .fromClient)
    #expect(proxied.delivered[.fromClient] == bytes)
    #expect(proxied.finished == [.fromClient])
  }

  @Test("While much waits for a receiver, no more is read of its sender")
  func backpressure() throws {
    let proxied = try Proxied()
    try proxied.open()
    let now = CaptureTime(nanoseconds: 0)
    let frame = [0x82, 0x7F, 0, 0, 0, 0, 0, 0x10, 0, 0] + [UInt8](repeating: 7, count: 1 << 20)
    proxied.connection.receive(frame, from: .fromServer, at: now)
    #expect(!proxied.connection.wantsInput(from: .fromServer))
    #expect(proxied.connection.wantsInput(from: .fromClient))
    var count = 0
    while let step = proxied.connection.nextStep(from: .fromServer, at: now) {
      if case .bytes(let bytes) = step.action { count += bytes.count }
    }
    #expect(count == frame.count)
    #expect(proxied.connection.wantsInput(from: .fromServer))
  }

  @Test("A target that cannot be reached: the request is answered with 502 and a sentence")
  func refusal() throws {
    let proxied = try Proxied()
    let now = CaptureTime(nanoseconds: 0)
    proxied.connection.receive(
      try proxied.client.send(Request(host: "proxy.example", target: "/")),
      from: .fromClient,
      at: now
    )
    proxied.connection.refuse("nobody \u{1B} listens", at: now)
    proxied.settle()
    let answer = String(decoding: proxied.delivered[.fromServer] ?? [], as: UTF8.self)
    #expect(answer.hasPrefix("HTTP/1.1 502 Bad Gateway\r\n"))
    #expect(answer.hasSuffix("\r\n\r\nnobody \\u{1b} listens\n"))
    #expect(proxied.finished == [.fromServer])
    #expect(proxied.lines.contains { $0.contains("\"status\":502") })
  }

  @Test("A sender that is lost: its receiver is reset behind what it has sent")
  func lost() throws {
    let proxied = try Proxied(["to-client delay 1s"])
    try proxied.open()
    proxied.connection.receive([0x81, 0x01, 0x61], from: .fromServer, at: CaptureTime(nanoseconds: 0))
    #expect(!proxied.connection.fail(from: .fromServer, at: CaptureTime(nanoseconds: 0)))
    proxied.settle()
    #expect(proxied.delivered[.fromServer] == [0x81, 0x01, 0x61])
    #expect(proxied.isReset)
    #expect(proxied.lines.last?.contains("\"end\":\"reset\"") == true)
  }

  @Test("Stopping closes a WebSocket with a Close in each direction, between two frames (RFC 6455 §7.1.2)")
  func stopping() throws {
    let proxied = try Proxied()
    try proxied.open()
    // Half a frame is under way to the client.
    proxied.pass([0x82, 0x02, 0x01], from: .fromServer)
    proxied.connection.close(.goingAway, "bye", at: CaptureTime(nanoseconds: 0))
    proxied.settle()
    #expect(proxied.received[.server] == ["close 1001 bye"])
    #expect(proxied.finished == [.fromClient])
    proxied.pass([0x02, 0x81, 0x01, 0x61], from: .fromServer)
    #expect(proxied.received[.client] == ["binary 1…", "binary 1", "close 1001 bye"])
    #expect(proxied.finished == [.fromClient, .fromServer])
  }

  @Test(
    "What a client has sent behind a request for a WebSocket passes after the refusal, or the server's end"
  )
  func afterRefusal() throws {
    let next = Array("GET /next HTTP/1.1\r\nHost: target.example\r\n\r\n".utf8)
    let refused = try Proxied()
    let request = try refused.client.send(Request(host: "proxy.example", target: "/"))
    refused.pass(request + next, from: .fromClient)
    refused.pass(Array("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n".utf8), from: .fromServer)
    #expect(refused.delivered[.fromClient]?.suffix(next.count) == next[...])
    #expect(refused.connection.wantsInput(from: .fromClient))

    let unanswered = try Proxied()
    unanswered.pass(request + next, from: .fromClient)
    unanswered.end(from: .fromClient)
    #expect(unanswered.finished.isEmpty)
    unanswered.end(from: .fromServer)
    #expect(unanswered.delivered[.fromClient]?.suffix(next.count) == next[...])
    #expect(Set(unanswered.finished) == [.fromClient, .fromServer])
  }
}
