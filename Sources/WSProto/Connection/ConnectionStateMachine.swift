// SPDX-License-Identifier: Apache-2.0

/// Every transition of a connection, from the opening request to the closed transport.
///
/// A value without buffers, I/O, clock or randomness. One method an input; what is not legal throws and changes
/// nothing. The diagram in the documentation is drawn from the same table that the tests walk.
package struct ConnectionStateMachine: Sendable, Hashable {
  /// The states, named by what they wait for.
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
    /// Over.
    case closed
  }

  /// What the end of the transport means to the caller.
  package enum EndOfStreamAction: Sendable, Hashable {
    /// The connection was not closed in order: a ``CloseConnection`` with 1006 (RFC 6455 §7.1.5).
    case reportAbnormalClosure
    /// Inside the handshake: the HTTP reader knows whether the end was legal.
    case endHandshake
    /// The closing handshake was done, or the failure reported: nothing to say.
    case none
  }

  package private(set) var state: State

  /// The start of a handshake.
  package init(_ role: ConnectionType) {
    switch role {
    case .client: state = .requestUnsent
    case .server: state = .awaitingRequest
    }
  }

  /// A given state; after a handshake that was done elsewhere: `.open`.
  package init(state: State) { self.state = state }

  /// What the caller sees.
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

  // MARK: Opening handshake, RFC 6455 §4

  /// The client sends its request.
  package mutating func sendRequest() throws(LocalProtocolError) {
    switch state {
    case .requestUnsent: state = .awaitingResponse
    case .awaitingResponse, .readingRejection, .awaitingRequest, .awaitingDecision, .awaitingRejection,
      .sendingRejection, .open,
      .remoteClosing, .localClosing, .failed, .closed:
      throw illegal("a request")
    }
  }

  /// The server has read a request that can be accepted.
  package mutating func receiveRequest() throws(LocalProtocolError) {
    switch state {
    case .awaitingRequest: state = .awaitingDecision
    case .requestUnsent, .awaitingResponse, .readingRejection, .awaitingDecision, .awaitingRejection,
      .sendingRejection, .open,
      .remoteClosing, .localClosing, .failed, .closed:
      throw LocalProtocolError("a request cannot be received in state \(publicState)", .state(publicState))
    }
  }

  /// The server accepts.
  package mutating func sendAccept() throws(LocalProtocolError) {
    switch state {
    case .awaitingDecision: state = .open
    case .awaitingRejection, .requestUnsent, .awaitingResponse, .readingRejection, .awaitingRequest,
      .sendingRejection, .open,
      .remoteClosing, .localClosing, .failed, .closed:
      throw illegal("an acceptance")
    }
  }

  /// The server rejects, also a request that could not be read.
  package mutating func sendReject(hasBody: Bool) throws(LocalProtocolError) {
    switch state {
    case .awaitingRequest, .awaitingDecision, .awaitingRejection:
      state = hasBody ? .sendingRejection : .closed
    case .requestUnsent, .awaitingResponse, .readingRejection, .sendingRejection, .open, .remoteClosing,
      .localClosing, .failed, .closed:
      throw illegal("a rejection")
    }
  }

  /// The server sends a part of the body of its rejection.
  package mutating func sendRejectData(finished: Bool) throws(LocalProtocolError) {
    switch state {
    case .sendingRejection: state = finished ? .closed : .sendingRejection
    case .requestUnsent, .awaitingResponse, .readingRejection, .awaitingRequest, .awaitingDecision,
      .awaitingRejection, .open,
      .remoteClosing, .localClosing, .failed, .closed:
      throw illegal("rejection data")
    }
  }

  /// The client has read a 101 that fits its request.
  package mutating func receiveAccept() throws(LocalProtocolError) {
    switch state {
    case .awaitingResponse: state = .open
    case .requestUnsent, .readingRejection, .awaitingRequest, .awaitingDecision, .awaitingRejection,
      .sendingRejection, .open,
      .remoteClosing, .localClosing, .failed, .closed:
      throw LocalProtocolError("a response cannot be received in state \(publicState)", .state(publicState))
    }
  }

  /// The client has read the head of another response.
  package mutating func receiveReject() throws(LocalProtocolError) {
    switch state {
    case .awaitingResponse: state = .readingRejection
    case .requestUnsent, .readingRejection, .awaitingRequest, .awaitingDecision, .awaitingRejection,
      .sendingRejection, .open,
      .remoteClosing, .localClosing, .failed, .closed:
      throw LocalProtocolError("a response cannot be received in state \(publicState)", .state(publicState))
    }
  }

  /// The client has read the body of the rejection to its end.
  package mutating func receiveRejectEnd() {
    switch state {
    case .readingRejection: state = .closed
    case .requestUnsent, .awaitingResponse, .awaitingRequest, .awaitingDecision, .awaitingRejection,
      .sendingRejection, .open,
      .remoteClosing, .localClosing, .failed, .closed:
      break
    }
  }

  /// The peer's part of the handshake was not legal. The server may still reject; the client is done.
  package mutating func failHandshake() {
    switch state {
    case .requestUnsent, .awaitingResponse, .readingRejection: state = .closed
    case .awaitingRequest, .awaitingDecision, .awaitingRejection: state = .awaitingRejection
    case .sendingRejection, .open, .remoteClosing, .localClosing, .failed, .closed: break
    }
  }

  // MARK: Data transfer, RFC 6455 §5–§6

  /// Whether messages and pings can be sent: until our Close is sent or the peer's has arrived.
  @inline(__always)
  package func sendMessage() throws(LocalProtocolError) {
    if state != .open { throw illegal("a message") }
  }

  /// Pings, like messages.
  package func sendPing() throws(LocalProtocolError) {
    if state != .open { throw illegal("a ping") }
  }

  /// Pongs, also after our Close: a ping that arrives then may still be answered (§5.5.2).
  package func sendPong() throws(LocalProtocolError) {
    switch state {
    case .open, .localClosing: break
    case .requestUnsent, .awaitingResponse, .readingRejection, .awaitingRequest, .awaitingDecision,
      .awaitingRejection, .sendingRejection, .remoteClosing, .failed, .closed:
      throw illegal("a pong")
    }
  }

  // MARK: Closing handshake, RFC 6455 §7

  /// Our Close goes out.
  package mutating func sendClose() throws(LocalProtocolError) {
    switch state {
    case .open: state = .localClosing
    case .remoteClosing, .failed: state = .closed
    case .requestUnsent, .awaitingResponse, .readingRejection, .awaitingRequest, .awaitingDecision,
      .awaitingRejection, .sendingRejection, .localClosing, .closed:
      throw illegal("a close")
    }
  }

  /// The peer's Close has arrived: what follows it is ignored (§5.5.1).
  package mutating func receiveClose() {
    switch state {
    case .open: state = .remoteClosing
    case .localClosing: state = .closed
    case .requestUnsent, .awaitingResponse, .readingRejection, .awaitingRequest, .awaitingDecision,
      .awaitingRejection, .sendingRejection, .remoteClosing, .failed, .closed:
      break
    }
  }

  /// The peer's bytes violate the protocol (§7.1.7).
  package mutating func fail() {
    switch state {
    case .open: state = .failed
    case .localClosing: state = .closed
    case .requestUnsent, .awaitingResponse, .readingRejection, .awaitingRequest, .awaitingDecision,
      .awaitingRejection, .sendingRejection, .remoteClosing, .failed, .closed:
      break
    }
  }

  /// Whether bytes can be taken in: `true` to read them, `false` to ignore them.
  package func receiveData() throws(LocalProtocolError) -> Bool {
    switch state {
    case .awaitingResponse, .readingRejection, .awaitingRequest, .awaitingDecision, .open, .localClosing: true
    case .awaitingRejection, .sendingRejection, .remoteClosing, .failed: false
    case .requestUnsent:
      throw LocalProtocolError("data was received before the request was sent", .state(publicState))
    case .closed:
      throw LocalProtocolError("the connection is already closed", .state(publicState))
    }
  }

  /// The transport has ended.
  package mutating func receiveEndOfStream() -> EndOfStreamAction {
    switch state {
    case .open, .localClosing:
      state = .closed
      return .reportAbnormalClosure
    case .requestUnsent, .awaitingResponse, .readingRejection, .awaitingRequest, .awaitingDecision,
      .awaitingRejection, .sendingRejection:
      return .endHandshake
    case .remoteClosing, .failed, .closed:
      state = .closed
      return .none
    }
  }

  /// The handshake ended with the transport.
  package mutating func closeHandshake() {
    switch state {
    case .requestUnsent, .awaitingResponse, .readingRejection, .awaitingRequest, .awaitingDecision,
      .awaitingRejection, .sendingRejection:
      state = .closed
    case .open, .remoteClosing, .localClosing, .failed, .closed: break
    }
  }

  private func illegal(_ what: String) -> LocalProtocolError {
    LocalProtocolError("\(what) cannot be sent in state \(publicState)", .state(publicState))
  }
}
