// SPDX-License-Identifier: Apache-2.0

#if NIO
import HTTPTypes
import NIOCore
import NIOEmbedded
import Testing
import WSProto

@testable import WSProtoNIO

/// The samples of "From NIOWebSocket, websocket-kit and URLSession", as they stand there: `.ci/checks/readme` compares them.
private struct Sample {
  final class TextHandler: ChannelInboundHandler {
    typealias InboundIn = WebSocketMessage
    typealias OutboundOut = WebSocketCommand

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
      guard let text = Self.unwrapInboundIn(data).text else { return }
      context.writeAndFlush(Self.wrapOutboundOut(.send(.text(text))), promise: nil)
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
      if case .closed(let end) = event as? WebSocketEvent { print(end) }
    }
  }

  func chat(at url: String, token: String, show: (String) -> Void) async throws {
    var options = WebSocketClientOptions()
    options.extraHeaders[.authorization] = "Bearer \(token)"
    try await WebSocketClient.connect(to: url, options: options) { socket in
      try await socket.send("hello")
      for try await message in socket.messages {
        if let text = message.text { show(text) }
      }
    }
  }

  func measure(_ url: String) async throws -> (roundTrip: Duration, close: CloseConnection?) {
    try await WebSocketClient.connect(to: url) { socket in
      let roundTrip = try await socket.ping()
      let close = try await socket.close(code: .goingAway, reason: "done")
      return (roundTrip, close)
    }
  }

  func follow(_ url: String, show: (WebSocketMessage) -> Void) async throws {
    try await WebSocketClient.reconnecting(to: url) { socket in
      for try await message in socket.messages { show(message) }
    }
  }
}

@Suite("From NIOWebSocket, websocket-kit and URLSession", .timeLimit(.minutes(5)))
struct MigratingTests {
  @Test("the channel handler sends texts back, and nothing else")
  func handler() throws {
    let channel = EmbeddedChannel()
    try channel.connect(to: SocketAddress(ipAddress: "127.0.0.1", port: 1)).wait()
    try channel.pipeline.syncOperations.addHandlers([
      WebSocketChannelHandler(Connection(.server)), Sample.TextHandler(),
    ])
    let peer = Connection(.client)
    for bytes in [try peer.send(BytesMessage(data: [1])), try peer.send(TextMessage(data: "hello"))] {
      try channel.writeInbound(ByteBuffer(bytes: bytes))
    }
    while let bytes = try channel.readOutbound(as: ByteBuffer.self) {
      try peer.receiveData(bytes.readableBytesView)
    }
    #expect(Array(peer.events()) == [.textMessage(TextMessage(data: "hello"))])
    _ = try? channel.finish(acceptAlreadyClosed: true)
  }

  @Test("the clients talk, measure, close, and come back")
  func clients() async throws {
    let attempts = Counter()
    try await withServer { socket async throws in
      switch socket.request.target {
      case "/chat":
        #expect(socket.request.extraHeaders[.authorization] == "Bearer t")
        guard let hello = try await socket.messages.first(where: { _ in true }) else { return }
        try await socket.send(hello)
      case "/follow":
        attempts.add(1)
        try await socket.send("\(attempts.count)")
        // The first connection is lost; the second one ends in order.
        if attempts.count == 1 { try await socket.close(code: .serviceRestart) }
      default: try await echo(socket)
      }
    } _: { address, _ async throws in
      let url = "ws://127.0.0.1:\(try #require(address.port))"
      var shown: [String] = []
      try await Sample().chat(at: "\(url)/chat", token: "t") { shown.append($0) }
      #expect(shown == ["hello"])
      #expect(try await Sample().measure("\(url)/measure").close?.code == .goingAway)
      shown = []
      try await Sample().follow("\(url)/follow") { shown.append("\($0)") }
      #expect(shown == ["1", "2"])
    }
  }
}
#endif
