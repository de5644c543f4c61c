// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import WSProto

/// The table of all transitions, and the page of the documentation that is drawn from it.
@Suite struct ConnectionStateMachineTests {
  typealias State = ConnectionStateMachine.State

  enum Input: CaseIterable {
    case sendRequest, receiveRequest, sendAccept, sendReject, sendRejectWithBody, sendRejectData
    case sendLastRejectData, receiveAccept, receiveReject, receiveRejectEnd, failHandshake
    case sendMessage, sendPing, sendPong, sendClose, receiveClose, fail, receiveData, receiveEndOfStream
    case closeHandshake
  }

  enum Outcome: Hashable {
    /// Moves, or stays where the same state is named.
    case to(State)
    /// Throws and stays.
    case illegal
    /// Nothing happens.
    case ignored
    /// Bytes are read.
    case read
    /// The end of the transport: what it means, and where it leads.
    case end(ConnectionStateMachine.EndOfStreamAction, State)
  }

  /// One row an input, one column a state, in the order of `State.allCases`.
  static let states: [State] = [
    .requestUnsent, .awaitingResponse, .readingRejection, .awaitingRequest, .awaitingDecision,
    .awaitingRejection,
    .sendingRejection, .open, .remoteClosing, .localClosing, .failed, .closed,
  ]

  static func row(_ input: Input) -> [Outcome] {
    let x = Outcome.illegal
    let o = Outcome.ignored
    let r = Outcome.read
    let closed = Outcome.to(.closed)
    let sending = Outcome.to(.sendingRejection)
    let refuse = Outcome.to(.awaitingRejection)
    let abnormal = Outcome.end(.reportAbnormalClosure, .closed)
    let over = Outcome.end(.none, .closed)
    func inside(_ state: State) -> Outcome { .end(.endHandshake, state) }
    func at(_ state: State) -> Outcome { .to(state) }
    return switch input {
    //   requestUnsent  awaitingResponse  readingRejection  awaitingRequest  awaitingDecision  awaitingRejection
    //   sendingRejection  open  remoteClosing  localClosing  failed  closed
    case .sendRequest: [at(.awaitingResponse), x, x, x, x, x] + [x, x, x, x, x, x]
    case .receiveRequest: [x, x, x, at(.awaitingDecision), x, x] + [x, x, x, x, x, x]
    case .sendAccept: [x, x, x, x, at(.open), x] + [x, x, x, x, x, x]
    case .sendReject: [x, x, x, closed, closed, closed] + [x, x, x, x, x, x]
    case .sendRejectWithBody: [x, x, x, sending, sending, sending] + [x, x, x, x, x, x]
    case .sendRejectData: [x, x, x, x, x, x] + [sending, x, x, x, x, x]
    case .sendLastRejectData: [x, x, x, x, x, x] + [closed, x, x, x, x, x]
    case .receiveAccept: [x, at(.open), x, x, x, x] + [x, x, x, x, x, x]
    case .receiveReject: [x, at(.readingRejection), x, x, x, x] + [x, x, x, x, x, x]
    case .receiveRejectEnd: [o, o, closed, o, o, o] + [o, o, o, o, o, o]
    case .failHandshake: [closed, closed, closed, refuse, refuse, refuse] + [o, o, o, o, o, o]
    case .sendMessage, .sendPing: [x, x, x, x, x, x] + [x, at(.open), x, x, x, x]
    case .sendPong: [x, x, x, x, x, x] + [x, at(.open), x, at(.localClosing), x, x]
    case .sendClose: [x, x, x, x, x, x] + [x, at(.localClosing), closed, x, closed, x]
    case .receiveClose: [o, o, o, o, o, o] + [o, at(.remoteClosing), o, closed, o, o]
    case .fail: [o, o, o, o, o, o] + [o, at(.failed), o, closed, o, o]
    case .receiveData: [x, r, r, r, r, o] + [o, r, o, r, o, x]
    case .receiveEndOfStream:
      [
        inside(.requestUnsent), inside(.awaitingResponse), inside(.readingRejection),
        inside(.awaitingRequest),
        inside(.awaitingDecision), inside(.awaitingRejection), inside(.sendingRejection), abnormal, over,
        abnormal,
        over, over,
      ]
    case .closeHandshake: [closed, closed, closed, closed, closed, closed] + [closed, o, o, o, o, o]
    }
  }

  /// Does it, and says what came of it.
  static func apply(_ input: Input, to state: State) -> (Outcome, threw: LocalProtocolError?) {
    var machine = ConnectionStateMachine(state: state)
    do throws(LocalProtocolError) {
      switch input {
      case .sendRequest: try machine.sendRequest()
      case .receiveRequest: try machine.receiveRequest()
      case .sendAccept: try machine.sendAccept()
      case .sendReject: try machine.sendReject(hasBody: false)
      case .sendRejectWithBody: try machine.sendReject(hasBody: true)
      case .sendRejectData: try machine.sendRejectData(finished: false)
      case .sendLastRejectData: try machine.sendRejectData(finished: true)
      case .receiveAccept: try machine.receiveAccept()
      case .receiveReject: try machine.receiveReject()
      case .receiveRejectEnd: machine.receiveRejectEnd()
      case .failHandshake: machine.failHandshake()
      case .sendMessage: try machine.sendMessage()
      case .sendPing: try machine.sendPing()
      case .sendPong: try machine.sendPong()
      case .sendClose: try machine.sendClose()
      case .receiveClose: machine.receiveClose()
      case .fail: machine.fail()
      case .receiveData: return (try machine.receiveData() ? .read : .ignored, nil)
      case .receiveEndOfStream: return (.end(machine.receiveEndOfStream(), machine.state), nil)
      case .closeHandshake: machine.closeHandshake()
      }
    } catch {
      return (machine.state == state ? .illegal : .to(machine.state), error)
    }
    return (.to(machine.state), nil)
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
      // An input without an effect and without an error leaves the state; the table says which kind it is.
      let seen = outcome == .to(state) && expected == .ignored ? .ignored : outcome
      #expect(seen == expected, "\(input) in \(state)")
      #expect((error != nil) == (expected == .illegal), "\(input) in \(state)")
      if let error {
        let publicState = ConnectionStateMachine(state: state).publicState
        #expect(error.violation == .state(publicState), "\(input) in \(state)")
      }
    }
  }

  @Test("every state is reachable from the start of one of the roles, and leads to the end")
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
      case .to(let next), .end(_, let next): next == state ? nil : (input, next)
      case .illegal, .ignored, .read: nil
      }
    }
  }

  static func words(_ input: Input) -> String {
    switch input {
    case .sendRequest: "send Request"
    case .receiveRequest: "receive Request"
    case .sendAccept: "send AcceptConnection"
    case .sendReject: "send RejectConnection"
    case .sendRejectWithBody: "send RejectConnection, hasBody"
    case .sendRejectData: "send RejectData"
    case .sendLastRejectData: "send RejectData, bodyFinished"
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
    case .receiveData: "receive data"
    case .receiveEndOfStream, .closeHandshake: "end of stream"
    }
  }

  static func page() -> String {
    var lines = [
      "# States of a connection", "",
      "Every state that a connection can be in, and what moves it.", "",
      "The names are those of the machine inside; ``ConnectionState`` is what ``Connection/state`` and",
      "``WSConnection/state`` show of it. What is not listed for a state either throws ``LocalProtocolError`` or leaves",
      "the state as it is. This page is rendered from the table that the tests walk, and compared with it by a test.",
      "", "| state | shown as | what moves it |", "|---|---|---|",
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

  @Test("the state diagram in the documentation is the table's")
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
