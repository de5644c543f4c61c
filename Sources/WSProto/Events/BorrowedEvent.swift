// SPDX-License-Identifier: Apache-2.0

/// An event whose payload is still in the buffer that it arrived in: what `receive(_:_:)` hands to its closure.
///
/// Nothing is allocated for it. It lives as long as the closure's call; the compiler keeps it from escaping. Copy what
/// is to stay: `String(copying: text)`, `Bytes(copying: bytes)`.
public enum BorrowedEvent: ~Escapable {
  /// A text message, or a part of one (RFC 6455 §5.6). Valid UTF-8, never cut inside a character.
  case textMessage(UTF8Span, frameFinished: Bool, messageFinished: Bool)
  /// A binary message, or a part of one.
  case bytesMessage(RawSpan, frameFinished: Bool, messageFinished: Bool)
  /// A ping; answer with a pong of the same payload (§5.5.2).
  case ping(RawSpan)
  /// A pong (§5.5.3).
  case pong(RawSpan)
  /// The peer's Close, or its violation of the protocol: answer with a Close of the same code while the state is
  /// ``ConnectionState/remoteClosing``, then close the transport (§7).
  case closeConnection(CloseReason, reason: UTF8Span)
  /// ``WSConnection`` only: an event of the handshake.
  indirect case handshake(Event)
  /// ``WSConnection`` only: the peer's handshake was not legal; send the error's `eventHint`, if there is one, then
  /// close the transport.
  indirect case handshakeFailed(RemoteProtocolError)
}
