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
/// Tasks rather than handlers are served by ``WebSocket``.
public final class WebSocketChannelHandler: ChannelDuplexHandler {
  public typealias InboundIn = ByteBuffer
  public typealias InboundOut = WebSocketMessage
  public typealias OutboundIn = WebSocketCommand
  public typealias OutboundOut = ByteBuffer

  let connection: Connection
  let budget: MemoryBudget?
  /// Takes the messages in place of the handlers behind.
  let delegate: (any WebSocketChannelDelegate)?
  var context: ChannelHandlerContext?

  // Receiving.
  /// The messages of this read loop.
  private var batch: [WebSocketMessage] = []
  private var assembly: MessageAssembly?
  /// A read loop, or the delivery of its messages, is under way: flushing waits for its end.
  var isReading = false
  /// The delegate has enough: reads are held back.
  private var isPaused = false
  private var holdsRead = false

  // Sending.
  /// Frames that are not written to the channel yet.
  var output = ByteBuffer()
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
    self.init(connection, timeouts: timeouts, budget: budget, delegate: nil)
  }

  init(
    _ connection: Connection,
    timeouts: Timeouts,
    budget: MemoryBudget?,
    delegate: (any WebSocketChannelDelegate)?
  ) {
    self.connection = connection
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
    self.context = nil
  }

  public func channelActive(context: ChannelHandlerContext) {
    start()
    context.fireChannelActive()
  }

  /// Takes what came behind the handshake.
  private func start() {
    isReading = true
    receive(ByteBuffer())
    endReadLoop()
  }

  public func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    isReading = true
    deadlines.receivedBytes(at: now)
    receive(Self.unwrapInboundIn(data))
  }

  public func channelReadComplete(context: ChannelHandlerContext) {
    endReadLoop()
    context.fireChannelReadComplete()
  }

  public func channelInactive(context: ChannelHandlerContext) {
    connection.receiveEndOfStream { event in take(event, in: ByteBuffer()) }
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

  // MARK: Reading

  public func read(context: ChannelHandlerContext) {
    if isPaused { holdsRead = true } else { context.read() }
  }

  /// The delegate has room again.
  func resumeReading() {
    isPaused = false
    guard holdsRead else { return }
    holdsRead = false
    context?.read()
  }

  /// Whether silence is this end's own doing.
  var isHoldingReads: Bool { isPaused && holdsRead }

  /// Runs what the transport has read.
  private func receive(_ read: ByteBuffer) {
    // A server's core unmasks in place, and NIO still has a hand on what it has read: writing there would copy all of it
    // first. So does what is nearly empty, as messages would hold all of its memory.
    let isSparse = read.readableBytes < read.storageCapacity / 4
    let bytes = connection.type == .server || isSparse ? read.exactCopy : read
    bytes.withUnsafeReadableBytes { window in
      // A copy is nobody else's yet, so writing to its readable bytes changes nothing that is seen; what a server sends is
      // not masked, so that a client's core leaves it alone or fails at the header (RFC 6455 §5.1).
      connection.receive(UnsafeMutableRawBufferPointer(mutating: window)) { event in take(event, in: bytes) }
    }
  }

  private func take(_ event: borrowing BorrowedEvent, in bytes: ByteBuffer) {
    switch event {
    case .textMessage(let message):
      take(
        .text,
        message.data.span.bytes,
        message.offset.map { bytes.readerIndex + $0 },
        isLast: message.messageFinished,
        in: bytes
      )
    case .bytesMessage(let message):
      take(
        .binary,
        message.data,
        message.offset.map { bytes.readerIndex + $0 },
        isLast: message.messageFinished,
        in: bytes
      )
    case .ping(let payload): answerPing(Ping(payload: Bytes(copying: payload)))
    case .pong(let payload): receivedPong(payload)
    case .closeConnection(let code, let reason): receivedClose(code, String(copying: reason))
    case .handshake, .handshakeFailed: break  // Of WSConnection only.
    }
  }

  /// Takes a message or a part of one.
  private func take(
    _ kind: WebSocketMessage.Kind,
    _ part: RawSpan,
    _ index: Int?,
    isLast: Bool,
    in bytes: ByteBuffer
  ) {
    if assembly == nil {
      if isLast {
        if let index, let slice = bytes.getSlice(at: index, length: part.byteCount) {
          batch.append(WebSocketMessage(kind, unchecked: slice))
        } else {
          batch.append(WebSocketMessage(kind, unchecked: ByteBuffer(copying: part)))
        }
        return
      }
      assembly = MessageAssembly(kind, budget: budget)
    }
    guard assembly?.append(part) == true else {
      assembly = nil
      let limit = budget?.limit ?? 0
      let close = CloseConnection(code: .tryAgainLater, reason: "no memory for this message now")
      return self.close(close, cause: .outOfMemory(limit: limit))
    }
    if isLast, let message = assembly.take()?.finish() { batch.append(message) }
  }

  /// Hands on what this read loop has brought, then does what is due and flushes.
  func endReadLoop() {
    deliver()
    advance()
    isReading = false
    flushOutput()
  }

  /// Hands on the messages so far.
  func deliver() {
    guard !batch.isEmpty else { return }
    let messages = batch
    batch = []
    if let delegate {
      // While this end closes, it reads on for the peer's Close.
      let isClosing = localCause != nil
      isPaused = !delegate.received(messages, isClosing: isClosing) && !isClosing
    } else if let context {
      for message in messages { context.fireChannelRead(Self.wrapInboundOut(message)) }
    }
  }
}

/// Takes what a ``WebSocketChannelHandler`` receives, on its event loop, in place of the handlers behind it.
protocol WebSocketChannelDelegate: AnyObject {
  /// The messages of a read loop. False: no more until `resumeReading`.
  ///
  /// - Parameter isClosing: this end has sent a Close: more will come, whatever is returned.
  func received(_ messages: [WebSocketMessage], isClosing: Bool) -> Bool
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
