// SPDX-License-Identifier: Apache-2.0

#if NIO
import NIOSSL
import WSProto

/// What one attempt to open a connection does; all of it is known before the first byte.
struct ClientPlan: Sendable {
  /// A layer of TLS.
  struct TLS: Sendable {
    let context: NIOSSLContext
    /// Who is asked for.
    let server: URLHost
    /// Whether the certificate must be that server's.
    let isVerified: Bool

    func makeHandler() throws(WebSocketClientError) -> NIOSSLClientHandler {
      do {
        // Addresses are not told (RFC 6066 §3).
        return try NIOSSLClientHandler(
          context: context,
          serverHostname: server.address == nil ? server.name : nil
        )
      } catch {
        throw .tlsOptions("the server's name \(quoted(server.name)) cannot be sent: \(error)")
      }
    }
  }

  let address: WebSocketAddress
  let request: Request
  let proxy: ProxyAddress?
  /// Between this end and the proxy.
  let proxyTLS: TLS?
  /// Between this end and the server.
  let tls: TLS?
  let options: WebSocketOptions

  /// What the transport leads to.
  var endpoint: WebSocketClientError.Endpoint {
    if let proxy { return .init(host: proxy.host, port: proxy.port, isProxy: true) }
    return .init(host: address.host, port: address.port, isProxy: false)
  }
}

/// Makes plans from one set of options; the contexts of TLS are made once.
struct ClientPlanner {
  private let options: WebSocketClientOptions
  private var context: NIOSSLContext?
  private var proxyContext: NIOSSLContext?

  init(_ options: WebSocketClientOptions) { self.options = options }

  /// - Parameters:
  ///   - address: where to.
  ///   - first: what the caller has asked for, where redirects have led to `address`.
  mutating func plan(
    for address: WebSocketAddress,
    firstAsked first: WebSocketAddress
  ) throws(WebSocketClientError) -> ClientPlan {
    let request = try options.request(for: address, firstAsked: first)
    let proxy = try options.proxy(for: address)
    var tls: ClientPlan.TLS?
    if address.isSecure {
      tls = try Self.layer(options.tls, &context, to: address.host)
    }
    var proxyTLS: ClientPlan.TLS?
    if let proxy, proxy.kind == .https {
      proxyTLS = try Self.layer(options.proxyTLS, &proxyContext, to: proxy.host)
    }
    return ClientPlan(
      address: address,
      request: request,
      proxy: proxy,
      proxyTLS: proxyTLS,
      tls: tls,
      options: options.socket
    )
  }

  private static func layer(
    _ tls: WebSocketClientTLS,
    _ kept: inout NIOSSLContext?,
    to host: URLHost
  ) throws(WebSocketClientError) -> ClientPlan.TLS {
    let server = try tls.server(for: host)
    let context = if let kept { kept } else { try tls.makeContext() }
    kept = context
    return ClientPlan.TLS(context: context, server: server, isVerified: !tls.isInsecure)
  }
}
#endif
