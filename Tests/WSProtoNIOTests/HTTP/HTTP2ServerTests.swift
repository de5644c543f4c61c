// SPDX-License-Identifier: Apache-2.0

#if NIO
import HTTPTypes
import Logging
import NIOCore
import NIOHTTPTypes
import NIOSSL
import Testing
import WSProto

@testable import WSProtoNIO

@Suite("A server by TLS, with HTTP/1.1 and HTTP/2 on one port", .timeLimit(.minutes(5)))
struct HTTP2ServerTests {
  private func options() throws -> WebSocketServerOptions {
    var options = WebSocketServerOptions()
    options.tls = try TestCertificate.first.server
    options.answer = { request in .text("page \(request.head.path ?? "")") }
    return options
  }

  @Test("speaks the version that ALPN has chosen: HTTP/1.1 too, and without ALPN")
  func http1() async throws {
    try await withServer(options()) { address, _ in
      for protocols in [["http/1.1"], []] {
        let tls = try TestCertificate.first.client(protocols)
        try await TestClient.connect(to: address, tls: tls) { client in
          try await client.write("GET /a HTTP/1.1\r\nHost: localhost\r\n\r\n")
          #expect(try await client.readResponse().body == "page /a")
          guard case .acceptConnection = try await client.open(Request(host: "localhost", target: "/")) else {
            throw TestFailure("refused")
          }
          try await client.send(TextMessage(data: "hello"))
          #expect(try await client.nextText() == "hello")
          #expect(try await client.close().code == .normalClosure)
        }
      }
    }
  }

  @Test("opens WebSockets on streams of one connection, beside ordinary requests (RFC 8441 §5)")
  func streams() async throws {
    try await withServer(options()) { address, server in
      try await HTTP2TestClient.connect(to: address) { client in
        try await client.open { first in
          #expect(try await first.status() == 200)
          try await client.open { second in
            #expect(try await second.status() == 200)
            for stream in [first, second, first] { #expect(try await stream.echo("hello")) }
            #expect(server.core.limits.counts == (3, 0))
            let page = HTTPRequest(method: .get, scheme: "https", authority: "localhost", path: "/page")
            try await client.stream(page) { stream in
              try await stream.write(.end(nil))
              #expect(try await stream.status() == 200)
              guard case .body(let body) = await stream.part() else { throw TestFailure("no body") }
              #expect(String(buffer: body) == "page /page")
            }
          }
          // That one was reset; this one lives on, and ends in order (RFC 8441 §5).
          #expect(try await first.echo("still here"))
          try await first.send(CloseConnection(code: .normalClosure))
          #expect(try await first.next() == .closeConnection(CloseConnection(code: .normalClosure)))
          guard case .end = await first.part() else { throw TestFailure("the stream has not ended in order") }
        }
      }
    }
  }

  @Test("takes the bodies of streams from the memory of all connections, and gives it back", .threat(26))
  func bodyMemory() async throws {
    var options = try options()
    options.limits.maxMessageMemory = 100
    try await withServer(options) { address, server in
      try await HTTP2TestClient.connect(to: address) { client in
        let post = HTTPRequest(method: .post, scheme: "https", authority: "localhost", path: "/")
        try await client.stream(post) { first in
          try await first.write(.body(ByteBuffer(repeating: 1, count: 60)))
          while server.core.budget?.usedBytes != 60 { try await Task.sleep(for: .milliseconds(5)) }
          try await client.stream(post) { second async throws in
            try await second.write(.body(ByteBuffer(repeating: 1, count: 60)))
            #expect(try await second.status() == 503)
          }
          #expect(server.core.budget?.usedBytes == 60)
          try await first.write(.end(nil))
          #expect(try await first.status() == 200)
          #expect(server.core.budget?.usedBytes == 0)
        }
        // One that is reset.
        try await client.stream(post) { third async throws in
          try await third.write(.body(ByteBuffer(repeating: 1, count: 60)))
          while server.core.budget?.usedBytes != 60 { try await Task.sleep(for: .milliseconds(5)) }
        }
        while server.core.budget?.usedBytes != 0 { try await Task.sleep(for: .milliseconds(5)) }
      }
    }
  }

  @Test("sends a message of 10 MiB over a stream whose window is 64 KiB, whole")
  func largeMessage() async throws {
    var options = try options()
    options.socket.maxMessageBytes = 10 << 20
    // On a slow machine a ping would come first.
    options.socket.timeouts.keepalive = nil
    try await withServer(options) { address, _ in
      try await HTTP2TestClient.connect(to: address) { client in
        try await client.open { stream in
          _ = try await stream.status()
          let message = BytesMessage(data: Bytes((0..<(10 << 20)).map { UInt8(truncatingIfNeeded: $0 &* 7) }))
          try await stream.send(message)
          #expect(try await stream.next() == .bytesMessage(message))
        }
      }
    }
  }

  @Test("refuses other origins, other protocols and a CONNECT that asks for no protocol (RFC 8441 §4, §5)")
  func refusals() async throws {
    try await withServer(options()) { address, _ in
      try await HTTP2TestClient.connect(to: address) { client in
        let foreign = Request(
          host: "localhost",
          target: "/",
          extraHeaders: [.origin: "https://evil.example"]
        )
        try await client.open(foreign) { stream async throws in #expect(try await stream.status() == 403) }
        var other = HTTPRequest(method: .connect, scheme: "https", authority: "localhost", path: "/")
        other.extendedConnectProtocol = "connect-udp"
        try await client.stream(other) { stream async throws in #expect(try await stream.status() == 501) }
        // None of these has harmed the connection.
        try await client.open { stream async throws in
          #expect(try await stream.status() == 200)
          #expect(try await stream.echo("hello"))
        }
      }
    }
  }

  @Test(
    "refuses a stream beyond the limit on connections with 503, says so once, and takes one when there is room",
    .threat(25)
  )
  func streamLimit() async throws {
    var options = try options()
    options.limits.maxConnections = 2
    let log = TestLog()
    try await withServer(options, log: log) { address, server in
      try await HTTP2TestClient.connect(to: address) { client in
        try await client.open { first in
          #expect(try await first.status() == 200)
          for _ in 0..<3 {
            try await client.open { second async throws in #expect(try await second.status() == 503) }
          }
          #expect(log.lines(from: .warning).count == 1)
          #expect(try await first.echo("hello"))
          #expect(server.core.limits.counts.open == 2)
        }
        while server.core.limits.counts.open > 1 { try await Task.sleep(for: .milliseconds(5)) }
        try await client.open { third async throws in #expect(try await third.status() == 200) }
      }
    }
  }

  @Test(
    "lets the writer of a stream wait whose window stays closed, and no other; then drops it",
    .threat(22)
  )
  func stalledStream() async throws {
    var options = try options()
    options.socket.slowConsumer = .wait(atMost: .milliseconds(300))
    let end = Promised<WebSocketClosed.Cause?>()
    try await withServer(options) { socket in
      guard socket.request.target == "/stall" else { return try await echo(socket) }
      do {
        while true { try await socket.send([UInt8](repeating: 0, count: 16 << 10)) }
      } catch let closed as WebSocketClosed {
        end.resume(with: .success(closed.cause))
      }
    } _: { address, _ in
      try await HTTP2TestClient.connect(to: address) { client in
        try await client.open(Request(host: "localhost", target: "/stall")) { _ in
          try await client.open { busy in
            _ = try await busy.status()
            for number in 0..<100 { #expect(try await busy.echo("\(number)")) }
            guard case .slowConsumer(let unsent) = try await end.value() else {
              throw TestFailure("another end")
            }
            #expect(unsent <= 128 << 10)
            #expect(try await busy.echo("still here"))
          }
        }
      }
    }
  }

  @Test(
    "closes a connection that floods, and serves its neighbours meanwhile (RFC 9113 §10.5)",
    .threat(21),
    arguments: Flood.allCases
  )
  func floods(flood: Flood) async throws {
    let decided = Counter()
    var options = try options()
    options.decide = { _ in
      decided.add(1)
      return .accept()
    }
    try await withServer(options) { address, server in
      try await HTTP2TestClient.connect(to: address) { client in
        try await client.open { neighbour in
          _ = try await neighbour.status()
          try await TestClient.connect(to: address, tls: TestCertificate.first.client(["h2"])) {
            hostile async throws in
            // Fails when the server has closed the connection.
            try? await hostile.write(
              Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8) + Flood.frame(4, 0, 0, [])
            )
            for number in 0..<5000 {
              do { try await hostile.write(flood.frames(number)) } catch { break }
              if number % 500 == 0 { #expect(try await neighbour.echo("\(number)")) }
            }
            _ = await hostile.readToEnd()
          }
          #expect(try await neighbour.echo("still here"))
          // The neighbour's own, and what the bound on resets lets through.
          #expect(decided.count <= 1 + 201)
          while server.core.limits.counts.open > 2 { try await Task.sleep(for: .milliseconds(5)) }
        }
      }
    }
  }

  @Test("ends a TLS handshake that never ends, which counts among the pending connections", .threat(23))
  func endlessHandshake() async throws {
    var options = try options()
    // Long enough for a busy machine to see the connection pending.
    options.socket.timeouts.opening = .seconds(4)
    try await withServer(options) { address, server in
      try await TestClient.connect(to: address) { client in
        // The head of a ClientHello.
        try await client.write([0x16, 0x03, 0x01, 0x02, 0x00, 0x01])
        while server.core.limits.counts.pending == 0 { try await Task.sleep(for: .milliseconds(5)) }
        #expect(server.core.limits.counts == (1, 1))
        #expect(await client.read() == nil)
      }
      while server.core.limits.counts.open > 0 { try await Task.sleep(for: .milliseconds(5)) }
      #expect(server.core.limits.counts == (0, 0))
    }
  }

  @Test(
    "answers a body beyond the limit with 413, and reads no more of it than the stream's window",
    .threat(24)
  )
  func largeBody() async throws {
    var options = try options()
    options.limits.maxBodyBytes = 10
    try await withServer(options) { address, _ in
      try await HTTP2TestClient.connect(to: address) { client in
        let upload = HTTPRequest(method: .post, scheme: "https", authority: "localhost", path: "/page")
        try await client.stream(upload) { stream async throws in
          try await stream.write(.body(ByteBuffer(string: "hello world")))
          #expect(try await stream.status() == 413)
        }
        try await client.stream(upload) { stream async throws in
          try await stream.write(.body(ByteBuffer(string: "hello")))
          try await stream.write(.end(nil))
          #expect(try await stream.status() == 200)
        }
      }
    }
  }

  @Test("takes a new certificate for new connections, without a restart")
  func newCertificate() async throws {
    try await withServer(options()) { address, server in
      func connects(_ certificate: TestCertificate) async throws -> Bool {
        try await TestClient.connect(to: address, tls: certificate.client([])) { client in
          do {
            try await client.write("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            return try await client.readResponse().head.hasPrefix("HTTP/1.1 200 ")
          } catch {
            return false
          }
        }
      }
      #expect(try await connects(.first))
      #expect(try await !connects(.second))
      try server.updateTLS(TestCertificate.second.server)
      #expect(try await connects(.second))
      #expect(try await !connects(.first))
    }
  }
}

/// What a client of HTTP/2 can send in vain (THREATS 21).
enum Flood: CaseIterable, Sendable {
  case ping, settings, priority, continuation, emptyData, rapidReset, rapidConnect

  /// A frame (RFC 9113 §4.1).
  static func frame(_ type: UInt8, _ flags: UInt8, _ stream: Int, _ payload: [UInt8]) -> [UInt8] {
    let count = payload.count
    let head: [UInt8] = [
      UInt8(count >> 16), UInt8(count >> 8 & 255), UInt8(count & 255), type, flags,
    ]
    return head + [24, 16, 8, 0].map { UInt8(stream >> $0 & 255) } + payload
  }

  func frames(_ number: Int) -> [UInt8] {
    switch self {
    case .ping: return Self.frame(6, 0, 0, Array(repeating: 1, count: 8))
    case .settings: return Self.frame(4, 0, 0, [])
    case .continuation:
      let first = number == 0 ? Self.frame(1, 0, 1, []) : []
      return first + Self.frame(9, 0, 1, [])
    case .priority: return Self.frame(2, 0, 1, [0, 0, 0, 0, 16])
    case .emptyData:
      // POST https://localhost/
      let first =
        number == 0 ? Self.frame(1, 4, 1, [0x83, 0x87, 0x84, 0x41, 9] + Array("localhost".utf8)) : []
      return first + Self.frame(0, 0, 1, [])
    case .rapidConnect:
      // CONNECT, with :protocol = websocket and the version.
      let fields: [UInt8] =
        [0x02, 7] + Array("CONNECT".utf8) + [0x87, 0x84, 0x41, 9] + Array("localhost".utf8)
        + [0x00, 9] + Array(":protocol".utf8) + [9] + Array("websocket".utf8)
        + [0x00, 21] + Array("sec-websocket-version".utf8) + [2] + Array("13".utf8)
      let stream = number * 2 + 1
      return Self.frame(1, 4, stream, fields) + Self.frame(3, 0, stream, [0, 0, 0, 8])
    case .rapidReset:
      // GET https://localhost/
      let fields: [UInt8] = [0x82, 0x87, 0x84, 0x41, 9] + Array("localhost".utf8)
      let stream = number * 2 + 1
      return Self.frame(1, 4, stream, fields) + Self.frame(3, 0, stream, [0, 0, 0, 8])
    }
  }
}
#endif
