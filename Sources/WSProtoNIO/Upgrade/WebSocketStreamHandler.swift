// SPDX-License-Identifier: Apache-2.0

#if NIO
import HTTPTypes
public import NIOCore
public import NIOHTTPTypes
import WSProto

/// Opens WebSockets on the streams of an existing HTTP/2 server (RFC 8441), alongside its other responses.
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
/// The handler follows a codec that produces `HTTPRequestPart`s, as the last handler in the pipeline, and removes
/// itself at the first request. An extended CONNECT for `websocket` is answered: it opens a WebSocket or is refused.
/// For any other request, the handlers that `ordinary` adds receive all parts. The connection must have sent
/// SETTINGS_ENABLE_CONNECT_PROTOCOL with the value 1.
public final class WebSocketStreamHandler: ChannelInboundHandler, RemovableChannelHandler {
  public typealias InboundIn = HTTPRequestPart
  public typealias InboundOut = HTTPRequestPart

  private let responder: UpgradeResponder
  private let ordinary: (any Channel) throws -> Void

  /// Creates a handler for one stream.
  ///
  /// - Parameters:
  ///   - options: which requests to accept, and the settings of the connections.
  ///   - opened: called with the socket, on its event loop. To run a closure with the socket and close it afterwards,
  ///     use ``WebSocket/use(isolation:_:)``.
  ///   - ordinary: adds the handlers for a request that isn't for a WebSocket. If it throws, the stream is closed.
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
