// SPDX-License-Identifier: Apache-2.0

#if NIO
import HTTPTypes
import NIOCore
import NIOHTTP2
import NIOHTTPTypes
import NIOHTTPTypesHTTP2
import NIOPosix
import NIOSSL
import WSProto

@testable import WSProtoNIO

/// A client of HTTP/2 by TLS, with streams for WebSockets and ordinary requests.
struct HTTP2TestClient {
  private let channel: any Channel
  private let multiplexer: NIOHTTP2Handler.StreamMultiplexer
  /// Comes when the server has said that it takes no more streams (GOAWAY, RFC 9113 §6.8).
  let goAway: Promised<Void>

  /// Connects, waits for the server's settings, and closes afterwards.
  static func connect<R>(
    to address: SocketAddress,
    _ body: (HTTP2TestClient) async throws -> R
  ) async throws -> R {
    let context = try NIOSSLContext(configuration: TestCertificate.first.client(["h2"]))
    let settled = Promised<Void>()
    let goAway = Promised<Void>()
    let (channel, multiplexer) = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
      .connect(to: address) { channel in
        channel.eventLoop.makeCompletedFuture {
          let pipeline = channel.pipeline.syncOperations
          try pipeline.addHandler(NIOSSLClientHandler(context: context, serverHostname: "localhost"))
          let multiplexer = try pipeline.configureHTTP2Pipeline(
            mode: .client,
            connectionConfiguration: .init(),
            streamConfiguration: .init()
          ) { $0.close() }
          try pipeline.addHandler(FrameWatcher(settled, goAway))
          return (channel, multiplexer)
        }
      }
    try await settled.value()
    do {
      let result = try await body(HTTP2TestClient(channel: channel, multiplexer: multiplexer, goAway: goAway))
      try? await channel.close()
      return result
    } catch {
      try? await channel.close()
      throw error
    }
  }

  /// Waits for the server to close the connection.
  func closed() async throws { try await channel.closeFuture.get() }

  /// Opens a stream. One that `body` doesn't read keeps the server's window closed.
  func stream<R>(
    _ request: HTTPRequest,
    _ body: (HTTP2TestStream) async throws -> R
  ) async throws -> R {
    let wrapped = Promised<NIOAsyncChannel<HTTPResponsePart, HTTPRequestPart>>()
    let opened = channel.eventLoop.makePromise(of: (any Channel).self)
    multiplexer.createStreamChannel(promise: opened) { stream in
      stream.eventLoop.makeCompletedFuture {
        try stream.pipeline.syncOperations.addHandler(HTTP2FramePayloadToHTTPClientCodec())
        wrapped.resume(with: .success(try NIOAsyncChannel(wrappingChannelSynchronously: stream)))
      }
    }
    _ = try await opened.futureResult.get()
    return try await wrapped.value().executeThenClose { inbound, outbound in
      try await outbound.write(.head(request))
      return try await body(HTTP2TestStream(inbound, outbound))
    }
  }

  /// Opens a WebSocket on a stream.
  func open<R>(
    _ request: Request = Request(host: "localhost", target: "/"),
    _ body: (HTTP2TestStream) async throws -> R
  ) async throws -> R {
    let negotiation = try ClientNegotiation(extendedConnect: request, enableConnectProtocol: true)
    return try await stream(negotiation.httpRequest) { try await body($0) }
  }
}

/// A stream of HTTP/2, with a WebSocket behind an extended CONNECT.
final class HTTP2TestStream {
  let connection = Connection(.client, configuration: Configuration(delivery: .wholeMessages))
  private var inbound: NIOAsyncChannelInboundStream<HTTPResponsePart>.AsyncIterator
  private let outbound: NIOAsyncChannelOutboundWriter<HTTPRequestPart>

  fileprivate init(
    _ inbound: NIOAsyncChannelInboundStream<HTTPResponsePart>,
    _ outbound: NIOAsyncChannelOutboundWriter<HTTPRequestPart>
  ) {
    self.inbound = inbound.makeAsyncIterator()
    self.outbound = outbound
  }

  func write(_ part: HTTPRequestPart) async throws { try await outbound.write(part) }

  /// The next part of the response; `nil` at the end of the stream, however it has ended.
  func part() async -> HTTPResponsePart? { try? await inbound.next() }

  /// The status of the response.
  func status() async throws -> Int {
    guard case .head(let head) = await part() else { throw TestFailure("no response has come") }
    return head.status.code
  }

  func send(_ event: some EventConvertible) async throws {
    try await write(.body(ByteBuffer(bytes: connection.send(event))))
  }

  /// The next event but pings, which are answered: on a busy machine the keepalive's come in between. `nil` at the end of
  /// the stream.
  func next() async throws -> Event? {
    while true {
      if let event = connection.nextEvent() {
        guard case .ping(let ping) = event else { return event }
        try await send(ping.response())
        continue
      }
      guard case .body(let bytes) = await part() else { return nil }
      try connection.receiveData(bytes.readableBytesView)
    }
  }

  /// Sends a text and waits for its echo.
  func echo(_ text: String) async throws -> Bool {
    try await send(TextMessage(data: text))
    return try await next() == .textMessage(TextMessage(data: text))
  }
}

/// Waits for the server's settings, without which no extended CONNECT may be sent (RFC 8441 §3), and for its GOAWAY.
private final class FrameWatcher: ChannelInboundHandler {
  typealias InboundIn = HTTP2Frame

  private let settled: Promised<Void>
  private let goAway: Promised<Void>

  init(_ settled: Promised<Void>, _ goAway: Promised<Void>) {
    self.settled = settled
    self.goAway = goAway
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    switch Self.unwrapInboundIn(data).payload {
    case .settings(.settings): settled.resume(with: .success(()))
    case .goAway: goAway.resume(with: .success(()))
    default: break
    }
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    settled.resume(with: .failure(error))
    context.close(promise: nil)
  }

  func channelInactive(context: ChannelHandlerContext) {
    settled.resume(with: .failure(TestFailure("the connection has ended")))
    goAway.resume(with: .failure(TestFailure("the connection has ended")))
  }
}
#endif
