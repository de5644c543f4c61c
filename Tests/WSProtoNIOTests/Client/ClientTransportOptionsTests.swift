// SPDX-License-Identifier: Apache-2.0

#if NIO
import NIOCore
import Synchronization
import Testing
import WSProto

@testable import WSProtoNIO

/// Where a client connects from and to, and what it tells while it does.
@Suite(.timeLimit(.minutes(5))) struct ClientTransportOptionsTests {
  /// Runs a server with `handler` while `body` runs.
  private func withServer(
    _ listener: WebSocketListener,
    _ handler: @escaping WebSocketServer.Handler,
    _ body: (SocketAddress) async throws -> Void
  ) async throws {
    let server = WebSocketServer([listener], handler: handler)
    async let running: Void = server.run()
    let address = try #require(try await server.addresses.first)
    try await body(address)
    server.shutDown()
    try await running
  }

  @Test("a Unix socket is connected to in place of the URL's host, which the request still names")
  func unixSocket() async throws {
    let path = "/tmp/wsproto-\(UInt64.random(in: 0 ... .max)).sock"
    try await withServer(.unix(path: path)) { socket in
      try await socket.send(socket.request.host + socket.request.target)
    } _: { _ in
      var options = WebSocketClientOptions()
      options.unixSocketPath = path
      // Nobody is asked for what is on this machine.
      options.proxy = .through(try ProxyAddress("http://127.0.0.1:1"))
      try await WebSocketClient.connect(to: "ws://service.example/chat", options: options) { socket in
        var messages = socket.messages.makeAsyncIterator()
        let answer = try await messages.next()?.text
        #expect(answer == "service.example/chat")
      }
    }
  }

  #if os(Linux)
  @Test("a client connects from the address that it is told")
  func localAddress() async throws {
    try await withServer(.host("127.0.0.1", port: 0)) { socket in
      try await socket.send(socket.remoteAddress?.ipAddress ?? "unknown")
    } _: { address in
      var options = WebSocketClientOptions()
      options.localAddress = try SocketAddress(ipAddress: "127.0.0.7", port: 0)
      let port = try #require(address.port)
      try await WebSocketClient.connect(to: "ws://127.0.0.1:\(port)/", options: options) { socket in
        var messages = socket.messages.makeAsyncIterator()
        let answer = try await messages.next()?.text
        #expect(answer == "127.0.0.7")
      }
    }
  }
  #endif

  @Test("each address that a redirect leads to is told before it is asked")
  func redirects() async throws {
    let told = Mutex<[String]>([])
    var options = WebSocketClientOptions()
    options.onRedirect = { address in told.withLock { $0.append(address.target) } }
    try await ScriptedServer.run(
      reply: { number, _ in
        guard number < 2 else { return .open() }
        return .bytes("HTTP/1.1 302 Found\r\nLocation: /\(number)\r\nContent-Length: 0\r\n\r\n")
      }
    ) { server in
      try await WebSocketClient.connect(to: "ws://127.0.0.1:\(server.port)/", options: options) { _ in }
    }
    #expect(told.withLock { $0 } == ["/0", "/1"])
  }

  @Test("the secrets of TLS are told in the format of SSLKEYLOGFILE")
  func keyLog() async throws {
    let lines = Mutex<[String]>([])
    var options = WebSocketClientOptions()
    options.tls = .insecure
    options.tls.keyLog = TLSKeyLog { line in lines.withLock { $0.append(String(buffer: line)) } }
    try await ScriptedServer.run(tls: try TestCertificates.serverContext()) { server in
      try await WebSocketClient.connect(to: "wss://localhost:\(server.port)/", options: options) { _ in }
    }
    let names = lines.withLock { $0.map { $0.prefix { $0 != " " } } }
    #expect(names.contains("CLIENT_TRAFFIC_SECRET_0"))
  }

  @Test("pings are told with how many messages came before them, and are answered all the same")
  func controlFrames() async throws {
    let positions = Mutex<[Int]>([])
    var options = WebSocketClientOptions()
    options.socket.controlFrames = ControlFrameObserver { frame, position in
      if case .ping = frame { positions.withLock { $0.append(position) } }
    }
    try await withServer(.host("127.0.0.1", port: 0)) { socket in
      try await socket.send("one")
      _ = try await socket.ping()
      try await socket.send("two")
      try await socket.send("three")
      _ = try await socket.ping()
    } _: { address in
      let port = try #require(address.port)
      try await WebSocketClient.connect(to: "ws://127.0.0.1:\(port)/", options: options) { socket in
        for try await _ in socket.messages {}
      }
    }
    #expect(positions.withLock { $0 } == [1, 3])
  }

  @Test("the first bytes of a server that is none are kept")
  func firstBytes() async throws {
    let firstBytes = FirstBytes()
    var options = WebSocketClientOptions()
    options.firstBytes = firstBytes
    try await ScriptedServer.run(reply: { _, _ in .bytes("SSH-2.0-x\r\n\r\n") }) { server in
      _ = await #expect(throws: WebSocketClientError.self) {
        try await WebSocketClient.connect(to: "ws://127.0.0.1:\(server.port)/", options: options) { _ in }
      }
    }
    #expect(firstBytes.value.starts(with: Array("SSH-2.0-x".utf8)))
  }
}
#endif
