// SPDX-License-Identifier: Apache-2.0

#if NIO
import HTTPTypes
import NIOCore
import Testing
import WSProto

@testable import WSProtoNIO

@Suite("A server behind proxies", .timeLimit(.minutes(5)))
struct ProxiesTests {
  /// Tells each client where it is.
  @Sendable private static func tell(_ socket: WebSocket) async throws {
    try await socket.send(Self.shown(socket.remoteAddress))
  }

  private static func shown(_ address: SocketAddress?) -> String {
    "\(address?.ipAddress ?? "none") \(address?.port ?? 0)"
  }

  /// What the server takes a client for that sends these bytes first, and this field; `nil` if it refuses it.
  private func told(
    _ address: SocketAddress,
    _ name: String = "X-Nothing",
    _ value: String = "1",
    first: [UInt8] = []
  ) async throws -> String? {
    let name = try #require(HTTPField.Name(name))
    let request = Request(host: "localhost", target: "/", extraHeaders: [name: value])
    return try await TestClient.connect(to: address) { client in
      // Fails where the server has closed the connection already.
      try? await client.write(first)
      guard case .acceptConnection? = try? await client.open(request) else { return nil }
      return try await client.nextText()
    }
  }

  private let loopback = IPNetwork.loopback
  private let elsewhere = [IPNetwork(containing: .v4(0x0a00_0000), prefixLength: 8)]
  private let v1 = Array("PROXY TCP4 192.0.2.7 198.51.100.1 4711 443\r\n".utf8)
  private let v2: [UInt8] =
    [0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a, 0x21, 0x11, 0, 12]
    + [192, 0, 2, 7, 198, 51, 100, 1, 0x12, 0x67, 1, 0xbb]

  // MARK: Fields

  @Test(
    "takes the client's address from a proxy that it trusts, and shows it to the socket, to decide and to answer"
  )
  func forwarded() async throws {
    var options = WebSocketServerOptions()
    options.trustedProxies = TrustedProxies(loopback, field: .xForwardedFor)
    options.decide = { .accept(headerFields: [.server: Self.shown($0.remoteAddress)]) }
    options.answer = { .text(Self.shown($0.remoteAddress)) }
    try await withServer(options, handler: Self.tell) { address, _ async throws in
      #expect(try await told(address, "X-Forwarded-For", "203.0.113.9, 192.0.2.7") == "192.0.2.7 0")
      #expect(try await told(address, "X-Forwarded-For", "[2001:db8::1]:80") == "2001:db8::1 80")
      #expect(try await told(address, "Forwarded", "for=192.0.2.7")?.hasPrefix("127.0.0.1 ") == true)
      #expect(try await told(address)?.hasPrefix("127.0.0.1 ") == true)
      try await TestClient.connect(to: address) { client in
        // Each request on a connection has its own client.
        for number in 1...3 {
          try await client.write("GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 192.0.2.\(number)\r\n\r\n")
          #expect(try await client.readResponse().body == "192.0.2.\(number) 0")
        }
        try await client.write(handshake("X-Forwarded-For: 192.0.2.4"))
        #expect(try await client.readResponse().head.contains("Server: 192.0.2.4 0"))
      }
    }
  }

  @Test("takes it from a stream's request too, over HTTP/2")
  func forwardedStreams() async throws {
    var options = WebSocketServerOptions()
    options.tls = try TestCertificate.first.server
    options.trustedProxies = TrustedProxies(loopback, field: .forwarded)
    try await withServer(options, handler: Self.tell) { address, _ async throws in
      try await HTTP2TestClient.connect(to: address) { client in
        let forwarded = try #require(HTTPField.Name("Forwarded"))
        for number in 1...2 {
          let fields: HTTPFields = [forwarded: "for=192.0.2.\(number)"]
          let request = Request(host: "localhost", target: "/", extraHeaders: fields)
          try await client.open(request) { stream async throws in
            #expect(try await stream.status() == 200)
            #expect(try await stream.next() == .textMessage(TextMessage(data: "192.0.2.\(number) 0")))
          }
        }
      }
    }
  }

  @Test("believes nobody else")
  func untrusted() async throws {
    var options = WebSocketServerOptions()
    options.trustedProxies = TrustedProxies(elsewhere, field: .xForwardedFor)
    try await withServer(options, handler: Self.tell) { address, _ async throws in
      #expect(try await told(address, "X-Forwarded-For", "10.0.0.1")?.hasPrefix("127.0.0.1 ") == true)
    }
  }

  // MARK: PROXY

  @Test("reads the PROXY protocol, in both versions and in pieces, from those who may send it")
  func proxyProtocol() async throws {
    for policy in [ProxyProtocolPolicy.optional(from: loopback), .required(from: loopback)] {
      var options = WebSocketServerOptions()
      options.proxyProtocol = policy
      try await withServer(options, handler: Self.tell) { address, server async throws in
        for header in [v1, v2] {
          #expect(try await told(address, first: header) == "192.0.2.7 4711")
          // What follows in the same piece is the request.
          let whole = header + Array(handshake().utf8)
          try await TestClient.connect(to: address) { client async throws in
            for piece in [whole.prefix(9), whole[9..<20], whole.dropFirst(20)] {
              try await client.write(Array(piece))
              try await Task.sleep(for: .milliseconds(20))
            }
            #expect(try await client.readResponse().head.hasPrefix("HTTP/1.1 101 "))
          }
        }
        let local: [UInt8] = v2.prefix(12) + [0x20, 0, 0, 0]
        #expect(try await told(address, first: local)?.hasPrefix("127.0.0.1 ") == true)
        #expect(try await told(address, first: Array("PROXY TCP4 nobody\r\n".utf8)) == nil)
        let isOptional = policy == .optional(from: loopback)
        #expect(try await (told(address) != nil) == isOptional)
      }
    }
  }

  @Test("reads it in front of TLS, and believes fields as far as that address is a proxy's")
  func proxyProtocolAndTLS() async throws {
    var options = WebSocketServerOptions()
    options.proxyProtocol = .required(from: loopback)
    options.trustedProxies = TrustedProxies([try IPNetwork("192.0.2.7")], field: .xForwardedFor)
    try await withServer(options, handler: Self.tell) { address, _ async throws in
      #expect(try await told(address, "X-Forwarded-For", "203.0.113.9", first: v1) == "203.0.113.9 0")
      let other = Array("PROXY TCP4 192.0.2.8 198.51.100.1 4711 443\r\n".utf8)
      #expect(try await told(address, "X-Forwarded-For", "203.0.113.9", first: other) == "192.0.2.8 4711")
    }
    options.tls = try TestCertificate.first.server
    try await withServer(options, handler: Self.tell) { address, _ async throws in
      try await TestClient.connect(to: address, tls: TestCertificate.first.client([]), proxyHeader: v2) {
        client async throws in
        guard case .acceptConnection = try await client.open(Request(host: "localhost", target: "/")) else {
          throw TestFailure("refused")
        }
        #expect(try await client.nextText() == "192.0.2.7 4711")
      }
    }
  }

  @Test("reads no header from others: they are refused where one is required, and treated as ever where not")
  func untrustedHeaders() async throws {
    for (policy, plain) in [
      (ProxyProtocolPolicy.off, true), (.optional(from: elsewhere), true),
      (.required(from: elsewhere), false),
    ] {
      var options = WebSocketServerOptions()
      options.proxyProtocol = policy
      try await withServer(options, handler: Self.tell) { address, _ async throws in
        #expect(try await told(address, first: v1) == nil)
        #expect(try await (told(address) != nil) == plain)
      }
    }
  }

  @Test("trusts every peer on a Unix domain socket, if any proxies are trusted")
  func unixSocket() async throws {
    let path = "/tmp/wsproto-\(UInt64.random(in: 0 ... .max)).sock"
    var options = WebSocketServerOptions()
    options.proxyProtocol = .optional(from: [])
    options.trustedProxies = TrustedProxies([], field: .xForwardedFor)
    let server = WebSocketServer([.unix(path: path)], options: options, handler: Self.tell)
    let running = Task { try await server.run() }
    _ = try await server.addresses
    let address = try SocketAddress(unixDomainSocketPath: path)
    #expect(try await told(address, "X-Forwarded-For", "192.0.2.7") == "192.0.2.7 0")
    #expect(try await told(address, first: v1) == "192.0.2.7 4711")
    #expect(try await told(address) == "none 0")
    server.shutDown()
    try await running.value
  }
}
#endif
