// SPDX-License-Identifier: Apache-2.0

#if NIO
import HTTPTypes
import NIOCore
import NIOHTTP2
import NIOHTTPTypes
import NIOHTTPTypesHTTP2
import NIOPosix
import NIOSSL
import NIOTLS
import Synchronization
import WSProto

@testable import WSProtoNIO

/// A server of HTTP/2 on the loopback interface, made of NIO's parts and of the handler for streams; it speaks HTTP/1.1, too.
struct HTTP2TestServer {
  /// What it makes of HTTP/2.
  enum Kind: Sendable {
    /// WebSockets on streams, each of which sends back what it gets.
    case webSockets
    /// The settings lack extended CONNECT.
    case noExtendedConnect
    /// Nothing is ever sent.
    case silent
  }

  let port: Int
  let log: ScriptedServer.Log

  /// Runs a server while `body` runs.
  ///
  /// - Parameters:
  ///   - kind: what it makes of HTTP/2.
  ///   - isSecure: whether it expects TLS, or HTTP/2 by prior knowledge.
  ///   - onStream: called for each stream with the number of its connection, from 0 on, before anything is read; false if
  ///     it has answered.
  static func run<Value>(
    _ kind: Kind = .webSockets,
    isSecure: Bool = true,
    onStream: @escaping @Sendable (any Channel, Int) -> Bool = { _, _ in true },
    _ body: (HTTP2TestServer) async throws -> Value
  ) async throws -> Value {
    let log = ScriptedServer.Log()
    let count = Atomic<Int>(0)
    let number = { @Sendable in count.add(1, ordering: .relaxed).oldValue }
    var configuration = try TestCertificate.first.server
    configuration.applicationProtocols = ["h2", "http/1.1"]
    let context = try NIOSSLContext(configuration: configuration)
    let listener = try await ServerBootstrap(group: .singletonMultiThreadedEventLoopGroup)
      .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
      .childChannelInitializer { channel in
        channel.eventLoop.makeCompletedFuture {
          let number = number()
          log.append("connection \(number)")
          guard isSecure else { return try configure(channel, kind, number, log, onStream) }
          try channel.pipeline.syncOperations.addHandlers([
            NIOSSLServerHandler(context: context),
            ApplicationProtocolNegotiationHandler { result, channel in
              channel.eventLoop.makeCompletedFuture {
                log.append("\(result)")
                if case .negotiated("h2") = result {
                  return try configure(channel, kind, number, log, onStream)
                }
                let handler = ScriptHandler(first: [], log: ScriptedServer.Log()) { _ in .open() }
                try channel.pipeline.syncOperations.addHandler(handler)
              }
            },
          ])
        }
      }
      .bind(host: "127.0.0.1", port: 0).get()
    return try await listener.whileOpen {
      try await body(HTTP2TestServer(port: listener.localAddress?.port ?? 0, log: log))
    }
  }

  private static func configure(
    _ channel: any Channel,
    _ kind: Kind,
    _ number: Int,
    _ log: ScriptedServer.Log,
    _ onStream: @escaping @Sendable (any Channel, Int) -> Bool
  ) throws {
    guard kind != .silent else { return }
    var configuration = NIOHTTP2Handler.ConnectionConfiguration()
    if kind == .webSockets {
      configuration.initialSettings.append(HTTP2Setting(parameter: .enableConnectProtocol, value: 1))
    }
    _ = try channel.pipeline.syncOperations.configureHTTP2Pipeline(
      mode: .server,
      connectionConfiguration: configuration,
      streamConfiguration: .init()
    ) { stream in
      stream.eventLoop.makeCompletedFuture {
        guard onStream(stream, number) else { return }
        let pipeline = stream.pipeline.syncOperations
        try pipeline.addHandlers([StreamEndRecorder(log), HTTP2FramePayloadToHTTPServerCodec()])
        try pipeline.addHandler(
          WebSocketStreamHandler { socket in
            Task { try await socket.use { try await echo($0) } }
          } ordinary: { stream in
            try stream.pipeline.syncOperations.addHandler(PageHandler())
          }
        )
      }
    }
  }
}

/// Notes how the client has ended a stream.
private final class StreamEndRecorder: ChannelInboundHandler {
  typealias InboundIn = HTTP2Frame.FramePayload

  private let log: ScriptedServer.Log

  init(_ log: ScriptedServer.Log) { self.log = log }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    if case .data(let data) = Self.unwrapInboundIn(data), data.endStream { log.append("end of stream") }
    context.fireChannelRead(data)
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    if let closed = error as? NIOHTTP2Errors.StreamClosed {
      log.append("reset \(closed.errorCode.networkCode)")
    }
    context.fireErrorCaught(error)
  }
}

/// Answers an ordinary request.
private final class PageHandler: ChannelInboundHandler {
  typealias InboundIn = HTTPRequestPart
  typealias OutboundOut = HTTPResponsePart

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    guard case .head(let request) = Self.unwrapInboundIn(data) else { return }
    context.write(Self.wrapOutboundOut(.head(.init(status: .ok))), promise: nil)
    let body = ByteBuffer(string: "page \(request.path ?? "")")
    context.write(Self.wrapOutboundOut(.body(body)), promise: nil)
    context.writeAndFlush(Self.wrapOutboundOut(.end(nil)), promise: nil)
  }
}
#endif
