// SPDX-License-Identifier: Apache-2.0

/// An event whose payload is still in the buffer that it arrived in: what `receive(_:_:)` hands to its closure.
///
/// Nothing is allocated for it. It lives as long as the closure's call; the compiler keeps it from escaping. Copy what
/// is to stay: `String(copying: message.data)`, `Bytes(copying: message.data)`.
public enum BorrowedEvent: ~Escapable {
  /// A text message, or a part of one (RFC 6455 §5.6). Valid UTF-8, never cut inside a character.
  case textMessage(BorrowedMessage<UTF8Span>)
  /// A binary message, or a part of one.
  case bytesMessage(BorrowedMessage<RawSpan>)
  /// A ping; answer with a pong of the same payload (§5.5.2).
  case ping(RawSpan)
  /// A pong (§5.5.3).
  case pong(RawSpan)
  /// The peer's Close, its violation of the protocol, or the end of the transport (1006): answer with a Close of the
  /// same code while the state is ``ConnectionState/remoteClosing``, then close the transport (§7).
  case closeConnection(CloseReason, reason: UTF8Span)
  /// ``WSConnection`` only: an event of the handshake.
  indirect case handshake(Event)
  /// ``WSConnection`` only: the peer's handshake was not legal; send the error's `eventHint`, if there is one, then
  /// close the transport.
  indirect case handshakeFailed(RemoteProtocolError)
}

/// A data message, or a part of one, in a ``BorrowedEvent``: what ``TextMessage`` and ``BytesMessage`` are to those who
/// keep their events.
public struct BorrowedMessage<Data: ~Escapable>: ~Escapable {
  /// The text, or the bytes.
  public let data: Data
  /// Whether this part ends its frame.
  @inlinable public var frameFinished: Bool { bits & 2 != 0 }
  /// Whether this part ends the message.
  @inlinable public var messageFinished: Bool { bits & 1 != 0 }
  /// Where in the chunk that was given to `receive(_:_:)` the payload begins, in bytes, so that an adapter can cut a
  /// slice of its own buffer; `nil` where the payload lies elsewhere, being inflated or put together.
  @inlinable public var offset: Int? { bits < 0 ? nil : bits &>> 2 }

  /// The offset, or -1, above the two flags: one word, since this is made for every frame.
  @usableFromInline let bits: Int

  /// - Parameter place: the offset in the chunk, or -1 where the payload lies elsewhere.
  @inline(__always)
  @_lifetime(copy data)
  init(_ data: Data, frameFinished: Bool, messageFinished: Bool, place: Int) {
    self.data = data
    bits = place &<< 2 | (frameFinished ? 2 : 0) | (messageFinished ? 1 : 0)
  }
}
