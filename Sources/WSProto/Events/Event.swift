// SPDX-License-Identifier: Apache-2.0

/// What has happened on a connection, or what shall happen: the same values are received and sent.
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

/// An event's own struct, so that `send` takes `Ping()` as well as `.ping(Ping())`.
public protocol EventConvertible: Sendable {
  /// The event.
  var event: Event { get }
}

extension Event: EventConvertible {
  /// Itself.
  @inlinable public var event: Event { self }
}
extension Request: EventConvertible {
  /// The case that holds it.
  public var event: Event { .request(self) }
}
extension AcceptConnection: EventConvertible {
  /// The case that holds it.
  public var event: Event { .acceptConnection(self) }
}
extension RejectConnection: EventConvertible {
  /// The case that holds it.
  public var event: Event { .rejectConnection(self) }
}
extension RejectData: EventConvertible {
  /// The case that holds it.
  public var event: Event { .rejectData(self) }
}
extension Message: EventConvertible where Data: MessageData {
  /// The case that holds it.
  public var event: Event { Data.event(self) }
}
extension CloseConnection: EventConvertible {
  /// The case that holds it.
  public var event: Event { .closeConnection(self) }
}
extension Ping: EventConvertible {
  /// The case that holds it.
  public var event: Event { .ping(self) }
}
extension Pong: EventConvertible {
  /// The case that holds it.
  public var event: Event { .pong(self) }
}
