// SPDX-License-Identifier: Apache-2.0

#if NIO
import NIOHTTP2
public import WSProto

/// Why a client couldn't open a connection.
public enum WebSocketClientError: Error, Sendable, Hashable {
  /// The URL can't be opened.
  case url(InvalidURL)
  /// The environment variable that applies doesn't hold a valid proxy URL.
  case proxyVariable(InvalidProxyVariable)
  /// The request can't be sent: a field, a subprotocol or another option is invalid.
  case request(LocalProtocolError)
  /// The TLS options can't be used, for example because a certificate can't be read. The text is from the TLS library.
  case tlsOptions(String)

  /// The host name is unknown or couldn't be resolved.
  case unresolved(Endpoint, String)
  /// Nothing listens on that port.
  case refused(Endpoint)
  /// The host is unreachable, or connecting failed for another reason. The text is from the system.
  case unreachable(Endpoint, String)
  /// A stage exceeded its time limit.
  case timedOut(Stage, limit: Duration)
  /// The connection ended before the handshake was complete. The text is from the system, if there is one.
  case disconnected(Stage, String?)

  /// The server's certificate doesn't prove its identity: unknown root, wrong name, or expired. The text is from the
  /// TLS library.
  case certificate(String)
  /// The TLS handshake failed for another reason. The text is from the TLS library.
  case tls(String)

  /// The proxy refused to connect to the server. A 407 asks for a user and password, or for different ones.
  case proxyRefused(ProxyAddress, HTTPRefusal)
  /// The SOCKS5 proxy refused, or can't connect to the server.
  case socksRefused(ProxyAddress, SOCKS5Failure)
  /// The proxy's answer is invalid.
  case proxyProtocol(ProxyAddress, RemoteProtocolError)

  /// The server refused the WebSocket with a response.
  case refusal(HTTPRefusal)
  /// The server's redirect isn't followed.
  case redirect(RedirectError, HTTPRefusal)
  /// The server's answer is invalid (RFC 6455 §4.1), for example because it doesn't speak WebSocket.
  case handshake(RemoteProtocolError)

  /// HTTP/2 is required but isn't available.
  case http2Unavailable(HTTP2Shortfall)
  /// The server reset the HTTP/2 stream before it answered, with this error code (RFC 9113 §7).
  case streamReset(code: Int)

  /// Why no WebSocket can be opened over HTTP/2.
  public enum HTTP2Shortfall: Sendable, Hashable {
    /// The server didn't choose HTTP/2 in the TLS handshake (ALPN).
    case notAgreed
    /// The server's settings lack SETTINGS_ENABLE_CONNECT_PROTOCOL (RFC 8441 §3).
    case noExtendedConnect
    /// The server's settings didn't arrive in time.
    case noSettings(limit: Duration)
    /// The server asks for HTTP/1.1 (HTTP_1_1_REQUIRED, RFC 9113 §7).
    case http1Required
  }

  /// The host that a client connects to: the server or a proxy.
  public struct Endpoint: Sendable, Hashable, CustomStringConvertible {
    /// The host.
    public let host: URLHost
    /// The port.
    public let port: Int
    /// Whether the host is a proxy.
    public let isProxy: Bool

    package init(host: URLHost, port: Int, isProxy: Bool) {
      self.host = host
      self.port = port
      self.isProxy = isProxy
    }

    /// Host and port.
    public var description: String { isProxy ? "the proxy \(host):\(port)" : "\(host):\(port)" }
  }

  /// A stage of opening a connection.
  public enum Stage: Sendable, Hashable {
    /// Resolving the host name and connecting.
    case connecting
    /// The handshake with a proxy.
    case proxy
    /// The TLS handshake.
    case tls
    /// The opening handshake (RFC 6455 §4.1).
    case handshake
  }
}

extension WebSocketClientError: CustomStringConvertible {
  /// The cause in words, with the peer's values truncated and escaped.
  public var description: String {
    switch self {
    case .url(let error): "\(error)"
    case .proxyVariable(let error): "\(error)"
    case .request(let error): "the request cannot be sent: \(error)"
    case .tlsOptions(let text): "the options for TLS cannot be used: \(text)"
    case .unresolved(let endpoint, let text): "no address was found for \(endpoint): \(text)"
    case .refused(let endpoint): "nobody listens at \(endpoint)"
    case .unreachable(let endpoint, let text): "\(endpoint) cannot be reached: \(text)"
    case .timedOut(let stage, let limit): "\(stage) was not complete within \(limit)"
    case .disconnected(let stage, nil): "the connection has ended during \(stage)"
    case .disconnected(let stage, let text?): "the connection has ended during \(stage): \(text)"
    case .certificate(let text): "the server's certificate is not accepted: \(text)"
    case .tls(let text): "TLS could not be agreed on: \(text)"
    case .proxyRefused(let proxy, let refusal): "the proxy \(proxy) has refused with \(refusal)"
    case .socksRefused(let proxy, let failure): "the proxy \(proxy) has refused: \(failure)"
    case .proxyProtocol(let proxy, let error): "the answer of the proxy \(proxy) is not legal: \(error)"
    case .refusal(let refusal): "the server has refused with \(refusal)"
    case .redirect(let error, _): "\(error)"
    case .handshake(let error): "the server's answer is not legal: \(error)"
    case .http2Unavailable(let shortfall): "no WebSocket by HTTP/2: \(shortfall)"
    case .streamReset(let code): "the server has reset the stream: \(HTTP2ErrorCode(networkCode: code))"
    }
  }
}

extension WebSocketClientError.HTTP2Shortfall: CustomStringConvertible {
  /// The cause in words.
  public var description: String {
    switch self {
    case .notAgreed: "the server has not chosen it in the TLS handshake (ALPN)"
    case .noExtendedConnect: "the server has not sent SETTINGS_ENABLE_CONNECT_PROTOCOL (RFC 8441 §3)"
    case .noSettings(let limit): "the server's settings have not come within \(limit)"
    case .http1Required: "the server asks for HTTP/1.1 (HTTP_1_1_REQUIRED, RFC 9113 §7)"
    }
  }
}

extension WebSocketClientError.Stage: CustomStringConvertible {
  /// The stage in words.
  public var description: String {
    switch self {
    case .connecting: "connecting"
    case .proxy: "the proxy's handshake"
    case .tls: "the TLS handshake"
    case .handshake: "the opening handshake"
    }
  }
}

extension WebSocketClientError {
  /// Whether another attempt may help, for a ``ReconnectPolicy``: networks and servers may recover, but an invalid
  /// certificate or URL stays invalid.
  public var reconnectCause: ReconnectPolicy.Cause {
    switch self {
    case .unresolved, .refused, .unreachable, .timedOut, .disconnected, .streamReset,
      .http2Unavailable(.noSettings):
      .network
    case .refusal(let refusal), .proxyRefused(_, let refusal):
      .status(refusal.status, retryAfter: refusal.retryAfter)
    case .socksRefused(_, let failure): failure.isTransient ? .network : .final
    case .url, .proxyVariable, .request, .tlsOptions, .certificate, .tls, .proxyProtocol, .redirect,
      .handshake, .http2Unavailable:
      .final
    }
  }
}

extension WebSocketClientError {
  /// Whether other requests on the same connection would have failed as well.
  var isOfConnection: Bool {
    switch self {
    case .unresolved, .refused, .unreachable, .tlsOptions, .certificate, .tls, .proxyRefused, .socksRefused,
      .proxyProtocol, .http2Unavailable:
      true
    case .timedOut(let stage, _), .disconnected(let stage, _): stage != .handshake
    case .url, .proxyVariable, .request, .refusal, .redirect, .handshake, .streamReset: false
    }
  }
}
#endif
