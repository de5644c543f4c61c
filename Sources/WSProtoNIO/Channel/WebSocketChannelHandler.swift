// SPDX-License-Identifier: Apache-2.0

#if NIO
public import NIOCore
public import WSProto

/// A WebSocket connection whose opening handshake is done, in a NIO pipeline: bytes on its inner side, whole messages on
/// its outer one (RFC 6455 §5–§7).
///
/// ```swift
/// import NIOCore
///
/// final class Echo: ChannelInboundHandler {
///   typealias InboundIn = WebSocketMessage
///   typealias OutboundOut = WebSocketCommand
///
///   func channelRead(context: ChannelHandlerContext, data: NIOAny) {
///     context.writeAndFlush(Self.wrapOutboundOut(.send(Self.unwrapInboundIn(data))), promise: nil)
///   }
/// }
/// ```
///
/// It answers pings and Closes, sends pings of its own, keeps the deadlines on the event loop's clock, and ends the
/// transport. What happened besides messages comes as a ``WebSocketEvent`` in `userInboundEventTriggered`; the last one
/// is `.closed`.
///
/// Messages of one read loop come together, at its end, and what is written while they are handed on is flushed once,
/// behind them. Backpressure is the pipeline's own: hold `read` back to stop the peer, look at `isWritable` before you
/// write. The handler never answers pings faster than the transport takes the answers: where it isn't writable, one pong
/// waits, that for the latest ping (RFC 6455 §5.5.3).
///
/// Where an object of yours takes all messages, ``receiver`` is faster than handlers behind. Tasks rather than handlers are
/// served by ``WebSocket``.
public final class WebSocketChannelHandler: ChannelDuplexHandler {
  public typealias InboundIn = ByteBuffer
  public typealias InboundOut = WebSocketMessage
  public typealias OutboundIn = WebSocketCommand
  public typealias OutboundOut = ByteBuffer

  let connection: Connection
  let budget: MemoryBudget?
  /// Takes the messages in place of the handlers behind.
  let delegate: (any WebSocketChannelDelegate)?
  /// Takes the messages in place of the handlers behind, without a ``WebSocketMessage`` each. Default `nil`. Set it on the
  /// event loop before the first message can come, in an upgrader's closure for example.
  public var receiver: (any WebSocketReceiver)?
  var context: ChannelHandlerContext?

  // Receiving.
  /// The messages of this read loop, whole unless `deliversParts`.
  var batch: [MessagePart] = []
  /// The delegate gets parts of messages as they come.
  let deliversParts: Bool
  var assembly: MessageAssembly?
  /// A message was refused in its middle: what follows is no message any more.
  var dropsMessages = false
  /// What waits for the delegate to have room, where messages are compressed.
  var held = HeldInput()
  /// A read loop, or the delivery of its messages, is under way: flushing waits for its end.
  var isReading = false
  /// The delegate has enough: reads are held back.
  var isPaused = false
  var holdsRead = false
  /// The transport was asked for bytes and has not brought them yet, or nobody asks it, as in an embedded channel.
  var isAwaitingBytes = true
  var hasAskedForBytes = false

  // Sending.
  /// Frames that are not written to the channel yet.
  var output = ByteBuffer()
  /// The payload of a large message, whose header `output` ends with.
  var outputPayload: ByteBuffer?
  /// Succeeds with the next write of `output`.
  var outputPromise: EventLoopPromise<Void>?
  /// A pong that waits for the transport.
  var latePong: Ping?
  var pings = PingsUnderWay()

  // The clock and the end.
  var deadlines: Deadlines
  var timer: NIOScheduledCallback?
  var timerDeadline: Duration?
  /// Why this end has sent a Close, or given up.
  var localCause: WebSocketClosed.Cause?
  var transportError: String?
  var closed: WebSocketClosed?
  var closeCallbacks: [(CloseConnection?) -> Void] = []
  var hasEndedOutput = false

  /// Is told of pings and pongs.
  var observer: ControlFrameObserver?
  /// How many messages have come.
  var messageCount = 0

  /// A handler for an open connection, to be added to its channel's pipeline on the event loop.
  ///
  /// - Parameters:
  ///   - connection: as `ServerNegotiation` or `ClientNegotiation` gives it. Its configuration delivers messages in parts,
  ///     the default: the handler puts them together. Nothing else may use it.
  ///   - timeouts: the deadlines. That of the opening handshake is over.
  ///   - budget: what messages under way over all connections that share it may take; `nil` for no bound.
  public convenience init(
    _ connection: Connection,
    timeouts: Timeouts = Timeouts(),
    budget: MemoryBudget? = nil
  ) {
    self.init(connection, timeouts: timeouts, budget: budget, deliversParts: false, delegate: nil)
  }

  init(
    _ connection: Connection,
    timeouts: Timeouts,
    budget: MemoryBudget?,
    deliversParts: Bool,
    delegate: (any WebSocketChannelDelegate)?
  ) {
    self.connection = connection
    connection.sendsUntilClose = true
    self.deliversParts = deliversParts
    self.budget = budget
    self.delegate = delegate
    deadlines = Deadlines(at: .zero, timeouts: timeouts)
  }

  // MARK: The pipeline

  public func handlerAdded(context: ChannelHandlerContext) {
    self.context = context
    guard context.channel.isActive else { return }
    start()
  }

  public func handlerRemoved(context: ChannelHandlerContext) {
    finish(WebSocketClosed(code: .abnormalClosure, cause: localCause ?? .transport(transportError)))
    timer?.cancel()
    timer = nil
    // What was written and never flushed.
    output = ByteBuffer()
    outputPayload = nil
    let promise = outputPromise
    outputPromise = nil
    self.context = nil
    if let promise { promise.fail(closed ?? ChannelError.ioOnClosedChannel) }
  }

  public func channelActive(context: ChannelHandlerContext) {
    start()
    context.fireChannelActive()
  }

  /// Takes what came behind the handshake.
  private func start() {
    isReading = true
    receiveInOrder(ByteBuffer())
    endReadLoop()
  }

  public func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    isReading = true
    isAwaitingBytes = !hasAskedForBytes
    deadlines.receivedBytes(at: now)
    receiveInOrder(Self.unwrapInboundIn(data))
  }

  public func channelReadComplete(context: ChannelHandlerContext) {
    endReadLoop()
    context.fireChannelReadComplete()
  }

  public func channelInactive(context: ChannelHandlerContext) {
    if runHeldToEnd() {
      connection.receiveEndOfStream { event in take(event, in: ByteBuffer()) }
    }
    // After a Close there is no event: the end is known by then, or this end has given up before.
    finish(WebSocketClosed(code: .abnormalClosure, cause: localCause ?? .transport(transportError)))
    timer?.cancel()
    timer = nil
    context.fireChannelInactive()
  }

  public func errorCaught(context: ChannelHandlerContext, error: any Error) {
    // The transport is of no use any more. What it was is told with the end.
    transportError = transportError ?? String(describing: error)
    context.close(promise: nil)
  }

  public func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
    if case .some(.inputClosed) = event as? ChannelEvent {
      // The end of the peer's direction is the end of the transport; but what came before it is answered.
      endReadLoop()
      if !hasEndedOutput { context.close(promise: nil) }
    }
    context.fireUserInboundEventTriggered(event)
  }
}

/// Takes what a ``WebSocketChannelHandler`` receives, on its event loop, in place of the handlers behind it.
protocol WebSocketChannelDelegate: AnyObject {
  /// The messages of a read loop. False: no more until `resumeReading`.
  ///
  /// - Parameters:
  ///   - isClosing: this end has sent a Close: more will come, whatever is returned.
  ///   - inReadLoop: `endReadLoop` will be called.
  func received(_ messages: [MessagePart], isClosing: Bool, inReadLoop: Bool) -> Bool
  /// All that a read loop has brought was handed on: what is sent now goes out with one flush.
  func endReadLoop()
  /// The peer has closed or failed, and this end's Close goes out next: the last moment to send something.
  func willClose()
  /// A ping of the keepalive was answered after that time.
  func roundTrip(_ time: Duration)
  /// So many bytes go to the transport.
  func willWrite(_ count: Int)
  /// So many of those have left, or were lost with the transport.
  func sent(_ count: Int)
  /// The connection has ended. The last call.
  func ended(_ closed: WebSocketClosed)
}

@available(*, unavailable)
extension WebSocketChannelHandler: Sendable {}

extension ByteBuffer {
  /// The readable bytes in memory of their own, of just their size.
  var exactCopy: ByteBuffer {
    withUnsafeReadableBytes { ByteBuffer(copying: $0.bytes) }
  }

  /// A copy.
  init(copying span: RawSpan) {
    self = ByteBufferAllocator().buffer(capacity: span.byteCount)
    span.withUnsafeBytes { _ = writeBytes($0) }
  }
}
#endif
