// SPDX-License-Identifier: Apache-2.0

package import NIOCore
import NIOWebSocket
package import WSProtoNIO

// What stands at the end of each contender's pipeline, wherever the pipeline is: flushed once a read loop.

/// The floor: what was read is written.
package final class RawEcho: ChannelInboundHandler {
  package typealias InboundIn = ByteBuffer
  package typealias OutboundOut = ByteBuffer

  package init() {}

  package func channelRead(context: ChannelHandlerContext, data: NIOAny) { context.write(data, promise: nil) }
  package func channelReadComplete(context: ChannelHandlerContext) { context.flush() }
}

/// Behind NIOWebSocket's frames: whole messages.
package func frameEcho() -> [any ChannelHandler] {
  [
    NIOWebSocketFrameAggregator(
      minNonFinalFragmentSize: 0,
      maxAccumulatedFrameCount: .max,
      maxAccumulatedFrameSize: 1 << 20
    ),
    FrameEcho(),
  ]
}

private final class FrameEcho: ChannelInboundHandler {
  typealias InboundIn = WebSocketFrame
  typealias OutboundOut = WebSocketFrame

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    let frame = Self.unwrapInboundIn(data)
    let answer = WebSocketFrame(fin: true, opcode: frame.opcode, data: frame.unmaskedData)
    context.write(Self.wrapOutboundOut(answer), promise: nil)
  }

  func channelReadComplete(context: ChannelHandlerContext) { context.flush() }
}

/// Behind a ``WebSocketChannelHandler``.
package final class MessageEcho: ChannelInboundHandler {
  package typealias InboundIn = WebSocketMessage
  package typealias OutboundOut = WebSocketCommand

  package init() {}

  package func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    context.write(Self.wrapOutboundOut(.send(Self.unwrapInboundIn(data))), promise: nil)
  }

  package func channelReadComplete(context: ChannelHandlerContext) { context.flush() }
}

package final class SpanEcho: WebSocketReceiver {
  package init() {}

  package func receivedText(_ text: UTF8Span, on handler: WebSocketChannelHandler) {
    try? handler.sendText(text)
  }

  package func receivedBytes(_ bytes: RawSpan, on handler: WebSocketChannelHandler) {
    try? handler.sendBytes(bytes)
  }
}
