// SPDX-License-Identifier: Apache-2.0

#if NIO
public import CoreMetrics
public import Logging
public import NIOCore
public import NIOSSL
public import Tracing
public import WSProto

/// The settings of a ``WebSocketServer``. <doc:Defaults> lists all defaults in one table.
public struct WebSocketServerOptions: Sendable {
  /// The settings of each connection.
  public var socket = WebSocketOptions()

  // MARK: Accepting requests

  /// Which web pages may connect from a browser. Default: requests without an `Origin`, and pages of the same host and
  /// port; others are refused with 403. A wider policy lets pages of other sites act in the name of their visitors; see
  /// `OriginPolicy`.
  public var origin = OriginPolicy.sameHost
  /// The subprotocols that the server speaks, in order of preference. The first one that the client requests is chosen.
  /// Default: none. Not used if ``decide`` is set, which chooses the subprotocol itself.
  public var subprotocols: [String] = []
  /// Accepts or refuses a request by its path, tokens or cookies, after the `Origin` was checked. Default `nil`: all
  /// requests are accepted. If the closure throws, the request is refused with 500. Its time counts against the
  /// deadline of the opening handshake.
  public var decide: (@Sendable (WebSocketServerRequest) async throws -> WebSocketDecision)?
  /// Answers ordinary HTTP requests on the same port, over HTTP/1.1 and HTTP/2; HTTP/1.0 is refused with 505. Default
  /// `nil`: HTTP/1.1 requests are refused with 426, HTTP/2 requests with 404. If the closure throws, the answer is 500.
  /// No deadline applies to the closure.
  public var answer: (@Sendable (HTTPServerRequest) async throws -> HTTPServerResponse)?

  // MARK: Behind proxies

  /// The proxies whose `Forwarded` or `X-Forwarded-For` fields are believed. Default `nil`: none; the peer of the
  /// connection is the client. Any host in a trusted network can pretend to be any client, so trust no more networks
  /// than necessary. On a Unix domain socket every peer counts as such a proxy, since only programs on this machine can
  /// reach it.
  public var trustedProxies: TrustedProxies?
  /// Whether connections begin with a PROXY protocol header, which carries the client's address. Default: they don't.
  public var proxyProtocol = ProxyProtocolPolicy.off

  // MARK: TLS and HTTP/2

  /// The certificate, the key and other TLS settings. Default `nil`: no TLS. The server sets `applicationProtocols`
  /// itself. For one certificate per server name (SNI), use `sslContextCallback`; to replace certificates without a
  /// restart, use ``WebSocketServer/updateTLS(_:)``.
  public var tls: TLSConfiguration?
  /// Whether clients may choose HTTP/2 in the TLS handshake (ALPN), which carries many WebSockets on one connection
  /// (RFC 8441). Default `true`; HTTP/1.1 stays available on the same port.
  public var http2 = true

  // MARK: Limits

  /// The limits on connections, memory and handshakes.
  public var limits = WebSocketServerLimits()
  /// How the server shuts down.
  public var shutdown = WebSocketShutdown()

  // MARK: Environment

  /// The event loops that connections run on. Default `nil`: the group shared by the process, one event loop per core.
  public var eventLoopGroup: (any EventLoopGroup)?
  /// The logger; see <doc:Observability>. Default: one with the label `wsproto.server`.
  public var logger = Logger(label: "wsproto.server")
  /// Receives the metrics; see <doc:Observability>. Default `nil`: the backend that the process set for swift-metrics.
  public var metrics: (any MetricsFactory)?
  /// Receives a span for each handshake; see <doc:Observability>. Default `nil`: the tracer that the process set for
  /// swift-distributed-tracing.
  public var tracer: (any Tracer)?
  /// Called once, when the server listens, with the addresses in the order of its listeners.
  public var onListening: (@Sendable ([SocketAddress]) -> Void)?

  /// Creates options with the default values.
  public init() {}
}

/// The limits of a ``WebSocketServer``.
public struct WebSocketServerLimits: Sendable, Hashable {
  // MARK: All clients together

  /// The maximum number of open connections: WebSockets, other connections, and WebSockets on HTTP/2 streams. Default
  /// 10,000. Further connections wait in the system's backlog; further streams are refused with 503. Each connection
  /// needs a descriptor, and the server leaves the last 32 (or an eighth, if there are fewer than 256) to the rest of
  /// the process: connections that would need one of these wait, too.
  public var maxConnections: Int = 10_000
  /// The maximum number of connections that aren't WebSockets (yet): those in a handshake, and those with ordinary HTTP
  /// requests. Default 1,000. Further ones wait in the system's backlog.
  public var maxPendingConnections: Int = 1_000
  /// The memory for incomplete messages of all connections together, in bytes. Default 256 MiB; `nil`: no limit. See
  /// ``MemoryBudget``.
  public var maxMessageMemory: Int? = 256 << 20
  /// How long an incomplete message keeps its part of ``maxMessageMemory`` when other messages need the memory. Default
  /// 10 s. After that the oldest message is given up, and its connection is closed with 1013. With `nil`, messages are
  /// never given up. A higher value lets peers that don't complete their messages keep others from sending for longer. A
  /// lower one costs clients on slow lines their messages when memory is short.
  public var messageMemoryTime: Duration? = .seconds(10)

  // MARK: Each client

  /// The maximum number of open connections of one client, which is an IPv4 address or an IPv6 /64 network, as a
  /// household has it. Default `nil`: no limit. Connections are counted as for ``maxConnections``; behind
  /// ``WebSocketServerOptions/trustedProxies``, only WebSockets are. A connection beyond the limit is closed at once; a
  /// WebSocket on a stream or behind a proxy is refused with 429. All clients behind one address translator (NAT) count
  /// as one.
  public var maxConnectionsPerClient: Int?
  /// The number of WebSockets that one client may request per second, with clients as for ``maxConnectionsPerClient``.
  /// Default `nil`: no limit. Further requests are refused with 429 and a `Retry-After`.
  public var handshakesPerClient: RateLimit.Rate?

  // MARK: Each connection

  /// How long a WebSocket may last. Default `nil`: no limit. After this time, or up to a tenth earlier at random, it is
  /// closed with 1001. Its client reconnects, perhaps to another node, so that load reaches nodes added later. An
  /// HTTP/2 connection accepts no new streams after this time.
  public var maxLifetime: Duration?
  /// The maximum size of the body of an ordinary HTTP request, in bytes. Default 64 KiB; a larger one is refused with
  /// 413.
  public var maxBodyBytes: Int = 64 << 10
  /// The maximum number of ordinary HTTP requests on one HTTP/1.1 connection. Default 100.
  public var maxRequestsPerConnection: Int = 100

  /// Creates limits with the default values.
  public init() {}
}

/// How a ``WebSocketServer`` ends its connections when it shuts down.
///
/// They end in batches, so that their clients don't all reconnect to the server's replacement at the same moment.
public struct WebSocketShutdown: Sendable, Hashable {
  /// How long the whole shutdown may take. Default 30 s. A longer time lets more closures finish; a shorter one cuts
  /// them off.
  public var timeout: Duration = .seconds(30)
  /// The number of connections per batch. Default 100. Batches are larger if not all would fit into a third of
  /// ``timeout``.
  public var batchSize: Int = 100
  /// The average time between two batches; the actual one is random, from half to one and a half times that. Default
  /// 100 ms.
  public var pause: Duration = .milliseconds(100)

  /// Creates settings with the default values.
  public init() {}
}
#endif
