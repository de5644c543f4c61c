// SPDX-License-Identifier: Apache-2.0

/// What a connection answers by itself, chosen in ``Configuration/automaticReplies``; off by default.
///
/// A reply is made when its event is delivered, and waits until it is sent: in front of what the next `send` writes, or by
/// ``WebSocketEndpoint/sendReplies()``. One pong and one Close wait at most, whatever the peer does. <doc:Replies> says
/// when to send them.
public struct AutomaticReplies: OptionSet, Sendable, Hashable, BitwiseCopyable {
  /// The bits.
  public let rawValue: UInt8

  /// A set of replies.
  public init(rawValue: UInt8) { self.rawValue = rawValue }

  /// A pong for a ping (RFC 6455 §5.5.2). While one waits, a pong for a newer ping takes its place: a peer needs an
  /// answer to its newest ping only (§5.5.3). The events still tell of each ping; they must not be answered again.
  public static let pongs = AutomaticReplies(rawValue: 1)

  /// A Close for the peer's Close with the same code and reason (§5.5.1), and for a violation with its code (§7.1.7). The
  /// state moves on to ``ConnectionState/closed`` when the reply is sent, not before. A Close that is sent by a call
  /// takes its place.
  public static let closes = AutomaticReplies(rawValue: 2)

  /// The HTTP response that refuses a handshake which isn't legal (§4.2.2): what the error has as its `eventHint`. The
  /// state moves on to ``ConnectionState/closed`` when the reply is sent. A refusal that is sent by a call takes its
  /// place.
  public static let rejections = AutomaticReplies(rawValue: 4)

  /// All of them.
  public static let all: AutomaticReplies = [.pongs, .closes, .rejections]
}
