// SPDX-License-Identifier: Apache-2.0

#if NIO
import NIOCore
import NIOHTTP2
import NIOHTTPTypesHTTP2
import WSProto

/// A server's side of an HTTP/2 connection, which carries any number of streams (RFC 9113, RFC 8441).
///
/// Its bounds: 100 streams at once, heads of ``WebSocketOptions/maxHeadBytes``, and those of swift-nio-http2 on what a peer
/// can do in vain: 200 resets, 200 stream errors and 200 control frames in 30 s, 5 CONTINUATION frames a head, 1 empty
/// DATA frame in a row. A connection that goes beyond one is closed. A connection without a stream is closed after the
/// time of an opening handshake.
final class HTTP2Connection {
  static let maxConcurrentStreams = 100

  private let channel: any Channel
  private let pending: PendingConnection
  private let limit: TimeAmount?
  private var streamCount = 0
  private var idleTimer: Scheduled<Void>?

  /// Sets up the pipeline of a channel whose peers have agreed on HTTP/2.
  static func configure(
    _ channel: any Channel,
    _ responder: any HandshakeResponder,
    _ pending: PendingConnection
  ) throws {
    let options = responder.socketOptions
    let connection = HTTP2Connection(channel, pending, options.timeouts.opening)
    let bound = NIOLoopBound(connection, eventLoop: channel.eventLoop)
    let opening = options.timeouts.opening
    var configuration = NIOHTTP2Handler.ConnectionConfiguration()
    configuration.initialSettings = [
      HTTP2Setting(parameter: .maxConcurrentStreams, value: maxConcurrentStreams),
      HTTP2Setting(parameter: .maxHeaderListSize, value: options.maxHeadBytes),
      HTTP2Setting(parameter: .enableConnectProtocol, value: 1),
    ]
    _ = try channel.pipeline.syncOperations.configureHTTP2Pipeline(
      mode: .server,
      connectionConfiguration: configuration,
      streamConfiguration: NIOHTTP2Handler.StreamConfiguration()
    ) { stream in
      stream.eventLoop.makeCompletedFuture {
        let connection = bound.value
        connection.began(stream)
        let pending = PendingConnection(stream, limit: opening) {}
        try stream.pipeline.syncOperations.addHandlers([
          HTTP2FramePayloadToHTTPServerCodec(),
          HTTP2StreamHandler(responder, pending, remoteAddress: stream.remoteAddress) {
            connection.pending.end()
          },
        ])
      }
    }
    try channel.pipeline.syncOperations.addHandler(HTTP2ErrorHandler(responder))
  }

  private init(_ channel: any Channel, _ pending: PendingConnection, _ limit: Duration?) {
    self.channel = channel
    self.pending = pending
    self.limit = limit.map { TimeAmount(clamped: $0) }
    pending.disarm()
    waitForStream()
    channel.closeFuture.assumeIsolated().whenComplete { _ in self.idleTimer?.cancel() }
  }

  private func began(_ stream: any Channel) {
    streamCount += 1
    idleTimer?.cancel()
    stream.closeFuture.assumeIsolated().whenComplete { _ in
      self.streamCount -= 1
      if self.streamCount == 0 { self.waitForStream() }
    }
  }

  private func waitForStream() {
    guard let limit, channel.isActive else { return }
    let channel = channel
    idleTimer = channel.eventLoop.scheduleTask(in: limit) { channel.close(promise: nil) }
  }
}

/// Closes a connection of HTTP/2 on an error of its own; an error of one stream is that stream's.
private final class HTTP2ErrorHandler: ChannelInboundHandler {
  typealias InboundIn = Never

  private let responder: any HandshakeResponder

  init(_ responder: any HandshakeResponder) { self.responder = responder }

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    if error is NIOHTTP2Errors.StreamError { return }
    responder.refused(
      .transport,
      "a connection of HTTP/2 has failed: \(error)",
      from: context.channel.remoteAddress
    )
    context.close(promise: nil)
  }
}
#endif
