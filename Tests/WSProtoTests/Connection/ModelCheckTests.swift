// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import WSProto

/// Both ends of a connection at once: the state machine against itself, over channels that delay, lose and garble.
@Suite struct ModelCheckTests {
  typealias State = ConnectionStateMachine.State
  typealias Input = ConnectionStateMachine.Input

  static func lines(_ steps: [ModelStep]) -> String { steps.map { "  \($0)" }.joined(separator: "\n") }

  @Test(
    "in every interleaving: a way to closed, one Close each way and nothing behind it, one end told to each (RFC 6455 §5.5.1, §7)",
    arguments: [true, false],
    [true, false]
  )
  func everyInterleaving(clientReplies: Bool, serverReplies: Bool) throws {
    let rules = ModelRules(repliesAutomatically: (clientReplies, serverReplies))
    let clock = ContinuousClock()
    let start = clock.now
    let check = ModelCheck(rules)
    print(
      "model check: client \(clientReplies ? "replies" : "is free to reply"),",
      "server \(serverReplies ? "replies" : "is free to reply"):",
      "\(check.worlds.count) states, \(check.transitions) transitions, \(clock.now - start)"
    )
    if let (fault, trace) = check.finding {
      Issue.record("\(fault.property):\n\(Self.lines(trace))")
    }

    // Every state of either end is among them, and every answer that a caller can be told.
    var states: Set<State> = []
    var told: [ConnectionType: Set<ModelWorld.Told>] = [:]
    for packed in check.worlds {
      let world = ModelWorld(packed: packed)
      #expect(world.packed == packed)
      for role in ConnectionType.allCases {
        states.insert(world[role].state)
        told[role, default: []].insert(world[role].told)
      }
    }
    #expect(states == Set(State.allCases))
    #expect(told[.client] == [.nothing, .clean, .violation, .abnormal, .refused, .handshakeFailed])
    #expect(told[.server] == [.nothing, .clean, .violation, .abnormal, .handshakeFailed])
  }

  @Test(
    "what the model says is what real connections do, by both doors",
    arguments: [true, false],
    [true, false]
  )
  func replay(replies: Bool, borrowed: Bool) throws {
    let rules = ModelRules(repliesAutomatically: (replies, replies))
    let check = ModelCheck(rules)
    var random = TestRandom(seed: borrowed ? 1 : 2)
    var steps = 0
    for _ in 0..<500 {
      let trace = check.trace(to: random.below(check.worlds.count))
      var world = ModelWorld()
      let replay = ModelReplay(rules, borrowed: borrowed)
      for (index, step) in trace.enumerated() {
        try world.apply(step, rules)
        try replay.apply(step)
        steps += 1
        guard let difference = replay.difference(from: world) else { continue }
        Issue.record("\(difference):\n\(Self.lines(Array(trace[...index])))")
        return
      }
    }
    print("model check: 500 ways, \(steps) steps on real connections")
  }

  /// A change to the table, and the property that it breaks.
  struct Plant: Sendable, CustomTestStringConvertible {
    var state: State
    var input: Input
    var next: State?
    var breaks: String

    var testDescription: String { "\(input) in \(state) leads to \(next.map { "\($0)" } ?? "nothing")" }

    func table(_ state: State, _ input: Input) -> State? {
      state == self.state && input == self.input ? next : ConnectionStateMachine.next(state, input)
    }

    static let noData = "after our Close no data and no ping"
    static let pongs = "after our Close a pong only until the peer's Close"
    static let oneClose = "at most one Close each way"
    static let oneEvent = "an event for every end, and only one"
    static let wayToClosed = "from every state there is a way to closed"

    static let legal = "what a legal peer sends is legal"

    static let all = [
      Plant(state: .localClosing, input: .sendMessage, next: .localClosing, breaks: noData),
      Plant(state: .localClosing, input: .sendPing, next: .localClosing, breaks: noData),
      Plant(state: .localClosing, input: .sendClose, next: .localClosing, breaks: oneClose),
      Plant(state: .remoteClosing, input: .sendClose, next: .remoteClosing, breaks: oneClose),
      Plant(state: .localClosing, input: .fail, next: .failed, breaks: oneClose),
      Plant(state: .open, input: .receiveClose, next: .open, breaks: oneEvent),
      Plant(state: .localClosing, input: .receiveClose, next: .localClosing, breaks: pongs),
      Plant(state: .localClosing, input: .fail, next: .localClosing, breaks: oneEvent),
      Plant(state: .failed, input: .sendClose, next: nil, breaks: wayToClosed),
      Plant(state: .localClosing, input: .endOfStream, next: nil, breaks: oneEvent),
      Plant(state: .readingRejection, input: .receiveRejectEnd, next: nil, breaks: oneEvent),
      Plant(state: .awaitingDecision, input: .sendAccept, next: .awaitingDecision, breaks: legal),
      Plant(state: .closed, input: .sendPong, next: .closed, breaks: legal),
      Plant(state: .remoteClosing, input: .endOfStream, next: nil, breaks: wayToClosed),
    ]
  }

  @Test("a planted fault is found, with a shortest way to it", arguments: Plant.all, [false, true])
  func planted(plant: Plant, replies: Bool) throws {
    let rules = ModelRules(table: plant.table, repliesAutomatically: (replies, replies))
    try find(plant.breaks, rules, plant.testDescription)
  }

  @Test(
    "a pong that still waits behind both Closes is found (RFC 6455 §5.5.2)",
    arguments: [(true, false), (false, true)]
  )
  func plantedPong(client: Bool, server: Bool) throws {
    let rules = ModelRules(repliesAutomatically: (client, server), dropsPongs: false)
    try find(Plant.pongs, rules, "a pong outlives the connection")
  }

  private func find(_ breaks: String, _ rules: ModelRules, _ name: String) throws {
    let (fault, trace) = try #require(ModelCheck(rules).finding, "nothing was found")
    print("planted: \(name). \(fault.property):\n\(Self.lines(trace))")
    #expect(fault.property == breaks)
    // The way is one: it can be walked, and its last step shows the fault.
    var world = ModelWorld()
    for step in trace.dropLast() {
      #expect(world.steps(rules).contains(step))
      try world.apply(step, rules)
    }
    guard fault.property != Plant.wayToClosed else { return }
    let last = try #require(trace.last)
    #expect(throws: fault) { try world.apply(last, rules) }
  }
}
