// SPDX-License-Identifier: Apache-2.0

import NIOCore
import NIOPosix
import WSProto
import WSProtoNIO

/// Sends every message back, by the channel handler: for those who live in NIO.
enum HandlerEcho {
  static func serve(_ arguments: Arguments) async throws {
    let listener = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
      .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
      .childChannelInitializer { channel in
        channel.eventLoop.makeCompletedFuture {
          try channel.pipeline.syncOperations.addHandler(Opening(.server))
        }
      }
      .bind(host: "127.0.0.1", port: arguments.number("port") ?? 0).get()
    report("listening \(listener.localAddress?.port ?? 0)")
    try await listener.closeFuture.get()
  }

  /// Connects, echoes until the server closes, and gives the last text.
  static func connect(to url: String) async throws -> String {
    let address = try WebSocketAddress(url)
    let request = Request(host: address.hostField, target: address.target, extensions: [PerMessageDeflate()])
    let lastText = LastText()
    let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
      .channelInitializer { channel in
        channel.eventLoop.makeCompletedFuture {
          try channel.pipeline.syncOperations.addHandler(
            Opening(.client, request: request, lastText: lastText)
          )
        }
      }
      .connect(host: address.host.name, port: address.port).get()
    try await channel.closeFuture.get()
    return try await channel.eventLoop.submit { lastText.text }.get()
  }

  /// Of one event loop.
  final class LastText: @unchecked Sendable {
    var text = ""
  }
}

/// The opening handshake by the core; then the connection's handlers take its place.
private final class Opening: ChannelInboundHandler, RemovableChannelHandler {
  typealias InboundIn = ByteBuffer
  typealias OutboundOut = ByteBuffer

  private let handshake: H11Handshake
  private let request: Request?
  private let lastText: HandlerEcho.LastText?

  init(_ type: ConnectionType, request: Request? = nil, lastText: HandlerEcho.LastText? = nil) {
    handshake = H11Handshake(type)
    self.request = request
    self.lastText = lastText
  }

  func channelActive(context: ChannelHandlerContext) {
    if let request { send(context, request) }
    context.fireChannelActive()
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    do {
      try handshake.receiveData(Self.unwrapInboundIn(data).readableBytesView)
    } catch ProtocolError.remote(let error) {
      if let hint = error.eventHint { send(context, hint) }
      return context.close(promise: nil)
    } catch {
      return context.close(promise: nil)
    }
    while let event = handshake.nextEvent() {
      if case .request = event { send(context, AcceptConnection(extensions: [PerMessageDeflate()])) }
    }
    guard let connection = handshake.connection else { return }
    do {
      let pipeline = context.pipeline.syncOperations
      try pipeline.addHandlers(
        [WebSocketChannelHandler(connection), EchoHandler(lastText)],
        position: .after(self)
      )
      pipeline.removeHandler(context: context, promise: nil)
    } catch {
      context.close(promise: nil)
    }
  }

  private func send(_ context: ChannelHandlerContext, _ event: some EventConvertible) {
    guard let bytes = try? handshake.send(event) else { return context.close(promise: nil) }
    context.writeAndFlush(Self.wrapOutboundOut(ByteBuffer(bytes: bytes)), promise: nil)
  }
}

/// Sends messages back, and reads only while the transport takes what is sent.
private final class EchoHandler: ChannelDuplexHandler {
  typealias InboundIn = WebSocketMessage
  typealias InboundOut = Never
  typealias OutboundIn = Never
  typealias OutboundOut = WebSocketCommand

  private let lastText: HandlerEcho.LastText?
  private var holdsRead = false

  init(_ lastText: HandlerEcho.LastText?) { self.lastText = lastText }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    let message = Self.unwrapInboundIn(data)
    if let lastText, let text = message.text { lastText.text = text }
    context.writeAndFlush(Self.wrapOutboundOut(.send(message)), promise: nil)
  }

  func read(context: ChannelHandlerContext) {
    if context.channel.isWritable { context.read() } else { holdsRead = true }
  }

  func channelWritabilityChanged(context: ChannelHandlerContext) {
    guard context.channel.isWritable, holdsRead else { return }
    holdsRead = false
    context.read()
  }
}
