// SPDX-License-Identifier: Apache-2.0

#if NIO
public import CoreMetrics
public import Logging
public import NIOCore
public import NIOSSL
public import Tracing
public import WSProto

/// The settings of a ``WebSocketServer``. <doc:Defaults> has all defaults in one table.
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
  public var decide: (@Sendable (WebSocketServerRequest) async throws -> WebSocketDecision)?
  /// Answers ordinary HTTP requests on the same port, of HTTP/1.1 and HTTP/2; HTTP/1.0 is refused with 505. Default `nil`:
  /// they are refused with 426, in HTTP/2 with 404. What it throws answers with 500. No deadline runs meanwhile.
  public var answer: (@Sendable (HTTPServerRequest) async throws -> HTTPServerResponse)?

  // MARK: Behind proxies

  /// Proxies that are believed what they say about the client in `Forwarded` or `X-Forwarded-For`. Default `nil`: none, the
  /// other end of the connection is the client. A network too many lets its hosts pass for any client. On a Unix domain
  /// socket every peer is such a proxy: only what runs on this machine can reach it.
  public var trustedProxies: TrustedProxies?
  /// Whether connections begin with a header of the PROXY protocol, which tells the client's address. Default: none do.
  public var proxyProtocol = ProxyProtocolPolicy.off

  // MARK: TLS and HTTP/2

  /// The certificate, the key and what else TLS is told; `nil`, the default: no TLS. Its `applicationProtocols` are the
  /// server's to choose. Certificates by name (SNI) are its `sslContextCallback`'s; new ones without a restart are
  /// ``WebSocketServer/updateTLS(_:)``'s.
  public var tls: TLSConfiguration?
  /// Whether clients may choose HTTP/2 where they agree on it in TLS (ALPN), with any number of WebSockets on one
  /// connection (RFC 8441). Default `true`; HTTP/1.1 stays available on the same port.
  public var http2 = true

  // MARK: Bounds

  /// How much of everything there may be.
  public var limits = WebSocketServerLimits()
  /// How the server ends.
  public var shutdown = WebSocketShutdown()

  // MARK: Surroundings

  /// The event loops. Default `nil`: those that the process shares, one a core.
  public var eventLoopGroup: (any EventLoopGroup)?
  /// Where the server says what happens; see <doc:Observability>. Default: the label `wsproto.server`.
  public var logger = Logger(label: "wsproto.server")
  /// Where the server counts; see <doc:Observability>. Default `nil`: the backend that the process has given to
  /// swift-metrics.
  public var metrics: (any MetricsFactory)?
  /// Gets a span for each handshake; see <doc:Observability>. Default `nil`: that of the process, which
  /// swift-distributed-tracing was given.
  public var tracer: (any Tracer)?
  /// Called once, when the server listens, with the addresses in the order of its listeners.
  public var onListening: (@Sendable ([SocketAddress]) -> Void)?

  /// The defaults.
  public init() {}
}

/// How much of everything a ``WebSocketServer`` serves.
public struct WebSocketServerLimits: Sendable, Hashable {
  // MARK: All clients together

  /// The most connections at once, WebSockets and others, and of WebSockets on streams of HTTP/2. Default 10,000. Further
  /// connections wait in the system's backlog, further streams are refused with 503. Each connection needs a descriptor; where
  /// the process is short of them, connections wait, too: its last 32, or an eighth of fewer than 256, are left to others.
  public var maxConnections: Int = 10_000
  /// The most connections at once that are not WebSockets, or not yet: those in their handshakes, those with ordinary HTTP
  /// requests. Default 1,000. Further ones wait in the system's backlog.
  public var maxPendingConnections: Int = 1_000
  /// The memory for messages under way over all connections, in bytes. Default 256 MiB; `nil`: no bound. See
  /// ``MemoryBudget``.
  public var maxMessageMemory: Int? = 256 << 20

  // MARK: Each client

  /// The most connections at once of one client: of one IPv4 address, or of one IPv6 network of 64 bits, as a household has
  /// it. Counts as ``maxConnections`` does; behind ``WebSocketServerOptions/trustedProxies`` WebSockets only. Default `nil`:
  /// any number. A further connection is closed at once, a further WebSocket on a stream or behind a proxy is refused with
  /// 429. Clients behind one address translator are one client here.
  public var maxConnectionsPerClient: Int?
  /// How many WebSockets one client may ask for in a second; clients as above. Default `nil`: any number. Further ones are
  /// refused with 429 and a `Retry-After`.
  public var handshakesPerClient: RateLimit.Rate?

  // MARK: Each connection

  /// How long a WebSocket may last. Default `nil`: for ever. It is closed with 1001 then, or up to a tenth of that time
  /// earlier, at random. Its client connects again, perhaps to another node: so load finds nodes that were added. A
  /// connection of HTTP/2 takes no new streams then.
  public var maxLifetime: Duration?
  /// The body of an ordinary HTTP request, in bytes. Default 64 KiB; a larger one is refused with 413.
  public var maxBodyBytes: Int = 64 << 10
  /// The most ordinary HTTP requests on one connection of HTTP/1.1. Default 100.
  public var maxRequestsPerConnection: Int = 100

  /// The defaults.
  public init() {}
}

/// How a ``WebSocketServer`` ends its connections when it shuts down.
///
/// They end in batches, so that not all clients come back in the same moment to what takes the server's place.
public struct WebSocketShutdown: Sendable, Hashable {
  /// How long shutting down may take in all. Default 30 s. Longer lets closures finish; shorter cuts them off.
  public var timeout: Duration = .seconds(30)
  /// How many connections end at once. Default 100. More where a third of ``timeout`` would not do for all of them.
  public var batchSize: Int = 100
  /// From one batch to the next, on average: half of it up to one and a half, at random. Default 100 ms.
  public var pause: Duration = .milliseconds(100)

  /// The defaults.
  public init() {}
}
#endif
