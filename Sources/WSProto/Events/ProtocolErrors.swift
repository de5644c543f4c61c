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

  /// What an extension has found wrong with the peer's part of the negotiation.
  public init(_ error: NegotiationError, eventHint: Event? = nil) {
    self.init(error.message, detail: error.detail, eventHint: eventHint)
  }

  /// The message and the detail.
  public var description: String { detail.map { "\(message): \($0)" } ?? message }
}
