// SPDX-License-Identifier: Apache-2.0

#if NIO
import HTTPTypes
import NIOCore
import NIOEmbedded
import NIOHTTP1
import NIOPosix
import Testing
import WSProto

@testable import WSProtoNIO

@Suite("A WebSocket in a client on NIO's HTTP/1.1", .timeLimit(.minutes(5)))
struct ClientUpgraderTests {
  /// Connects; the socket, or `nil` if the server has refused.
  private func open(
    _ port: Int,
    _ request: Request,
    _ options: WebSocketOptions = WebSocketOptions()
  ) async throws -> WebSocket? {
    let upgrader = try WebSocketClientUpgrader(request, options: options) { WebSocket?.some($0) }
    let opened = try await ClientBootstrap(group: .singletonMultiThreadedEventLoopGroup)
      .connect(host: "127.0.0.1", port: port) { channel in
        channel.eventLoop.makeCompletedFuture {
          try channel.pipeline.syncOperations.configureUpgradableHTTPClientPipeline(
            configuration: upgrader.pipelineConfiguration { channel in channel.close().map { nil } }
          )
        }
      }
    return try await opened.get()
  }

  @Test("opens with what the request says, and loses nothing behind the answer (RFC 6455 §4.1)")
  func opens() async throws {
    try await ScriptedServer.run(reply: { _, _ in .open(subprotocol: "feed") }) { server async throws in
      var options = WebSocketOptions()
      options.compression = WebSocketCompression()
      let request = Request(
        host: "service.example",
        target: "/greet",
        extraHeaders: [.userAgent: "test"],
        subprotocols: ["chat", "feed"]
      )
      let socket = try #require(try await open(server.port, request, options))
      #expect(socket.subprotocol == "feed" && socket.compression != nil && socket.response != nil)
      try await socket.use { socket async throws in
        var messages = socket.messages.makeAsyncIterator()
        #expect(try await messages.next() == "welcome")
        let text = String(repeating: "a", count: 100_000)
        try await socket.send(text)
        #expect(try await messages.next()?.text == text)
      }
      let head = try #require(server.log.all.first)
      #expect(
        head.hasPrefix("GET /greet HTTP/1.1\r\nHost: service.example\r\n")
          && head.contains("User-Agent: test")
      )
      try await server.log.wait(for: "close \(CloseReason.normalClosure)")
    }
  }

  @Test(
    "opens nothing where the server refuses, or where its answer is not legal (RFC 6455 §4.1)",
    arguments: [
      "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
      "HTTP/1.1 101 S\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: AAAA\r\n\r\n",
    ]
  )
  func refused(answer: String) async throws {
    try await ScriptedServer.run(reply: { _, _ in .last(answer) }) { server async throws in
      do {
        let socket = try await open(server.port, Request(host: "h", target: "/"))
        #expect(socket == nil)
      } catch {
        // NIO's, for a 101 that no upgrader accepts.
        #expect(!(error is WebSocketClosed), "\(error)")
      }
    }
  }

  @Test("a request that must not be sent is an error before anything is connected to")
  func illegal() {
    let error = #expect(throws: LocalProtocolError.self) {
      try WebSocketClientUpgrader(Request(host: "h", target: "/", subprotocols: ["a b"])) {
        WebSocket?.some($0)
      }
    }
    #expect(error?.violation == .subprotocol)
  }

  @Test("gives messages to channel handlers where those are asked for")
  func handlers() throws {
    let upgrader = try WebSocketClientUpgrader<Bool>(Request(host: "h", target: "/")) { channel, _ in
      try channel.pipeline.syncOperations.addHandler(Recorder(echoes: true))
      return true
    }
    let channel = EmbeddedChannel()
    defer { channel.end() }
    let opened = try channel.pipeline.syncOperations.configureUpgradableHTTPClientPipeline(
      configuration: upgrader.pipelineConfiguration { $0.eventLoop.makeSucceededFuture(false) }
    )
    try channel.connect(to: SocketAddress(ipAddress: "127.0.0.1", port: 1)).wait()
    let server = WSConnection(.server)
    func receive() throws {
      while let bytes = try channel.readOutbound(as: ByteBuffer.self) {
        try server.receiveData(bytes.readableBytesView)
      }
    }
    try receive()
    guard case .request(let request) = server.nextEvent() else { throw TestFailure("no request") }
    #expect(request.target == "/" && request.host == "h")
    var answer: [UInt8] = []
    try server.send(AcceptConnection(), into: &answer)
    try server.send(TextMessage(data: "early"), into: &answer)
    try channel.writeInbound(ByteBuffer(bytes: answer))
    channel.embeddedEventLoop.run()
    #expect(try opened.wait())
    try receive()
    #expect(server.nextEvent() == .textMessage(TextMessage(data: "early")))
  }
}
#endif
