// SPDX-License-Identifier: Apache-2.0

/// Either side broke the rules; thrown where both can be the reason.
public enum ProtocolError: Error, Sendable, Hashable {
  /// The caller asked for something that the state or the standard does not allow. Nothing has changed.
  case local(LocalProtocolError)
  /// The peer sent something that the standard does not allow.
  case remote(RemoteProtocolError)
}

extension ProtocolError: CustomStringConvertible {
  /// What was violated.
  public var description: String {
    switch self {
    case .local(let error): error.description
    case .remote(let error): error.description
    }
  }
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

  /// The message.
  public var description: String { message }
}

/// The peer sent something in the handshake that the standard does not allow.
public struct RemoteProtocolError: Error, Sendable, Hashable, CustomStringConvertible {
  /// The violation in words.
  public var message: String
  /// More about it, with the section of the RFC; `nil` where the message says it all.
  public var detail: String?
  /// The event to answer the peer with: `send` it, then close the transport. `nil` where no answer helps: a client
  /// just closes.
  public var eventHint: Event?

  /// An error.
  public init(_ message: String, detail: String? = nil, eventHint: Event? = nil) {
    self.message = message
    self.detail = detail
    self.eventHint = eventHint
  }

  /// The message and the detail.
  public var description: String { detail.map { "\(message): \($0)" } ?? message }
}
