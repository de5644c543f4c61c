// SPDX-License-Identifier: Apache-2.0

#if NIO
public import NIOCore
import NIOPosix
public import NIOSSL
public import ServiceLifecycle
import Synchronization
import WSProto

/// A WebSocket server that runs one task per connection.
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
/// The server closes a connection when its closure returns: with 1000, with 1011 if the closure throws, or with 1001 if
/// the server is shutting down. The server itself keeps running.
///
/// **Shutting down.** A graceful shutdown of the service group, ``shutDown()``, and the cancellation of the task that
/// runs the server all begin a shutdown. The server then stops accepting connections, refuses handshakes with 503, and
/// tells HTTP/2 clients to open no more streams (GOAWAY). In batches, as ``WebSocketShutdown`` describes, the
/// `messages` of each socket end after those already received. The socket's closure may still send; when it returns,
/// the connection is closed with 1001. Closures that haven't returned after two thirds of ``WebSocketShutdown/timeout``
/// are cancelled; if the task was cancelled, this happens at once. Connections that remain at the end of the timeout
/// are dropped.
public final class WebSocketServer: Service {
  /// A closure that uses an open connection.
  public typealias Handler = @Sendable (WebSocket) async throws -> Void

  let core: ServerCore

  /// Creates a server that listens on one TCP port.
  ///
  /// - Parameters:
  ///   - host: the interface, by address or name. Default: the loopback interface.
  ///   - port: the port; 0 lets the system choose one.
  ///   - options: the settings of the server.
  ///   - handler: runs once for each connection, which is closed when it returns.
  public convenience init(
    host: String = "127.0.0.1",
    port: Int,
    options: WebSocketServerOptions = WebSocketServerOptions(),
    handler: @escaping Handler
  ) {
    self.init([.host(host, port: port)], options: options, handler: handler)
  }

  /// Creates a server that listens on one or more listeners.
  public init(
    _ listeners: [WebSocketListener],
    options: WebSocketServerOptions = WebSocketServerOptions(),
    handler: @escaping Handler
  ) {
    core = ServerCore(listeners, options, handler)
  }

  /// The addresses that the server listens on, available once it does. Includes the ports that the system chose.
  ///
  /// - Throws: `CancellationError`, or the error that ``run()`` throws if the server can't listen.
  public var addresses: [SocketAddress] {
    get async throws { try await core.listening.value() }
  }

  /// Runs the server until it has shut down.
  ///
  /// - Throws: ``WebSocketListenError`` if one of the listeners fails; the server then listens on none of them. If a
  ///   listener is lost later, the server shuts down before it throws that. Shortages, and errors of single connections,
  ///   are logged and waited out. ``WebSocketServerAlreadyRun`` on a second call: a server runs once.
  public func run() async throws { try await core.run() }

  /// Replaces the certificate, the key and the other TLS settings for new connections of a server with
  /// ``WebSocketServerOptions/tls``. Open connections keep theirs.
  ///
  /// - Throws: `NIOSSLError` if the configuration can't be used. The previous one stays in use then.
  ///   ``WebSocketServerHasNoTLS`` if the server was made without TLS.
  public func updateTLS(_ configuration: TLSConfiguration) throws {
    guard core.options.tls != nil else { throw WebSocketServerHasNoTLS() }
    try core.setTLS(configuration)
  }

  /// Begins the shutdown. ``run()`` returns when it is complete.
  public func shutDown() { core.beginShutdown() }
}

/// Where a server listens.
public enum WebSocketListener: Sendable, Hashable, CustomStringConvertible {
  /// A TCP port on an interface given by address or name. Port 0 lets the system choose one.
  case host(String, port: Int)
  /// A Unix domain socket. An existing socket at this path is replaced; the server removes its socket when it ends.
  case unix(path: String)
  /// The descriptor of a socket that is already listening, inherited from a supervisor.
  case inherited(descriptor: CInt)

  /// The listener as text: host and port, path, or descriptor.
  public var description: String {
    switch self {
    case .host(let host, let port): "\(host):\(port)"
    case .unix(let path): "unix:\(path)"
    case .inherited(let descriptor): "descriptor \(descriptor)"
    }
  }
}

/// The error that a server throws if it can't listen.
public struct WebSocketListenError: Error, CustomStringConvertible {
  /// The listener that failed.
  public let listener: WebSocketListener
  /// The underlying error, for example because the port is in use or permission is missing.
  public let cause: any Error

  /// The listener and the cause.
  public var description: String { "cannot listen at \(listener): \(systemText(cause))" }
}

/// The error thrown when ``WebSocketServer/run()`` is called a second time.
public struct WebSocketServerAlreadyRun: Error, Sendable, Hashable, CustomStringConvertible {
  /// What is wrong.
  public var description: String { "a server runs once: make another one" }
}

/// The error thrown when a certificate is given to a server without TLS, where it would never be shown.
public struct WebSocketServerHasNoTLS: Error, Sendable, Hashable, CustomStringConvertible {
  /// What is wrong.
  public var description: String { "the server has no TLS: set WebSocketServerOptions.tls" }
}
#endif
