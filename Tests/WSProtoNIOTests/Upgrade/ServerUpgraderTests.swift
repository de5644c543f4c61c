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

@Suite("A WebSocket in a server on NIO's HTTP/1.1", .timeLimit(.minutes(5)))
struct ServerUpgraderTests {
  enum Opened: Sendable {
    case webSocket(WebSocket)
    case handlers(String)
    case http
  }

  /// What ordinary requests are answered with.
  private final class Page: ChannelInboundHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundOut = HTTPServerResponsePart

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
      guard case .head(let head) = Self.unwrapInboundIn(data) else { return }
      let body = ByteBuffer(string: "page \(head.uri)")
      let headers: HTTPHeaders = ["Content-Length": "\(body.readableBytes)"]
      let response = HTTPResponseHead(version: .http1_1, status: .ok, headers: headers)
      context.write(Self.wrapOutboundOut(.head(response)), promise: nil)
      context.write(Self.wrapOutboundOut(.body(.byteBuffer(body))), promise: nil)
      context.writeAndFlush(Self.wrapOutboundOut(.end(nil)), promise: nil)
    }
  }

  /// Runs a server of NIO's own parts.
  private func withNIOServer<Value>(
    _ upgrader: WebSocketServerUpgrader<Opened>,
    _ body: (SocketAddress, Promised<any Error>) async throws -> Value
  ) async throws -> Value {
    let failure = Promised<any Error>()
    let listener = try await ServerBootstrap(group: .singletonMultiThreadedEventLoopGroup)
      .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
      .childChannelInitializer { channel in
        channel.eventLoop.makeCompletedFuture {
          let opened = try channel.pipeline.syncOperations.configureUpgradableHTTPServerPipeline(
            configuration: .init(
              upgradeConfiguration: .init(upgraders: [upgrader]) { channel in
                channel.eventLoop.makeCompletedFuture {
                  try channel.pipeline.syncOperations.addHandler(Page())
                  return .http
                }
              }
            )
          )
          opened.whenComplete { result in
            switch result {
            case .success(.webSocket(let socket)): Task { try await socket.use { try await echo($0) } }
            case .success: break
            case .failure(let error): failure.resume(with: .success(error))
            }
          }
        }
      }
      .bind(host: "127.0.0.1", port: 0).get()
    let value: Value
    do {
      value = try await body(try #require(listener.localAddress), failure)
    } catch {
      try? await listener.close()
      throw error
    }
    try await listener.close()
    return value
  }

  @Test(
    "opens beside ordinary requests, with what the options say, and loses nothing behind the request (RFC 6455 §4.2)"
  )
  func opens() async throws {
    var options = WebSocketUpgradeOptions()
    options.subprotocols = ["chat"]
    options.socket.compression = WebSocketCompression()
    let upgrader = WebSocketServerUpgrader(options: options) { Opened.webSocket($0) }
    try await withNIOServer(upgrader) { address, _ async throws in
      try await TestClient.connect(to: address) { client async throws in
        try await client.write("GET /a HTTP/1.1\r\nHost: h\r\n\r\n")
        #expect(try await client.readResponse().body == "page /a")
      }
      try await TestClient.connect(to: address) { client async throws in
        let early: [UInt8] = [0x81, 0x82, 0, 0, 0, 0] + Array("hi".utf8)
        try await client.write(Array(handshake("Sec-WebSocket-Protocol: chat").utf8) + early)
        let head = try await client.readResponse(hasBody: false).head
        #expect(head.hasPrefix("HTTP/1.1 101 ") && head.contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="))
        #expect(head.lowercased().contains("sec-websocket-protocol: chat"))
        #expect(await client.read() == ByteBuffer(bytes: [0x81, 2] + Array("hi".utf8)))
      }
      let request = Request(host: "localhost", target: "/", extensions: [PerMessageDeflate()])
      try await TestClient.open(to: address, request) { client async throws in
        let text = String(repeating: "a", count: 100_000)
        try await client.send(TextMessage(data: text))
        #expect(try await client.nextText() == text)
        #expect(try await client.close().code == .normalClosure)
        #expect(await client.read() == nil)
      }
    }
  }

  @Test(
    "refuses what is not legal, other origins, and what the closure refuses, and says why (RFC 6455 §4.4, §10.2)"
  )
  func refusals() async throws {
    var options = WebSocketUpgradeOptions()
    options.decide = { request in
      switch request.target {
      case "/no": return .refuse(.text("no", status: .notFound))
      case "/late":
        try await Task.sleep(for: .milliseconds(20))
        return .accept()
      case "/broken": throw TestFailure("broken")
      default: return .accept()
      }
    }
    let upgrader = WebSocketServerUpgrader(options: options) { Opened.webSocket($0) }
    let table: [(String, Int, String)] = [
      (handshake().replacing("Sec-WebSocket-Version: 13", with: "Sec-WebSocket-Version: 8"), 426, ""),
      (handshake("Origin: https://evil.example"), 403, ""),
      (handshake().replacing("GET / ", with: "GET /no "), 404, "no"),
      (handshake().replacing("GET / ", with: "GET /broken "), 500, ""),
      (handshake().replacing("dGhlIHNhbXBsZSBub25jZQ==", with: "short"), 400, ""),
    ]
    for (request, status, body) in table {
      try await withNIOServer(upgrader) { address, failure async throws in
        try await TestClient.connect(to: address) { client async throws in
          try await client.write(request)
          let response = try await client.readResponse()
          #expect(response.head.hasPrefix("HTTP/1.1 \(status) ") && response.body == body)
          #expect(await client.read() == nil)
        }
        // Where NIO's handler has left with the channel, its error comes first.
        let error = try await failure.value()
        #expect(error is WebSocketUpgradeRefused || error is ChannelError, "\(error)")
      }
    }
    try await withNIOServer(upgrader) { address, _ async throws in
      try await TestClient.connect(to: address) { client async throws in
        let early: [UInt8] = [0x81, 0x82, 0, 0, 0, 0] + Array("hi".utf8)
        try await client.write(Array(handshake().replacing("GET / ", with: "GET /late ").utf8) + early)
        #expect(try await client.readResponse(hasBody: false).head.hasPrefix("HTTP/1.1 101 "))
        #expect(await client.read() == ByteBuffer(bytes: [0x81, 2] + Array("hi".utf8)))
      }
    }
  }

  @Test("gives messages to channel handlers where those are asked for, in an embedded channel too")
  func handlers() throws {
    let upgrader = WebSocketServerUpgrader<Opened> { channel, request in
      try channel.pipeline.syncOperations.addHandler(Recorder(echoes: true))
      return .handlers(request.target)
    }
    let channel = EmbeddedChannel()
    defer { channel.end() }
    try channel.connect(to: SocketAddress(ipAddress: "127.0.0.1", port: 1)).wait()
    let opened = try channel.pipeline.syncOperations.configureUpgradableHTTPServerPipeline(
      configuration: .init(
        upgradeConfiguration: .init(upgraders: [upgrader]) { $0.eventLoop.makeSucceededFuture(.http) }
      )
    )
    let client = WSConnection(.client)
    var bytes = try client.send(Request(host: "h", target: "/feed"))
    // In two reads, the second one with a message behind the request.
    let tail = bytes.suffix(10)
    bytes.removeLast(10)
    try channel.writeInbound(ByteBuffer(bytes: bytes))
    try channel.writeInbound(ByteBuffer(bytes: Array(tail)))
    channel.embeddedEventLoop.run()
    func receive() throws {
      while let bytes = try channel.readOutbound(as: ByteBuffer.self) {
        try client.receiveData(bytes.readableBytesView)
      }
    }
    try receive()
    guard case .acceptConnection = client.nextEvent() else { throw TestFailure("not accepted") }
    guard case .handlers("/feed") = try opened.wait() else { throw TestFailure("not upgraded") }
    try channel.writeInbound(ByteBuffer(bytes: try client.send(TextMessage(data: "hello"))))
    try receive()
    #expect(client.nextEvent() == .textMessage(TextMessage(data: "hello")))
    _ = try? channel.finish(acceptAlreadyClosed: true)
  }
}
#endif
