// SPDX-License-Identifier: Apache-2.0

#if NIO
import NIOConcurrencyHelpers
public import NIOCore
import Synchronization
public import WSProto

/// An open WebSocket connection, for tasks: messages come as a sequence, and sending waits where the peer is slow.
///
/// ```swift
/// func echo(_ socket: WebSocket) async throws {
///   for try await message in socket.messages { try await socket.send(message) }
/// }
/// ```
///
/// Any task may send, ping and close; one task reads ``messages``. What two tasks send is never mixed. Pings of the peer
/// are answered, a peer that has fallen silent is found by pings, and deadlines are kept, whatever the tasks do.
///
/// Backpressure goes both ways. While messages wait to be taken, ``WebSocketOptions/maxUnreadBytes`` of them, the
/// transport isn't read, and the peer has to wait. While the transport takes nothing, `send` waits, or does what
/// ``WebSocketOptions/slowConsumer`` says.
public final class WebSocket: Sendable {
  /// A number of its own in this process, for logs.
  public let id: UInt64
  /// The request that has opened the connection.
  public let request: Request
  /// The answer to it; on a client only.
  public let response: AcceptConnection?
  /// Where the peer is, as the transport says; `nil` if it doesn't. Behind a proxy, that is the proxy; on a server, the
  /// client, if the proxy is one of those that the server trusts.
  public let remoteAddress: SocketAddress?
  /// The subprotocol that was agreed on (RFC 6455 §1.9).
  public let subprotocol: String?
  /// The compression that was agreed on, with its parameters; `nil` for none.
  public let compression: PerMessageDeflate?

  let eventLoop: any EventLoop
  let outbox: Outbox
  let inbox: Inbox
  /// Runs the task of the closure that has the socket; `nil` for the process's own threads.
  let executor: EventLoopExecutor?
  private let bridge: NIOLoopBound<SocketBridge>

  private static let lastID = Atomic<UInt64>(0)

  /// What the handshake has agreed on.
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

    /// What a client's handshake has agreed on.
    init(_ request: Request, accepted accept: AcceptConnection, on channel: any Channel) {
      self.init(
        request: request,
        response: accept,
        subprotocol: accept.subprotocol,
        remoteAddress: channel.remoteAddress
      )
    }
  }

  /// Puts an open connection into a channel's pipeline, at its end. On the event loop.
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

  /// Sends a ping, behind the messages sent before, and waits for its pong (RFC 6455 §5.5.2).
  ///
  /// - Returns: the round trip's time, which the peer can make longer.
  /// - Throws: ``WebSocketClosed`` if the connection ends before; `CancellationError`.
  public func ping() async throws -> Duration {
    let answer = Promised<Duration>()
    onEventLoop { bridge in bridge.ping { answer.resume(with: $0) } }
    return try await answer.value()
  }

  /// Sends a pong that answers no ping, behind the messages sent before (RFC 6455 §5.5.3).
  ///
  /// - Parameter payload: 125 bytes at most; a longer one is not sent.
  package func pong(_ payload: Bytes) { onEventLoop { $0.pong(payload) } }

  /// Closes the connection, behind the messages sent before: sends a Close and waits for the peer's (RFC 6455 §7.1.2),
  /// up to the deadline of the closing handshake. A connection that has ended already stays as it is.
  ///
  /// If the task is cancelled, the transport is dropped at once.
  ///
  /// - Parameters:
  ///   - code: why; 1000 by default. ``CloseReason/noStatusRcvd`` sends none.
  ///   - reason: more about it; cut to 123 bytes.
  /// - Returns: what the peer's Close has said; `nil` if none came.
  /// - Throws: `LocalProtocolError` for a code that no Close may have (RFC 6455 §7.4), or a reason without a code.
  @discardableResult
  public func close(
    code: CloseReason = .normalClosure,
    reason: String? = nil
  ) async throws(LocalProtocolError) -> CloseConnection? {
    try await close(CloseConnection(code: code, reason: reason), cause: .local)
  }

  /// Closes for a cause.
  @discardableResult
  func close(
    _ close: CloseConnection,
    cause: WebSocketClosed.Cause
  ) async throws(LocalProtocolError) -> CloseConnection? {
    let answer = Promised<Result<CloseConnection?, LocalProtocolError>>()
    onEventLoop { bridge in bridge.close(close, cause: cause) { answer.resume(with: .success($0)) } }
    guard let result = try? await answer.value() else {
      // Cancelled.
      drop(cause)
      return nil
    }
    return try result.get()
  }

  /// Begins to close for a cause, and waits for nothing.
  func beginClose(_ close: CloseConnection, cause: WebSocketClosed.Cause) {
    onEventLoop { bridge in bridge.close(close, cause: cause) { _ in } }
  }

  /// Whether the connection has ended, or this end has begun to close it.
  var hasEnded: Bool { outbox.isClosed }

  /// How the connection has ended; `nil` as long as it hasn't.
  package var closed: WebSocketClosed? { inbox.closed }

  /// Ends the transport at once.
  func drop(_ cause: WebSocketClosed.Cause) { onEventLoop { $0.drop(cause) } }

  /// Lets ``messages`` end after what was received until now.
  func stopReceiving() { inbox.stop() }

  /// How the connection has ended, or that this end closes it; `nil` while it takes messages.
  var end: WebSocketClosed? { outbox.end }

  /// The connection can't go on: a message has begun and does not end.
  func abandonMessage() {
    onEventLoop { $0.close(CloseConnection(code: .internalError), cause: .messageUnfinished) { _ in } }
  }

  /// Sends what is in the outboxes of sockets on the event loop of the first one.
  static func drain(_ sockets: [WebSocket]) {
    sockets.first?.eventLoop.execute { for socket in sockets { socket.bridge.value.drain() } }
  }

  private func onEventLoop(_ body: @escaping @Sendable (SocketBridge) -> Void) {
    eventLoop.execute { [bridge] in body(bridge.value) }
  }
}

/// Where the mailboxes find the bridge, which is made after them; until the connection has ended.
private final class BridgeLink: Sendable {
  private let box = NIOLockedValueBox<NIOLoopBound<SocketBridge>?>(nil)

  var bridge: NIOLoopBound<SocketBridge>? { box.withLockedValue { $0 } }

  func set(_ bridge: NIOLoopBound<SocketBridge>?) { box.withLockedValue { $0 = bridge } }
}
#endif
