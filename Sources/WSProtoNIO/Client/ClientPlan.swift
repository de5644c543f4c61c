// SPDX-License-Identifier: Apache-2.0

#if NIO
import NIOCore
import NIOSSL
import WSProto

/// The plan of one attempt to open a connection. Everything in it is known before the first byte is sent.
struct ClientPlan: Sendable {
  /// A layer of TLS.
  struct TLS: Sendable {
    let options: WebSocketClientTLS
    let contexts: TLSContexts
    /// The server whose certificate is expected.
    let server: URLHost

    /// Whether the certificate must belong to that server.
    var isVerified: Bool { !options.isInsecure }

    /// - Parameter protocols: the protocols to offer by ALPN.
    func makeHandler(offering protocols: [String]) throws(WebSocketClientError) -> NIOSSLClientHandler {
      let context = try contexts.context(offering: protocols)
      do {
        // Addresses must not be sent as a server name (RFC 6066 §3).
        return try NIOSSLClientHandler(
          context: context,
          serverHostname: server.address == nil ? server.name : nil
        )
      } catch {
        throw .tlsOptions("the server's name \(quoted(server.name)) cannot be sent: \(error)")
      }
    }
  }

  /// The HTTP versions that the server may choose from.
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
  /// The TLS layer between the client and the proxy.
  let proxyTLS: TLS?
  /// The TLS layer between the client and the server.
  let tls: TLS?
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
    _ = try proxyTLS?.contexts.context(offering: Versions.http1.protocols)
    _ = try tls?.contexts.context(offering: versions.protocols)
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
    var tls: ClientPlan.TLS?
    if address.isSecure {
      let server = try options.tls.server(for: address.host)
      tls = ClientPlan.TLS(options: options.tls, contexts: contexts, server: server)
    }
    var proxyTLS: ClientPlan.TLS?
    if let proxy, proxy.kind == .https {
      let server = try options.proxyTLS.server(for: proxy.host)
      proxyTLS = ClientPlan.TLS(options: options.proxyTLS, contexts: proxyContexts, server: server)
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
