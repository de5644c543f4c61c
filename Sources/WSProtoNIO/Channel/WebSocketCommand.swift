// SPDX-License-Identifier: Apache-2.0

#if NIO
public import WSProto

/// What is written to a ``WebSocketChannelHandler``.
///
/// The promise of a write succeeds when the bytes were handed to the transport. It fails with a `LocalProtocolError` where
/// the command is not legal, after a Close for example; the connection goes on then.
public enum WebSocketCommand: Sendable {
  // No larger than a message, which `NIOAny` holds without a box of its own: hence what is rare is indirect.

  /// Sends a message, compressed if that was negotiated.
  case send(WebSocketMessage)
  /// Sends a message, not compressed: for a secret next to text that an attacker controls.
  case sendUncompressed(WebSocketMessage)
  /// Sends a message that was encoded once for many connections.
  indirect case sendPrepared(PreparedMessage)
  /// Sends a ping; the answer is a ``WebSocketEvent/roundTrip(_:)``.
  case ping
  /// Begins the closing handshake (RFC 6455 §7.1.2).
  indirect case close(CloseConnection)

  /// Sends a message, compressed if that was negotiated and `compress` is true.
  public static func send(_ message: WebSocketMessage, compress: Bool) -> WebSocketCommand {
    compress ? .send(message) : .sendUncompressed(message)
  }
}

/// What a ``WebSocketChannelHandler`` tells besides messages, in `userInboundEventTriggered`.
public enum WebSocketEvent: Sendable, Hashable {
  /// A ping has its answer, after so long: one of ``WebSocketCommand/ping``, or one of the keepalive's.
  case roundTrip(Duration)
  /// The connection has ended. The transport is closed by the handler.
  case closed(WebSocketClosed)
}
#endif
