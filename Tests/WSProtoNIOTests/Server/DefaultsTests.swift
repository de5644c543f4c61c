// SPDX-License-Identifier: Apache-2.0

#if NIO
import NIOCore
import NIOEmbedded
import Testing
import WSProto

@testable import WSProtoNIO

@Suite("A server with nothing but a port", .timeLimit(.minutes(5)))
struct DefaultsTests {
  private func server() -> WebSocketServer { WebSocketServer(port: 0, handler: echo) }

  // MARK: On a socket

  /// Runs a server without options.
  private func run(
    _ handler: @escaping WebSocketServer.Handler = echo,
    _ body: (SocketAddress) async throws -> Void
  ) async throws {
    let server = WebSocketServer(port: 0, handler: handler)
    let running = Task { try await server.run() }
    try await body(try await server.addresses[0])
    server.shutDown()
    try await running.value
  }

  @Test("listens on the loopback interface, without TLS")
  func interface() async throws {
    try await run { address in
      #expect(address.ipAddress == "127.0.0.1")
      try await TestClient.open(to: address) { client in
        #expect(client.connection.state == .open)
      }
    }
  }

  @Test("takes messages of 1 MiB and no more, and names the option to its closure")
  func largestMessage() async throws {
    let end = Promised<String>()
    try await run { socket in
      do {
        try await echo(socket)
      } catch {
        end.resume(with: .success("\(error)"))
      }
    } _: { address in
      try await TestClient.open(to: address) { client in
        let message = BytesMessage(data: Bytes(Array(repeating: 7, count: 1 << 20)))
        try await client.send(message)
        #expect(try await client.next() == .bytesMessage(message))
        // A header alone, of 1 MiB + 1.
        try await client.write([0x82, 0xff, 0, 0, 0, 0, 0, 0x10, 0, 1, 1, 2, 3, 4])
        #expect(try await client.nextClose().code == .messageTooBig)
      }
    }
    #expect(try await end.value().contains("WebSocketOptions.maxMessageBytes"))
  }

  @Test("takes a head of 16 KiB, and refuses more with 431")
  func head() async throws {
    try await run { address in
      let rest = handshake("X: ").utf8.count
      for (count, status) in [(16 << 10, "101"), ((16 << 10) + 1, "431")] {
        try await TestClient.connect(to: address) { client in
          try await client.write(handshake("X: " + String(repeating: "x", count: count - rest)))
          #expect(try await client.readResponse().head.dropFirst(9).prefix(3) == status)
        }
      }
    }
  }

  @Test("refuses pages of other hosts with 403, other requests with 426, their bodies beyond 64 KiB with 413")
  func refusals() async throws {
    try await run { address in
      let post = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: "
      for (request, status) in [
        (handshake("Origin: http://localhost"), "101"), (handshake("Origin: http://localhost:1"), "403"),
        ("GET / HTTP/1.1\r\nHost: a\r\n\r\n", "426"),
        (post + "65536\r\n\r\n" + String(repeating: "x", count: 65536), "426"),
        (post + "65537\r\n\r\n" + String(repeating: "x", count: 65537), "413"),
        // Nobody's word is taken for the client's address.
        ("PROXY TCP4 192.0.2.7 198.51.100.1 1 2\r\n" + handshake(), "400"),
      ] {
        try await TestClient.connect(to: address) { client in
          try await client.write(request)
          #expect(try await client.readResponse().head.dropFirst(9).prefix(3) == status)
        }
      }
    }
  }

  @Test("ends a connection of HTTP/1.1 after 100 ordinary requests")
  func requests() async throws {
    try await run { address in
      try await TestClient.connect(to: address) { client in
        try await client.write(String(repeating: "GET / HTTP/1.1\r\nHost: a\r\n\r\n", count: 101))
        for number in 1...100 {
          let head = try await client.readResponse().head.lowercased()
          #expect(head.contains("close") == (number == 100))
        }
        #expect(await client.readToEnd() == "")
      }
    }
  }

  @Test("negotiates no compression, and chooses no subprotocol")
  func negotiation() async throws {
    try await run { address in
      let lines = ["Sec-WebSocket-Extensions: permessage-deflate", "Sec-WebSocket-Protocol: chat"]
      try await TestClient.connect(to: address) { client in
        try await client.write(handshake(lines[0], lines[1]))
        let head = try await client.readResponse().head.lowercased()
        #expect(!head.contains("sec-websocket-extensions"))
        #expect(!head.contains("sec-websocket-protocol"))
      }
    }
  }

  // MARK: On a clock of the test's

  @Test("gives an opening handshake 10 s")
  func opening() throws {
    let bench = try CoreBench(server())
    try bench.receive("GET / HTTP/1.1\r\n")
    bench.loop.advanceTime(by: .milliseconds(9_999))
    #expect(bench.channel.isActive)
    bench.loop.advanceTime(by: .milliseconds(1))
    #expect(!bench.channel.isActive)
  }

  @Test("sends a ping every 20 s, closes after 20 s without a sign of life, and waits 10 s for the Close")
  func keepalive() throws {
    let bench = try CoreBench(server())
    try bench.receive(handshake())
    #expect(try bench.sent().starts(with: "HTTP/1.1 101 ".utf8))
    for _ in 0..<3 {
      bench.loop.advanceTime(by: .milliseconds(19_999))
      #expect(try bench.sent() == [])
      bench.loop.advanceTime(by: .milliseconds(1))
      // A ping of the keepalive has 12 bytes.
      #expect(try bench.sent().prefix(2) == [0x89, 12])
      // A sign of life: an empty pong, masked.
      try bench.receive([0x8a, 0x80, 0, 0, 0, 0])
    }
    bench.loop.advanceTime(by: .seconds(20))
    #expect(try bench.sent().prefix(2) == [0x89, 12])
    bench.loop.advanceTime(by: .milliseconds(19_999))
    #expect(try bench.sent().first(where: { $0 == 0x88 }) == nil)
    bench.loop.advanceTime(by: .milliseconds(1))
    #expect(try bench.sent().contains(0x88))
    bench.loop.advanceTime(by: .milliseconds(9_999))
    #expect(bench.channel.isActive)
    bench.loop.advanceTime(by: .milliseconds(1))
    #expect(!bench.channel.isActive)
  }

  @Test("has places for 10,000 connections, 1,000 of them pending, and 256 MiB for messages under way")
  func places() throws {
    let server = server()
    let limits = server.core.limits
    let loop = EmbeddedEventLoop()
    let gate = NIOLoopBound(AcceptGate(limits) { _ in }, eventLoop: loop)
    for _ in 0..<999 { limits.accepted() }
    #expect(limits.mayAccept(gate))
    limits.accepted()
    #expect(!limits.mayAccept(gate))
    for _ in 1000..<10_000 { #expect(limits.admitStream()) }
    #expect(!limits.admitStream())
    #expect(server.core.budget?.limit == 256 << 20)
    #expect(server.core.budget?.messageTime == .seconds(10))
    #expect(server.core.clients == nil)
    // The gate waits no longer.
    limits.pendingEnded()
    limits.ended()
    loop.run()
  }

  @Test("has 30 s for its shutdown, 100 connections every 100 ms, and no lifetime of connections")
  func ends() {
    let options = server().core.options
    #expect(options.shutdown == WebSocketShutdown())
    #expect(options.shutdown.timeout == .seconds(30))
    #expect(options.shutdown.batchSize == 100)
    #expect(options.shutdown.pause == .milliseconds(100))
    #expect(options.limits.maxLifetime == nil)
    #expect(options.socket.rateLimit == nil)
  }

  @Test(
    "lets send wait from 64 KiB on, up to 30 s without progress, and reads up to 64 KiB that nobody takes"
  )
  func backpressure() {
    let socket = server().core.options.socket
    #expect(socket.sendWatermark == 64 << 10)
    #expect(socket.slowConsumer == .wait(atMost: .seconds(30)))
    #expect(socket.maxUnreadBytes == 64 << 10)
  }
}
#endif
