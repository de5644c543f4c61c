// SPDX-License-Identifier: Apache-2.0

/// Thrown where either side may have broken the rules.
public enum ProtocolError: Error, Sendable, Hashable {
  /// The caller asked for something that is illegal, in this state or in general. Nothing has changed.
  case local(LocalProtocolError)
  /// The peer sent something illegal.
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

/// The peer sent something illegal in the handshake.
public struct RemoteProtocolError: Error, Sendable, Hashable, CustomStringConvertible {
  /// The violation in words.
  public var message: String
  /// Details, with the section of the RFC; `nil` if the message says everything.
  public var detail: String?
  /// The event to answer with: `send` it, then close the transport. `nil` if there is nothing to answer: a
  /// client just closes the transport.
  public var eventHint: Event?

  /// An error.
  public init(_ message: String, detail: String? = nil, eventHint: Event? = nil) {
    self.message = message
    self.detail = detail
    self.eventHint = eventHint
  }

  /// An error for what an extension found wrong with the peer's part of the negotiation.
  public init(_ error: NegotiationError, eventHint: Event? = nil) {
    self.init(error.message, detail: error.detail, eventHint: eventHint)
  }

  /// The message and the detail.
  public var description: String { detail.map { "\(message): \($0)" } ?? message }
}
