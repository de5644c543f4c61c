// SPDX-License-Identifier: Apache-2.0

#if NIO
import HTTPTypes
public import NIOCore
public import NIOHTTP1
public import WSProto

/// Opens a WebSocket in a client on NIO's HTTP/1.1 (RFC 6455 §4.1), for applications that create their channels
/// themselves.
///
/// ```swift
/// import NIOCore
///
/// func prepare(_ channel: any Channel) throws -> EventLoopFuture<WebSocket?> {
///   let request = Request(host: "example.com", target: "/feed")
///   let upgrader = try WebSocketClientUpgrader(request) { WebSocket?.some($0) }
///   return try channel.pipeline.syncOperations.configureUpgradableHTTPClientPipeline(
///     configuration: upgrader.pipelineConfiguration { channel in
///       channel.close().map { nil }
///     }
///   )
/// }
/// ```
///
/// An upgrader is for one connection, since its key must be used only once.
public struct WebSocketClientUpgrader<UpgradeResult: Sendable>: NIOTypedHTTPClientProtocolUpgrader {
  /// The head of the request, to which NIO adds the fields of ``addCustom(upgradeRequestHeaders:)``.
  public let requestHead: HTTPRequestHead
  private let negotiation: ClientNegotiation
  private let open: @Sendable (any Channel, AcceptConnection, Connection) throws -> UpgradeResult

  /// Creates an upgrader for a connection that is used from tasks.
  ///
  /// - Parameters:
  ///   - request: the request to send. Compression is offered as `options` say.
  ///   - options: the settings of the connection.
  ///   - opened: called with the socket, on its event loop. Returns the value of NIO's future. To run a closure with
  ///     the socket and close it afterwards, use ``WebSocket/use(isolation:_:)``.
  /// - Throws: `LocalProtocolError` if the request must not be sent.
  public init(
    _ request: Request,
    options: WebSocketOptions = WebSocketOptions(),
    opened: @escaping @Sendable (WebSocket) -> UpgradeResult
  ) throws(LocalProtocolError) {
    try self.init(request, options) { [request] channel, accept, connection in
      let opening = WebSocket.Opening(request, accepted: accept, on: channel)
      return opened(try WebSocket.open(connection, on: channel, opening, options: options))
    }
  }

  /// Creates an upgrader for a connection that is used from channel handlers.
  ///
  /// - Parameters:
  ///   - request: the request to send. Compression is offered as `options` say.
  ///   - options: the settings of the connection. Those that concern tasks aren't used.
  ///   - configure: called on the event loop when a ``WebSocketChannelHandler`` is the last handler in the pipeline.
  ///     The handlers that it adds receive the messages.
  /// - Throws: `LocalProtocolError` if the request must not be sent.
  public init(
    _ request: Request,
    options: WebSocketOptions = WebSocketOptions(),
    configure: @escaping @Sendable (any Channel, AcceptConnection) throws -> UpgradeResult
  ) throws(LocalProtocolError) {
    try self.init(request, options) { channel, accept, connection in
      let handler = WebSocketChannelHandler(connection, timeouts: options.timeouts)
      try channel.pipeline.syncOperations.addHandler(handler)
      return try configure(channel, accept)
    }
  }

  private init(
    _ request: Request,
    _ options: WebSocketOptions,
    _ open: @escaping @Sendable (any Channel, AcceptConnection, Connection) throws -> UpgradeResult
  ) throws(LocalProtocolError) {
    var request = request
    if let compression = options.compression { request.extensions = [try compression.makeExtension()] }
    negotiation = try ClientNegotiation(upgrade: request, configuration: options.configuration)
    requestHead = HTTPRequestHead(
      version: .http1_1,
      method: .GET,
      uri: request.target,
      headers: ["Host": request.host]
    )
    self.open = open
  }

  /// The configuration of a pipeline that sends the request and keeps the bytes that follow the response.
  ///
  /// - Parameter notUpgrading: called with the channel if the server refuses. The handlers that it adds receive the
  ///   response.
  public func pipelineConfiguration(
    notUpgrading: @escaping @Sendable (any Channel) -> EventLoopFuture<UpgradeResult>
  ) -> NIOUpgradableHTTPClientPipelineConfiguration<UpgradeResult> {
    var configuration = NIOUpgradableHTTPClientPipelineConfiguration(
      upgradeConfiguration: NIOTypedHTTPClientUpgradeConfiguration(
        upgradeRequestHead: requestHead,
        upgraders: [self],
        notUpgradingCompletionHandler: notUpgrading
      )
    )
    configuration.leftOverBytesStrategy = .forwardBytes
    return configuration
  }

  // MARK: NIOTypedHTTPClientProtocolUpgrader

  /// `websocket`.
  public var supportedProtocol: String { "websocket" }

  /// None: NIO itself adds `Upgrade` to the `Connection` field.
  public var requiredUpgradeHeaders: [String] { [] }

  /// Adds the fields of the handshake. Called by NIO.
  public func addCustom(upgradeRequestHeaders: inout HTTPHeaders) {
    // NIO adds these two fields itself.
    for field in negotiation.httpRequest.headerFields
    where field.name != .connection && field.name != .upgrade {
      upgradeRequestHeaders.add(name: field.name.rawName, value: field.value)
    }
  }

  /// Whether the server's response opens the connection. Called by NIO.
  public func shouldAllowUpgrade(upgradeResponse: HTTPResponseHead) -> Bool {
    if case .accepted? = try? answer(upgradeResponse) { true } else { false }
  }

  /// Opens the connection. Called by NIO.
  public func upgrade(channel: any Channel, upgradeResponse: HTTPResponseHead) -> EventLoopFuture<
    UpgradeResult
  > {
    channel.eventLoop.makeCompletedFuture {
      guard case .accepted(let accept, let connection) = try answer(upgradeResponse) else {
        throw ChannelError.inappropriateOperationForState
      }
      return try open(channel, accept, connection)
    }
  }

  private func answer(_ head: HTTPResponseHead) throws(RemoteProtocolError) -> ClientNegotiation.Answer {
    var negotiation = negotiation
    return try negotiation.receive(HTTPResponse(head), minorVersion: head.version.minor)
  }
}
#endif
