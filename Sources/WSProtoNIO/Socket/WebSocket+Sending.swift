// SPDX-License-Identifier: Apache-2.0

#if NIO
public import NIOCore
public import WSProto

// Sending whole messages.
extension WebSocket {
  /// Sends a message.
  ///
  /// Returns when the message is on its way to the transport, not when the peer has received it. Waits while the peer
  /// reads more slowly than this end sends; see ``WebSocketOptions/slowConsumer``.
  ///
  /// - Parameters:
  ///   - message: the text or binary message.
  ///   - compress: whether negotiated compression may be used. Pass `false` for a secret next to text that an attacker
  ///     controls.
  /// - Throws: ``WebSocketClosed`` if the connection can't send any more; `CancellationError` if the task is cancelled
  ///   while it waits, in which case the message is not sent.
  public func send(_ message: WebSocketMessage, compress: Bool = true) async throws {
    try await send(.message(message, compress: compress), replacing: nil)
  }

  /// Sends a message that the next one of its kind makes obsolete, such as a price or a position. While the message
  /// waits for the peer to read earlier data, a message with the same key replaces it, and it is counted in
  /// ``droppedMessages``.
  ///
  /// Where other messages would make `send` wait, up to 1 MiB of messages with a key wait in the connection's memory,
  /// where they can be replaced. Beyond that, ``WebSocketOptions/slowConsumer`` applies to them, too.
  ///
  /// - Parameters:
  ///   - message: the text or binary message.
  ///   - key: identifies what the message is about.
  ///   - compress: as for ``send(_:compress:)``.
  /// - Throws: as ``send(_:compress:)`` does.
  public func send(_ message: WebSocketMessage, replacing key: String, compress: Bool = true) async throws {
    try await send(.message(message, compress: compress), replacing: key)
  }

  /// Sends a text message; see ``send(_:compress:)-(WebSocketMessage,_)``.
  public func send(_ text: String) async throws { try await send(.text(text)) }

  /// Sends the readable bytes of a buffer as a binary message; see ``send(_:compress:)-(WebSocketMessage,_)``.
  public func send(_ bytes: ByteBuffer) async throws { try await send(.binary(bytes)) }

  /// Sends a binary message; see ``send(_:compress:)-(WebSocketMessage,_)``.
  public func send(_ bytes: [UInt8]) async throws { try await send(.binary(bytes)) }

  /// Sends a message that is encoded and compressed once for many connections; see
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

  /// Sends a message to many sockets without waiting for any of them, scheduling one task per event loop.
  ///
  /// - Returns: the number of sockets that it goes out to.
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

  /// The number of bytes that wait to be sent, here and in the transport.
  public var queuedBytes: Int { outbox.queuedBytes }

  /// The number of messages that ``WebSocketOptions/slowConsumer`` dropped or that a later one with the same key
  /// replaced.
  public var droppedMessages: Int { outbox.droppedCount }
}
#endif
