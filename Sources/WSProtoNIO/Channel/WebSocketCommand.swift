// SPDX-License-Identifier: Apache-2.0

#if NIO
public import WSProto

/// A command that is written to a ``WebSocketChannelHandler``.
///
/// The promise of a write succeeds when the bytes have been handed to the transport. It fails with a
/// `LocalProtocolError` if the command isn't legal, for example after a Close; the connection continues then.
public enum WebSocketCommand: Sendable {
  // No larger than a message, which fits into `NIOAny` without a box. Therefore rare cases are indirect.

  /// Sends a message, compressed if compression was negotiated.
  case send(WebSocketMessage)
  /// Sends a message without compression: for a secret next to text that an attacker controls.
  case sendUncompressed(WebSocketMessage)
  /// Sends a message that was encoded once for many connections.
  indirect case sendPrepared(PreparedMessage)
  /// Sends a ping. The pong is reported as a ``WebSocketEvent/roundTrip(_:)``.
  case ping
  /// Begins the closing handshake (RFC 6455 §7.1.2).
  indirect case close(CloseConnection)

  /// Sends a message, compressed if compression was negotiated and `compress` is true.
  public static func send(_ message: WebSocketMessage, compress: Bool) -> WebSocketCommand {
    compress ? .send(message) : .sendUncompressed(message)
  }
}

/// An event of a ``WebSocketChannelHandler`` other than a message, fired in `userInboundEventTriggered`.
public enum WebSocketEvent: Sendable, Hashable {
  /// A ping was answered after this time: one of ``WebSocketCommand/ping``, or a keepalive ping.
  case roundTrip(Duration)
  /// The connection has ended. The handler closes the transport itself.
  case closed(WebSocketClosed)
}
#endif
