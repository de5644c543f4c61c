// SPDX-License-Identifier: Apache-2.0

/// The peer's bytes violate the protocol or a limit. The connection cannot go on: answer with a Close frame that
/// carries ``code`` and drop the transport (RFC 6455 §7.1.7).
///
/// ``Connection`` and ``WSConnection`` don't throw this: they deliver it as a ``CloseConnection`` event.
public struct ParseFailed: Error, Sendable, Hashable, CustomStringConvertible {
  /// What was violated, in words that may go into the reason of a Close frame.
  public var message: String
  /// The code to close with: 1002 unless another fits better (1007 for invalid UTF-8, 1009 for size).
  public var code: CloseReason

  /// A failure, 1002 unless stated.
  public init(_ message: String, _ code: CloseReason = .protocolError) {
    self.message = message
    self.code = code
  }

  /// The message.
  public var description: String { message }
}

/// The caller asked for something that is not legal in this state or not legal at all. Nothing was sent, the state is
/// unchanged.
public struct LocalProtocolError: Error, Sendable, Hashable, CustomStringConvertible {
  /// What kind of rule was violated.
  public enum Violation: Sendable, Hashable {
    /// The event cannot be sent, or data cannot be received, in the connection's state.
    case state(ConnectionState)
    /// The code must not be in a Close frame, or a reason came without a code (RFC 6455 §7.4).
    case closeCode
    /// A control frame's payload is longer than 125 bytes (§5.5).
    case controlPayloadTooLong
    /// A message under way goes on in its type until it is finished (§5.4).
    case messageType
    /// A subprotocol that was not requested (§4.2.2).
    case subprotocol
    /// A header field, a target, a host or a status that must not be in an HTTP head (RFC 9112 §2–§5).
    case head
    /// More or less of a rejection's body than its framing declares (RFC 9112 §6).
    case bodyFraming
    /// An extension refused to encode.
    case `extension`
    /// The memory to write to has not the room: at least `needed` bytes. See `sizeBound`.
    case outputTooSmall(needed: Int)
    /// More received bytes than ``Limits/maxUntakenBytes`` wait for their events to be taken. Nothing was taken in, and
    /// the connection is as it was: take the events, then hand in the same bytes again.
    case eventsNotTaken(limit: Int)
    /// A hook, or a random source, has called back into the connection that it works for.
    case reentrance
  }

  /// What kind of rule was violated.
  public var violation: Violation
  /// The violation in words.
  public var message: String

  /// An error.
  public init(_ message: String, _ violation: Violation) {
    self.message = message
    self.violation = violation
  }

  /// More received bytes wait than may.
  static func eventsNotTaken(_ waiting: Int, limit: Int) -> LocalProtocolError {
    LocalProtocolError(
      "\(waiting) received bytes wait, more than the limit of \(limit): take their events first",
      .eventsNotTaken(limit: limit)
    )
  }

  /// The message.
  public var description: String { message }
}

/// The peer's part in a negotiation is not legal: an answer that does not fit what was offered (RFC 6455 §9.1).
///
/// What an ``Extension`` throws; the handshake turns it into a ``RemoteProtocolError``.
public struct NegotiationError: Error, Sendable, Hashable, CustomStringConvertible {
  /// What is wrong, in words.
  public var message: String
  /// More about it, with the section of the RFC; `nil` where the message says it all.
  public var detail: String?

  /// An error.
  public init(_ message: String, detail: String? = nil) {
    self.message = message
    self.detail = detail
  }

  /// The message and the detail.
  public var description: String { detail.map { "\(message): \($0)" } ?? message }
}
