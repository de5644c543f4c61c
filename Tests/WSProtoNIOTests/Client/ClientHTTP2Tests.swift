// SPDX-License-Identifier: Apache-2.0

#if NIO
import HTTPTypes
import NIOCore
import NIOHTTP2
import NIOHTTPTypes
import NIOSSL
import Testing
import WSProto

@testable import WSProtoNIO

@Suite("A client by HTTP/2 (RFC 8441)", .timeLimit(.minutes(5)))
struct ClientHTTP2Tests {
  private func options(
    _ http2: WebSocketClientOptions.HTTP2Choice,
    _ pool: WebSocketClientPool? = nil
  ) throws -> WebSocketClientOptions {
    var options = WebSocketClientOptions()
    options.http2 = http2
    options.pool = pool
    options.tls.roots = try #require(TestCertificate.first.client([]).trustRoots)
    return options
  }

  private func serverOptions() throws -> WebSocketServerOptions {
    var options = WebSocketServerOptions()
    options.tls = try TestCertificate.first.server
    return options
  }

  /// The echo of a text.
  private func echoed(_ url: String, _ options: WebSocketClientOptions, _ text: String = "hello") async throws
    -> String?
  {
    try await WebSocketClient.connect(to: url, options: options) { socket async throws in
      try await socket.send(text)
      return try await socket.messages.first { _ in true }?.text
    }
  }

  /// Why there is no connection.
  private func failure(_ url: String, _ options: WebSocketClientOptions) async throws -> WebSocketClientError?
  {
    do {
      _ = try await echoed(url, options)
      return nil
    } catch let error as WebSocketClientError {
      return error
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
              while opened.count < 20 { await Task.yield() }
              let text = String(repeating: "\(number) ", count: number % 4 == 0 ? 100_000 : 1)
              try await socket.send(.text(text), compress: number % 2 == 0)
              #expect(try await socket.messages.first { _ in true }?.text == text)
            }
          }
        }
        while opened.count < 20 { await Task.yield() }
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
              while opened.count < 5 { await Task.yield() }
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
        while server.core.limits.counts.open > 1 { await Task.yield() }
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
      #expect(try await echoed("ws://127.0.0.1:\(server.port)/", options(.required)) == "hello")
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

  @Test(
    "ends a stream in order after the closing handshake, and resets it where there was none (RFC 8441 §5)"
  )
  func ends() async throws {
    try await HTTP2TestServer.run { server async throws in
      let url = "wss://127.0.0.1:\(server.port)/"
      let options = try options(.required, WebSocketClientPool())
      #expect(try await echoed(url, options) == "hello")
      try await server.log.wait(for: "end of stream")
      #expect(!server.log.all.contains { $0.hasPrefix("reset") })
      try await WebSocketClient.connect(to: url, options: options) { socket in socket.drop(.local) }
      try await server.log.wait(for: "reset 8")
      #expect(server.log.all.filter { $0.hasPrefix("connection") } == ["connection 0"])
    }
  }

  @Test("a stream that nobody reads holds back its sender, and no neighbour (RFC 9113 §5.2)")
  func stalledReader() async throws {
    let sent = Counter()
    try await withServer(serverOptions()) { socket async throws in
      guard socket.request.target == "/flood" else { return try await echo(socket) }
      for number in 0..<64 {
        try await socket.send([UInt8](repeating: UInt8(number), count: 64 << 10))
        sent.add(1)
      }
    } _: { address, _ async throws in
      let url = "wss://127.0.0.1:\(address.port ?? 0)"
      let pool = WebSocketClientPool()
      let options = try options(.required, pool)
      try await WebSocketClient.connect(to: "\(url)/flood", options: options) { stalled async throws in
        try await WebSocketClient.connect(to: "\(url)/", options: options) { busy async throws in
          var answers = busy.messages.makeAsyncIterator()
          for number in 0..<200 {
            try await busy.send("\(number)")
            #expect(try await answers.next()?.text == "\(number)")
          }
        }
        #expect(sent.count < 16 && pool.connectionCount == 1)
        var count = 0
        for try await message in stalled.messages {
          #expect(
            message.bytes.readableBytes == 64 << 10 && message.bytes.readableBytesView.first == UInt8(count)
          )
          count += 1
        }
        #expect(count == 64)
      }
    }
  }

  @Test("a writer waits while the server reads nothing, and its neighbours don't; then it is dropped")
  func stalledWriter() async throws {
    try await withServer(serverOptions()) { socket async throws in
      guard socket.request.target == "/deaf" else { return try await echo(socket) }
      while !socket.hasEnded { try await Task.sleep(for: .milliseconds(10)) }
    } _: { address, _ async throws in
      let url = "wss://127.0.0.1:\(address.port ?? 0)"
      var options = try options(.required, WebSocketClientPool())
      options.socket.slowConsumer = .wait(atMost: .milliseconds(300))
      try await WebSocketClient.connect(to: "\(url)/", options: options) { busy async throws in
        var answers = busy.messages.makeAsyncIterator()
        let closed = await #expect(throws: WebSocketClosed.self) {
          try await WebSocketClient.connect(to: "\(url)/deaf", options: options) { deaf async throws in
            while true {
              try await deaf.send([UInt8](repeating: 0, count: 16 << 10))
              try await busy.send("still")
              _ = try await answers.next()
            }
          }
        }
        guard case .slowConsumer = closed?.cause else { throw TestFailure("\(String(describing: closed))") }
        try await busy.send("here")
        #expect(try await answers.next()?.text == "here")
      }
    }
  }

  @Test("leaves a connection that the server is about to end, and lets its sockets go on (RFC 9113 §6.8)")
  func goAway() async throws {
    try await HTTP2TestServer.run { stream, _ in
      let frame = HTTP2Frame(
        streamID: .rootStream,
        payload: .goAway(lastStreamID: 1, errorCode: .noError, opaqueData: nil)
      )
      stream.parent?.writeAndFlush(frame, promise: nil)
      return true
    } _: { server async throws in
      let url = "wss://127.0.0.1:\(server.port)/"
      let pool = WebSocketClientPool()
      let options = try options(.required, pool)
      try await WebSocketClient.connect(to: url, options: options) { first async throws in
        #expect(pool.connectionCount == 0)
        #expect(try await echoed(url, options) == "hello")
        try await first.send("still here")
        #expect(try await first.messages.first { _ in true }?.text == "still here")
      }
      #expect(server.log.all.filter { $0.hasPrefix("connection") }.count == 2)
    }
  }

  @Test(
    "asks again on another connection for what the server has not looked at, but not for ever (RFC 9113 §8.7)"
  )
  func refusedStreams() async throws {
    @Sendable func refuse(_ stream: any Channel, _ code: NIOHTTP2.HTTP2ErrorCode) {
      stream.pipeline.syncOperations.writeAndFlush(
        NIOAny(HTTP2Frame.FramePayload.rstStream(code)),
        promise: nil
      )
    }
    try await HTTP2TestServer.run { stream, number in
      if number == 0 { refuse(stream, .refusedStream) }
      return number > 0
    } _: { server async throws in
      let url = "wss://127.0.0.1:\(server.port)/"
      #expect(try await echoed(url, options(.required, WebSocketClientPool())) == "hello")
    }
    try await HTTP2TestServer.run { stream, _ in
      refuse(stream, .refusedStream)
      return false
    } _: { server async throws in
      let url = "wss://127.0.0.1:\(server.port)/"
      #expect(try await failure(url, options(.required)) == .streamReset(code: 7))
      #expect(server.log.all.filter { $0.hasPrefix("connection") }.count == 3)
    }
    try await HTTP2TestServer.run { stream, _ in
      refuse(stream, .enhanceYourCalm)
      return false
    } _: { server async throws in
      let url = "wss://127.0.0.1:\(server.port)/"
      let error = try await failure(url, options(.required))
      #expect(error == .streamReset(code: 11) && error?.reconnectCause == .network)
    }
    try await HTTP2TestServer.run { stream, _ in
      refuse(stream, .http11Required)
      return false
    } _: { server async throws in
      let url = "wss://127.0.0.1:\(server.port)/"
      #expect(try await echoed(url, options(.preferred)) == "hello")
      #expect(try await failure(url, options(.required)) == .http2Unavailable(.http1Required))
    }
  }

  @Test("gives up a stream whose task is cancelled or whose answer is late, and keeps the connection")
  func givenUp() async throws {
    var serverOptions = try serverOptions()
    let asked = Promised<Void>()
    serverOptions.decide = { request in
      if request.target == "/late" {
        asked.resume(with: .success(()))
        try await Task.sleep(for: .seconds(60))
      }
      return .accept()
    }
    try await withServer(serverOptions) { address, server async throws in
      let url = "wss://127.0.0.1:\(address.port ?? 0)"
      let pool = WebSocketClientPool()
      let options = try options(.required, pool)
      let task = Task { try await echoed("\(url)/late", options) }
      try await asked.value()
      task.cancel()
      await #expect(throws: CancellationError.self) { try await task.value }
      var hasty = options
      hasty.socket.timeouts.opening = .milliseconds(100)
      let late = WebSocketClientError.timedOut(.handshake, limit: .milliseconds(100))
      #expect(try await failure("\(url)/late", hasty) == late)
      while server.core.limits.counts.open > 1 { await Task.yield() }
      #expect(try await echoed("\(url)/", options) == "hello" && pool.connectionCount == 1)
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
        while server.core.limits.counts.open > 0 { await Task.yield() }
        #expect(pool?.connectionCount ?? 0 == 0)
      }
      // Gone with the pool.
      #expect(
        try await echoed(url, options(.required, WebSocketClientPool(idleTimeout: .seconds(60)))) == "hello"
      )
      while server.core.limits.counts.open > 0 { await Task.yield() }
    }
  }

  @Test("tells all who wait for a connection why there is none, once")
  func sharedFailure() async throws {
    let port = try await ScriptedServer.unusedPort()
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
