// SPDX-License-Identifier: Apache-2.0

#if NIO
import NIOCore
import NIOEmbedded

/// The transport of a channel of a ``WebSocketPair``, in place of a real socket.
final class TestTransport: ChannelDuplexHandler {
  typealias InboundIn = ByteBuffer
  typealias InboundOut = ByteBuffer
  typealias OutboundIn = ByteBuffer
  typealias OutboundOut = ByteBuffer

  private let channel: NIOAsyncTestingChannel
  private let outgoing: TestWire
  private let incoming: TestWire
  private var context: ChannelHandlerContext?

  private var writes: [(ByteBuffer, EventLoopPromise<Void>?)] = []
  private var flushed = 0
  private var unsent = 0
  private var hasEnded = false
  /// Waits until everything unsent has been sent.
  private var endPromise: EventLoopPromise<Void>?

  private var arrivals: [TestWire.Arrival] = []
  private var wantsRead = false

  /// The number of unsent bytes at which the channel stops being writable.
  private static let highWatermark = 64 << 10

  init(_ channel: NIOAsyncTestingChannel, outgoing: TestWire, incoming: TestWire) {
    self.channel = channel
    self.outgoing = outgoing
    self.incoming = incoming
  }

  /// The sending end of the incoming direction, which is told when this end has read.
  var peer: TestTransport?

  func handlerAdded(context: ChannelHandlerContext) {
    self.context = context
    incoming.connect(
      TestWire.Ends {
        self.arrived($0)
      } reset: {
        self.peer?.fail()
      }
    )
  }

  func handlerRemoved(context: ChannelHandlerContext) {
    self.context = nil
    incoming.connect(nil)
    peer = nil
  }

  // MARK: Sending

  func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
    guard !hasEnded else { return promise?.fail(ChannelError.outputClosed) ?? () }
    let bytes = Self.unwrapOutboundIn(data)
    unsent += bytes.readableBytes
    writes.append((bytes, promise))
  }

  func flush(context: ChannelHandlerContext) {
    flushed = writes.count
    sendFlushed()
  }

  /// Sends flushed data as far as the wire has room.
  func sendFlushed() {
    while flushed > 0, outgoing.hasRoom {
      let (bytes, promise) = writes.removeFirst()
      flushed -= 1
      unsent -= bytes.readableBytes
      outgoing.send(bytes)
      promise?.succeed()
    }
    if writes.isEmpty, let promise = endPromise {
      endPromise = nil
      outgoing.end()
      promise.succeed()
    }
    let isWritable = unsent < Self.highWatermark
    guard isWritable != channel.isWritable else { return }
    channel.isWritable = isWritable
    context?.fireChannelWritabilityChanged()
  }

  func close(context: ChannelHandlerContext, mode: CloseMode, promise: EventLoopPromise<Void>?) {
    if case .output = mode {
      guard !hasEnded else { return promise?.fail(ChannelError.outputClosed) ?? () }
      hasEnded = true
      endPromise = promise ?? context.eventLoop.makePromise()
      flushed = writes.count
      return sendFlushed()
    }
    if !hasEnded || endPromise != nil { outgoing.end() }
    end(ChannelError.ioOnClosedChannel)
    context.close(mode: mode, promise: promise)
  }

  /// Ends sending.
  private func end(_ error: any Error) {
    hasEnded = true
    let lost = writes
    let promise = endPromise
    writes = []
    flushed = 0
    unsent = 0
    endPromise = nil
    for (_, promise) in lost { promise?.fail(error) }
    promise?.fail(error)
  }

  // MARK: Receiving

  func read(context: ChannelHandlerContext) {
    wantsRead = true
    // Not within the call that asks for data.
    context.eventLoop.assumeIsolated().execute { self.deliver() }
  }

  private func arrived(_ arrival: TestWire.Arrival) {
    if case .reset = arrival { return fail() }
    arrivals.append(arrival)
    deliver()
  }

  /// Handles a reset, which is noticed at once, whether or not anyone is reading.
  private func fail() {
    guard let context, channel.isActive else { return }
    end(TestTransportReset())
    arrivals = []
    context.fireErrorCaught(TestTransportReset())
    context.close(promise: nil)
  }

  private func deliver() {
    guard wantsRead, let context, !arrivals.isEmpty else { return }
    wantsRead = false
    var count = 0
    while !arrivals.isEmpty, count < 16, case .bytes(let bytes) = arrivals[0] {
      arrivals.removeFirst()
      count += 1
      incoming.didRead(bytes.readableBytes)
      context.fireChannelRead(Self.wrapInboundOut(bytes))
    }
    if count > 0 {
      context.fireChannelReadComplete()
      peer?.sendFlushed()
      return channel.pipeline.syncOperations.read()
    }
    // The end of the transport: as with a real socket, the other direction ends with it.
    arrivals = []
    if !hasEnded { outgoing.end() }
    end(ChannelError.eof)
    context.close(promise: nil)
  }
}

/// The transport between the two ends of a pair was reset.
struct TestTransportReset: Error, CustomStringConvertible {
  var description: String { "the transport was reset by the test" }
}
#endif
