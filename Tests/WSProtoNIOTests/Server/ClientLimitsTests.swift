// SPDX-License-Identifier: Apache-2.0

#if NIO
import HTTPTypes
import NIOCore
import Testing
import WSProto

@testable import WSProtoNIO

@Suite("What one client may have of a server", .timeLimit(.minutes(5)))
struct ClientLimitsTests {
  private func address(_ text: String) throws -> SocketAddress {
    try SocketAddress(ipAddress: text, port: Int.random(in: 1...65535))
  }

  private func limits(connections: Int? = nil, handshakes: RateLimit.Rate? = nil) throws -> ClientLimits {
    var limits = WebSocketServerLimits()
    limits.maxConnectionsPerClient = connections
    limits.handshakesPerClient = handshakes
    return try #require(ClientLimits(limits))
  }

  // MARK: Counting

  @Test("is counted by IPv4 address and by IPv6 network of 64 bits, whatever the port and the form")
  func clients() throws {
    for (first, second, isOne) in [
      ("192.0.2.1", "192.0.2.1", true), ("192.0.2.1", "192.0.2.2", false),
      ("192.0.2.1", "::ffff:192.0.2.1", true), ("2001:db8::1", "2001:db8::ffff:0:0:2", true),
      ("2001:db8::1", "2001:db8:0:1::1", false),
    ] {
      let limits = try limits(connections: 1)
      #expect(limits.takePlace(try address(first)))
      #expect(limits.takePlace(try address(second)) == !isOne, "\(first) \(second)")
      #expect(!limits.takePlace(try address(first)))
      limits.givePlace(try address(first))
      #expect(limits.takePlace(try address(first)))
    }
  }

  @Test("is forgotten with the last connection; peers without an address aren't limited")
  func forgotten() throws {
    let limits = try limits(connections: 2)
    for _ in 0..<2 { #expect(limits.takePlace(try address("192.0.2.1"))) }
    for _ in 0..<3 { #expect(limits.takePlace(nil)) }
    #expect(limits.takePlace(try SocketAddress(unixDomainSocketPath: "/a")))
    #expect(limits.count == 1)
    for _ in 0..<2 { limits.givePlace(try address("192.0.2.1")) }
    #expect(limits.count == 0)
  }

  @Test("are handshakes up to a burst, then so many a second; those that are refused don't count")
  func handshakes() throws {
    let limits = try limits(handshakes: .init(perSecond: 2, burst: 3))
    let first = try address("192.0.2.1")
    for _ in 0..<3 { #expect(limits.waitForHandshake(first, at: .zero) == .zero) }
    for _ in 0..<9 { #expect(limits.waitForHandshake(first, at: .zero) == .milliseconds(500)) }
    #expect(limits.waitForHandshake(try address("192.0.2.2"), at: .zero) == .zero)
    #expect(limits.waitForHandshake(first, at: .milliseconds(500)) == .zero)
    #expect(limits.waitForHandshake(first, at: .milliseconds(500)) == .milliseconds(500))
  }

  @Test("takes no memory for clients that were here long ago, however many there are")
  func manyClients() throws {
    let limits = try limits(handshakes: .init(perSecond: 10))
    for number in 0..<20_000 {
      let address = try SocketAddress(ipAddress: "\(IPAddress.v4(UInt32(number)))", port: 1)
      #expect(limits.waitForHandshake(address, at: .milliseconds(10 * number)) == .zero)
    }
    #expect(limits.count <= 2048)
  }

  // MARK: On a server

  @Test("is a number of connections: further ones are closed at once, those of others are not", .threat(25))
  func connections() async throws {
    var options = WebSocketServerOptions()
    options.limits.maxConnectionsPerClient = 2
    try await withServer(options) { address, server async throws in
      try await TestClient.open(to: address) { first in
        try await TestClient.open(to: address) { second in
          try await TestClient.connect(to: address) { client async in #expect(await client.read() == nil) }
          for client in [first, second] {
            try await client.send(TextMessage(data: "hello"))
            #expect(try await client.nextText() == "hello")
          }
        }
        while server.core.limits.counts.open > 1 { try await Task.sleep(for: .milliseconds(5)) }
        try await TestClient.open(to: address) { third in
          try await third.send(TextMessage(data: "hello"))
          #expect(try await third.nextText() == "hello")
        }
      }
    }
  }

  @Test("is a number of WebSockets behind a proxy, by the address that it tells: further ones get 429")
  func behindProxy() async throws {
    var options = WebSocketServerOptions()
    options.limits.maxConnectionsPerClient = 1
    options.trustedProxies = TrustedProxies(IPNetwork.loopback, field: .xForwardedFor)
    try await withServer(options) { address, server async throws in
      func status(_ client: TestClient, _ number: Int) async throws -> String {
        try await client.write(handshake("X-Forwarded-For: 192.0.2.\(number)"))
        return String(try await client.readResponse().head.dropFirst(9).prefix(3))
      }
      try await TestClient.connect(to: address) { first in
        #expect(try await status(first, 1) == "101")
        try await TestClient.connect(to: address) { second async throws in
          #expect(try await status(second, 1) == "429")
        }
        try await TestClient.connect(to: address) { third async throws in
          #expect(try await status(third, 2) == "101")
        }
      }
      while server.core.limits.counts.open > 0 { try await Task.sleep(for: .milliseconds(5)) }
      try await TestClient.connect(to: address) { client async throws in
        #expect(try await status(client, 1) == "101")
      }
    }
  }

  @Test("counts streams of HTTP/2: further ones get 429, and the connection goes on", .threat(25))
  func streams() async throws {
    var options = WebSocketServerOptions()
    options.tls = try TestCertificate.first.server
    // The connection is one of them.
    options.limits.maxConnectionsPerClient = 2
    try await withServer(options) { address, _ async throws in
      try await HTTP2TestClient.connect(to: address) { client in
        try await client.open { first in
          #expect(try await first.status() == 200)
          try await client.open { second async throws in #expect(try await second.status() == 429) }
          #expect(try await first.echo("still here"))
        }
      }
    }
  }

  @Test("is a number of handshakes a second: further ones get 429, and are told when to come again")
  func handshakeRate() async throws {
    var options = WebSocketServerOptions()
    options.limits.handshakesPerClient = .init(perSecond: 1, burst: 2)
    let log = TestLog()
    try await withServer(options, log: log) { address, _ async throws in
      var heads: [String] = []
      for _ in 0..<3 {
        try await TestClient.connect(to: address) { client in
          try await client.write(handshake())
          heads.append(try await client.readResponse().head)
        }
      }
      // The third may come a second later, where the machine is that slow.
      guard let refused = heads.last, !refused.hasPrefix("HTTP/1.1 101 ") else { return }
      #expect(refused.hasPrefix("HTTP/1.1 429 "))
      #expect(refused.contains("Retry-After: 1"))
      #expect(log.line("refused: more handshakes")?.metadata["cause"] == "client")
    }
  }

  @Test(
    "is a number of messages a second: beyond it the connection is closed with 1008, and its neighbours are not"
  )
  func messageRate() async throws {
    var options = WebSocketServerOptions()
    options.socket.rateLimit = RateLimit(messages: .init(perSecond: 1, burst: 10))
    let received = Counter()
    let end = Promised<WebSocketClosed.Cause?>()
    try await withServer(options) { socket in
      guard socket.request.target == "/flood" else { return try await echo(socket) }
      do {
        for try await _ in socket.messages { received.add(1) }
      } catch let closed as WebSocketClosed {
        end.resume(with: .success(closed.cause))
      }
    } _: { address, _ async throws in
      try await TestClient.open(to: address) { neighbour in
        try await TestClient.open(to: address, Request(host: "localhost", target: "/flood")) { client in
          var flood: [UInt8] = []
          for _ in 0..<1000 { flood += try client.connection.send(TextMessage(data: "x")) }
          try await client.write(flood)
          #expect(try await client.nextClose().code == .policyViolation)
        }
        #expect(try await end.value() == .rateLimit)
        #expect(received.count >= 10)
        #expect(received.count < 100)
        try await neighbour.send(TextMessage(data: "hello"))
        #expect(try await neighbour.nextText() == "hello")
      }
    }
  }

  @Test("is a number of bytes a second, of messages that are legal each")
  func byteRate() async throws {
    var options = WebSocketServerOptions()
    options.socket.rateLimit = RateLimit(bytes: .init(perSecond: 1 << 10, burst: 64 << 10))
    try await withServer(options) { address, _ async throws in
      try await TestClient.open(to: address) { client in
        let message = BytesMessage(data: Bytes(Array(repeating: 1, count: 60 << 10)))
        try await client.send(message)
        #expect(try await client.next() == .bytesMessage(message))
        try await client.send(message)
        #expect(try await client.nextClose().code == .policyViolation)
      }
    }
  }
}
#endif
