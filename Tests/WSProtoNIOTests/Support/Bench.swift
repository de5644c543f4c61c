// SPDX-License-Identifier: Apache-2.0

#if NIO
import NIOCore
import NIOEmbedded
import WSProto

@testable import WSProtoNIO

/// A handler in an embedded channel, and its peer.
class Bench {
  let loop = EmbeddedEventLoop()
  let channel: EmbeddedChannel
  let peer: Connection
  let handler: WebSocketChannelHandler
  let recorder: Recorder

  init(
    _ role: ConnectionType,
    _ options: WebSocketOptions = WebSocketOptions(),
    budget: MemoryBudget? = nil,
    extensions: [any Extension] = [],
    echoes: Bool = false
  ) throws {
    channel = EmbeddedChannel(loop: loop)
    peer = Connection(role == .server ? .client : .server, extensions: extensions)
    recorder = Recorder(echoes: echoes)
    try channel.connect(to: SocketAddress(ipAddress: "127.0.0.1", port: 1)).wait()
    let connection = Connection(role, extensions: extensions, configuration: options.configuration)
    handler = WebSocketChannelHandler(connection, timeouts: options.timeouts, budget: budget)
    try channel.pipeline.syncOperations.addHandlers([handler, recorder])
  }

  deinit { channel.end() }

  func receive(_ bytes: [UInt8]) throws { try channel.writeInbound(ByteBuffer(bytes: bytes)) }

  /// A text, a binary message in three frames with a ping between, and an empty text, from the peer.
  func threeMessages() throws -> [UInt8] {
    var bytes = try peer.sendText("Grüße")
    bytes += try peer.sendBytes([1, 2], messageFinished: false)
    bytes += try peer.send(Ping(payload: "between"))
    bytes += try peer.sendBytes([3], messageFinished: false)
    bytes += try peer.sendBytes([], messageFinished: true)
    return try bytes + peer.sendText("")
  }

  /// What the peer makes of what was written.
  func sentEvents() throws -> [Event] {
    while let bytes = try channel.readOutbound(as: ByteBuffer.self) {
      try peer.receiveData(bytes.readableBytesView)
    }
    return Array(peer.events())
  }
}

/// Keeps what reaches it.
final class Recorder: ChannelInboundHandler {
  typealias InboundIn = WebSocketMessage
  typealias OutboundOut = WebSocketCommand

  private let echoes: Bool
  var messages: [WebSocketMessage] = []
  var roundTrips: [Duration] = []
  var closed: WebSocketClosed?

  init(echoes: Bool) { self.echoes = echoes }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    let message = Self.unwrapInboundIn(data)
    messages.append(message)
    if echoes { context.writeAndFlush(Self.wrapOutboundOut(.send(message)), promise: nil) }
  }

  func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
    switch event as? WebSocketEvent {
    case .roundTrip(let time): roundTrips.append(time)
    case .closed(let closed): self.closed = closed
    case nil: break
    }
  }
}

extension PerMessageDeflate {
  /// As after a negotiation without parameters.
  static var negotiated: PerMessageDeflate {
    var deflate = PerMessageDeflate()
    _ = deflate.accept(ExtensionHeader(name: "permessage-deflate"))
    return deflate
  }
}
#endif
