// SPDX-License-Identifier: Apache-2.0

#if NIO
public import HTTPTypes
public import NIOCore
import NIOPosix
import WSProto

/// The settings of a client's connection. Each value has a default that needs no reading.
public struct WebSocketClientOptions: Sendable {
  /// The connection once it is open: sizes, deadlines, keepalive, backpressure, compression.
  ///
  /// Its ``WebSocketOptions/timeouts`` have the limit for the opening handshake too: 10 s, from the open transport on,
  /// for the proxy's, for TLS and for that of the WebSocket together.
  public var socket = WebSocketOptions()
  /// How long finding the addresses and connecting may take, all addresses together. Default 10 s. A longer limit waits
  /// for slow networks, and for hosts that are gone.
  public var connectTimeout: Duration = .seconds(10)
  /// The subprotocols that the client speaks, in order of preference (RFC 6455 §1.9). Default none. A server that speaks
  /// none of them may refuse, or choose none.
  public var subprotocols: [String] = []
  /// Further fields of the request, such as `Origin` or `Authorization`, which takes the place of user and password of
  /// the URL. Default none. Where a redirect leads to another origin, see ``RedirectPolicy``.
  public var extraHeaders = HTTPFields()
  /// What `Host` says in place of the URL's host and port. Default `nil`. Neither TLS nor where is connected to changes.
  public var host: String?
  /// Certificates and names of TLS between the client and the server.
  public var tls = WebSocketClientTLS()
  /// Certificates and names of TLS between the client and a proxy that is asked over TLS.
  public var proxyTLS = WebSocketClientTLS()
  /// The proxy to connect through. Default none.
  public var proxy = ProxyChoice.none
  /// Whether WebSockets are opened by HTTP/2 (RFC 8441). Default: never.
  public var http2 = HTTP2Choice.never
  /// How long the server's settings may take once HTTP/2 is agreed on. Default 3 s. Then ``HTTP2Choice/preferred`` goes on
  /// with HTTP/1.1, and ``HTTP2Choice/required`` fails.
  public var http2SettingsTimeout: Duration = .seconds(3)
  /// Where connections of HTTP/2 are kept, so that several sockets share one. Default `nil`: each socket has its own.
  public var pool: WebSocketClientPool?
  /// Whether redirects are followed. Default: up to ten, none from TLS to a connection without.
  public var redirects = RedirectPolicy()
  /// A Unix domain socket to connect to, by its path, in place of the URL's host and port, which the request still names.
  /// Default `nil`. No proxy is asked then.
  public var unixSocketPath: String?
  /// The address of this machine, or the network interface's, to connect from. Default `nil`: the system's choice. One
  /// address has some 28,000 ports for connections to one server.
  public var localAddress: SocketAddress?
  /// Is called with each address that a redirect leads to, before it is connected to. Default `nil`.
  public var onRedirect: (@Sendable (WebSocketAddress) -> Void)?
  /// Keeps the server's first bytes.
  package var firstBytes: FirstBytes?
  /// Where the connection's event loop is taken from. Default: NIO's group for the whole process.
  public var eventLoopGroup: any EventLoopGroup = .singletonMultiThreadedEventLoopGroup

  /// Whether WebSockets are opened by HTTP/2 (RFC 8441).
  public enum HTTP2Choice: Sendable, Hashable {
    /// By HTTP/1.1 only: no more is offered to the server.
    case never
    /// By HTTP/2 where the server chooses it, by TLS (ALPN), and takes WebSockets on it. Else by HTTP/1.1: on the same
    /// connection if the server has chosen that, on a second one if it has HTTP/2, but not for WebSockets. Without TLS
    /// there is no choice, and HTTP/1.1 is used.
    case preferred
    /// By HTTP/2, or not at all: ``WebSocketClientError/http2Unavailable(_:)``. Without TLS the server must expect HTTP/2 from
    /// the first byte on, by prior knowledge (RFC 9113 §3.3).
    case required
  }

  /// The proxy to connect through.
  public enum ProxyChoice: Sendable, Hashable {
    /// None.
    case none
    /// The one that the environment variables of this process name for the URL; see ``ProxyEnvironment``.
    case environment
    /// This one, for any URL.
    case through(ProxyAddress)
  }

  /// The defaults.
  public init() {}
}

extension WebSocketClientOptions {
  /// What the server of `address` may choose from.
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

  /// The request for `address`, where `first` was asked by the caller.
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
