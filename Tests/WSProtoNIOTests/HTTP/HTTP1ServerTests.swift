// SPDX-License-Identifier: Apache-2.0

#if NIO
import HTTPTypes
import NIOCore
import NIOPosix
import Synchronization
import Testing
import WSProto

@testable import WSProtoNIO

@Suite("A server's side of HTTP/1.1", .timeLimit(.minutes(5)))
struct HTTP1ServerTests {
  private var pages: WebSocketServerOptions {
    var options = WebSocketServerOptions()
    options.answer = { request in
      .text("\(request.head.method.rawValue) \(request.head.path ?? "") \(request.body.readableBytes)")
    }
    return options
  }

  // MARK: Bodies, and ends

  @Test(
    "asks for a body that it would take, and refuses one that is too long by its own account (RFC 9110 §10.1.1)",
    arguments: ["Expect: 100-continue\r\n", ""]
  )
  func expectations(expect: String) async throws {
    var options = pages
    options.limits.maxBodyBytes = 100
    try await withServer(options) { address, _ in
      try await TestClient.connect(to: address) { client in
        try await client.write("POST /a HTTP/1.1\r\nHost: a\r\n\(expect)Content-Length: 100\r\n\r\n")
        if !expect.isEmpty {
          #expect(try await client.readResponse(hasBody: false).head == "HTTP/1.1 100 Continue")
        }
        try await client.write(String(repeating: "a", count: 100))
        #expect(try await client.readResponse().body == "POST /a 100")
        // The body may be on its way, or not.
        try await client.write("POST /b HTTP/1.1\r\nHost: a\r\n\(expect)Content-Length: 101\r\n\r\n")
        let (head, _) = try await client.readResponse()
        #expect(head.hasPrefix("HTTP/1.1 413 ") && head.lowercased().contains("connection: close"))
        #expect(await client.readToEnd() == "")
      }
    }
  }

  @Test("answers all that came before its peer has ended its direction, then ends the other (RFC 9112 §9.6)")
  func halfClosed() async throws {
    let (gate, open) = AsyncStream<Void>.makeStream()
    var options = pages
    options.answer = { request in
      if request.head.path == "/late" { for await _ in gate { break } }
      return .text(request.head.path ?? "")
    }
    try await withServer(options) { address, _ in
      try await TestClient.connect(to: address) { client async throws in
        let requests = ["/late", "/next", "/last"].map { "GET \($0) HTTP/1.1\r\nHost: a\r\n\r\n" }
        try await client.write(requests.joined())
        client.endOutput()
        // The end has arrived by then, most often.
        try await Task.sleep(for: .milliseconds(50))
        open.yield()
        let answers = await client.readToEnd()
        #expect(answers.ranges(of: "HTTP/1.1 200").count == 3)
        for path in ["/late", "/next", "/last"] { #expect(answers.contains(path)) }
      }
    }
  }

  @Test("an answer larger than the socket's buffers reaches a peer that has ended its direction, whole")
  func halfClosedAndLate() async throws {
    let body = String(repeating: "x", count: 8 << 20)
    let (gate, open) = AsyncStream<Void>.makeStream()
    var options = pages
    options.answer = { _ in
      for await _ in gate { break }
      return .text(body)
    }
    try await withServer(options) { address, _ in
      // The last answer by the client's wish, or since nothing more can come.
      for field in ["", "Connection: close\r\n"] {
        try await TestClient.connect(to: address) { client async throws in
          try await client.write("GET / HTTP/1.1\r\nHost: a\r\n\(field)\r\n")
          client.endOutput()
          try await Task.sleep(for: .milliseconds(50))
          open.yield()
          let (_, received) = try await client.readResponse()
          #expect(received == body)
          #expect(await client.readToEnd() == "")
        }
      }
    }
  }

  @Test("opens nothing for a peer that has ended its direction behind the handshake, and refuses it as ever")
  func halfClosedHandshake() async throws {
    let (gate, open) = AsyncStream<Void>.makeStream()
    var options = WebSocketServerOptions()
    options.decide = { request in
      for await _ in gate { break }
      return request.target == "/no" ? .refuse(.notFound) : .accept()
    }
    try await withServer(options) { address, server in
      for (target, answer) in [("/", ""), ("/no", "HTTP/1.1 404")] {
        try await TestClient.connect(to: address) { client async throws in
          try await client.write(handshake().replacing("GET / ", with: "GET \(target) "))
          client.endOutput()
          try await Task.sleep(for: .milliseconds(300))
          open.yield()
          #expect(await client.readToEnd().hasPrefix(answer))
        }
      }
      #expect(server.core.state.withLock { $0.sockets.isEmpty })
    }
  }

  // MARK: Handshakes

  @Test("lets in requests without an Origin and pages of its own host and port, and refuses others with 403")
  func origin() async throws {
    try await withServer { address, _ in
      for (line, status) in [
        ("X-Nothing: 1", "101"), ("Origin: http://localhost", "101"), ("Origin: https://evil.example", "403"),
        ("Origin: http://localhost:8081", "403"), ("Origin: http://localhost.evil.example", "403"),
        ("Origin: null", "403"),
      ] {
        try await TestClient.connect(to: address) { client in
          try await client.write(handshake(line))
          let (head, _) = try await client.readResponse()
          #expect(head.hasPrefix("HTTP/1.1 \(status) "), "\(line)")
          if status == "403" {
            #expect(head.lowercased().contains("connection: close"))
            #expect(await client.readToEnd() == "")
          }
        }
      }
    }
  }

  @Test("answers nothing behind a request that it has refused: the rest is dropped (RFC 9112 §9.6)")
  func nothingBehindRefusal() async throws {
    try await withServer(pages) { address, _ in
      for first in [
        handshake("Origin: https://evil.example"),
        handshake().replacing("Version: 13", with: "Version: 8"),
        "GET / HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n",
      ] {
        try await TestClient.connect(to: address) { client in
          try await client.write(first + "GET /smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n")
          let (head, _) = try await client.readResponse()
          #expect(["400", "403", "426"].contains(head.split(separator: " ")[1]))
          #expect(await client.readToEnd() == "")
        }
      }
    }
  }

  @Test(
    "refuses what a proxy in front could read differently (RFC 9112 §2.2, §3.2, §5.1, §5.2, §6.1, §7.1)",
    arguments: [
      ("GET / HTTP/1.1\nHost: a\n\n", "400"),
      ("GET / HTTP/1.1\r\n\r\n", "400"),
      ("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "400"),
      ("GET / HTTP/1.1\r\nHost : a\r\n\r\n", "400"),
      ("GET / HTTP/1.1\r\nHost: a\r\n folded: yes\r\n\r\n", "400"),
      ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n", "400"),
      ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\n", "400"),
      ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +3\r\n\r\n", "400"),
      ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, chunked\r\n\r\n", "501"),
      ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", "501"),
      ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0x3\r\nabc\r\n0\r\n\r\n", "400"),
      ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\nabc\r\n0\r\n\r\n", "400"),
      ("GET / HTTP/1.1\r\nHost: a\u{0}b\r\n\r\n", "400"),
      ("GET  / HTTP/1.1\r\nHost: a\r\n\r\n", "400"),
      ("GET / HTTP/2.0\r\nHost: a\r\n\r\n", "505"),
      ("GET / HTTP/1.0\r\nHost: a\r\n\r\n", "505"),
      ("GET / HTTP/1.1\r\nHost: a\r\nA: " + String(repeating: "b", count: 20_000) + "\r\n\r\n", "431"),
      ("GET / HTTP/1.1\r\nHost: a\r\n" + String(repeating: "A: b\r\n", count: 101) + "\r\n", "431"),
    ]
  )
  func refusals(request: String, status: String) async throws {
    try await withServer(pages) { address, _ in
      try await TestClient.connect(to: address) { client in
        try await client.write(request)
        let (head, _) = try await client.readResponse()
        #expect(head.hasPrefix("HTTP/1.1 \(status) "))
        #expect(await client.readToEnd() == "")
      }
    }
  }

  @Test("opens the connection with the bytes that came right behind the request")
  func earlyBytes() async throws {
    try await withServer { address, _ in
      try await TestClient.connect(to: address) { client in
        let request = try client.connection.send(Request(host: "localhost", target: "/"))
        let early = try Connection(.client).sendText("early")
        try await client.write(request + early)
        guard case .acceptConnection = try await client.next() else { throw TestFailure("refused") }
        #expect(try await client.nextText() == "early")
      }
    }
  }

  @Test(
    "decides by looking at the request: with a subprotocol and fields, with a refusal that has a body, by throwing"
  )
  func decisions() async throws {
    var options = WebSocketServerOptions()
    options.decide = { request in
      switch request.target {
      case "/chat": .accept(subprotocol: "v2", headerFields: [.server: "test"])
      case "/secret": .refuse(.text("no token", status: .unauthorized))
      case "/wrong": .accept(subprotocol: "never-asked-for")
      default: throw TestFailure("no such path")
      }
    }
    try await withServer(options) { address, _ in
      func open(_ target: String) async throws -> (String, String) {
        try await TestClient.connect(to: address) { client in
          let text = handshake("Sec-WebSocket-Protocol: v1, v2")
          try await client.write(text.replacing("GET / ", with: "GET \(target) "))
          return try await client.readResponse()
        }
      }
      let accepted = try await open("/chat").0
      #expect(accepted.hasPrefix("HTTP/1.1 101 "))
      #expect(accepted.contains("Sec-WebSocket-Protocol: v2\r\n"))
      #expect(accepted.contains("Server: test"))
      let refused = try await open("/secret")
      #expect(refused.0.hasPrefix("HTTP/1.1 401 "))
      #expect(refused.1 == "no token")
      #expect(try await open("/wrong").0.hasPrefix("HTTP/1.1 500 "))
      #expect(try await open("/other").0.hasPrefix("HTTP/1.1 500 "))
    }
  }

  // MARK: Ordinary requests

  @Test("answers an ordinary request with 426 where there are no pages (RFC 9110 §15.5.22)")
  func upgradeRequired() async throws {
    try await withServer { address, _ in
      try await TestClient.connect(to: address) { client in
        try await client.write("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        let (head, _) = try await client.readResponse()
        #expect(head.hasPrefix("HTTP/1.1 426 "))
        #expect(head.contains("Upgrade: websocket"))
      }
    }
  }

  @Test("answers pipelined requests in order, with bodies, then opens a WebSocket on the same connection")
  func pages() async throws {
    try await withServer(pages) { address, _ in
      try await TestClient.connect(to: address) { client in
        try await client.write(
          "GET /a HTTP/1.1\r\nHost: localhost\r\n\r\n"
            + "POST /b HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\nabc"
            + "PUT /c HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n0\r\n\r\n"
            + "HEAD /d HTTP/1.1\r\nHost: localhost\r\n\r\n"
        )
        #expect(try await client.readResponse().body == "GET /a 0")
        #expect(try await client.readResponse().body == "POST /b 3")
        #expect(try await client.readResponse().body == "PUT /c 5")
        let (head, _) = try await client.readResponse(hasBody: false)
        #expect(head.contains("Content-Length: 9"))
        try await client.write(handshake())
        #expect(try await client.readResponse().head.hasPrefix("HTTP/1.1 101 "))
      }
    }
  }

  @Test(
    "bounds bodies and the number of requests on a connection, and closes where it is asked to",
    .threat(24)
  )
  func bounds() async throws {
    var options = pages
    options.limits.maxBodyBytes = 10
    options.limits.maxRequestsPerConnection = 3
    try await withServer(options) { address, _ in
      for body in [
        "Content-Length: 11\r\n\r\nhello world", "Transfer-Encoding: chunked\r\n\r\nb\r\nhello world\r\n",
      ] {
        try await TestClient.connect(to: address) { client in
          try await client.write("POST / HTTP/1.1\r\nHost: localhost\r\n" + body)
          #expect(try await client.readResponse().head.hasPrefix("HTTP/1.1 413 "))
          #expect(await client.readToEnd() == "")
        }
      }
      try await TestClient.connect(to: address) { client in
        for _ in 0..<4 { try await client.write("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n") }
        for _ in 0..<2 {
          let (head, _) = try await client.readResponse()
          #expect(!head.lowercased().contains("connection: close"))
        }
        #expect(try await client.readResponse().head.lowercased().contains("connection: close"))
        #expect(await client.readToEnd() == "")
      }
      try await TestClient.connect(to: address) { client in
        try await client.write("GET / HTTP/1.1\r\nHost: a\r\nConnection: Close\r\n\r\n")
        #expect(try await client.readResponse().body == "GET / 0")
        #expect(await client.readToEnd() == "")
      }
    }
  }

  @Test("takes bodies from the memory of all connections, and gives it back", .threat(26))
  func bodyMemory() async throws {
    var options = pages
    options.limits.maxMessageMemory = 100
    try await withServer(options) { address, server in
      try await TestClient.connect(to: address) { client in
        let head = "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: "
        try await client.write(head + "100\r\n\r\n" + String(repeating: "a", count: 100))
        #expect(try await client.readResponse().body == "POST / 100")
        #expect(server.core.budget?.usedBytes == 0)
        try await client.write(head + "200\r\n\r\n" + String(repeating: "a", count: 50))
        while server.core.budget?.usedBytes != 50 { try await Task.sleep(for: .milliseconds(5)) }
        try await client.write(String(repeating: "a", count: 51))
        #expect(try await client.readResponse().head.hasPrefix("HTTP/1.1 503 "))
        #expect(await client.readToEnd() == "")
        #expect(server.core.budget?.usedBytes == 0)
      }
    }
  }

  @Test("keeps nothing of a body where nobody answers requests", .threat(26))
  func unwantedBody() async throws {
    try await withServer { address, server in
      try await TestClient.connect(to: address) { client in
        let head = "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n"
        try await client.write(head + String(repeating: "a", count: 999))
        try await client.write("a" + head + String(repeating: "a", count: 999))
        #expect(try await client.readResponse().head.hasPrefix("HTTP/1.1 426 "))
        #expect(server.core.budget?.usedBytes == 0)
      }
    }
  }

  @Test("answers thousands of pipelined requests that need no thought, one after the other", .threat(24))
  func manyPipelined() async throws {
    var options = WebSocketServerOptions()
    options.limits.maxRequestsPerConnection = .max
    // Busy for a while: not with what other tests wait for.
    let eventLoops = MultiThreadedEventLoopGroup(numberOfThreads: 1)
    options.eventLoopGroup = eventLoops
    try await withServer(options) { address, _ in
      try await TestClient.connect(to: address) { client in
        let count = 5_000
        let requests = String(repeating: "GET / HTTP/1.1\r\nHost: a\r\n\r\n", count: count)
        try await withThrowingTaskGroup(of: Void.self) { group in
          group.addTask { [outbound = client.outbound] in
            try await outbound.write(ByteBuffer(string: requests))
          }
          var answers = 0
          while answers < count, let bytes = await client.read() {
            // Once a head.
            answers += bytes.readableBytesView.count { $0 == UInt8(ascii: "/") }
          }
          #expect(answers == count)
          try await group.waitForAll()
        }
      }
    }
    try await eventLoops.shutdownGracefully()
  }

  @Test("makes no answer while the one before waits for a peer that doesn't read", .threat(24))
  func unreadAnswers() async throws {
    let made = Counter()
    let page = ByteBuffer(repeating: UInt8(ascii: "x"), count: 12 << 20)
    var options = WebSocketServerOptions()
    // Of no matter here, whatever else the machine does.
    options.socket.timeouts.opening = .seconds(300)
    options.answer = { _ in
      made.add(1)
      return HTTPServerResponse(body: page)
    }
    try await withServer(options) { address, _ in
      try await TestClient.connect(to: address) { client in
        let count = 6
        try await client.write(String(repeating: "GET / HTTP/1.1\r\nHost: a\r\n\r\n", count: count))
        var before = -1
        while made.count != before {
          before = made.count
          try await Task.sleep(for: .milliseconds(300))
        }
        // What the system buffers on both sides is less than that of three.
        #expect(made.count <= 3)
        var bytes = 0
        while bytes < count * page.readableBytes, let read = await client.read() {
          bytes += read.readableBytes
        }
        #expect(made.count == count)
      }
    }
  }

  @Test("answers with 500 what the closure for pages throws at, and lives on")
  func throwingPage() async throws {
    var options = WebSocketServerOptions()
    options.answer = { _ in throw TestFailure("no page") }
    try await withServer(options) { address, _ in
      for _ in 0..<2 {
        try await TestClient.connect(to: address) { client in
          try await client.write("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
          #expect(try await client.readResponse().head.hasPrefix("HTTP/1.1 500 "))
        }
      }
    }
  }
}
#endif
