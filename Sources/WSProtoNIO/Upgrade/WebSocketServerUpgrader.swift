// SPDX-License-Identifier: Apache-2.0

#if NIO
import HTTPTypes
public import NIOCore
public import NIOHTTP1
import Synchronization
public import WSProto

/// Opens WebSockets in a server on NIO's HTTP/1.1, alongside its other responses (RFC 6455 §4.2).
///
/// ```swift
/// import NIOCore
/// import NIOHTTP1
///
/// func prepare(_ channel: any Channel) throws -> EventLoopFuture<WebSocket?> {
///   let upgrader = WebSocketServerUpgrader { WebSocket?.some($0) }
///   return try channel.pipeline.syncOperations.configureUpgradableHTTPServerPipeline(
///     configuration: .init(
///       upgradeConfiguration: .init(upgraders: [upgrader]) { channel in
///         // Here the handlers of ordinary requests are added.
///         channel.eventLoop.makeSucceededFuture(nil)
///       }
///     )
///   )
/// }
/// ```
///
/// One upgrader serves any number of channels. Bytes that follow a request immediately become the first bytes of the
/// connection. The upgrader itself answers a request that is refused, because of the protocol, the `Origin` or
/// ``WebSocketUpgradeOptions/decide``, and closes the channel. The pipeline's future then fails with
/// ``WebSocketUpgradeRefused``, or with NIO's error for a closed channel. Requests without `Upgrade: websocket` aren't
/// examined.
public struct WebSocketServerUpgrader<UpgradeResult: Sendable>: NIOTypedHTTPServerProtocolUpgrader {
  private let options: WebSocketUpgradeOptions
  private let responder: UpgradeResponder
  private let open: @Sendable (any Channel, ServerOpening, UpgradeResponder) throws -> UpgradeResult
  private let accepted = AcceptedUpgrades()

  /// Creates an upgrader for connections that are used from tasks.
  ///
  /// - Parameters:
  ///   - options: which requests to accept, and the settings of the connections.
  ///   - opened: called with each socket, on its event loop. Returns the value of NIO's future. To run a closure with
  ///     the socket and close it afterwards, use ``WebSocket/use(isolation:_:)``.
  public init(
    options: WebSocketUpgradeOptions = WebSocketUpgradeOptions(),
    opened: @escaping @Sendable (WebSocket) -> UpgradeResult
  ) {
    self.options = options
    responder = UpgradeResponder(options) { _ in }
    open = { channel, opening, responder in
      opened(try opening.open(on: channel, Bytes(), channel.remoteAddress, responder))
    }
  }

  /// Creates an upgrader for connections that are used from channel handlers.
  ///
  /// - Parameters:
  ///   - options: which requests to accept, and the settings of the connections. Those that concern tasks aren't used.
  ///   - configure: called on the event loop when a ``WebSocketChannelHandler`` is the last handler in the pipeline.
  ///     The handlers that it adds receive the messages.
  public init(
    options: WebSocketUpgradeOptions = WebSocketUpgradeOptions(),
    configure: @escaping @Sendable (any Channel, Request) throws -> UpgradeResult
  ) {
    self.options = options
    responder = UpgradeResponder(options) { _ in }
    open = { channel, opening, responder in
      let handler = opening.makeHandler(on: channel.eventLoop, responder)
      try channel.pipeline.syncOperations.addHandler(handler)
      return try configure(channel, opening.request)
    }
  }

  // MARK: NIOTypedHTTPServerProtocolUpgrader

  /// `websocket`.
  public var supportedProtocol: String { "websocket" }

  /// None that NIO must check: the handshake checks all required fields.
  public var requiredUpgradeHeaders: [String] { [] }

  /// Decides on a request. Called by NIO.
  public func buildUpgradeResponse(
    channel: any Channel,
    upgradeRequest: HTTPRequestHead,
    initialResponseHeaders: HTTPHeaders
  ) -> EventLoopFuture<HTTPHeaders> {
    // Stops reading: input after the request stays in the operating system.
    try? channel.syncOptions?.setOption(.autoRead, value: false)
    let promise = channel.eventLoop.makePromise(of: HTTPHeaders.self)
    let negotiation: ServerNegotiation
    do throws(RemoteProtocolError) {
      negotiation = try ServerNegotiation(
        upgrade: HTTPRequest(upgradeRequest),
        minorVersion: upgradeRequest.version.minor,
        configuration: options.socket.configuration
      )
    } catch {
      refuse(HTTPServerResponse(error), channel, promise)
      return promise.futureResult
    }
    let peer = channel.remoteAddress
    let origin = HandshakeOrigin(client: peer, peer: peer, channel: channel, isStream: false)
    responder.decide(negotiation.request, origin).whenKnown(on: channel.eventLoop) {
      self.carryOut($0, negotiation, channel, promise)
    }
    return promise.futureResult
  }

  private func carryOut(
    _ decision: WebSocketDecision,
    _ negotiation: ServerNegotiation,
    _ channel: any Channel,
    _ promise: EventLoopPromise<HTTPHeaders>
  ) {
    do {
      switch decision {
      case .refuse(let response):
        // Checks that the status is a refusal.
        _ = try negotiation.reject(RejectConnection(statusCode: response.status.code))
        refuse(response, channel, promise)
      case .accept(let subprotocol, let fields):
        let opening = try ServerOpening(negotiation, subprotocol, fields, responder)
        accepted.keep(opening, for: channel)
        promise.succeed(HTTPHeaders(opening.response.headerFields))
      }
    } catch {
      refuse(HTTPServerResponse(status: .internalServerError), channel, promise)
    }
  }

  /// Sends a response and closes the channel.
  private func refuse(
    _ response: HTTPServerResponse,
    _ channel: any Channel,
    _ promise: EventLoopPromise<HTTPHeaders>
  ) {
    var response = response
    response.headerFields[.contentLength] = String(response.body.readableBytes)
    response.closeConnection()
    let head = HTTPResponseHead(
      HTTPResponse(status: response.status, headerFields: response.headerFields)
    )
    let pipeline = channel.pipeline.syncOperations
    pipeline.write(NIOAny(HTTPServerResponsePart.head(head)), promise: nil)
    if response.body.readableBytes > 0 {
      pipeline.write(NIOAny(HTTPServerResponsePart.body(.byteBuffer(response.body))), promise: nil)
    }
    // NIO would continue with the request if the future failed before the channel is closed.
    let refused = WebSocketUpgradeRefused(response: response)
    channel.closeFuture.whenComplete { _ in promise.fail(refused) }
    pipeline.writeAndFlush(NIOAny(HTTPServerResponsePart.end(nil))).whenComplete { _ in
      // If closed at once, the channel might discard the response when there is unread input.
      channel.close(mode: .output).whenFailure { _ in channel.close(promise: nil) }
      _ = channel.eventLoop.scheduleTask(in: .seconds(1)) { channel.close(promise: nil) }
    }
  }

  /// Opens the connection. Called by NIO.
  public func upgrade(channel: any Channel, upgradeRequest: HTTPRequestHead) -> EventLoopFuture<UpgradeResult>
  {
    channel.eventLoop.makeCompletedFuture {
      guard let opening = accepted.take(for: channel) else {
        throw ChannelError.inappropriateOperationForState
      }
      let result = try open(channel, opening, responder)
      // After the input that NIO has buffered.
      channel.eventLoop.execute { try? channel.syncOptions?.setOption(.autoRead, value: true) }
      return result
    }
  }
}

/// A request for a WebSocket was refused and answered.
public struct WebSocketUpgradeRefused: Error, Sendable, Hashable, CustomStringConvertible {
  /// The response that was sent.
  public let response: HTTPServerResponse

  /// The status of the refusal.
  public var description: String { "a request for a WebSocket was refused with \(response.status.code)" }
}

/// Accepted handshakes, kept from the response until the connection is opened.
private final class AcceptedUpgrades: Sendable {
  private let openings = Mutex<[ObjectIdentifier: NIOLoopBound<ServerOpening>]>([:])

  /// Call it on the channel's event loop.
  func keep(_ opening: ServerOpening, for channel: any Channel) {
    let key = ObjectIdentifier(channel)
    let bound = NIOLoopBound(opening, eventLoop: channel.eventLoop)
    openings.withLock { $0[key] = bound }
    channel.closeFuture.whenComplete { _ in _ = self.remove(key) }
  }

  /// Call it on the channel's event loop.
  func take(for channel: any Channel) -> ServerOpening? { remove(ObjectIdentifier(channel))?.value }

  private func remove(_ key: ObjectIdentifier) -> NIOLoopBound<ServerOpening>? {
    openings.withLock { $0.removeValue(forKey: key) }
  }
}
#endif
