// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import WSProto

/// The table of all transitions, and the page of the documentation that is generated from it.
@Suite struct ConnectionStateMachineTests {
  typealias State = ConnectionStateMachine.State

  typealias Input = ConnectionStateMachine.Input

  enum Outcome: Hashable {
    /// Moves to this state, or stays if it is the current one.
    case to(State)
    /// Throws and stays.
    case illegal
  }

  /// One row per input, one column per state, in the order of `State.allCases`.
  static let states: [State] = [
    .requestUnsent, .awaitingResponse, .readingRejection, .awaitingRequest, .awaitingDecision,
    .awaitingRejection,
    .sendingRejection, .open, .remoteClosing, .localClosing, .failed, .closed,
  ]

  static func row(_ input: Input) -> [Outcome] {
    let x = Outcome.illegal
    let closed = Outcome.to(.closed)
    let sending = Outcome.to(.sendingRejection)
    let refuse = Outcome.to(.awaitingRejection)
    func at(_ state: State) -> Outcome { .to(state) }
    return switch input {
    //   requestUnsent  awaitingResponse  readingRejection  awaitingRequest  awaitingDecision  awaitingRejection
    //   sendingRejection  open  remoteClosing  localClosing  failed  closed
    case .sendRequest: [at(.awaitingResponse), x, x, x, x, x] + [x, x, x, x, x, x]
    case .receiveRequest: [x, x, x, at(.awaitingDecision), x, x] + [x, x, x, x, x, x]
    case .sendAccept: [x, x, x, x, at(.open), x] + [x, x, x, x, x, x]
    case .sendReject: [x, x, x, closed, closed, closed] + [x, x, x, x, x, x]
    case .sendRejectHead: [x, x, x, sending, sending, sending] + [x, x, x, x, x, x]
    case .sendRejectData: [x, x, x, x, x, x] + [sending, x, x, x, x, x]
    case .sendRejectEnd: [x, x, x, x, x, x] + [closed, x, x, x, x, x]
    case .receiveAccept: [x, at(.open), x, x, x, x] + [x, x, x, x, x, x]
    case .receiveReject: [x, at(.readingRejection), x, x, x, x] + [x, x, x, x, x, x]
    case .receiveRejectEnd: [x, x, closed, x, x, x] + [x, x, x, x, x, x]
    case .failHandshake: [closed, closed, closed, refuse, refuse, refuse] + [x, x, x, x, x, x]
    case .sendMessage, .sendPing: [x, x, x, x, x, x] + [x, at(.open), x, x, x, x]
    case .sendPong: [x, x, x, x, x, x] + [x, at(.open), x, at(.localClosing), x, x]
    case .sendClose: [x, x, x, x, x, x] + [x, at(.localClosing), closed, x, closed, x]
    case .receiveClose: [x, x, x, x, x, x] + [x, at(.remoteClosing), x, closed, x, x]
    case .fail: [x, x, x, x, x, x] + [x, at(.failed), x, closed, x, x]
    case .endOfStream: Array(repeating: closed, count: 12)
    }
  }

  /// Applies the input and returns the outcome.
  static func apply(_ input: Input, to state: State) -> (Outcome, threw: LocalProtocolError?) {
    var machine = ConnectionStateMachine(state: state)
    do throws(LocalProtocolError) {
      try machine.apply(input)
    } catch {
      return (machine.state == state ? .illegal : .to(machine.state), error)
    }
    return (.to(machine.state), nil)
  }

  @Test(
    "received bytes are read, ignored or illegal, depending on the state (RFC 6455 §1.4, §5.5.1, §7.1.7)",
    arguments: zip(
      State.allCases,
      [
        ConnectionStateMachine.Reading.illegal, .reads, .reads, .reads, .reads, .ignores, .ignores, .reads,
        .ignores, .reads, .ignores, .ignores,
      ]
    )
  )
  func reading(state: State, expected: ConnectionStateMachine.Reading) {
    #expect(ConnectionStateMachine(state: state).reading == expected)
  }

  @Test(
    "every input in every state does what the table says (RFC 6455 §4, §7)",
    .requirement("6455-4.1-wait", "6455-6.1-open", "6455-5.5.1-closed"),
    arguments: Input.allCases
  )
  func table(input: Input) {
    #expect(Self.states == State.allCases)
    let row = Self.row(input)
    #expect(row.count == Self.states.count)
    for (state, expected) in zip(Self.states, row) {
      let (outcome, error) = Self.apply(input, to: state)
      #expect(outcome == expected, "\(input) in \(state)")
      var same = ConnectionStateMachine(state: state)
      #expect(same.applyIfLegal(input) == (error == nil))
      #expect(same.state == ConnectionStateMachine.next(state, input) ?? state)
      #expect((error != nil) == (expected == .illegal), "\(input) in \(state)")
      if let error {
        let publicState = ConnectionStateMachine(state: state).publicState
        #expect(error.violation == .state(publicState), "\(input) in \(state)")
      }
    }
  }

  @Test("every state is reachable from the start of one of the roles, and can reach the end")
  func reachability() {
    var reached: Set<State> = []
    var waiting: [State] = ConnectionType.allCases.map { ConnectionStateMachine($0).state }
    #expect(waiting == [.requestUnsent, .awaitingRequest])
    while let state = waiting.popLast() {
      guard reached.insert(state).inserted else { continue }
      for (_, next) in Self.moves(from: state) { waiting.append(next) }
    }
    #expect(reached == Set(State.allCases))
    #expect(Self.moves(from: .closed).isEmpty)
    for state in State.allCases where state != .closed { #expect(!Self.moves(from: state).isEmpty) }
  }

  @Test(
    "the caller sees wsproto's six states",
    arguments: zip(
      State.allCases,
      [
        ConnectionState.connecting, .connecting, .rejecting, .connecting, .connecting, .connecting,
        .rejecting,
        .open, .remoteClosing, .localClosing, .remoteClosing, .closed,
      ]
    )
  )
  func publicStates(state: State, expected: ConnectionState) {
    #expect(ConnectionStateMachine(state: state).publicState == expected)
  }

  // MARK: The page of the documentation

  static func moves(from state: State) -> [(Input, State)] {
    guard let column = states.firstIndex(of: state) else { return [] }
    return Input.allCases.compactMap { input in
      switch row(input)[column] {
      case .to(let next): next == state ? nil : (input, next)
      case .illegal: nil
      }
    }
  }

  static func words(_ input: Input) -> String {
    switch input {
    case .sendRequest: "send Request"
    case .receiveRequest: "receive Request"
    case .sendAccept: "send AcceptConnection"
    case .sendReject: "send RejectConnection"
    case .sendRejectHead: "send RejectConnection, hasBody"
    case .sendRejectData: "send RejectData"
    case .sendRejectEnd: "send RejectData, bodyFinished"
    case .receiveAccept: "receive AcceptConnection"
    case .receiveReject: "receive RejectConnection"
    case .receiveRejectEnd: "receive RejectData, bodyFinished"
    case .failHandshake: "illegal handshake"
    case .sendMessage: "send Message"
    case .sendPing: "send Ping"
    case .sendPong: "send Pong"
    case .sendClose: "send CloseConnection"
    case .receiveClose: "receive CloseConnection"
    case .fail: "violation by the peer"
    case .endOfStream: "end of stream"
    }
  }

  static func page() -> String {
    var lines = [
      "# States of a connection", "",
      "Every state of a connection, and what changes it.", "",
      "The names are those of the internal state machine; ``Connection/state`` and ``WSConnection/state`` show them",
      "as the ``ConnectionState`` in the second column. Whatever is not listed for a state is illegal in it and",
      "changes nothing. A test generates this page from its own table, which it compares with the one in the source.",
      "", "| state | shown as | what changes it |", "|---|---|---|",
    ]
    for state in states {
      var moves: [String] = []
      for (input, next) in Self.moves(from: state) {
        moves.append("\(words(input)) → `\(next)`")
      }
      let shown = ConnectionStateMachine(state: state).publicState
      lines.append(
        "| `\(state)` | ``ConnectionState/\(shown)`` | \(moves.isEmpty ? "nothing" : moves.joined(separator: "; ")) |"
      )
    }
    lines += ["", "## As a diagram", "", "```mermaid", "stateDiagram-v2"]
    for role in ConnectionType.allCases {
      lines.append("  [*] --> \(ConnectionStateMachine(role).state): \(role)")
    }
    for state in states {
      for (input, next) in Self.moves(from: state) { lines.append("  \(state) --> \(next): \(words(input))") }
    }
    lines += ["  closed --> [*]", "```", ""]
    return lines.joined(separator: "\n")
  }

  @Test("the state diagram in the documentation matches the table")
  func diagram() throws {
    let root = #filePath.components(upTo: "/Tests/WSProtoTests/")
    let committed = try readFile(root + "/Sources/WSProto/WSProto.docc/StateDiagram.md")
    let rendered = Self.page()
    #expect(committed == rendered, "the page should be:\n\(rendered)")
  }
}

extension String {
  fileprivate func components(upTo marker: String) -> String {
    guard let range = self.firstRange(of: marker) else { return self }
    return String(self[..<range.lowerBound])
  }
}
