// SPDX-License-Identifier: Apache-2.0

#if NIO
import HTTPTypes
import NIOCore
public import WSProto

/// The settings of WebSockets opened in an existing server by ``WebSocketServerUpgrader`` or
/// ``WebSocketStreamHandler``.
public struct WebSocketUpgradeOptions: Sendable {
  /// The settings of each connection.
  public var socket = WebSocketOptions()
  /// Which web pages may connect from a browser. Default: requests without an `Origin`, and pages of the same host and
  /// port; others are refused with 403.
  public var origin = OriginPolicy.sameHost
  /// The subprotocols that the server speaks, in order of preference. The first one that the client requests is chosen.
  /// Default: none. Not used if ``decide`` is set, which chooses the subprotocol itself.
  public var subprotocols: [String] = []
  /// Accepts or refuses a request, after the `Origin` was checked. Default `nil`: all requests are accepted. If the
  /// closure throws, the request is refused with 500.
  public var decide: (@Sendable (Request) async throws -> WebSocketDecision)?
  /// The memory shared by the incomplete messages of all connections. Default `nil`: no limit.
  public var budget: MemoryBudget?

  /// Creates options with the default values.
  public init() {}
}

/// Answers the HTTP side of a channel in an existing server.
final class UpgradeResponder: HandshakeResponder {
  private let options: WebSocketUpgradeOptions
  private let onOpen: @Sendable (WebSocket) -> Void

  /// - Parameter onOpen: called with each socket, on its event loop.
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

  // The existing server handles ordinary requests, proxies, limits and logging itself.
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
