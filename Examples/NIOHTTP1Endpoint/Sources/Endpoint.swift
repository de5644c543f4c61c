// SPDX-License-Identifier: Apache-2.0

import NIOCore
import NIOHTTP1
import WSProto

/// Reads one request of HTTP/1.1 with NIO's own handlers and answers it; an accepted connection takes their place.
final class Endpoint: ChannelInboundHandler, RemovableChannelHandler {
  typealias InboundIn = HTTPServerRequestPart
  typealias OutboundOut = HTTPServerResponsePart

  private var connection: Connection?
  private var isAnswered = false

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    switch Self.unwrapInboundIn(data) {
    case .head(let head) where !isAnswered:
      isAnswered = true
      let (response, connection) = answer(head)
      self.connection = connection
      context.write(Self.wrapOutboundOut(.head(response)), promise: nil)
    case .end:
      context.writeAndFlush(Self.wrapOutboundOut(.end(nil)), promise: nil)
      if let connection { upgrade(context, to: connection) } else { context.close(promise: nil) }
    case .head, .body: break
    }
  }

  private func upgrade(_ context: ChannelHandlerContext, to connection: Connection) {
    let pipeline = context.pipeline.syncOperations
    do {
      try pipeline.addHandler(EchoHandler(connection), position: .last)
      // The decoder hands on what came behind the request.
      for name in ["encoder", "endpoint", "decoder"] {
        let promise = context.eventLoop.makePromise(of: Void.self)
        pipeline.removeHandler(name: name, promise: promise)
      }
    } catch {
      context.fireErrorCaught(error)
    }
  }
}

/// Sends messages back.
final class EchoHandler: ChannelInboundHandler {
  typealias InboundIn = ByteBuffer
  typealias OutboundOut = ByteBuffer

  private let connection: Connection

  init(_ connection: Connection) { self.connection = connection }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    do {
      try connection.receiveData(Self.unwrapInboundIn(data).readableBytesView)
      var output: [UInt8] = []
      while let event = connection.nextEvent() {
        switch event {
        case .textMessage(let message): try connection.send(message, into: &output)
        case .bytesMessage(let message): try connection.send(message, into: &output)
        case .ping(let ping): try connection.send(ping.response(), into: &output)
        case .closeConnection(let close):
          if connection.state == .remoteClosing { try connection.send(close.response(), into: &output) }
        default: break
        }
      }
      context.writeAndFlush(
        Self.wrapOutboundOut(context.channel.allocator.buffer(bytes: output)),
        promise: nil
      )
      if connection.state == .closed { context.close(promise: nil) }
    } catch {
      context.close(promise: nil)
    }
  }

  func channelInactive(context: ChannelHandlerContext) {
    // Fails inside of another call on this connection only.
    try? connection.receiveEndOfStream()
    while let event = connection.nextEvent() { print("ended: \(event)") }
  }
}
