// SPDX-License-Identifier: Apache-2.0

/// The end of a connection (RFC 6455 §7).
///
/// When received, it is the peer's Close, a protocol violation by the peer (``code`` is then the code to
/// answer with), or the end of the transport (1006). While the connection's state is
/// ``ConnectionState/remoteClosing``, `send` the ``response()``, then close the transport. It is answered
/// automatically only with ``AutomaticReplies/closes``.
public struct CloseConnection: Sendable, Hashable {
  /// The close code. ``CloseReason/noStatusRcvd`` (1005) means that there is no code; an empty Close is sent
  /// for it.
  public var code: CloseReason
  /// The reason, for people or logs; `nil` for none, never empty. When sent, it is cut to 123 bytes between
  /// characters.
  public var reason: String? {
    didSet { if reason?.isEmpty == true { reason = nil } }
  }

  /// The end of a connection. An empty reason is treated as none.
  public init(code: CloseReason, reason: String? = nil) {
    self.code = code
    self.reason = reason?.isEmpty == true ? nil : reason
  }

  /// The Close to answer with: the same code and reason (§5.5.1).
  public func response() -> CloseConnection {
    CloseConnection(code: code, reason: code == .noStatusRcvd ? nil : reason)
  }
}

/// A ping (RFC 6455 §5.5.2): `send` the ``response()`` as soon as possible. It is answered automatically only
/// with ``AutomaticReplies/pongs``.
public struct Ping: Sendable, Hashable {
  /// Up to 125 bytes.
  public var payload: Bytes

  /// A ping.
  @inlinable public init(payload: Bytes = Bytes()) { self.payload = payload }

  /// The pong to answer with.
  @inlinable public func response() -> Pong { Pong(payload: payload) }
}

/// The answer to a ping, or an unsolicited heartbeat (RFC 6455 §5.5.3).
public struct Pong: Sendable, Hashable {
  /// Up to 125 bytes; in an answer, the payload of the ping.
  public var payload: Bytes

  /// A pong.
  @inlinable public init(payload: Bytes = Bytes()) { self.payload = payload }
}
