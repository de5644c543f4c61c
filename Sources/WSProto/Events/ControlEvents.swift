// SPDX-License-Identifier: Apache-2.0

/// The end of a connection (RFC 6455 §7).
///
/// Received: the peer's Close, a violation of the protocol by the peer (then ``code`` is what to answer), or the end of
/// the transport (1006). While the connection's state is ``ConnectionState/remoteClosing``, `send` the ``response()``, then
/// close the transport. It isn't answered for you, unless by ``AutomaticReplies/closes``.
public struct CloseConnection: Sendable, Hashable {
  /// Why. ``CloseReason/noStatusRcvd`` (1005) stands for no code: nothing is put on the wire for it.
  public var code: CloseReason
  /// More about it, for people or logs; `nil` for none, never empty. Cut to 123 bytes at a character's end when sent.
  public var reason: String? {
    didSet { if reason?.isEmpty == true { reason = nil } }
  }

  /// The end of a connection. An empty reason is none.
  public init(code: CloseReason, reason: String? = nil) {
    self.code = code
    self.reason = reason?.isEmpty == true ? nil : reason
  }

  /// The Close to answer with: the same code and reason (§5.5.1).
  public func response() -> CloseConnection {
    CloseConnection(code: code, reason: code == .noStatusRcvd ? nil : reason)
  }
}

/// A ping (RFC 6455 §5.5.2): `send` the ``response()`` as soon as is practical. It isn't answered for you, unless by
/// ``AutomaticReplies/pongs``.
public struct Ping: Sendable, Hashable {
  /// Up to 125 bytes.
  public var payload: Bytes

  /// A ping.
  @inlinable public init(payload: Bytes = Bytes()) { self.payload = payload }

  /// The pong that answers it.
  @inlinable public func response() -> Pong { Pong(payload: payload) }
}

/// The answer to a ping, or a heartbeat that nobody asked for (RFC 6455 §5.5.3).
public struct Pong: Sendable, Hashable {
  /// Up to 125 bytes; those of the ping that it answers.
  public var payload: Bytes

  /// A pong.
  @inlinable public init(payload: Bytes = Bytes()) { self.payload = payload }
}
