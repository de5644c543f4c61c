// SPDX-License-Identifier: Apache-2.0

/// An event whose payload is still in the buffer that it arrived in: what `receive(_:_:)` hands to its closure.
///
/// Nothing is allocated for it. It is valid only during the call of the closure, and the compiler keeps it
/// from escaping. Copy what you want to keep: `String(copying: message.data)`,
/// `Bytes(copying: message.data)`.
public enum BorrowedEvent: ~Escapable {
  /// A text message, or a part of one (RFC 6455 §5.6). Valid UTF-8, never cut inside a character.
  case textMessage(BorrowedMessage<UTF8Span>)
  /// A binary message, or a part of one.
  case bytesMessage(BorrowedMessage<RawSpan>)
  /// A ping. Answer with a pong with the same payload (§5.5.2).
  case ping(RawSpan)
  /// A pong (§5.5.3).
  case pong(RawSpan)
  /// The peer's Close, its violation of the protocol, or the end of the transport (1006): answer with a Close of the
  /// same code while the state is ``ConnectionState/remoteClosing``, then close the transport (§7).
  case closeConnection(CloseReason, reason: UTF8Span)
  /// Only from ``WSConnection``: an event of the handshake.
  indirect case handshake(Event)
  /// Only from ``WSConnection``: the peer's handshake was not legal. Send the error's `eventHint`, if there
  /// is one, then close the transport.
  indirect case handshakeFailed(RemoteProtocolError)
}

/// A data message, or a part of one, in a ``BorrowedEvent``: the borrowed form of ``TextMessage`` and
/// ``BytesMessage``.
public struct BorrowedMessage<Data: ~Escapable>: ~Escapable {
  /// The text, or the bytes.
  public let data: Data
  /// Whether this part ends its frame.
  @inlinable public var frameFinished: Bool { bits & 2 != 0 }
  /// Whether this part ends the message.
  @inlinable public var messageFinished: Bool { bits & 1 != 0 }
  /// The offset, in bytes, of the payload in the chunk passed to `receive(_:_:)`, so that an adapter can cut
  /// a slice of its own buffer; `nil` if the payload lies elsewhere because it was inflated or assembled.
  @inlinable public var offset: Int? { bits < 0 ? nil : bits &>> 2 }

  /// The offset, or -1, above the two flags. A single word, because one is made for every frame.
  @usableFromInline let bits: Int

  /// - Parameter place: the offset in the chunk, or -1 if the payload lies elsewhere.
  @inlinable @inline(__always)
  @_lifetime(copy data)
  init(_ data: Data, frameFinished: Bool, messageFinished: Bool, place: Int) {
    self.data = data
    bits = place &<< 2 | (frameFinished ? 2 : 0) | (messageFinished ? 1 : 0)
  }
}
