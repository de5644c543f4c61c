// SPDX-License-Identifier: Apache-2.0

#if NIO
import NIOCore
import NIOEmbedded
import WSProto

@testable import WSProtoNIO

/// A socket in a channel in memory, by a clock that a test moves. Its peer is the core: what it sends are any bytes.
final class SocketBench {
  let loop = NIOAsyncTestingEventLoop()
  let channel: NIOAsyncTestingChannel
  let socket: WebSocket
  let peer: Connection

  init(_ role: ConnectionType, _ options: WebSocketOptions = WebSocketOptions()) async throws {
    let channel = NIOAsyncTestingChannel(loop: loop)
    self.channel = channel
    peer = Connection(
      role == .server ? .client : .server,
      configuration: Configuration(delivery: .wholeMessages)
    )
    try await channel.connect(to: SocketAddress(ipAddress: "127.0.0.1", port: 1)).get()
    socket = try await loop.executeInContext {
      let opening = WebSocket.Opening(request: Request(host: "localhost", target: "/"), subprotocol: nil)
      let connection = Connection(role, configuration: options.configuration)
      return try WebSocket.open(connection, on: channel, opening, options: options)
    }
  }

  /// Bytes come, in one read.
  func receive(_ bytes: [UInt8]) async throws { try await channel.writeInbound(ByteBuffer(bytes: bytes)) }

  /// A frame of the peer's with an opcode that has no meaning (RFC 6455 §5.2).
  var illegalFrame: [UInt8] { peer.client ? [0x83, 0x80, 0, 0, 0, 0] : [0x83, 0] }

  /// What the peer makes of what was written by now, once tasks that can go on have done so, as far as that is known.
  func sentEvents() async throws -> [Event] {
    for _ in 0..<20 {
      await Task.yield()
      await loop.run()
    }
    while let bytes = try await channel.readOutbound(as: ByteBuffer.self) {
      try peer.receiveData(bytes.readableBytesView)
    }
    return Array(peer.events())
  }

  /// What the peer makes of all that is written up to a Close, while the clock stands still.
  func eventsToClose() async throws -> [Event] {
    var events: [Event] = []
    while true {
      events += try await sentEvents()
      if case .closeConnection? = events.last { return events }
    }
  }

  func advance(by time: TimeAmount) async { await loop.advanceTime(by: time) }

  /// Ends the transport.
  func end() async {
    channel.close(promise: nil)
    await loop.run()
  }
}
#endif
