// SPDX-License-Identifier: Apache-2.0

#if NIO
import NIOConcurrencyHelpers
public import NIOCore
import Synchronization
public import WSProto

/// An open WebSocket connection for use from tasks: messages come as a sequence, and sending waits if the peer is slow.
///
/// ```swift
/// func echo(_ socket: WebSocket) async throws {
///   for try await message in socket.messages { try await socket.send(message) }
/// }
/// ```
///
/// Any task may send, ping and close; one task at a time reads ``messages``. Messages that two tasks send are never
/// interleaved. Independently of the tasks, pings from the peer are answered, a silent peer is detected by pings, and
/// deadlines are enforced.
///
/// Backpressure works in both directions. While ``WebSocketOptions/maxUnreadBytes`` of messages are unread, the
/// transport isn't read and the peer has to wait. While the transport accepts nothing, `send` waits, or does what
/// ``WebSocketOptions/slowConsumer`` says.
public final class WebSocket: Sendable {
  /// A number that is unique in this process, for logs.
  public let id: UInt64
  /// The request that opened the connection.
  public let request: Request
  /// The response to the request; only on a client.
  public let response: AcceptConnection?
  /// The address of the peer; `nil` if the transport has none. Behind a proxy, this is the proxy's address; on a server
  /// that trusts the proxy, it is the client's.
  public let remoteAddress: SocketAddress?
  /// The negotiated subprotocol (RFC 6455 §1.9).
  public let subprotocol: String?
  /// The negotiated compression with its parameters; `nil` for none.
  public let compression: PerMessageDeflate?

  let eventLoop: any EventLoop
  let outbox: Outbox
  let inbox: Inbox
  /// Runs the task of the closure that uses the socket; `nil` for Swift's shared thread pool.
  let executor: EventLoopExecutor?
  private let bridge: NIOLoopBound<SocketBridge>

  private static let lastID = Atomic<UInt64>(0)

  /// The result of the opening handshake.
  package struct Opening: Sendable {
    var request: Request
    var response: AcceptConnection?
    var subprotocol: String?
    var remoteAddress: SocketAddress?

    package init(
      request: Request,
      response: AcceptConnection? = nil,
      subprotocol: String?,
      remoteAddress: SocketAddress? = nil
    ) {
      self.request = request
      self.response = response
      self.subprotocol = subprotocol
      self.remoteAddress = remoteAddress
    }

    /// The result of a client's handshake.
    init(_ request: Request, accepted accept: AcceptConnection, on channel: any Channel) {
      self.init(
        request: request,
        response: accept,
        subprotocol: accept.subprotocol,
        remoteAddress: channel.remoteAddress
      )
    }
  }

  /// Adds an open connection to the end of a channel's pipeline. Call it on the event loop.
  package static func open(
    _ connection: Connection,
    on channel: any Channel,
    _ opening: Opening,
    options: WebSocketOptions,
    budget: MemoryBudget? = nil,
    traffic: Traffic? = nil
  ) throws -> WebSocket {
    let socket = WebSocket(connection, channel, opening, options, traffic)
    let handler = socket.bridge.value.makeHandler(connection, budget: budget)
    try channel.pipeline.syncOperations.addHandler(handler)
    return socket
  }

  private init(
    _ connection: Connection,
    _ channel: any Channel,
    _ opening: Opening,
    _ options: WebSocketOptions,
    _ traffic: Traffic?
  ) {
    id = Self.lastID.add(1, ordering: .relaxed).newValue
    request = opening.request
    response = opening.response
    subprotocol = opening.subprotocol
    remoteAddress = opening.remoteAddress ?? channel.remoteAddress
    compression = connection.extensions.lazy.compactMap { $0 as? PerMessageDeflate }.first { $0.enabled() }
    let eventLoop = channel.eventLoop
    self.eventLoop = eventLoop
    let link = BridgeLink()
    inbox = Inbox(options) {
      eventLoop.execute { link.bridge?.value.resumeReading() }
    } onOversize: { close, cause in
      eventLoop.execute { link.bridge?.value.close(close, cause: cause) { _ in } }
    }
    outbox = Outbox(
      options: options,
      onItems: {
        if eventLoop.inEventLoop, let bridge = link.bridge?.value, bridge.isInReadLoop {
          bridge.hasItems = true
        } else {
          eventLoop.execute { link.bridge?.value.drain() }
        }
      },
      onWait: { eventLoop.execute { link.bridge?.value.senderWaits(on: eventLoop) } }
    )
    executor = options.runsOnEventLoop ? EventLoopExecutor(eventLoop) : nil
    let bridge = SocketBridge(
      inbox: inbox,
      outbox: outbox,
      options: options,
      executor: executor,
      traffic: traffic,
      isCompressing: compression != nil
    )
    self.bridge = NIOLoopBound(bridge, eventLoop: eventLoop)
    link.set(self.bridge)
    bridge.onEnd = { link.set(nil) }
  }

  // MARK: Control frames

  /// Sends a ping after the messages sent before, and waits for its pong (RFC 6455 §5.5.2).
  ///
  /// - Returns: the round-trip time, which the peer can prolong.
  /// - Throws: ``WebSocketClosed`` if the connection ends first; `CancellationError`.
  public func ping() async throws -> Duration {
    let answer = Promised<Duration>()
    onEventLoop { bridge in bridge.ping { answer.resume(with: $0) } }
    return try await answer.value()
  }

  /// Sends an unsolicited pong after the messages sent before (RFC 6455 §5.5.3).
  ///
  /// - Parameter payload: at most 125 bytes; a longer payload is not sent.
  package func pong(_ payload: Bytes) { onEventLoop { $0.pong(payload) } }

  /// Closes the connection: sends a Close after the messages sent before, and waits for the peer's Close up to the
  /// deadline of the closing handshake (RFC 6455 §7.1.2). Has no effect on a connection that has already ended.
  ///
  /// If the task is cancelled, the transport is dropped at once.
  ///
  /// - Parameters:
  ///   - code: the reason for closing; 1000 by default. ``CloseReason/noStatusRcvd`` sends no code.
  ///   - reason: a text that explains it; cut to 123 bytes.
  /// - Returns: the peer's Close; `nil` if none came.
  /// - Throws: `LocalProtocolError` for a code that a Close must not have (RFC 6455 §7.4), or for a reason without a
  ///   code.
  @discardableResult
  public func close(
    code: CloseReason = .normalClosure,
    reason: String? = nil
  ) async throws(LocalProtocolError) -> CloseConnection? {
    try await close(CloseConnection(code: code, reason: reason), cause: .local)
  }

  /// Closes the connection for the given cause.
  @discardableResult
  func close(
    _ close: CloseConnection,
    cause: WebSocketClosed.Cause
  ) async throws(LocalProtocolError) -> CloseConnection? {
    let answer = Promised<Result<CloseConnection?, LocalProtocolError>>()
    onEventLoop { bridge in bridge.close(close, cause: cause) { answer.resume(with: .success($0)) } }
    guard let result = try? await answer.value() else {
      // The task was cancelled.
      drop(cause)
      return nil
    }
    return try result.get()
  }

  /// Begins to close the connection for the given cause, without waiting.
  func beginClose(_ close: CloseConnection, cause: WebSocketClosed.Cause) {
    onEventLoop { bridge in bridge.close(close, cause: cause) { _ in } }
  }

  /// Whether the connection has ended or this end has begun to close it.
  var hasEnded: Bool { outbox.isClosed }

  /// How the connection ended; `nil` if it hasn't.
  package var closed: WebSocketClosed? { inbox.closed }

  /// Ends the transport at once.
  func drop(_ cause: WebSocketClosed.Cause) { onEventLoop { $0.drop(cause) } }

  /// Ends ``messages`` after what was received so far.
  func stopReceiving() { inbox.stop() }

  /// How the connection ended or why this end is closing it; `nil` while the connection accepts messages.
  var end: WebSocketClosed? { outbox.end }

  /// Closes the connection because a message has begun and can't be completed.
  func abandonMessage() {
    onEventLoop { $0.close(CloseConnection(code: .internalError), cause: .messageUnfinished) { _ in } }
  }

  /// Drains the outboxes of sockets that share the event loop of the first one.
  static func drain(_ sockets: [WebSocket]) {
    sockets.first?.eventLoop.execute { for socket in sockets { socket.bridge.value.drain() } }
  }

  private func onEventLoop(_ body: @escaping @Sendable (SocketBridge) -> Void) {
    eventLoop.execute { [bridge] in body(bridge.value) }
  }
}

/// Gives the mailboxes access to the bridge, which is created after them, until the connection has ended.
private final class BridgeLink: Sendable {
  private let box = NIOLockedValueBox<NIOLoopBound<SocketBridge>?>(nil)

  var bridge: NIOLoopBound<SocketBridge>? { box.withLockedValue { $0 } }

  func set(_ bridge: NIOLoopBound<SocketBridge>?) { box.withLockedValue { $0 = bridge } }
}
#endif
