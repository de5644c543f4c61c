// SPDX-License-Identifier: Apache-2.0

#if NIO
import NIOCore
import NIOEmbedded
import Synchronization
import WSProto

@testable import WSProtoNIO

/// A server's handlers in an embedded channel, as its listener would set them up.
final class CoreBench {
  let loop = EmbeddedEventLoop()
  let channel: EmbeddedChannel
  private let core: ServerCore
  private let opened: AsyncStream<WebSocket>

  /// The one that is open.
  var socket: WebSocket? { core.state.withLock { $0.sockets.values.first } }

  init(_ server: WebSocketServer) throws {
    core = server.core
    let (stream, continuation) = AsyncStream<WebSocket>.makeStream()
    // Sockets wait there for a closure, which never comes.
    opened = stream
    core.state.withLock { $0.opened = continuation }
    channel = EmbeddedChannel(loop: loop)
    try channel.connect(to: SocketAddress(ipAddress: "127.0.0.1", port: 1)).wait()
    let pending = PendingConnection(channel, limit: core.options.socket.timeouts.opening) {}
    try channel.pipeline.syncOperations.addHandler(HTTP1ServerHandler(core, pending, peer: nil))
  }

  deinit { channel.end() }

  func receive(_ text: String) throws { try receive(Array(text.utf8)) }

  func receive(_ bytes: [UInt8]) throws { try channel.writeInbound(ByteBuffer(bytes: bytes)) }

  func sent() throws -> [UInt8] {
    var sent: [UInt8] = []
    while let bytes = try channel.readOutbound(as: ByteBuffer.self) { sent += Array(bytes.readableBytesView) }
    return sent
  }
}
#endif
