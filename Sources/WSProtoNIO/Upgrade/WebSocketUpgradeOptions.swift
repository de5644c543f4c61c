// SPDX-License-Identifier: Apache-2.0

#if NIO
import HTTPTypes
import NIOCore
public import WSProto

/// The settings of WebSockets that are opened in a server of another make: ``WebSocketServerUpgrader``,
/// ``WebSocketStreamHandler``.
public struct WebSocketUpgradeOptions: Sendable {
  /// Those of each connection.
  public var socket = WebSocketOptions()
  /// Which pages' browsers may connect. Default: a request without an Origin, and pages of the same host and port; others
  /// are refused with 403.
  public var origin = OriginPolicy.sameHost
  /// The subprotocols that the server speaks, in the order of its preference. Default: none. Of no account for requests that
  /// ``decide`` accepts.
  public var subprotocols: [String] = []
  /// Accepts or refuses a request, after the Origin was checked. Default `nil`: all are accepted. What it throws refuses the
  /// request with 500.
  public var decide: (@Sendable (Request) async throws -> WebSocketDecision)?
  /// The memory for messages under way over all connections that share it. Default `nil`: no bound.
  public var budget: MemoryBudget?

  /// The defaults.
  public init() {}
}

/// What the HTTP side of a channel asks where the server is of another make.
final class UpgradeResponder: HandshakeResponder {
  private let options: WebSocketUpgradeOptions
  private let onOpen: @Sendable (WebSocket) -> Void

  /// - Parameter onOpen: gets each socket, on its event loop.
  init(_ options: WebSocketUpgradeOptions, onOpen: @escaping @Sendable (WebSocket) -> Void) {
    self.options = options
    self.onOpen = onOpen
  }

  var socketOptions: WebSocketOptions { options.socket }
  var budget: MemoryBudget? { options.budget }

  func decide(_ request: Request, _ origin: HandshakeOrigin) -> Eventual<WebSocketDecision> {
    if let refusal = refusal(of: request, by: options.origin, from: origin.client) {
      return .now(.refuse(refusal))
    }
    return decision(
      on: request,
      options.subprotocols,
      from: origin.client,
      by: options.decide,
      request
    )
  }

  func opened(_ socket: WebSocket) { onOpen(socket) }

  // The server's own: ordinary requests, proxies, limits, the log.
  var maxLifetime: Duration? { nil }
  func client(of peer: SocketAddress?, _ fields: HTTPFields) -> SocketAddress? { peer }
  var maxBodyBytes: Int { 0 }
  var maxRequestsPerConnection: Int { 1 }
  var answersRequests: Bool { false }
  func answer(_ request: HTTPServerRequest) -> Eventual<HTTPServerResponse>? { nil }
  func deflatePool(on eventLoop: any EventLoop) -> DeflatePool? { nil }
  func traffic(on eventLoop: any EventLoop) -> Traffic? { nil }
  func refused(_ cause: RefusalCause, _ details: String, from address: SocketAddress?) {}
}
#endif
