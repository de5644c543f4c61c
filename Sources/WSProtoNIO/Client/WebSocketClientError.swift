// SPDX-License-Identifier: Apache-2.0

#if NIO
import NIOHTTP2
public import WSProto

/// Why a client got no connection.
public enum WebSocketClientError: Error, Sendable, Hashable {
  /// The URL cannot be opened.
  case url(InvalidURL)
  /// An environment variable that decides names no proxy.
  case proxyVariable(InvalidProxyVariable)
  /// The request must not be sent: a field, a subprotocol, or another of the options is not legal.
  case request(LocalProtocolError)
  /// The options for TLS cannot be used, such as a certificate that cannot be read. In the words of the TLS library.
  case tlsOptions(String)

  /// The name is not known, or there was nobody to ask for it.
  case unresolved(Endpoint, String)
  /// Nobody listens on that port.
  case refused(Endpoint)
  /// There is no way to that host, or connecting failed in another way. In the words of the system.
  case unreachable(Endpoint, String)
  /// The time limit for a stage has passed.
  case timedOut(Stage, limit: Duration)
  /// The connection has ended before the handshake was complete. With the words of the system, if there are any.
  case disconnected(Stage, String?)

  /// The server's certificate does not prove that this is the server: unknown root, wrong name, expired. In the words of
  /// the TLS library.
  case certificate(String)
  /// TLS could not be agreed on, for another cause. In the words of the TLS library.
  case tls(String)

  /// The proxy has refused to connect to the server. 407 asks for user and password, or for others.
  case proxyRefused(ProxyAddress, HTTPRefusal)
  /// The SOCKS5 proxy has refused, or cannot connect to the server.
  case socksRefused(ProxyAddress, SOCKS5Failure)
  /// The proxy's answer is not legal.
  case proxyProtocol(ProxyAddress, RemoteProtocolError)

  /// The server has refused the WebSocket with a response.
  case refusal(HTTPRefusal)
  /// The server's redirect is not followed.
  case redirect(RedirectError, HTTPRefusal)
  /// The server's answer is not legal (RFC 6455 §4.1), such as one that was not meant for a WebSocket.
  case handshake(RemoteProtocolError)

  /// HTTP/2 is required, and cannot be had.
  case http2Unavailable(HTTP2Shortfall)
  /// The server has ended the stream of HTTP/2 before its answer, with this code of RST_STREAM (RFC 9113 §7).
  case streamReset(code: Int)

  /// Why no WebSocket can be opened by HTTP/2.
  public enum HTTP2Shortfall: Sendable, Hashable {
    /// The server has not chosen HTTP/2 in the handshake of TLS (ALPN).
    case notAgreed
    /// The server's settings don't have SETTINGS_ENABLE_CONNECT_PROTOCOL (RFC 8441 §3).
    case noExtendedConnect
    /// The server's settings have not come in time.
    case noSettings(limit: Duration)
    /// The server asks for HTTP/1.1 (RFC 9113 §7, HTTP_1_1_REQUIRED).
    case http1Required
  }

  /// What is connected to: the server, or a proxy.
  public struct Endpoint: Sendable, Hashable, CustomStringConvertible {
    /// The host.
    public let host: URLHost
    /// The port.
    public let port: Int
    /// Whether it is a proxy.
    public let isProxy: Bool

    /// Host and port.
    public var description: String { isProxy ? "the proxy \(host):\(port)" : "\(host):\(port)" }
  }

  /// A part of what comes before the first message.
  public enum Stage: Sendable, Hashable {
    /// Finding the addresses of a name, and connecting.
    case connecting
    /// Asking a proxy.
    case proxy
    /// The handshake of TLS.
    case tls
    /// The opening handshake (RFC 6455 §4.1).
    case handshake
  }
}

extension WebSocketClientError: CustomStringConvertible {
  /// The cause in words, with the peer's values, cut and escaped.
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
  /// Whether a further attempt may help, for a ``ReconnectPolicy``: the network and servers in trouble may be better
  /// later, a certificate or a URL won't.
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
  /// Whether other requests on the same connection would have failed, too.
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
