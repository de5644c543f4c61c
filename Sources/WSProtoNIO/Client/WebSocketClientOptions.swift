// SPDX-License-Identifier: Apache-2.0

#if NIO
public import HTTPTypes
public import NIOCore
import NIOPosix
import WSProto

/// The settings of a client's connections. All of them have defaults.
public struct WebSocketClientOptions: Sendable {
  /// The settings of the open connection: sizes, deadlines, keepalive, backpressure, compression.
  ///
  /// Its ``WebSocketOptions/timeouts`` also limit the opening handshake: 10 s by default, from the open transport on,
  /// for the handshakes with the proxy, of TLS and of the WebSocket together.
  public var socket = WebSocketOptions()
  /// How long resolving the host name and connecting may take, for all addresses together. Default 10 s. A longer limit
  /// suits slow networks, but also waits longer for hosts that are gone.
  public var connectTimeout: Duration = .seconds(10)
  /// The subprotocols that the client speaks, in order of preference (RFC 6455 §1.9). Default: none. A server that
  /// speaks none of them may refuse the request, or choose none.
  public var subprotocols: [String] = []
  /// Additional fields of the request, such as `Origin` or `Authorization`. An `Authorization` field replaces the user
  /// and password of the URL. Default: none. For redirects to another origin, see ``RedirectPolicy``.
  public var extraHeaders = HTTPFields()
  /// The value of the `Host` field, instead of the URL's host and port. Default `nil`. It affects neither TLS nor the
  /// address that is connected to.
  public var host: String?
  /// The TLS settings between the client and the server.
  public var tls = WebSocketClientTLS()
  /// The TLS settings between the client and an HTTPS proxy.
  public var proxyTLS = WebSocketClientTLS()
  /// The proxy to connect through. Default: none.
  public var proxy = ProxyChoice.none
  /// Whether WebSockets are opened over HTTP/2 (RFC 8441). Default: never.
  public var http2 = HTTP2Choice.never
  /// How long to wait for the server's settings once HTTP/2 is negotiated. Default 3 s. After that,
  /// ``HTTP2Choice/preferred`` continues with HTTP/1.1, and ``HTTP2Choice/required`` fails.
  public var http2SettingsTimeout: Duration = .seconds(3)
  /// The pool that keeps HTTP/2 connections, so that several sockets share one. Default `nil`: each socket has its own
  /// connection.
  public var pool: WebSocketClientPool?
  /// Whether redirects are followed. Default: up to ten, and none from TLS to an unencrypted connection.
  public var redirects = RedirectPolicy()
  /// The path of a Unix domain socket to connect to instead of the URL's host and port, which the request still names.
  /// Default `nil`. With a path, no proxy is used.
  public var unixSocketPath: String?
  /// The local address to connect from, for example that of a network interface. Default `nil`: the system chooses it.
  /// One local address has about 28,000 ports for connections to the same server.
  public var localAddress: SocketAddress?
  /// Called with each address that a redirect leads to, before the client connects to it. Default `nil`.
  public var onRedirect: (@Sendable (WebSocketAddress) -> Void)?
  /// Keeps the server's first bytes.
  package var firstBytes: FirstBytes?
  /// The group that connections take their event loop from. Default: NIO's group for the whole process.
  public var eventLoopGroup: any EventLoopGroup = .singletonMultiThreadedEventLoopGroup

  /// Whether WebSockets are opened over HTTP/2 (RFC 8441).
  public enum HTTP2Choice: Sendable, Hashable {
    /// HTTP/1.1 only. HTTP/2 isn't offered to the server.
    case never
    /// HTTP/2 if the server chooses it in the TLS handshake (ALPN) and supports WebSockets on it, otherwise HTTP/1.1:
    /// on the same connection if the server chose HTTP/1.1, or on a second connection if its HTTP/2 doesn't support
    /// WebSockets. Without TLS, HTTP/1.1 is used.
    case preferred
    /// HTTP/2 only; otherwise ``WebSocketClientError/http2Unavailable(_:)`` is thrown. Without TLS, the server must
    /// expect HTTP/2 from the first byte on, by prior knowledge (RFC 9113 §3.3).
    case required
  }

  /// The proxy to connect through.
  public enum ProxyChoice: Sendable, Hashable {
    /// No proxy.
    case none
    /// The proxy that the environment variables of this process name for the URL; see ``ProxyEnvironment``.
    case environment
    /// This proxy, for every URL.
    case through(ProxyAddress)
  }

  /// Creates options with the default values.
  public init() {}
}

extension WebSocketClientOptions {
  /// The HTTP versions that the server of `address` may choose from.
  func versions(for address: WebSocketAddress) -> ClientPlan.Versions {
    switch http2 {
    case .never: .http1
    case .preferred: address.isSecure ? .http1And2 : .http1
    case .required: .http2
    }
  }

  /// The proxy for `address`.
  func proxy(for address: WebSocketAddress) throws(WebSocketClientError) -> ProxyAddress? {
    if unixSocketPath != nil { return nil }
    switch proxy {
    case .none: return nil
    case .through(let proxy): return proxy
    case .environment:
      do throws(InvalidProxyVariable) {
        return try ProxyEnvironment.current().proxy(for: address)
      } catch {
        throw .proxyVariable(error)
      }
    }
  }

  /// The request for `address`, where `first` is the address that the caller requested.
  func request(
    for address: WebSocketAddress,
    firstAsked first: WebSocketAddress
  ) throws(WebSocketClientError) -> Request {
    var fields = redirects.fields(extraHeaders, for: address, firstAsked: first)
    if fields[.authorization] == nil { fields[.authorization] = address.credentials?.authorization }
    let isSameOrigin = address.isSameOrigin(as: first)
    do throws(LocalProtocolError) {
      return Request(
        host: isSameOrigin ? host ?? address.hostField : address.hostField,
        target: address.target,
        extensions: try socket.compression.map { (compression) throws(LocalProtocolError) in
          [try compression.makeExtension()]
        } ?? [],
        extraHeaders: fields,
        subprotocols: subprotocols
      )
    } catch {
      throw .request(error)
    }
  }
}
#endif
