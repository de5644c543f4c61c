// SPDX-License-Identifier: Apache-2.0

/// The peer's bytes violate the protocol or a limit. The connection cannot go on: answer with a Close frame that
/// carries ``code`` and drop the transport (RFC 6455 §7.1.7).
///
/// ``Connection`` and ``WSConnection`` don't throw this error; they deliver a ``CloseConnection`` event
/// instead.
public struct ParseFailed: Error, Sendable, Hashable, CustomStringConvertible {
  /// What was violated, in words that may be sent as the reason of a Close frame.
  public var message: String
  /// The code to close with: 1002 unless a more specific one applies (1007 for invalid UTF-8, 1009 for size).
  public var code: CloseReason

  /// Creates an error; the code is 1002 by default.
  public init(_ message: String, _ code: CloseReason = .protocolError) {
    self.message = message
    self.code = code
  }

  /// The message.
  public var description: String { message }
}

/// The caller asked for something that is illegal, in this state or in general. Nothing was sent, and the
/// state is unchanged.
public struct LocalProtocolError: Error, Sendable, Hashable, CustomStringConvertible {
  /// What kind of rule was violated.
  public enum Violation: Sendable, Hashable {
    /// The event can't be sent, or data can't be received, in this state of the connection.
    case state(ConnectionState)
    /// The code must not be in a Close frame, or a reason was given without a code (RFC 6455 §7.4).
    case closeCode
    /// A control frame's payload is longer than 125 bytes (§5.5).
    case controlPayloadTooLong
    /// A part of the other type was sent before the current message was finished (§5.4).
    case messageType
    /// A subprotocol that the client did not request (§4.2.2).
    case subprotocol
    /// A header field, a target, a host or a status that must not be sent in an HTTP head (RFC 9112 §2–§5).
    case head
    /// The body of a rejection is longer or shorter than its framing declares (RFC 9112 §6).
    case bodyFraming
    /// An extension refused to encode.
    case `extension`
    /// The output has too little room; at least `needed` bytes are required. See `sizeBound`.
    case outputTooSmall(needed: Int)
    /// More received bytes than ``Limits/maxUntakenBytes`` wait for their events to be taken. Nothing was taken
    /// or changed: take the events, then pass the same bytes again.
    case eventsNotTaken(limit: Int)
    /// A hook or a random source called back into its own connection.
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

  /// The error for too many waiting bytes.
  static func eventsNotTaken(_ waiting: Int, limit: Int) -> LocalProtocolError {
    LocalProtocolError(
      "\(waiting) received bytes wait, more than the limit of \(limit): take their events first",
      .eventsNotTaken(limit: limit)
    )
  }

  /// The message.
  public var description: String { message }
}

/// The peer's part of a negotiation is not legal, such as an answer that doesn't fit the offer
/// (RFC 6455 §9.1).
///
/// An ``Extension`` throws this; the handshake turns it into a ``RemoteProtocolError``.
public struct NegotiationError: Error, Sendable, Hashable, CustomStringConvertible {
  /// What is wrong, in words.
  public var message: String
  /// Details, with the section of the RFC; `nil` if the message says everything.
  public var detail: String?

  /// An error.
  public init(_ message: String, detail: String? = nil) {
    self.message = message
    self.detail = detail
  }

  /// The message and the detail.
  public var description: String { detail.map { "\(message): \($0)" } ?? message }
}
