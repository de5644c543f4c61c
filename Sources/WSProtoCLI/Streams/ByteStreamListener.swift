// SPDX-License-Identifier: Apache-2.0

#if Tool && NIO
import NIOCore
import NIOPosix
import NIOSSL
import WSProtoLab
import WSProtoNIO
import WSProtoTool

/// Takes connections, each a ``ByteStream``.
struct ByteStreamListener: Sendable {
  /// Where to listen.
  enum Place: Sendable, Equatable, CustomStringConvertible {
    case host(String, port: Int)
    case unix(path: String)

    var description: String {
      switch self {
      case .host(let host, let port): "\(host.contains(":") ? "[\(host)]" : host):\(port)"
      case .unix(let path): "the Unix socket \(shownInQuotes(path))"
      }
    }
  }

  private let server: NIOAsyncChannel<ByteStream, Never>

  /// The port, also where the system has chosen it; `nil` for a Unix socket.
  var port: Int? { server.channel.localAddress?.port }

  /// Begins to listen.
  ///
  /// - Parameters:
  ///   - place: where; the port 0 lets the system choose one.
  ///   - tls: what a server shows of itself; `nil` for connections without TLS. The handshake is a part of a stream's first
  ///     reading or writing.
  /// - Throws: ``ToolFailure``.
  static func listen(at place: Place, tls: NIOSSLContext? = nil) async throws -> ByteStreamListener {
    let setUp: @Sendable (any Channel) -> EventLoopFuture<ByteStream> = { channel in
      channel.eventLoop.makeCompletedFuture {
        let stream = ByteStream(channel)
        let pipeline = channel.pipeline.syncOperations
        try pipeline.addHandler(TransportEnd())
        if let tls { try pipeline.addHandler(NIOSSLServerHandler(context: tls)) }
        try pipeline.addHandler(ByteStreamHandler(stream))
        return stream
      }
    }
    let bootstrap = ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
      .childChannelOption(.allowRemoteHalfClosure, value: true)
    do {
      switch place {
      case .host(let host, let port):
        let server = try await bootstrap.serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
          .childChannelOption(.socketOption(.tcp_nodelay), value: 1)
          .bind(host: host, port: port, childChannelInitializer: setUp)
        return ByteStreamListener(server: server)
      case .unix(let path):
        try await UnixSocketPath.checkIsFree(path)
        let server = try await bootstrap.bind(
          unixDomainSocketPath: path,
          cleanupExistingSocketFile: true,
          childChannelInitializer: setUp
        )
        return ByteStreamListener(server: server)
      }
    } catch let failure as ToolFailure {
      throw failure
    } catch {
      throw ToolFailure(.notConnected, "cannot listen at \(place): \(systemText(error))")
    }
  }

  /// Runs `body` with each connection, in a task of its own, and closes the connection then. Once.
  ///
  /// Returns when the listener is closed and the last of them has ended, and when the task is cancelled.
  func serve(_ body: @escaping @Sendable (ByteStream) async -> Void) async throws {
    try await server.executeThenClose { streams in
      try await withThrowingDiscardingTaskGroup { group in
        for try await stream in streams {
          group.addTask {
            await body(stream)
            stream.close()
          }
        }
      }
    }
  }

  /// Takes no more connections.
  func close() { server.channel.close(promise: nil) }
}
#endif
