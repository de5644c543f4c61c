// SPDX-License-Identifier: Apache-2.0

/// Something that happened on a connection, or that you want to send: the same values are received and sent.
public enum Event: Sendable, Hashable {
  /// The opening request (RFC 6455 §4.1): sent by clients, received by servers.
  indirect case request(Request)
  /// The upgrade is accepted (§4.2.2): sent by servers, received by clients.
  indirect case acceptConnection(AcceptConnection)
  /// The upgrade is refused: sent by servers, received by clients.
  indirect case rejectConnection(RejectConnection)
  /// A part of the body of a refusal.
  case rejectData(RejectData)
  /// A text message or a part of one (§5.6).
  case textMessage(TextMessage)
  /// A binary message or a part of one (§5.6).
  case bytesMessage(BytesMessage)
  /// The closing handshake, or the end of the connection (§7).
  case closeConnection(CloseConnection)
  /// A ping (§5.5.2).
  case ping(Ping)
  /// A pong (§5.5.3).
  case pong(Pong)
}

/// The struct of one event, so that `send` accepts `Ping()` as well as `.ping(Ping())`.
public protocol EventConvertible: Sendable {
  /// The event.
  var event: Event { get }
}

extension Event: EventConvertible {
  /// Itself.
  @inlinable public var event: Event { self }
}
extension Request: EventConvertible {
  /// `.request`
  public var event: Event { .request(self) }
}
extension AcceptConnection: EventConvertible {
  /// `.acceptConnection`
  public var event: Event { .acceptConnection(self) }
}
extension RejectConnection: EventConvertible {
  /// `.rejectConnection`
  public var event: Event { .rejectConnection(self) }
}
extension RejectData: EventConvertible {
  /// `.rejectData`
  public var event: Event { .rejectData(self) }
}
extension CloseConnection: EventConvertible {
  /// `.closeConnection`
  public var event: Event { .closeConnection(self) }
}
extension Ping: EventConvertible {
  /// `.ping`
  public var event: Event { .ping(self) }
}
extension Pong: EventConvertible {
  /// `.pong`
  public var event: Event { .pong(self) }
}

/// The events of a connection, produced one at a time.
///
/// Lazy, like wsproto's generator: the connection's state changes when an event is taken, not when its bytes
/// are received. The sequence ends when more bytes are needed; a later call continues with the bytes that
/// arrived since.
public struct EventSequence: Sequence, IteratorProtocol {
  private let take: () -> Event?

  init(_ take: @escaping () -> Event?) { self.take = take }

  /// The next event; `nil` when more bytes are needed.
  public mutating func next() -> Event? { take() }
}
