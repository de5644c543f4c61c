// SPDX-License-Identifier: Apache-2.0

#if NIO
public import CoreMetrics
public import Logging
public import NIOCore
public import NIOSSL
public import WSProto

/// The settings of a ``WebSocketServer``.
public struct WebSocketServerOptions: Sendable {
  /// Those of each connection.
  public var socket = WebSocketOptions()

  // MARK: Who is let in

  /// Which pages' browsers may connect. Default: a request without an Origin, and pages of the same host and port; others
  /// are refused with 403. More lets pages of others act in their visitors' names; see `OriginPolicy`.
  public var origin = OriginPolicy.sameHost
  /// The subprotocols that the server speaks, in the order of its preference; the first that the client asks for is
  /// chosen. Default: none. Of no account for requests that ``decide`` accepts.
  public var subprotocols: [String] = []
  /// Accepts or refuses a request, after the Origin was checked; for paths, tokens, cookies. Default `nil`: all are
  /// accepted. What it throws refuses the request with 500. Its time counts against the deadline of the opening handshake.
  public var decide: (@Sendable (Request) async throws -> WebSocketDecision)?
  /// Answers ordinary HTTP requests on the same port, of HTTP/1.1 and HTTP/2; HTTP/1.0 is refused with 505. Default `nil`:
  /// they are refused with 426, in HTTP/2 with 404. What it throws answers with 500. No deadline runs meanwhile.
  public var answer: (@Sendable (HTTPServerRequest) async throws -> HTTPServerResponse)?

  // MARK: TLS and HTTP/2

  /// The certificate, the key and what else TLS is told; `nil`, the default: no TLS. Its `applicationProtocols` are the
  /// server's to choose. Certificates by name (SNI) are its `sslContextCallback`'s; new ones without a restart are
  /// ``WebSocketServer/updateTLS(_:)``'s.
  public var tls: TLSConfiguration?
  /// Whether clients may choose HTTP/2 where they agree on it in TLS (ALPN), with any number of WebSockets on one
  /// connection (RFC 8441). Default `true`; HTTP/1.1 stays available on the same port.
  public var http2 = true

  // MARK: Bounds

  /// The most connections at once, WebSockets and others, and of WebSockets on streams of HTTP/2. Default 10,000. Further
  /// connections wait in the system's backlog, further streams are refused with 503. Each connection needs a descriptor.
  public var maxConnections: Int = 10_000
  /// The most connections at once that are not WebSockets, or not yet: those in their handshakes, those with ordinary HTTP
  /// requests. Default 1,000. Further ones wait in the system's backlog.
  public var maxPendingConnections: Int = 1_000
  /// The memory for messages under way over all connections, in bytes. Default 256 MiB; `nil`: no bound. See
  /// ``MemoryBudget``.
  public var maxMessageMemory: Int? = 256 << 20
  /// The body of an ordinary HTTP request, in bytes. Default 64 KiB; a larger one is refused with 413.
  public var maxBodyBytes: Int = 64 << 10
  /// The most ordinary HTTP requests on one connection of HTTP/1.1. Default 100.
  public var maxRequestsPerConnection: Int = 100
  /// How long shutting down may take in all. Default 30 s. Longer lets closures finish; shorter cuts them off.
  public var shutdownTimeout: Duration = .seconds(30)

  // MARK: Surroundings

  /// The event loops. Default `nil`: those that the process shares, one a core.
  public var eventLoopGroup: (any EventLoopGroup)?
  /// Where the server says what happens. Default: the label `wsproto.server`.
  public var logger = Logger(label: "wsproto.server")
  /// Where the server counts. Default `nil`: the backend that the process has given to swift-metrics.
  ///
  /// | label | kind | dimensions | what |
  /// | --- | --- | --- | --- |
  /// | `wsproto.server.open` | meter | | WebSockets that are open |
  /// | `wsproto.server.opened` | counter | | WebSockets since the start |
  /// | `wsproto.server.refused` | counter | `cause`: `transport`, `request`, `origin`, `decision`, `limit`, `shutdown` | what came to nothing before it was a WebSocket |
  /// | `wsproto.server.closed` | counter | `code`, `cause`: the case of ``WebSocketClosed/Cause`` | WebSockets that have ended, by the code of ``WebSocketClosed`` |
  ///
  /// Codes that are not registered (RFC 6455 §7.4) count as `other`, so that a peer can't make up labels.
  public var metrics: (any MetricsFactory)?
  /// Called once, when the server listens, with the addresses in the order of its listeners.
  public var onListening: (@Sendable ([SocketAddress]) -> Void)?

  /// The defaults.
  public init() {}
}
#endif
