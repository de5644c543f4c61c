// SPDX-License-Identifier: Apache-2.0

#if NIO
import HTTPTypes
import NIOSSL
import Testing
import WSProto
import WSProtoNIO

/// Through HTTP and SOCKS5 proxies (RFC 9110 §9.3.6, RFC 1928, RFC 1929).
@Suite(.timeLimit(.minutes(5))) struct ClientProxyTests {
  private static let established = "HTTP/1.1 200 Connection established\r\n\r\n"

  private func options(_ proxy: String) throws -> WebSocketClientOptions {
    var options = WebSocketClientOptions()
    options.proxy = .through(try ProxyAddress(proxy))
    options.tls.roots = .certificates([try TestCertificates.certificate(TestCertificates.root)])
    options.proxyTLS = options.tls
    return options
  }

  /// What comes back to a client that says hello.
  private func echo(_ url: String, _ options: WebSocketClientOptions) async throws -> String? {
    try await WebSocketClient.connect(to: url, options: options) { socket in
      try await socket.send("hello")
      var messages = socket.messages.makeAsyncIterator()
      return try await messages.next()?.text
    }
  }

  private func failure(_ url: String, _ options: WebSocketClientOptions) async -> WebSocketClientError? {
    do {
      _ = try await echo(url, options)
      return nil
    } catch {
      return error as? WebSocketClientError
    }
  }

  @Test("a tunnel is asked for with host and port, and with user and password (RFC 9110 §9.3.6)")
  func tunnel() async throws {
    let reply = { @Sendable (_: Int, head: String) -> ScriptedServer.Reply in
      head.hasPrefix("CONNECT") ? .tunnel(Self.established) : .open()
    }
    try await ScriptedServer.run(reply: reply) { proxy in
      let options = try options("http://user:secret@127.0.0.1:\(proxy.port)")
      #expect(try await echo("ws://name.invalid/x", options) == "hello")
      #expect(
        proxy.log.told[0]
          == "CONNECT name.invalid:80 HTTP/1.1\r\nHost: name.invalid:80\r\nProxy-Authorization: Basic dXNlcjpzZWNyZXQ=\r\n\r\n"
      )
      #expect(proxy.log.told[1].hasPrefix("GET /x HTTP/1.1\r\nHost: name.invalid\r\n"))
      // It is for the proxy alone.
      #expect(!proxy.log.told[1].contains("Proxy-Authorization"))
      #expect(try await echo("ws://[2001:db8::1]:81/", options) == "hello")
      #expect(proxy.log.told.contains { $0.hasPrefix("CONNECT [2001:db8::1]:81 HTTP/1.1\r\n") })
    }
  }

  @Test("TLS goes through a tunnel, and through TLS with the proxy, too")
  func tls() async throws {
    let reply = { @Sendable (_: Int, head: String) -> ScriptedServer.Reply in
      head.hasPrefix("CONNECT") ? .tunnelToTLS("HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\n") : .open()
    }
    try await ScriptedServer.run(reply: reply) { proxy in
      let options = try options("http://127.0.0.1:\(proxy.port)")
      #expect(try await echo("wss://example.com/", options) == "hello")
      guard case .certificate = await failure("wss://other.example/", options) else {
        Issue.record("another name was accepted")
        return
      }
      // An address in the certificate is the server's, not the transport's, which is the proxy's.
      #expect(try await echo("wss://127.0.0.1/", options) == "hello")
      guard case .certificate = await failure("wss://192.0.2.1/", options) else {
        Issue.record("the proxy's address was taken for the server's")
        return
      }
    }
    try await ScriptedServer.run(tls: try TestCertificates.serverContext(), reply: reply) { proxy in
      let options = try options("https://localhost:\(proxy.port)")
      #expect(try await echo("wss://example.com/", options) == "hello")
      var distrusting = options
      distrusting.proxyTLS = WebSocketClientTLS()
      guard case .certificate = await failure("wss://example.com/", distrusting) else {
        Issue.record("the proxy was trusted")
        return
      }
    }
  }

  @Test("a proxy's refusal is told from the server's, with its body")
  func refusals() async throws {
    let wanted = "HTTP/1.1 407 Who?\r\nProxy-Authenticate: Basic realm=\"x\"\r\nContent-Length: 3\r\n\r\nwho"
    try await ScriptedServer.run(reply: { _, _ in .bytes(wanted) }) { proxy in
      guard
        case .proxyRefused(let address, let refusal) = await failure(
          "ws://a.example/",
          try options("http://127.0.0.1:\(proxy.port)")
        )
      else {
        Issue.record("no refusal")
        return
      }
      #expect(address.port == proxy.port && refusal.status == 407 && refusal.text == "who")
      #expect(refusal.fields[.proxyAuthenticate] == "Basic realm=\"x\"")
    }
    try await ScriptedServer.run(reply: { _, _ in .last("HTTP/1.1 502 No\r\n\r\nunreachable") }) { proxy in
      let error = await failure("ws://a.example/", try options("http://127.0.0.1:\(proxy.port)"))
      #expect(error?.reconnectCause == .status(502, retryAfter: nil))
    }
    // Redirects of a proxy are none of the server's.
    let moved = "HTTP/1.1 302 Found\r\nLocation: ws://b.example/\r\nContent-Length: 0\r\n\r\n"
    try await ScriptedServer.run(reply: { _, _ in .bytes(moved) }) { proxy in
      guard
        case .proxyRefused = await failure("ws://a.example/", try options("http://127.0.0.1:\(proxy.port)"))
      else {
        Issue.record("a proxy's redirect was followed")
        return
      }
    }
  }

  @Test("a proxy that says what is not legal, too much, or nothing")
  func illegal() async throws {
    func failure(_ reply: ScriptedServer.Reply, limit: Duration = .seconds(10)) async throws
      -> WebSocketClientError?
    {
      try await ScriptedServer.run(reply: { _, _ in reply }) { proxy in
        var options = try options("http://127.0.0.1:\(proxy.port)")
        options.socket.timeouts.opening = limit
        return await self.failure("ws://a.example/", options)
      }
    }
    for answer in ["SOCKS\r\n\r\n", Self.established + "early"] {
      guard case .proxyProtocol = try await failure(.bytes(answer)) else {
        Issue.record("taken: \(answer)")
        return
      }
    }
    #expect(
      try await failure(.bytes(""), limit: .milliseconds(50)) == .timedOut(.proxy, limit: .milliseconds(50))
    )
    #expect(try await failure(.last("")) == .disconnected(.proxy, nil))
    let port = ScriptedServer.unusedPort()
    guard
      case .refused(let endpoint) = await self.failure("ws://a.example/", try options("127.0.0.1:\(port)"))
    else {
      Issue.record("not refused")
      return
    }
    #expect(endpoint.isProxy)
  }

  @Test("SOCKS5 with a name, with an address, and with user and password")
  func socks() async throws {
    let reply: [UInt8] = [5, 0, 0, 1, 0, 0, 0, 0, 0, 0]
    try await ScriptedServer.run(first: [[5, 0], reply]) { proxy in
      let options = try options("socks5h://127.0.0.1:\(proxy.port)")
      #expect(try await echo("ws://a.invalid/", options) == "hello")
      #expect(proxy.log.told[0] == "[5, 1, 0]")
      #expect(proxy.log.told[1] == "\([5, 1, 0, 3, 9] + Array("a.invalid".utf8) + [0, 80])")
      #expect(try await echo("ws://192.0.2.1:258/", options) == "hello")
      #expect(proxy.log.told.contains("[5, 1, 0, 1, 192, 0, 2, 1, 1, 2]"))
    }
    try await ScriptedServer.run(first: [[5, 2], [1, 0], reply]) { proxy in
      let options = try options("socks5://user:pass@127.0.0.1:\(proxy.port)")
      #expect(try await echo("ws://a.invalid/", options) == "hello")
      #expect(proxy.log.told[0] == "[5, 2, 0, 2]")
      #expect(proxy.log.told[1] == "\([1, 4] + Array("user".utf8) + [4] + Array("pass".utf8))")
    }
  }

  @Test(
    "a SOCKS5 proxy that refuses says why (RFC 1928 §3, §6)",
    arguments: [
      ([[5, 0xff]], .noAcceptableMethod), ([[5, 2]], .method(2)), ([[4, 0]], .version(4)),
      ([Array("HTTP/1.1".utf8)], .version(0x48)), ([[5, 0], [5, 5]], .reply(5)),
      ([[5, 0], [5, 2, 0, 1]], .reply(2)),
      ([[5, 0], [5, 0, 0, 9]], .addressType(9)), ([[5, 0], [4, 0]], .version(4)),
      ([[5, 0], [5, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1]], .earlyBytes),
    ] as [([[UInt8]], SOCKS5Failure)]
  )
  func socksRefusals(replies: [[UInt8]], cause: SOCKS5Failure) async throws {
    try await ScriptedServer.run(first: replies) { proxy in
      let options = try options("socks5://127.0.0.1:\(proxy.port)")
      guard case .proxyFailure(let found) = await failure("ws://a.invalid/", options).map(Failure.init) else {
        Issue.record("no error")
        return
      }
      #expect(found == cause)
    }
  }

  private enum Failure {
    case proxyFailure(SOCKS5Failure)
    case other(WebSocketClientError)

    init(_ error: WebSocketClientError) {
      if case .socksRefused(_, let failure) = error {
        self = .proxyFailure(failure)
      } else {
        self = .other(error)
      }
    }
  }

  @Test("user and password that do not fit, or that the proxy does not accept")
  func socksCredentials() async throws {
    try await ScriptedServer.run(first: [[5, 2], [1, 1]]) { proxy in
      let options = try options("socks5://user:pass@127.0.0.1:\(proxy.port)")
      guard case .socksRefused(_, .authentication) = await failure("ws://a.invalid/", options) else {
        Issue.record("no error")
        return
      }
      for user in ["user:", "user:" + String(repeating: "x", count: 256)] {
        let options = try self.options("socks5://\(user)@127.0.0.1:\(proxy.port)")
        guard case .socksRefused(_, .credentialsLength) = await failure("ws://a.invalid/", options) else {
          Issue.record("no error")
          return
        }
      }
    }
  }
}
#endif
