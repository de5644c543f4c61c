// SPDX-License-Identifier: Apache-2.0

/// Every transition of a connection, from the opening request to the closed transport: ``next(_:_:)`` is the table.
///
/// A value without buffers, I/O, clock or randomness. Whatever is not in the table is illegal and changes
/// nothing. The tests check all states and inputs against their own table, and the page in the documentation
/// is generated from it.
package struct ConnectionStateMachine: Sendable, Hashable {
  /// The states, named after what they wait for.
  package enum State: Sendable, Hashable, CaseIterable {
    /// Client: the request has not been sent.
    case requestUnsent
    /// Client: the response to the request is awaited.
    case awaitingResponse
    /// Client: the body of a refusal is being read.
    case readingRejection
    /// Server: the request is awaited.
    case awaitingRequest
    /// Server: the caller is to accept or reject.
    case awaitingDecision
    /// Server: the request was not legal; the caller can only reject.
    case awaitingRejection
    /// Server: the body of a refusal is being sent.
    case sendingRejection
    /// Messages flow.
    case open
    /// The peer's Close was delivered; ours is due.
    case remoteClosing
    /// Our Close was sent; the peer's is awaited.
    case localClosing
    /// The peer violated the protocol: no more input; our Close is due (RFC 6455 §7.1.7).
    case failed
    /// The connection has ended.
    case closed
  }

  /// Everything that can happen: what is sent, what is received, what goes wrong.
  package enum Input: Sendable, Hashable, CaseIterable {
    // The opening handshake, RFC 6455 §4.
    case sendRequest, receiveAccept, receiveReject, receiveRejectEnd
    case receiveRequest, sendAccept, sendReject, sendRejectHead, sendRejectData, sendRejectEnd
    /// The peer's part of the handshake is not legal.
    case failHandshake

    // Messages and control frames, §5, §6.
    case sendMessage, sendPing, sendPong

    // The closing handshake, §7.
    case sendClose, receiveClose
    /// The peer's bytes violate the protocol.
    case fail
    /// The transport has ended.
    case endOfStream
  }

  /// The legal transitions. All others are illegal.
  package static func next(_ state: State, _ input: Input) -> State? {
    switch (state, input) {
    // Opening, client (RFC 6455 §4.1)
    case (.requestUnsent, .sendRequest): .awaitingResponse
    case (.awaitingResponse, .receiveAccept): .open
    case (.awaitingResponse, .receiveReject): .readingRejection
    case (.readingRejection, .receiveRejectEnd): .closed
    case (.requestUnsent, .failHandshake), (.awaitingResponse, .failHandshake): .closed
    case (.readingRejection, .failHandshake): .closed

    // Opening, server (§4.2): a request that is not legal can still be rejected.
    case (.awaitingRequest, .receiveRequest): .awaitingDecision
    case (.awaitingDecision, .sendAccept): .open
    case (.awaitingRequest, .sendReject), (.awaitingDecision, .sendReject): .closed
    case (.awaitingRejection, .sendReject): .closed
    case (.awaitingRequest, .sendRejectHead), (.awaitingDecision, .sendRejectHead): .sendingRejection
    case (.awaitingRejection, .sendRejectHead): .sendingRejection
    case (.sendingRejection, .sendRejectData): .sendingRejection
    case (.sendingRejection, .sendRejectEnd): .closed
    case (.awaitingRequest, .failHandshake), (.awaitingDecision, .failHandshake): .awaitingRejection
    case (.awaitingRejection, .failHandshake): .awaitingRejection

    // Open (§5, §6). A ping that arrives after our Close may still be answered (§5.5.2).
    case (.open, .sendMessage), (.open, .sendPing), (.open, .sendPong): .open
    case (.localClosing, .sendPong): .localClosing

    // Closing (§7)
    case (.open, .sendClose): .localClosing
    case (.open, .receiveClose): .remoteClosing
    case (.open, .fail): .failed
    case (.localClosing, .receiveClose), (.localClosing, .fail): .closed
    case (.remoteClosing, .sendClose), (.failed, .sendClose): .closed

    // The transport ends (§7.1.4, §7.1.5)
    case (_, .endOfStream): .closed

    default: nil
    }
  }

  package private(set) var state: State

  /// The start of a handshake.
  package init(_ role: ConnectionType) {
    switch role {
    case .client: state = .requestUnsent
    case .server: state = .awaitingRequest
    }
  }

  /// A given state; `.open` if the handshake was done elsewhere.
  package init(state: State) { self.state = state }

  /// Takes an input. If it is illegal, throws and changes nothing.
  @inline(__always)
  package mutating func apply(_ input: Input) throws(LocalProtocolError) {
    guard let next = Self.next(state, input) else { throw illegal(input) }
    state = next
  }

  /// Takes an input if it is legal. Returns whether it was.
  @discardableResult
  package mutating func applyIfLegal(_ input: Input) -> Bool {
    guard let next = Self.next(state, input) else { return false }
    state = next
    return true
  }

  /// Throws what ``apply(_:)`` would throw for this input.
  @inline(__always)
  package func check(_ input: Input) throws(LocalProtocolError) {
    if Self.next(state, input) == nil { throw illegal(input) }
  }

  /// What happens to received bytes.
  package enum Reading: Sendable, Hashable {
    /// They are read.
    case reads
    /// They are ignored: after a Close, after a failure, while a refusal is being sent (§1.4, §5.5.1, §7.1.7).
    case ignores
    /// They must not arrive: a client has not sent anything yet.
    case illegal
  }

  /// What happens to received bytes in this state.
  package var reading: Reading {
    switch state {
    case .awaitingResponse, .readingRejection, .awaitingRequest, .awaitingDecision, .open, .localClosing:
      .reads
    case .awaitingRejection, .sendingRejection, .remoteClosing, .failed, .closed: .ignores
    case .requestUnsent: .illegal
    }
  }

  /// The state that the caller sees.
  package var publicState: ConnectionState {
    switch state {
    case .requestUnsent, .awaitingResponse, .awaitingRequest, .awaitingDecision, .awaitingRejection:
      .connecting
    case .readingRejection, .sendingRejection: .rejecting
    case .open: .open
    case .remoteClosing, .failed: .remoteClosing
    case .localClosing: .localClosing
    case .closed: .closed
    }
  }

  @inline(never)
  private func illegal(_ input: Input) -> LocalProtocolError {
    LocalProtocolError("\(input.words) in state \(publicState)", .state(publicState))
  }
}

extension ConnectionStateMachine.Input {
  /// For error messages.
  fileprivate var words: String {
    switch self {
    case .sendRequest: "a request cannot be sent"
    case .receiveRequest: "a request cannot be received"
    case .sendAccept: "an acceptance cannot be sent"
    case .sendReject, .sendRejectHead: "a rejection cannot be sent"
    case .sendRejectData, .sendRejectEnd: "rejection data cannot be sent"
    case .receiveAccept, .receiveReject, .receiveRejectEnd: "a response cannot be received"
    case .failHandshake: "the handshake cannot fail"
    case .sendMessage: "a message cannot be sent"
    case .sendPing: "a ping cannot be sent"
    case .sendPong: "a pong cannot be sent"
    case .sendClose: "a close cannot be sent"
    case .receiveClose, .fail, .endOfStream: "a close cannot be received"
    }
  }
}
