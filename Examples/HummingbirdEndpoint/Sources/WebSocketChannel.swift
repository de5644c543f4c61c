// SPDX-License-Identifier: Apache-2.0

// WebSockets in Hummingbird: copy this file.

import Hummingbird
import HummingbirdCore
import Logging
import NIOCore
import NIOHTTP1
import NIOHTTPTypes
import NIOHTTPTypesHTTP1
import ServiceLifecycle
import WSProto
import WSProtoNIO

extension HTTPServerBuilder {
  /// HTTP/1.1 as `http1()` speaks it, and WebSockets on the same port: the first request of a connection may open one.
  ///
  /// - Parameters:
  ///   - options: which requests are accepted, and the settings of the connections.
  ///   - handler: runs once a WebSocket, which is closed when it returns.
  static func http1WebSocket(
    options: WebSocketUpgradeOptions = WebSocketUpgradeOptions(),
    handler: @escaping @Sendable (WebSocket) async throws -> Void
  ) -> HTTPServerBuilder {
    HTTPServerBuilder { WebSocketChannel(responder: $0, options: options, handler: handler) }
  }
}

/// A connection of HTTP/1.1 that becomes a WebSocket, if its first request asks for one and is accepted.
struct WebSocketChannel: HTTPChannelHandler {
  enum Opened: Sendable {
    case http(NIOAsyncChannel<HTTPRequestPart, HTTPResponsePart>)
    case webSocket(WebSocket)
  }

  struct Value: ServerChildChannelValue {
    let channel: any Channel
    let opened: EventLoopFuture<Opened>
  }

  let responder: HTTPChannelHandler.Responder
  private let upgrader: WebSocketServerUpgrader<Opened>
  private let handler: @Sendable (WebSocket) async throws -> Void
  /// For the first request; afterwards for the time between two of them.
  private let timeout = Duration.seconds(30)

  init(
    responder: @escaping HTTPChannelHandler.Responder,
    options: WebSocketUpgradeOptions,
    handler: @escaping @Sendable (WebSocket) async throws -> Void
  ) {
    self.responder = responder
    self.handler = handler
    upgrader = WebSocketServerUpgrader(options: options) { .webSocket($0) }
  }

  func setup(channel: any Channel, logger: Logger) -> EventLoopFuture<Value> {
    channel.eventLoop.makeCompletedFuture {
      let opened = try channel.pipeline.syncOperations.configureUpgradableHTTPServerPipeline(
        configuration: .init(
          upgradeConfiguration: .init(upgraders: [upgrader]) { channel in
            channel.eventLoop.makeCompletedFuture { .http(try wrap(channel, logger)) }
          }
        )
      )
      let timer = channel.eventLoop.scheduleTask(in: TimeAmount(timeout)) { channel.close(promise: nil) }
      opened.whenComplete { _ in timer.cancel() }
      return Value(channel: channel, opened: opened)
    }
  }

  private func wrap(
    _ channel: any Channel,
    _ logger: Logger
  ) throws -> NIOAsyncChannel<HTTPRequestPart, HTTPResponsePart> {
    let pipeline = channel.pipeline.syncOperations
    try pipeline.addHandler(HTTP1ToHTTPServerCodec(secure: false))
    try pipeline.addHandler(HTTPConnectionStateHandler(idleTimeout: timeout, logger: logger))
    return try NIOAsyncChannel(
      wrappingChannelSynchronously: channel,
      configuration: .init(isOutboundHalfClosureEnabled: true)
    )
  }

  func handle(value: Value, logger: Logger) async {
    do {
      switch try await value.opened.get() {
      case .http(let channel): await handleHTTP(asyncChannel: channel, logger: logger)
      case .webSocket(let socket):
        try await withGracefulShutdownHandler {
          try await socket.use(handler)
        } onGracefulShutdown: {
          Task { try await socket.close(code: .goingAway) }
        }
      }
    } catch {
      logger.debug("a connection has ended: \(error)")
    }
  }
}
