// SPDX-License-Identifier: Apache-2.0

#if Tool && NIO
import NIOCore
import NIOPosix
import WSProto
import WSProtoNIO
import WSProtoTool

/// Bytes of TCP connections in WebSockets, as binary messages: `connect --tcp-listen` and `serve --tcp` are its two ends.
///
/// A WebSocket has no half-closed state: the end of one direction ends the connection.
enum TCPBridge {
  typealias Stream = NIOAsyncChannel<ByteBuffer, ByteBuffer>

  static func wrap(_ channel: any Channel) -> EventLoopFuture<Stream> {
    channel.eventLoop.makeCompletedFuture { try Stream(wrappingChannelSynchronously: channel) }
  }

  /// Copies in both directions until one of them ends.
  static func copy(_ stream: Stream, _ socket: WebSocket) async throws {
    try await stream.executeThenClose { inbound, outbound in
      try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask {
          for try await bytes in inbound { try await socket.send(.binary(bytes), compress: false) }
          try await socket.close()
        }
        group.addTask {
          for try await message in socket.messages { try await outbound.write(message.bytes) }
          outbound.finish()
        }
        // The other one has nobody to talk to.
        defer { group.cancelAll() }
        try await group.next()
      }
    }
  }

  /// Opens a WebSocket for each TCP connection, until asked to stop.
  static func listen(
    at place: HostAndPort,
    _ url: String,
    _ options: WebSocketClientOptions,
    _ stop: StopRequest
  ) async throws {
    let server: NIOAsyncChannel<Stream, Never>
    do {
      server = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
        .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
        .bind(host: place.host, port: place.port) { wrap($0) }
    } catch {
      throw ToolFailure(.notConnected, "cannot listen at \(place.host):\(place.port): \(systemText(error))")
    }
    let port = server.channel.localAddress?.port ?? place.port
    Terminal.print("listening at \(place.host):\(port)")
    let accepting = Task {
      try await server.executeThenClose { connections in
        try await withThrowingDiscardingTaskGroup { group in
          for try await stream in connections { group.addTask { await serve(stream, url, options) } }
        }
      }
    }
    let cause = await stop.wait()
    accepting.cancel()
    _ = await accepting.result
    if case .signal(let number) = cause { throw ToolFailure(.signal(number)) }
  }

  private static func serve(_ stream: Stream, _ url: String, _ options: WebSocketClientOptions) async {
    do {
      try await WebSocketClient.connect(to: url, options: options) { try await copy(stream, $0) }
    } catch {
      if !(error is CancellationError) { Terminal.printError("a connection has failed: \(error)") }
      try? await stream.channel.close()
    }
  }
}
#endif
