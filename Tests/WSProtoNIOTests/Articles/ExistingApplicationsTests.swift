// SPDX-License-Identifier: Apache-2.0

#if NIO
import HTTPTypes
import NIOCore
import NIOHTTP1
import NIOHTTP2
import NIOHTTPTypesHTTP2
import NIOPosix
import Testing
import WSProto

@testable import WSProtoNIO

/// The samples of "In an existing NIO or Hummingbird application", as they stand there: `.ci/checks/readme` compares them.
private struct Sample {
  func listen(on port: Int) async throws -> NIOAsyncChannel<EventLoopFuture<WebSocket?>, Never> {
    var options = WebSocketUpgradeOptions()
    options.decide = { $0.target == "/chat" ? .accept() : .refuse(.notFound) }
    let upgrader = WebSocketServerUpgrader(options: options) { WebSocket?.some($0) }
    return try await ServerBootstrap(group: .singletonMultiThreadedEventLoopGroup)
      .bind(host: "127.0.0.1", port: port) { channel in
        channel.eventLoop.makeCompletedFuture {
          try channel.pipeline.syncOperations.configureUpgradableHTTPServerPipeline(
            configuration: .init(
              upgradeConfiguration: .init(upgraders: [upgrader]) { channel in
                channel.eventLoop.makeCompletedFuture {
                  try channel.pipeline.syncOperations.addHandler(PageHandler())
                  return nil
                }
              }
            )
          )
        }
      }
  }

  func serve(_ listener: NIOAsyncChannel<EventLoopFuture<WebSocket?>, Never>) async throws {
    try await listener.executeThenClose { connections in
      try await withThrowingDiscardingTaskGroup { group in
        for try await opened in connections {
          group.addTask {
            // Nothing is to do for ordinary requests, which have their handler, and for those that were refused and answered.
            guard let socket = try? await opened.get() else { return }
            try? await socket.use { socket in
              for try await message in socket.messages { try await socket.send(message) }
            }
          }
        }
      }
    }
  }

  final class PageHandler: ChannelInboundHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundOut = HTTPServerResponsePart

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
      guard case .end = Self.unwrapInboundIn(data) else { return }
      let head = HTTPResponseHead(version: .http1_1, status: .ok, headers: ["Content-Length": "6"])
      context.write(Self.wrapOutboundOut(.head(head)), promise: nil)
      context.write(Self.wrapOutboundOut(.body(.byteBuffer(ByteBuffer(string: "a page")))), promise: nil)
      context.writeAndFlush(Self.wrapOutboundOut(.end(nil)), promise: nil)
    }
  }

  final class EchoHandler: ChannelInboundHandler {
    typealias InboundIn = WebSocketMessage
    typealias OutboundOut = WebSocketCommand

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
      context.writeAndFlush(Self.wrapOutboundOut(.send(Self.unwrapInboundIn(data))), promise: nil)
    }
  }

  func upgrader() -> WebSocketServerUpgrader<Void> {
    WebSocketServerUpgrader { channel, request in
      try channel.pipeline.syncOperations.addHandler(EchoHandler())
    }
  }

  final class Receiver: WebSocketReceiver {
    func receivedText(_ text: UTF8Span, on handler: WebSocketChannelHandler) {
      try? handler.sendText(text)
    }

    func receivedBytes(_ bytes: RawSpan, on handler: WebSocketChannelHandler) {
      try? handler.sendBytes(bytes)
    }
  }

  func receivingUpgrader() -> WebSocketServerUpgrader<Void> {
    WebSocketServerUpgrader { channel, request in
      let handler = try channel.pipeline.syncOperations.handler(type: WebSocketChannelHandler.self)
      handler.receiver = Receiver()
    }
  }

  func connect(to port: Int) async throws -> WebSocket? {
    let request = Request(host: "localhost:\(port)", target: "/chat")
    let upgrader = try WebSocketClientUpgrader(request) { WebSocket?.some($0) }
    let opened = try await ClientBootstrap(group: .singletonMultiThreadedEventLoopGroup)
      .connect(host: "127.0.0.1", port: port) { channel in
        channel.eventLoop.makeCompletedFuture {
          try channel.pipeline.syncOperations.configureUpgradableHTTPClientPipeline(
            configuration: upgrader.pipelineConfiguration { channel in
              channel.close().map { nil }  // refused
            }
          )
        }
      }
    return try await opened.get()
  }

  func configure(
    _ channel: any Channel,
    opened: @escaping @Sendable (WebSocket) -> Void,
    ordinary: @escaping @Sendable (any Channel) throws -> Void
  ) throws {
    var configuration = NIOHTTP2Handler.ConnectionConfiguration()
    configuration.initialSettings.append(HTTP2Setting(parameter: .enableConnectProtocol, value: 1))
    _ = try channel.pipeline.syncOperations.configureHTTP2Pipeline(
      mode: .server,
      connectionConfiguration: configuration,
      streamConfiguration: .init()
    ) { stream in
      stream.eventLoop.makeCompletedFuture {
        try stream.pipeline.syncOperations.addHandlers([
          HTTP2FramePayloadToHTTPServerCodec(),
          WebSocketStreamHandler(opened: opened, ordinary: ordinary),
        ])
      }
    }
  }
}

@Suite("In an existing NIO application", .timeLimit(.minutes(5)))
struct ExistingApplicationsTests {
  @Test(
    "a server on NIO's HTTP/1.1 opens WebSockets beside pages, and a client on a channel of its own talks to it"
  )
  func http1() async throws {
    let listener = try await Sample().listen(on: 0)
    let port = try #require(listener.channel.localAddress?.port)
    let serving = Task { try await Sample().serve(listener) }
    let socket = try #require(try await Sample().connect(to: port))
    try await socket.use { socket async throws in
      try await socket.send("hello")
      #expect(try await socket.messages.first { _ in true } == "hello")
    }
    let address = try SocketAddress(ipAddress: "127.0.0.1", port: port)
    try await TestClient.connect(to: address) { client async throws in
      for _ in 0..<2 {
        try await client.write("GET / HTTP/1.1\r\nHost: h\r\n\r\n")
        #expect(try await client.readResponse().body == "a page")
      }
    }
    try await TestClient.connect(to: address) { client async throws in
      try await client.write(handshake())
      #expect(try await client.readResponse().head.hasPrefix("HTTP/1.1 404 "))
    }
    serving.cancel()
    _ = try? await serving.value
  }

  @Test(
    "channel handlers, or a receiver, get the messages where the upgrader is told so",
    arguments: [Sample().upgrader(), Sample().receivingUpgrader()]
  )
  fileprivate func handlers(upgrader: WebSocketServerUpgrader<Void>) async throws {
    let listener = try await ServerBootstrap(group: .singletonMultiThreadedEventLoopGroup)
      .childChannelInitializer { channel in
        channel.eventLoop.makeCompletedFuture {
          _ = try channel.pipeline.syncOperations.configureUpgradableHTTPServerPipeline(
            configuration: .init(
              upgradeConfiguration: .init(upgraders: [upgrader]) { $0.close() }
            )
          )
        }
      }
      .bind(host: "127.0.0.1", port: 0).get()
    try await TestClient.open(to: try #require(listener.localAddress)) { client async throws in
      try await client.send(TextMessage(data: "hello"))
      #expect(try await client.nextText() == "hello")
    }
    try await listener.close()
  }

  @Test("a server on HTTP/2 opens WebSockets on its streams")
  func http2() async throws {
    let listener = try await ServerBootstrap(group: .singletonMultiThreadedEventLoopGroup)
      .childChannelInitializer { channel in
        channel.eventLoop.makeCompletedFuture {
          try Sample().configure(channel) { socket in
            Task { try await socket.use { try await echo($0) } }
          } ordinary: { stream in
            stream.close(promise: nil)
          }
        }
      }
      .bind(host: "127.0.0.1", port: 0).get()
    var options = WebSocketClientOptions()
    options.http2 = .required
    let port = try #require(listener.localAddress?.port)
    try await WebSocketClient.connect(to: "ws://127.0.0.1:\(port)/", options: options) {
      socket async throws in
      try await socket.send("hello")
      #expect(try await socket.messages.first { _ in true } == "hello")
    }
    try await listener.close()
  }
}
#endif
