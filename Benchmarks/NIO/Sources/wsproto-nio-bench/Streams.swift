// SPDX-License-Identifier: Apache-2.0

import NIOCore
import NIOHTTP2
import NIOPosix
import NIOSSL

// Streams of HTTP/2, for the memory of idle ones.

/// The floor: what comes on a stream is sent back on it.
final class RawStreamServer: BenchServer {
  func start(_ group: MultiThreadedEventLoopGroup, _ tls: TLSConfiguration?) throws -> Int {
    var tls = tls
    tls?.applicationProtocols = ["h2"]
    var connection = NIOHTTP2Handler.ConnectionConfiguration()
    connection.initialSettings.append(HTTP2Setting(parameter: .enableConnectProtocol, value: 1))
    return try bind(group, tls) { [connection] channel in
      _ = try channel.pipeline.syncOperations.configureHTTP2Pipeline(
        mode: .server,
        connectionConfiguration: connection,
        streamConfiguration: .init()
      ) { stream in
        stream.eventLoop.makeCompletedFuture { try stream.pipeline.syncOperations.addHandler(StreamEcho()) }
      }
    }
  }

  func broadcast() throws {}
}

private final class StreamEcho: ChannelInboundHandler {
  typealias InboundIn = HTTP2Frame.FramePayload
  typealias OutboundOut = HTTP2Frame.FramePayload

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    switch Self.unwrapInboundIn(data) {
    case .headers:
      let headers = HTTP2Frame.FramePayload.Headers(headers: [":status": "200"])
      context.write(Self.wrapOutboundOut(.headers(headers)), promise: nil)
    case .data(let data): context.write(Self.wrapOutboundOut(.data(data)), promise: nil)
    default: break
    }
  }

  func channelReadComplete(context: ChannelHandlerContext) { context.flush() }
}

/// Opens streams, 100 a connection, and exchanges messages on each: `--messages` of them, one after the other.
func runStreams(_ arguments: Arguments) throws {
  let isRaw = arguments["protocol"] == "raw"
  let traffic = Traffic(
    messageBytes: arguments.number("size", default: 16),
    messagesABatch: 1,
    window: 1,
    isRaw: isRaw
  )
  let count = arguments.number("connections", default: 100)
  let messages = arguments.number("messages", default: 100)
  let eventLoop = MultiThreadedEventLoopGroup(numberOfThreads: 1).next()
  var tls = TLSConfiguration.makeClientConfiguration()
  tls.certificateVerification = .none
  tls.applicationProtocols = ["h2"]
  let context = try NIOSSLContext(configuration: tls)
  let port = arguments.number("port", default: 0)
  // Some connections first: their memory is not that of the streams.
  var openers: [@Sendable () throws -> Void] = []
  for _ in stride(from: 0, to: count, by: 100) {
    let multiplexer = try ClientBootstrap(group: eventLoop)
      .channelOption(.tcpOption(.tcp_nodelay), value: 1)
      .connect(host: "127.0.0.1", port: port)
      .flatMap { channel in
        channel.eventLoop.makeCompletedFuture {
          let pipeline = channel.pipeline.syncOperations
          try pipeline.addHandler(NIOSSLClientHandler(context: context, serverHostname: nil))
          return try pipeline.configureHTTP2Pipeline(
            mode: .client,
            connectionConfiguration: .init(),
            streamConfiguration: .init()
          ) { $0.eventLoop.makeSucceededVoidFuture() }
        }
      }
      .wait()
    let openOne: @Sendable () throws -> Void = {
      let done = eventLoop.makePromise(of: Void.self)
      let opened = eventLoop.makePromise(of: (any Channel).self)
      opened.futureResult.whenFailure { done.fail($0) }
      multiplexer.createStreamChannel(promise: opened) { stream in
        stream.eventLoop.makeCompletedFuture {
          let client = StreamClient(traffic, messages, isRaw: isRaw, port: port, done)
          try stream.pipeline.syncOperations.addHandler(client)
        }
      }
      try done.futureResult.wait()
    }
    // Until the server's settings have come: they allow what is asked for (RFC 8441 §3).
    try eventLoop.scheduleTask(in: .milliseconds(200)) {}.futureResult.wait()
    // The first stream of each tells that its connection is open.
    try openOne()
    openers.append(openOne)
  }
  say("ready")
  _ = readLine()
  for open in openers {
    for _ in 1..<100 { try open() }
  }
  say("done \(openers.count * 99) 0")
  _ = readLine()
}

private final class StreamClient: ChannelInboundHandler {
  typealias InboundIn = HTTP2Frame.FramePayload
  typealias OutboundOut = HTTP2Frame.FramePayload

  private let traffic: Traffic
  private var messagesLeft: Int
  private let isRaw: Bool
  private let port: Int
  private let done: EventLoopPromise<Void>
  private var outstanding = 0

  init(_ traffic: Traffic, _ messages: Int, isRaw: Bool, port: Int, _ done: EventLoopPromise<Void>) {
    self.traffic = traffic
    messagesLeft = messages
    self.isRaw = isRaw
    self.port = port
    self.done = done
  }

  func channelActive(context: ChannelHandlerContext) {
    // RFC 8441 §5.
    let headers = HTTP2Frame.FramePayload.Headers(headers: [
      ":method": "CONNECT", ":protocol": "websocket", ":scheme": "https", ":path": "/",
      ":authority": "127.0.0.1:\(port)", "sec-websocket-version": "13",
    ])
    context.writeAndFlush(Self.wrapOutboundOut(.headers(headers)), promise: nil)
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    switch Self.unwrapInboundIn(data) {
    case .headers(let headers):
      guard headers.headers.first(name: ":status") == "200" else {
        return done.fail(BenchError("no 200: \(headers.headers)"))
      }
      send(context)
    case .data(let data):
      outstanding -= data.data.readableBytes
      if outstanding <= 0 { send(context) }
    default: break
    }
  }

  private func send(_ context: ChannelHandlerContext) {
    guard messagesLeft > 0 else { return done.succeed() }
    messagesLeft -= 1
    outstanding += traffic.answersABatch
    let data = HTTP2Frame.FramePayload.Data(data: .byteBuffer(traffic.batch))
    context.writeAndFlush(Self.wrapOutboundOut(.data(data)), promise: nil)
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    done.fail(error)
    context.close(promise: nil)
  }
}
