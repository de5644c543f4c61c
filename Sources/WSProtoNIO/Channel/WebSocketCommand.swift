// SPDX-License-Identifier: Apache-2.0

#if NIO
public import WSProto

/// What is written to a ``WebSocketChannelHandler``.
///
/// The promise of a write succeeds when the bytes were handed to the transport. It fails with a `LocalProtocolError` where
/// the command is not legal, after a Close for example; the connection goes on then.
public enum WebSocketCommand: Sendable {
  /// Sends a message, compressed if that was negotiated and `compress` is true.
  case send(WebSocketMessage, compress: Bool)
  /// Sends a message that was encoded once for many connections.
  case sendPrepared(PreparedMessage)
  /// Sends a ping; the answer is a ``WebSocketEvent/roundTrip(_:)``.
  case ping
  /// Begins the closing handshake (RFC 6455 §7.1.2).
  case close(CloseConnection)

  /// Sends a message, compressed if that was negotiated.
  public static func send(_ message: WebSocketMessage) -> WebSocketCommand { .send(message, compress: true) }
}

/// What a ``WebSocketChannelHandler`` tells besides messages, in `userInboundEventTriggered`.
public enum WebSocketEvent: Sendable, Hashable {
  /// A ping has its answer, after so long: one of ``WebSocketCommand/ping``, or one of the keepalive's.
  case roundTrip(Duration)
  /// The connection has ended. The transport is closed by the handler.
  case closed(WebSocketClosed)
}
#endif
