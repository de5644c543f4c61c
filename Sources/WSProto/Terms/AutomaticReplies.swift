// SPDX-License-Identifier: Apache-2.0

/// What a connection answers automatically, set in ``Configuration/automaticReplies``; off by default.
///
/// A reply is made when its event is delivered, and waits until it is sent: before the output of the next
/// `send`, or by ``WebSocketEndpoint/sendReplies()``. At most one pong and one Close wait, whatever the peer
/// does. <doc:Replies> explains when to send them.
public struct AutomaticReplies: OptionSet, Sendable, Hashable, BitwiseCopyable {
  /// The bits.
  public let rawValue: UInt8

  /// A set of replies.
  public init(rawValue: UInt8) { self.rawValue = rawValue }

  /// Answers a ping with a pong (RFC 6455 §5.5.2). A pong that still waits is replaced by the pong for a
  /// newer ping, because only the newest ping needs an answer (§5.5.3). Each ping is still an event, which
  /// must not be answered again.
  public static let pongs = AutomaticReplies(rawValue: 1)

  /// Answers the peer's Close with a Close with the same code and reason (§5.5.1), and a violation with a
  /// Close with its code (§7.1.7). The state becomes ``ConnectionState/closed`` when the reply is sent, not
  /// before. If you send a Close yourself, it replaces the reply.
  public static let closes = AutomaticReplies(rawValue: 2)

  /// Answers an illegal handshake with the HTTP response in the error's `eventHint` (§4.2.2). The state
  /// becomes ``ConnectionState/closed`` when the reply is sent. If you send a refusal yourself, it replaces
  /// the reply.
  public static let rejections = AutomaticReplies(rawValue: 4)

  /// All of them.
  public static let all: AutomaticReplies = [.pongs, .closes, .rejections]
}
