// SPDX-License-Identifier: Apache-2.0

#if NIO
import NIOCore
import WSProto

/// The plan of one attempt to open a connection. Everything in it is known before the first byte is sent.
struct ClientPlan: Sendable {
  /// The versions of HTTP that the server may choose from.
  enum Versions: Sendable, Hashable {
    case http1, http1And2, http2

    /// The ALPN names, the preferred one first (RFC 7301 §6, RFC 9113 §3.2).
    var protocols: [String] {
      switch self {
      case .http1: ["http/1.1"]
      case .http1And2: ["h2", "http/1.1"]
      case .http2: ["h2"]
      }
    }
  }

  let address: WebSocketAddress
  let request: Request
  let proxy: ProxyAddress?
  /// Between this end and the proxy.
  let proxyTLS: ClientTLSLayer?
  /// Between this end and the server.
  let tls: ClientTLSLayer?
  var versions: Versions
  let options: WebSocketOptions
  /// How long to wait for the server's HTTP/2 settings.
  let settingsTimeout: Duration
  let connectTimeout: Duration
  let eventLoopGroup: any EventLoopGroup
  let unixSocketPath: String?
  let localAddress: SocketAddress?
  let firstBytes: FirstBytes?
  /// Called before the request is sent, if the server had a choice and chose HTTP/1.1.
  var onHTTP1: (@Sendable () -> Void)?

  /// The host that the transport connects to.
  var endpoint: WebSocketClientError.Endpoint {
    if let proxy { return .init(host: proxy.host, port: proxy.port, isProxy: true) }
    return .init(host: address.host, port: address.port, isProxy: false)
  }

  /// The same plan over HTTP/1.1 only.
  var byHTTP1: ClientPlan {
    var plan = self
    plan.versions = .http1
    plan.onHTTP1 = nil
    return plan
  }

  /// Creates what takes long. Don't call it on an event loop.
  func prepare() throws(WebSocketClientError) {
    try proxyTLS?.prepare(offering: Versions.http1.protocols)
    try tls?.prepare(offering: versions.protocols)
  }
}

/// Makes plans from one set of options, and shares the TLS contexts between them.
struct ClientPlanner {
  private let options: WebSocketClientOptions
  private let contexts: TLSContexts
  private let proxyContexts: TLSContexts

  init(_ options: WebSocketClientOptions) {
    self.options = options
    contexts = TLSContexts(options.tls)
    proxyContexts = TLSContexts(options.proxyTLS)
  }

  /// - Parameters:
  ///   - address: the address to connect to.
  ///   - first: the address that the caller requested; redirects may have led from there to `address`.
  func plan(
    for address: WebSocketAddress,
    firstAsked first: WebSocketAddress
  ) throws(WebSocketClientError) -> ClientPlan {
    let request = try options.request(for: address, firstAsked: first)
    let proxy = try options.proxy(for: address)
    var tls: ClientTLSLayer?
    if address.isSecure { tls = try ClientTLSLayer(options.tls, contexts, to: address.host) }
    var proxyTLS: ClientTLSLayer?
    if let proxy, proxy.kind == .https {
      proxyTLS = try ClientTLSLayer(options.proxyTLS, proxyContexts, to: proxy.host)
    }
    return ClientPlan(
      address: address,
      request: request,
      proxy: proxy,
      proxyTLS: proxyTLS,
      tls: tls,
      versions: options.versions(for: address),
      options: options.socket,
      settingsTimeout: options.http2SettingsTimeout,
      connectTimeout: options.connectTimeout,
      eventLoopGroup: options.eventLoopGroup,
      unixSocketPath: options.unixSocketPath,
      localAddress: options.localAddress,
      firstBytes: options.firstBytes
    )
  }
}
#endif
