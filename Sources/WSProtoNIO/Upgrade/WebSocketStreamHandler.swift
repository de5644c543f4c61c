// SPDX-License-Identifier: Apache-2.0

#if NIO
import HTTPTypes
public import NIOCore
public import NIOHTTPTypes
import WSProto

/// Opens WebSockets on the streams of a server's own HTTP/2 (RFC 8441), beside whatever else it answers.
///
/// ```swift
/// import NIOCore
/// import NIOHTTP2
/// import NIOHTTPTypesHTTP2
///
/// func prepare(_ channel: any Channel, opened: @escaping @Sendable (WebSocket) -> Void) throws {
///   var configuration = NIOHTTP2Handler.ConnectionConfiguration()
///   configuration.initialSettings.append(HTTP2Setting(parameter: .enableConnectProtocol, value: 1))
///   _ = try channel.pipeline.syncOperations.configureHTTP2Pipeline(
///     mode: .server,
///     connectionConfiguration: configuration,
///     streamConfiguration: .init()
///   ) { stream in
///     stream.eventLoop.makeCompletedFuture {
///       let webSockets = WebSocketStreamHandler(opened: opened) { stream in
///         // The handlers of other requests.
///       }
///       try stream.pipeline.syncOperations.addHandlers([HTTP2FramePayloadToHTTPServerCodec(), webSockets])
///     }
///   }
/// }
/// ```
///
/// It stands behind a codec that gives `HTTPRequestPart`s, last in the pipeline, and leaves it with the first request: an
/// extended CONNECT for `websocket` is answered, and opens a WebSocket or is refused; for any other request the handlers
/// that `ordinary` adds see all parts. The connection must have sent SETTINGS_ENABLE_CONNECT_PROTOCOL with 1.
public final class WebSocketStreamHandler: ChannelInboundHandler, RemovableChannelHandler {
  public typealias InboundIn = HTTPRequestPart
  public typealias InboundOut = HTTPRequestPart

  private let responder: UpgradeResponder
  private let ordinary: (any Channel) throws -> Void

  /// A handler for one stream.
  ///
  /// - Parameters:
  ///   - options: who is let in, and the settings of the connections.
  ///   - opened: gets the socket, on its event loop. ``WebSocket/use(isolation:_:)`` runs a closure with it, and closes it.
  ///   - ordinary: adds the handlers of a request that is not for a WebSocket. What it throws closes the stream.
  public init(
    options: WebSocketUpgradeOptions = WebSocketUpgradeOptions(),
    opened: @escaping @Sendable (WebSocket) -> Void,
    ordinary: @escaping (any Channel) throws -> Void
  ) {
    responder = UpgradeResponder(options, onOpen: opened)
    self.ordinary = ordinary
  }

  public func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    do {
      if case .head(let request) = Self.unwrapInboundIn(data), request.extendedConnectProtocol == "websocket"
      {
        let pending = PendingConnection(context.channel, limit: responder.socketOptions.timeouts.opening) {}
        let handler = HTTP2StreamHandler(responder, pending, peer: context.channel.remoteAddress) {}
        try context.pipeline.syncOperations.addHandler(handler, position: .after(self))
      } else {
        try ordinary(context.channel)
      }
      context.fireChannelRead(data)
      context.pipeline.syncOperations.removeHandler(context: context, promise: nil)
    } catch {
      context.fireErrorCaught(error)
      context.close(promise: nil)
    }
  }
}

@available(*, unavailable)
extension WebSocketStreamHandler: Sendable {}
#endif
