// SPDX-License-Identifier: Apache-2.0

#if NIO
import HTTPTypes
import NIOCore
import NIOHTTPTypes
import NIOSSL
import Testing
import WSProto

@testable import WSProtoNIO

/// What the suites about HTTP/2 share.
protocol HTTP2ClientTests {}

extension HTTP2ClientTests {
  func options(
    _ http2: WebSocketClientOptions.HTTP2Choice,
    _ pool: WebSocketClientPool? = nil
  ) throws -> WebSocketClientOptions {
    var options = WebSocketClientOptions()
    options.http2 = http2
    options.pool = pool
    // On a machine with much else to do.
    options.http2SettingsTimeout = .seconds(60)
    options.tls.roots = try #require(TestCertificate.first.client([]).trustRoots)
    return options
  }

  func serverOptions() throws -> WebSocketServerOptions {
    var options = WebSocketServerOptions()
    options.tls = try TestCertificate.first.server
    return options
  }

  /// The echo of a text.
  func echoed(_ url: String, _ options: WebSocketClientOptions, _ text: String = "hello") async throws
    -> String?
  {
    try await WebSocketClient.connect(to: url, options: options) { socket async throws in
      try await socket.send(text)
      return try await socket.messages.first { _ in true }?.text
    }
  }

  /// Why there is no connection.
  func failure(_ url: String, _ options: WebSocketClientOptions) async throws -> WebSocketClientError? {
    do {
      _ = try await echoed(url, options)
      return nil
    } catch let error as WebSocketClientError {
      return error
    }
  }
}

@Suite("A client by HTTP/2 (RFC 8441)", .timeLimit(.minutes(5)))
struct ClientHTTP2Tests: HTTP2ClientTests {
  @Test("shares no connection between Unix sockets, though the URL is the same")
  func unixSockets() async throws {
    let paths = (0..<2).map { "/tmp/wsproto-\($0)-\(UInt64.random(in: 0 ... .max)).sock" }
    let serverOptions = try serverOptions()
    let servers = paths.map { path in
      WebSocketServer([.unix(path: path)], options: serverOptions) { try await $0.send(path) }
    }
    try await withThrowingTaskGroup(of: Void.self) { group in
      for server in servers {
        group.addTask { try await server.run() }
        _ = try await server.addresses
      }
      var options = try options(.required, WebSocketClientPool())
      for path in paths + paths {
        options.unixSocketPath = path
        let answer = try await WebSocketClient.connect(to: "wss://127.0.0.1/", options: options) { socket in
          try await socket.messages.first { _ in true }?.text
        }
        #expect(answer == path)
      }
      #expect(options.pool?.connectionCount == 2)
      for server in servers { server.shutDown() }
      try await group.waitForAll()
    }
  }

  @Test("opens any number of sockets on one connection, which long messages share with short ones")
  func shared() async throws {
    var serverOptions = try serverOptions()
    serverOptions.socket.compression = WebSocketCompression()
    try await withServer(serverOptions) { address, server async throws in
      let url = "wss://127.0.0.1:\(address.port ?? 0)/feed"
      let pool = WebSocketClientPool()
      var options = try options(.required, pool)
      options.subprotocols = ["chat"]
      options.socket.compression = WebSocketCompression()
      let opened = Counter()
      try await withThrowingTaskGroup(of: Void.self) { [options] group in
        for number in 0..<20 {
          group.addTask {
            try await WebSocketClient.connect(to: url, options: options) { socket async throws in
              #expect(socket.response != nil && socket.subprotocol == nil)
              #expect(socket.compression != nil && socket.request.target == "/feed")
              opened.add(1)
              while opened.count < 20 { try await Task.sleep(for: .milliseconds(1)) }
              let text = String(repeating: "\(number) ", count: number % 4 == 0 ? 100_000 : 1)
              try await socket.send(.text(text), compress: number % 2 == 0)
              #expect(try await socket.messages.first { _ in true }?.text == text)
            }
          }
        }
        while opened.count < 20 { try await Task.sleep(for: .milliseconds(1)) }
        #expect(server.core.limits.counts.open == 21 && pool.connectionCount == 1)
        try await group.waitForAll()
      }
    }
  }

  @Test("opens another connection where one has as many sockets as it may")
  func limit() async throws {
    try await withServer(serverOptions()) { address, _ async throws in
      let url = "wss://127.0.0.1:\(address.port ?? 0)/"
      let pool = WebSocketClientPool(maxSocketsPerConnection: 2)
      let options = try options(.required, pool)
      let opened = Counter()
      try await withThrowingTaskGroup(of: Void.self) { group in
        for _ in 0..<5 {
          group.addTask {
            try await WebSocketClient.connect(to: url, options: options) { _ async throws in
              opened.add(1)
              while opened.count < 5 { try await Task.sleep(for: .milliseconds(1)) }
              #expect(pool.connectionCount == 3)
            }
          }
        }
        try await group.waitForAll()
      }
    }
  }

  @Test("goes on by HTTP/1.1 on the same connection where the server chooses that, unless HTTP/2 is required")
  func http1Chosen() async throws {
    var serverOptions = try serverOptions()
    serverOptions.http2 = false
    try await withServer(serverOptions) { address, server async throws in
      let url = "wss://127.0.0.1:\(address.port ?? 0)/"
      let pool = WebSocketClientPool()
      for pool in [nil, pool, pool] {
        #expect(try await echoed(url, options(.preferred, pool)) == "hello")
      }
      #expect(pool.connectionCount == 0)
      try await WebSocketClient.connect(to: url, options: options(.preferred)) { _ async throws in
        while server.core.limits.counts.open > 1 { try await Task.sleep(for: .milliseconds(1)) }
      }
      #expect(try await failure(url, options(.required)) == .http2Unavailable(.notAgreed))
    }
  }

  @Test("offers HTTP/1.1 only unless told otherwise")
  func never() async throws {
    try await HTTP2TestServer.run { server async throws in
      #expect(try await echoed("wss://127.0.0.1:\(server.port)/", options(.never)) == "hello")
      #expect(server.log.all == ["connection 0", "negotiated(\"http/1.1\")"])
    }
  }

  @Test(
    "opens a second connection by HTTP/1.1 where HTTP/2 lacks the setting, and remembers it (RFC 8441 §3)"
  )
  func noExtendedConnect() async throws {
    try await HTTP2TestServer.run(.noExtendedConnect) { server async throws in
      let url = "wss://127.0.0.1:\(server.port)/"
      let options = try options(.preferred, WebSocketClientPool())
      for _ in 0..<2 { #expect(try await echoed(url, options) == "hello") }
      let connections = server.log.all.filter { $0.hasPrefix("negotiated") }
      #expect(connections == ["negotiated(\"h2\")", "negotiated(\"http/1.1\")", "negotiated(\"http/1.1\")"])
      let missing = try await failure(url, self.options(.required))
      #expect(missing == .http2Unavailable(.noExtendedConnect) && missing?.reconnectCause == .final)
    }
  }

  @Test("waits for the server's settings up to a deadline")
  func noSettings() async throws {
    try await HTTP2TestServer.run(.silent) { server async throws in
      let url = "wss://127.0.0.1:\(server.port)/"
      var preferred = try options(.preferred)
      preferred.http2SettingsTimeout = .milliseconds(50)
      #expect(try await echoed(url, preferred) == "hello")
      preferred.http2 = .required
      #expect(try await failure(url, preferred) == .http2Unavailable(.noSettings(limit: .milliseconds(50))))
    }
  }

  @Test("speaks HTTP/2 without TLS by prior knowledge, where it is required (RFC 9113 §3.3)")
  func priorKnowledge() async throws {
    try await HTTP2TestServer.run(isSecure: false) { server async throws in
      let url = "ws://127.0.0.1:\(server.port)/"
      // The server's settings come when it likes, also before the client has begun (RFC 9113 §3.4).
      try await withThrowingTaskGroup(of: String?.self) { group in
        for _ in 0..<20 { group.addTask { try await echoed(url, options(.required)) } }
        for try await answer in group { #expect(answer == "hello") }
      }
    }
    // Without TLS nothing can be agreed on.
    try await ScriptedServer.run { server async throws in
      #expect(try await echoed("ws://127.0.0.1:\(server.port)/", options(.preferred)) == "hello")
    }
  }

  @Test("tells a refusal with its status, its fields and the first KiB of the body, and keeps the connection")
  func refusals() async throws {
    var serverOptions = try serverOptions()
    serverOptions.decide = { request in
      guard request.target != "/" else { return .accept() }
      var response = HTTPServerResponse.text(String(repeating: "x", count: 3000), status: .serviceUnavailable)
      response.headerFields[.retryAfter] = "7"
      return .refuse(response)
    }
    try await withServer(serverOptions) { address, _ async throws in
      let url = "wss://127.0.0.1:\(address.port ?? 0)"
      let pool = WebSocketClientPool()
      let options = try options(.required, pool)
      guard case .refusal(let refusal) = try await failure("\(url)/no", options) else {
        throw TestFailure("not refused")
      }
      #expect(refusal.status == 503 && refusal.retryAfter == .seconds(7) && refusal.isBodyCut)
      #expect(refusal.text == String(repeating: "x", count: 1024))
      #expect(try await echoed("\(url)/", options) == "hello")
      #expect(pool.connectionCount == 1)
    }
  }

  @Test("closes a connection without sockets after a while, or with the last one where nobody keeps the pool")
  func idle() async throws {
    try await withServer(serverOptions()) { address, server async throws in
      let url = "wss://127.0.0.1:\(address.port ?? 0)/"
      for pool in [
        nil, WebSocketClientPool(idleTimeout: .zero), WebSocketClientPool(idleTimeout: .milliseconds(20)),
      ] {
        #expect(try await echoed(url, options(.required, pool)) == "hello")
        while server.core.limits.counts.open > 0 { try await Task.sleep(for: .milliseconds(1)) }
        #expect(pool?.connectionCount ?? 0 == 0)
      }
      // Gone with the pool.
      #expect(
        try await echoed(url, options(.required, WebSocketClientPool(idleTimeout: .seconds(60)))) == "hello"
      )
      while server.core.limits.counts.open > 0 { try await Task.sleep(for: .milliseconds(1)) }
    }
  }

  @Test("tells all who wait for a connection why there is none, once")
  func sharedFailure() async throws {
    let port = ScriptedServer.unusedPort()
    let options = try options(.preferred, WebSocketClientPool())
    let errors = try await withThrowingTaskGroup(of: WebSocketClientError?.self) { group in
      for _ in 0..<10 { group.addTask { try await failure("wss://127.0.0.1:\(port)/", options) } }
      return try await group.reduce(into: []) { $0.append($1) }
    }
    #expect(errors.count == 10)
    for error in errors {
      guard case .refused = error else { throw TestFailure("\(String(describing: error))") }
    }
  }

  @Test("a task that requires HTTP/2 and fails keeps none from HTTP/1.1 that waits for its connection")
  func mixedChoices() async throws {
    try await HTTP2TestServer.run(.noExtendedConnect) { server async throws in
      let url = "wss://127.0.0.1:\(server.port)/"
      let pool = WebSocketClientPool()
      let required = try options(.required, pool)
      let preferred = try options(.preferred, pool)
      try await withThrowingTaskGroup(of: Void.self) { group in
        for _ in 0..<5 {
          group.addTask {
            let error = try await failure(url, required)
            #expect(error == .http2Unavailable(.noExtendedConnect))
          }
          group.addTask {
            let answer = try await echoed(url, preferred)
            #expect(answer == "hello")
          }
        }
        try await group.waitForAll()
      }
    }
  }

  @Test("a certificate that is not the server's ends all, whichever version is spoken (RFC 9525 §6)")
  func certificate() async throws {
    try await HTTP2TestServer.run { server async throws in
      var options = try options(.required, WebSocketClientPool())
      options.tls.serverName = "other.example"
      guard case .certificate = try await failure("wss://127.0.0.1:\(server.port)/", options) else {
        throw TestFailure("accepted")
      }
    }
  }

  @Test("a handler for streams gives ordinary requests to the handlers of its server (RFC 8441 §5)")
  func ordinaryRequests() async throws {
    try await HTTP2TestServer.run { server async throws in
      let address = try SocketAddress(ipAddress: "127.0.0.1", port: server.port)
      try await HTTP2TestClient.connect(to: address) { client async throws in
        let page = HTTPRequest(method: .get, scheme: "https", authority: "localhost", path: "/page")
        try await client.stream(page) { stream async throws in
          try await stream.write(.end(nil))
          #expect(try await stream.status() == 200)
          guard case .body(let body) = await stream.part() else { throw TestFailure("no body") }
          #expect(String(buffer: body) == "page /page")
        }
        // What comes right behind the request is not lost.
        try await client.open { stream async throws in
          try await stream.send(TextMessage(data: "early"))
          #expect(try await stream.status() == 200)
          #expect(try await stream.next() == .textMessage(TextMessage(data: "early")))
        }
        let foreign = Request(host: "localhost", target: "/", extraHeaders: [.origin: "https://evil.example"])
        try await client.open(foreign) { stream async throws in #expect(try await stream.status() == 403) }
      }
    }
  }
}
#endif
