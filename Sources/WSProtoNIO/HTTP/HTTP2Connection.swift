// SPDX-License-Identifier: Apache-2.0

#if NIO
import NIOCore
import NIOHTTP2
import NIOHTTPTypesHTTP2
import WSProto

/// The server side of an HTTP/2 connection, which carries any number of streams (RFC 9113, RFC 8441).
///
/// A connection that exceeds the limits of ``configuration(_:)`` on useless input is closed. A connection without a
/// stream is closed after the time limit of the opening handshake.
final class HTTP2Connection {
  static let maxConcurrentStreams = 100

  private let channel: any Channel
  private let pending: PendingConnection
  private let limit: TimeAmount?
  private var streamCount = 0
  private var idleTimer: Scheduled<Void>?

  /// Sets up the pipeline of a channel that negotiated HTTP/2.
  static func configure(
    _ channel: any Channel,
    _ responder: any HandshakeResponder,
    _ pending: PendingConnection,
    peer: SocketAddress?
  ) throws {
    let options = responder.socketOptions
    let connection = HTTP2Connection(channel, pending, options.timeouts.opening)
    let bound = NIOLoopBound(connection, eventLoop: channel.eventLoop)
    // On shutdown, tells the peer to open no more streams (GOAWAY, RFC 9113 §6.8), and closes the channel after the
    // last one.
    let ending = NIOHTTP2ServerConnectionManagementHandler(
      eventLoop: channel.eventLoop,
      configuration: .init(maxIdleTime: nil, maxAge: nil, maxGraceTime: nil, keepalive: nil)
    )
    let opening = options.timeouts.opening
    let configuration = Self.configuration(options)
    _ = try channel.pipeline.syncOperations.configureHTTP2Pipeline(
      mode: .server,
      connectionConfiguration: configuration.connection,
      streamConfiguration: configuration.stream,
      streamDelegate: ending.http2StreamDelegate
    ) { stream in
      stream.eventLoop.makeCompletedFuture {
        let connection = bound.value
        connection.began(stream)
        let pending = PendingConnection(stream, limit: opening) {}
        try stream.pipeline.syncOperations.addHandlers([
          HTTP2FramePayloadToHTTPServerCodec(),
          HTTP2StreamHandler(responder, pending, peer: peer) {
            connection.pending.end()
          },
        ])
      }
    }
    try channel.pipeline.syncOperations.addHandlers([ending, HTTP2ErrorHandler(responder, peer)])
    if let limit = responder.maxLifetime { connection.limitLifetime(limit) }
  }

  /// The limits, set explicitly rather than left to the library's defaults.
  static func configuration(_ options: WebSocketOptions) -> NIOHTTP2Handler.Configuration {
    var configuration = NIOHTTP2Handler.Configuration()
    configuration.connection.initialSettings = [
      HTTP2Setting(parameter: .maxConcurrentStreams, value: maxConcurrentStreams),
      HTTP2Setting(
        parameter: .maxHeaderListSize,
        value: min(max(0, options.maxHeadBytes), Int(Int32.max))
      ),
      HTTP2Setting(parameter: .enableConnectProtocol, value: 1),
    ]
    // Each such frame costs a pass of the parser and carries nothing.
    configuration.connection.maximumSequentialEmptyDataFrames = 1
    configuration.connection.maximumSequentialContinuationFrames = 5
    // PING, SETTINGS and PRIORITY. A peer that doesn't read the replies is disconnected before they take 100 KiB.
    configuration.connection.controlFrameRateLimit.maximumCount = 200
    configuration.connection.controlFrameRateLimit.windowLength = .seconds(30)
    configuration.connection.maximumBufferedControlFrames = 1000
    // Streams that are opened and immediately reset (CVE-2023-44487), and stream errors.
    configuration.stream.streamResetFrameRateLimit.maximumCount = 200
    configuration.stream.streamResetFrameRateLimit.windowLength = .seconds(30)
    configuration.stream.streamErrorRateLimit.maximumCount = 200
    configuration.stream.streamErrorRateLimit.windowLength = .seconds(30)
    configuration.connection.maximumConnectionGlitches = 200
    configuration.connection.maximumRecentlyResetStreams = 100
    // How much a peer may send before this end reads it, over all streams and per stream.
    configuration.connection.targetWindowSize = 65_535
    configuration.stream.targetWindowSize = 65_535
    // Above this size, a stream whose data the peer doesn't read isn't writable, so that its writer waits.
    configuration.stream.outboundBufferSizeHighWatermark = 8192
    configuration.stream.outboundBufferSizeLowWatermark = 4096
    return configuration
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

  /// After this time, or up to a tenth earlier, the peer must open new streams on another connection.
  private func limitLifetime(_ limit: Duration) {
    let channel = channel
    let end = channel.eventLoop.scheduleTask(in: TimeAmount(clamped: limit.shortenedAtRandom)) {
      channel.pipeline.fireUserInboundEventTriggered(ChannelShouldQuiesceEvent())
    }
    channel.closeFuture.whenComplete { _ in end.cancel() }
  }

  private func waitForStream() {
    guard let limit, channel.isActive else { return }
    let channel = channel
    idleTimer = channel.eventLoop.scheduleTask(in: limit) { channel.close(promise: nil) }
  }
}

/// Closes an HTTP/2 connection on connection errors. Streams handle their own errors.
private final class HTTP2ErrorHandler: ChannelInboundHandler {
  typealias InboundIn = Never

  private let responder: any HandshakeResponder
  private let peer: SocketAddress?

  init(_ responder: any HandshakeResponder, _ peer: SocketAddress?) {
    self.responder = responder
    self.peer = peer
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    if error is NIOHTTP2Errors.StreamError { return }
    responder.refused(.transport, "a connection of HTTP/2 has failed: \(error)", from: peer)
    context.close(promise: nil)
  }
}
#endif
