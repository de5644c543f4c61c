// SPDX-License-Identifier: Apache-2.0

#if NIO
public import NIOCore
public import WSProto

// Sending whole messages.
extension WebSocket {
  /// Sends a message.
  ///
  /// Returns when the message is on its way to the transport, not when the peer has it. Waits while the peer takes less
  /// than it is sent; see ``WebSocketOptions/slowConsumer``.
  ///
  /// - Parameters:
  ///   - message: text or bytes.
  ///   - compress: whether a negotiated compression may be used: `false` for a secret next to text that an attacker
  ///     controls.
  /// - Throws: ``WebSocketClosed`` if the connection takes no more; `CancellationError` if the task is cancelled while it
  ///   waits: the message is not sent then.
  public func send(_ message: WebSocketMessage, compress: Bool = true) async throws {
    try await send(.message(message, compress: compress), replacing: nil)
  }

  /// Sends a message whose worth ends with the next one of its kind, such as a price or a position: while it waits for
  /// the peer to take what was sent before, a message with the same key takes its place, and it is counted in
  /// ``droppedMessages``.
  ///
  /// Where others would have to wait, messages with a key wait in the connection's memory, up to 1 MiB of them: there they
  /// can be replaced. Beyond that ``WebSocketOptions/slowConsumer`` holds for them, too.
  ///
  /// - Parameters:
  ///   - message: text or bytes.
  ///   - key: what it is about.
  ///   - compress: as for ``send(_:compress:)``.
  /// - Throws: as ``send(_:compress:)`` does.
  public func send(_ message: WebSocketMessage, replacing key: String, compress: Bool = true) async throws {
    try await send(.message(message, compress: compress), replacing: key)
  }

  /// Sends a text message; see ``send(_:compress:)-(WebSocketMessage,_)``.
  public func send(_ text: String) async throws { try await send(.text(text)) }

  /// Sends a binary message of the readable bytes of a buffer; see ``send(_:compress:)-(WebSocketMessage,_)``.
  public func send(_ bytes: ByteBuffer) async throws { try await send(.binary(bytes)) }

  /// Sends a binary message; see ``send(_:compress:)-(WebSocketMessage,_)``.
  public func send(_ bytes: [UInt8]) async throws { try await send(.binary(bytes)) }

  /// Sends a message that is encoded, and compressed, once for many connections; see
  /// ``send(_:compress:)-(WebSocketMessage,_)``.
  public func send(_ message: PreparedMessage) async throws {
    try await send(.prepared(message), replacing: nil)
  }

  /// Sends an encoded message that a later one with the same key may replace; see ``send(_:replacing:compress:)``.
  public func send(_ message: PreparedMessage, replacing key: String) async throws {
    try await send(.prepared(message), replacing: key)
  }

  private func send(_ item: Outbox.Item, replacing key: String?) async throws {
    switch outbox.offer(item, replacing: key) {
    case .taken, .dropped: return
    case .wait: try await outbox.wait(.message(item, key: key))
    case .closed(let closed): throw closed
    case .disconnect(let unsent):
      let cause = WebSocketClosed.Cause.slowConsumer(unsentBytes: unsent)
      drop(cause)
      throw WebSocketClosed(code: .abnormalClosure, cause: cause)
    }
  }

  /// Sends a message to many, without waiting for any of them, with one task an event loop.
  ///
  /// - Returns: how many it goes out to.
  static func publish(
    _ message: PreparedMessage,
    replacing key: String? = nil,
    to sockets: [WebSocket]
  ) -> Int {
    var count = 0
    var toDrain: [ObjectIdentifier: [WebSocket]] = [:]
    for socket in sockets {
      let (outcome, schedules) = socket.outbox.publish(.prepared(message), replacing: key)
      if schedules { toDrain[ObjectIdentifier(socket.eventLoop), default: []].append(socket) }
      switch outcome {
      case .taken: count += 1
      case .dropped, .wait, .closed: break
      case .disconnect(let unsent): socket.drop(.slowConsumer(unsentBytes: unsent))
      }
    }
    for sockets in toDrain.values { drain(sockets) }
    return count
  }

  /// Bytes that wait to be sent, here and for the transport.
  public var queuedBytes: Int { outbox.queuedBytes }

  /// How many messages ``WebSocketOptions/slowConsumer`` has dropped, and how many were replaced by a later one with the
  /// same key.
  public var droppedMessages: Int { outbox.droppedCount }
}
#endif
