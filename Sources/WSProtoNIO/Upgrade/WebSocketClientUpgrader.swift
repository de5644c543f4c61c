// SPDX-License-Identifier: Apache-2.0

#if NIO
import HTTPTypes
public import NIOCore
public import NIOHTTP1
public import WSProto

/// Opens a WebSocket in a client on NIO's HTTP/1.1 (RFC 6455 §4.1): for those who make their channels themselves.
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
/// An upgrader is for one connection: its key is used once.
public struct WebSocketClientUpgrader<UpgradeResult: Sendable>: NIOTypedHTTPClientProtocolUpgrader {
  /// The head of the request, to which NIO adds what ``addCustom(upgradeRequestHeaders:)`` tells it.
  public let requestHead: HTTPRequestHead
  private let negotiation: ClientNegotiation
  private let open: @Sendable (any Channel, AcceptConnection, Connection) throws -> UpgradeResult

  /// An upgrader whose connection tasks use.
  ///
  /// - Parameters:
  ///   - request: what to ask for. Compression is offered as `options` say.
  ///   - options: the settings of the connection.
  ///   - opened: gets the socket, on its event loop, and gives what NIO's future is to hold. ``WebSocket/use(isolation:_:)`` runs a
  ///     closure with it, and closes it.
  /// - Throws: `LocalProtocolError`, with the reason, if the request must not be sent.
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

  /// An upgrader whose connection channel handlers use.
  ///
  /// - Parameters:
  ///   - request: what to ask for. Compression is offered as `options` say.
  ///   - options: the settings of the connection; those for tasks are of no account.
  ///   - configure: is called on the event loop when a ``WebSocketChannelHandler`` stands at the pipeline's end: the handlers
  ///     that it adds get the messages.
  /// - Throws: `LocalProtocolError`, with the reason, if the request must not be sent.
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

  /// The configuration of a pipeline that sends the request, and loses no byte behind the answer.
  ///
  /// - Parameter notUpgrading: gets the channel if the server has refused; the response comes to the handlers that it adds.
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

  /// None: NIO adds `Upgrade` to the field `Connection` itself.
  public var requiredUpgradeHeaders: [String] { [] }

  /// Adds the fields of the handshake; called by NIO.
  public func addCustom(upgradeRequestHeaders: inout HTTPHeaders) {
    // Those two are NIO's.
    for field in negotiation.httpRequest.headerFields
    where field.name != .connection && field.name != .upgrade {
      upgradeRequestHeaders.add(name: field.name.rawName, value: field.value)
    }
  }

  /// Whether the server's answer opens the connection; called by NIO.
  public func shouldAllowUpgrade(upgradeResponse: HTTPResponseHead) -> Bool {
    if case .accepted? = try? answer(upgradeResponse) { true } else { false }
  }

  /// Opens the connection; called by NIO.
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
