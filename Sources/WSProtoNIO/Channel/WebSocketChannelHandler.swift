// SPDX-License-Identifier: Apache-2.0

#if NIO
public import NIOCore
public import WSProto

/// Runs a WebSocket connection in a NIO pipeline after its opening handshake: bytes on the transport's side, whole
/// messages on the application's side (RFC 6455 §5–§7).
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
/// The handler answers pings and Closes, sends keepalive pings, enforces deadlines by the event loop's clock, and ends
/// the transport. It reports everything except messages as a ``WebSocketEvent`` in `userInboundEventTriggered`; the
/// last event is `.closed`.
///
/// The handler delivers the messages of a read loop together at its end. What is written during that delivery is
/// flushed once, afterwards. Backpressure works as elsewhere in NIO: hold back `read` to slow the peer down, and check
/// `isWritable` before you write. The handler doesn't answer pings faster than the transport takes the answers: while
/// the channel isn't writable, one pong waits, the one for the latest ping (RFC 6455 §5.5.3).
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
  /// Receives the messages instead of the later handlers.
  let delegate: (any WebSocketChannelDelegate)?
  /// Takes the messages in place of the handlers behind, without a ``WebSocketMessage`` each. Default `nil`. Set it on the
  /// event loop before the first message can come, in an upgrader's closure for example.
  public var receiver: (any WebSocketReceiver)?
  var context: ChannelHandlerContext?

  // Receiving.
  /// The messages of this read loop, whole unless `deliversParts`.
  var batch: [MessagePart] = []
  /// How many the last delivery had: the next one is likely to have as many.
  var batchEstimate = 0
  /// Whether the delegate receives parts of messages as they come.
  let deliversParts: Bool
  var assembly: MessageAssembly?
  /// Called by the budget when it gives up the incomplete message.
  var giveUpMessage: (@Sendable (MessagesUnderWay.ID) -> Void)?
  /// Whether a message was refused before its end, so that the rest must not be taken for a message.
  var dropsMessages = false
  /// Input that waits until the delegate has room; only with compression.
  var held = HeldInput()
  /// Whether a read loop or the delivery of its messages is running. Flushing waits for its end.
  var isReading = false
  /// Whether the delegate has no room, so that reads are held back.
  var isPaused = false
  var holdsRead = false
  /// Whether the transport was asked for bytes and hasn't delivered any yet. Also true if it is never asked, as in an
  /// embedded channel.
  var isAwaitingBytes = true
  var hasAskedForBytes = false

  // Sending.
  /// Frames that aren't written to the channel yet.
  var output = ByteBuffer()
  /// How many bytes the last write had, up to a bound: the next one is likely to be as large, and then needs no growing.
  var outputEstimate = 0
  /// The payload of a large message, whose header `output` ends with.
  var outputPayload: ByteBuffer?
  /// What was sent is being written: a handler that is told of the channel's writability may send meanwhile.
  var isWriting = false
  /// Succeeds with the next write of `output`.
  var outputPromise: EventLoopPromise<Void>?
  /// The ping whose pong waits until the transport is writable.
  var latePong: Ping?
  var pings = PingsUnderWay()

  // The clock and the end.
  var deadlines: Deadlines
  var timer: NIOScheduledCallback?
  var timerDeadline: Duration?
  /// Why this end sent a Close or gave up.
  var localCause: WebSocketClosed.Cause?
  var transportError: String?
  var closed: WebSocketClosed?
  /// How the connection will end, while this end's Close waits for the delegate's answers to earlier messages.
  var pendingEnd: WebSocketClosed?
  var closeCallbacks: [(CloseConnection?) -> Void] = []
  var hasEndedOutput = false
  /// Whether the peer has ended its direction of the transport.
  var hasInputEnded = false

  /// Observes pings and pongs.
  var observer: ControlFrameObserver?
  /// The number of messages received.
  var messageCount = 0

  /// Creates a handler for an open connection. Add it to the channel's pipeline on the event loop.
  ///
  /// - Parameters:
  ///   - connection: the connection that `ServerNegotiation` or `ClientNegotiation` returns. Its configuration must
  ///     deliver messages in chunks, which is the default; the handler assembles them. Nothing else may use the
  ///     connection.
  ///   - timeouts: the deadlines. The one of the opening handshake isn't used.
  ///   - budget: the memory shared by the incomplete messages of several connections; `nil` for no limit.
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
    // Written but never flushed.
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

  /// Processes bytes that came right after the handshake.
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
    // A handler may have closed the channel while the core hands over what came; that call goes on when this returns.
    if !held.isReceiving, runHeldToEnd() {
      connection.receiveEndOfStream { event in take(event, in: ByteBuffer()) }
    }
    // After a Close, the core reports no event: the end is already known, or this end gave up.
    finish(WebSocketClosed(code: .abnormalClosure, cause: localCause ?? .transport(transportError)))
    timer?.cancel()
    timer = nil
    context.fireChannelInactive()
  }

  public func errorCaught(context: ChannelHandlerContext, error: any Error) {
    // The transport can't be used any more. Its error becomes part of the connection's end.
    transportError = transportError ?? systemText(error)
    context.close(promise: nil)
  }

  public func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
    if case .some(.inputClosed) = event as? ChannelEvent {
      hasInputEnded = true
      // The end of the peer's direction ends the transport, but what came before it is answered.
      endReadLoop()
      if pendingEnd == nil, !hasEndedOutput { context.close(promise: nil) }
    }
    context.fireUserInboundEventTriggered(event)
  }
}

/// Receives what a ``WebSocketChannelHandler`` receives, on its event loop, instead of the later handlers.
protocol WebSocketChannelDelegate: AnyObject {
  /// Receives the messages of a read loop. If this returns false, no more follow until `resumeReading`.
  ///
  /// - Parameters:
  ///   - isClosing: whether this end has sent a Close. More messages may follow then, whatever is returned.
  ///   - inReadLoop: whether a call of `endReadLoop` follows.
  func received(_ messages: [MessagePart], isClosing: Bool, inReadLoop: Bool) -> Bool
  /// Called after all messages of a read loop were delivered. What is sent now goes out in one flush.
  func endReadLoop()
  /// Called when the peer has closed or failed, before this end's Close goes out: the last chance to send something.
  ///
  /// - Returns: false if there will be more to send soon. The Close then waits for
  ///   ``WebSocketChannelHandler/sendPendingClose()``.
  func willClose() -> Bool
  /// Called when a keepalive ping is answered, with the round-trip time.
  func roundTrip(_ time: Duration)
  /// Called before bytes are written to the transport.
  func willWrite(_ count: Int)
  /// Called when such bytes have left, or were lost with the transport.
  func sent(_ count: Int)
  /// Called when the connection has ended. This is the last call.
  func ended(_ closed: WebSocketClosed)
}

@available(*, unavailable)
extension WebSocketChannelHandler: Sendable {}

extension ByteBuffer {
  /// A copy of the readable bytes, without spare capacity.
  var exactCopy: ByteBuffer {
    withUnsafeReadableBytes { ByteBuffer(copying: $0.bytes) }
  }

  /// Copies the bytes of a span.
  init(copying span: RawSpan) {
    self = ByteBufferAllocator().buffer(capacity: span.byteCount)
    span.withUnsafeBytes { _ = writeBytes($0) }
  }
}
#endif
