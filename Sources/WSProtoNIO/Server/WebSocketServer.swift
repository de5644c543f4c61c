// SPDX-License-Identifier: Apache-2.0

#if NIO
public import NIOCore
import NIOPosix
public import NIOSSL
public import ServiceLifecycle
import Synchronization
import WSProto

/// A WebSocket server: one task a connection.
///
/// ```swift
/// import WSProtoNIO
///
/// func serve() async throws {
///   let server = WebSocketServer(port: 8080) { socket in
///     for try await message in socket.messages { try await socket.send(message) }
///   }
///   try await server.run()
/// }
/// ```
///
/// The connection is closed when the closure returns: with 1000, with 1011 if it throws, with 1001 if the server shuts
/// down. The server lives on in any case.
///
/// **Shutting down.** A graceful shutdown of the service group, ``shutDown()``, or the cancellation of the task that
/// runs the server, begin it. No connection is accepted any more, handshakes are refused with 503, and clients of HTTP/2
/// are told to go elsewhere (GOAWAY). Batch after batch, as ``WebSocketShutdown`` says, each socket's `messages` ends after
/// what was received until then, and its closure may still send; when it returns, the connection is closed with 1001.
/// Closures that haven't returned after two thirds of ``WebSocketShutdown/timeout`` are cancelled, at once if the task was
/// cancelled; what is left at its end is dropped.
public final class WebSocketServer: Service {
  /// What is done with an open connection.
  public typealias Handler = @Sendable (WebSocket) async throws -> Void

  let core: ServerCore

  /// A server on a port of this machine; `host` is the loopback interface unless stated, and 0 stands for a port of the
  /// system's choice.
  public convenience init(
    host: String = "127.0.0.1",
    port: Int,
    options: WebSocketServerOptions = WebSocketServerOptions(),
    handler: @escaping Handler
  ) {
    self.init([.host(host, port: port)], options: options, handler: handler)
  }

  /// A server that listens in one or several places.
  public init(
    _ listeners: [WebSocketListener],
    options: WebSocketServerOptions = WebSocketServerOptions(),
    handler: @escaping Handler
  ) {
    core = ServerCore(listeners, options, handler)
  }

  /// Where the server listens, as soon as it does: the ports that the system has chosen, for example.
  ///
  /// - Throws: `CancellationError`; what ``run()`` has thrown, if it could not listen.
  public var addresses: [SocketAddress] {
    get async throws { try await core.listening.value() }
  }

  /// Runs the server until it has shut down.
  ///
  /// - Throws: ``WebSocketListenError`` if it cannot listen in one of its places: it listens in none then. A server runs
  ///   once; a second call throws ``WebSocketServerAlreadyRun``.
  public func run() async throws { try await core.run() }

  /// Lets new connections use another certificate, key or other settings of TLS, where ``WebSocketServerOptions/tls`` was
  /// given. Connections that are open stay as they are.
  ///
  /// - Throws: `NIOSSLError` if the configuration is of no use; the one before stays then.
  public func updateTLS(_ configuration: TLSConfiguration) throws { try core.setTLS(configuration) }

  /// Begins to shut down; ``run()`` returns when that is done.
  public func shutDown() { core.beginShutdown() }
}

/// A place where a server listens.
public enum WebSocketListener: Sendable, Hashable, CustomStringConvertible {
  /// An interface, by an address or a name of it, and a TCP port; 0 for one of the system's choice.
  case host(String, port: Int)
  /// A Unix domain socket. A socket that was left there is replaced; it is removed when the server ends.
  case unix(path: String)
  /// A socket that listens already, handed down by a supervisor, by its descriptor.
  case inherited(descriptor: CInt)

  /// The place.
  public var description: String {
    switch self {
    case .host(let host, let port): "\(host):\(port)"
    case .unix(let path): "unix:\(path)"
    case .inherited(let descriptor): "descriptor \(descriptor)"
    }
  }
}

/// A server could not listen.
public struct WebSocketListenError: Error, CustomStringConvertible {
  /// Where.
  public let listener: WebSocketListener
  /// Why: a port in use, no permission.
  public let cause: any Error

  /// The place and the cause.
  public var description: String { "cannot listen on \(listener): \(cause)" }
}

/// ``WebSocketServer/run()`` was called a second time.
public struct WebSocketServerAlreadyRun: Error, Sendable, Hashable, CustomStringConvertible {
  /// What is wrong.
  public var description: String { "a server runs once: make another one" }
}
#endif
