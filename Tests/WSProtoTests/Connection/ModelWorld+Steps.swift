// SPDX-License-Identifier: Apache-2.0

import WSProtoTestSupport

@testable import WSProto

/// A property that does not hold.
struct ModelFault: Error, Hashable {
  var property: String
}

/// How the two ends behave: by which table, and whether their replies are automatic.
struct ModelRules {
  var table: ModelWorld.Table = ConnectionStateMachine.next
  var repliesAutomatically: (client: Bool, server: Bool)
  /// Whether a waiting pong is dropped when the connection is closed; `false` is a planted fault.
  var dropsPongs = true

  func replies(_ role: ConnectionType) -> Bool {
    role == .client ? repliesAutomatically.client : repliesAutomatically.server
  }
}

extension ModelWorld {
  private static let sendable: [(Input, Item)] = [
    (.sendRequest, .request), (.sendAccept, .accept), (.sendReject, .reject), (.sendRejectHead, .rejectHead),
    (.sendRejectData, .rejectData), (.sendRejectEnd, .rejectEnd), (.sendMessage, .message),
    (.sendPing, .ping),
    (.sendPong, .pong), (.sendClose, .close),
  ]

  /// All that can happen now.
  func steps(_ rules: ModelRules) -> [ModelStep] {
    var steps: [ModelStep] = []
    for role in ConnectionType.allCases {
      let end = self[role]
      let out = self[to: role.peer]
      let incoming = self[to: role]
      if !end.isGone {
        let waiting = replies(of: role, rules)
        if !waiting.isEmpty, out.hasRoom(for: waiting.count) { steps.append(.flush(role)) }
        if out.hasRoom(for: end.pongWaits ? 2 : 1) {
          for (input, _) in Self.sendable where rules.table(end.state, input) != nil {
            steps.append(.send(role, input))
          }
        }
        if end.state == .closed, !out.isEnded { steps.append(.finish(role)) }
        if end.state != .open { steps.append(.timeOut(role)) }
        if incoming.count > 0 {
          // What comes before its request a client does not read, nor a server before it has decided.
          if end.state != .requestUnsent, end.state != .awaitingDecision { steps.append(.deliver(role)) }
        } else if incoming.isEnded, !end.sawEnd {
          steps.append(.deliverEnd(role))
        }
      }
      if !incoming.isEnded, !incoming.isDeaf {
        if !incoming.isFull { steps.append(.violate(role)) }
        steps.append(.cut(role))
      }
    }
    return steps
  }

  /// Does it. Throws the first property that does not hold.
  mutating func apply(_ step: ModelStep, _ rules: ModelRules) throws(ModelFault) {
    let before = (client.state, server.state)
    switch step {
    case .send(let role, let input): try send(role, input, rules)
    case .deliver(let role): try deliver(role, rules)
    case .deliverEnd(let role):
      self[role].sawEnd = true
      try endOfStream(role, rules)
    case .flush(let role):
      for item in replies(of: role, rules) {
        switch item {
        case .pong: try putPong(role)
        case .close: try send(role, .sendClose, rules)
        default: try send(role, .sendReject, rules)
        }
      }
    case .finish(let role): self[to: role.peer].isEnded = true
    case .violate(let role): self[to: role].put(.garbage)
    case .cut(let role):
      self[to: role].removeAll()
      self[to: role].isEnded = true
    case .timeOut(let role):
      self[role].isGone = true
      self[to: role].removeAll()
      self[to: role].isDeaf = true
      self[to: role.peer].isEnded = true
      try endOfStream(role, rules)
    }
    try checkEnd(.client, before: before.0)
    try checkEnd(.server, before: before.1)
  }

  // MARK: Sending

  /// The automatic replies of an end that wait to be sent, in order.
  func replies(of role: ConnectionType, _ rules: ModelRules) -> [Item] {
    let end = self[role]
    let pong: [Item] = end.pongWaits ? [.pong] : []
    guard rules.replies(role) else { return pong }
    switch end.state {
    case .remoteClosing, .failed: return rules.table(end.state, .sendClose) == nil ? pong : pong + [.close]
    case .awaitingRejection: return [.reject]
    default: return pong
    }
  }

  private mutating func putPong(_ role: ConnectionType) throws(ModelFault) {
    if self[role].closesMade > 0, self[role].closeArrived {
      throw ModelFault(property: "after our Close a pong only until the peer's Close")
    }
    self[role].pongWaits = false
    self[to: role.peer].put(.pong)
  }

  private mutating func send(_ role: ConnectionType, _ input: Input, _ rules: ModelRules) throws(ModelFault) {
    if self[role].pongWaits { try putPong(role) }
    try make(role, input, rules)
    guard let item = Self.sendable.first(where: { $0.0 == input })?.1 else { return }
    self[to: role.peer].put(item)
  }

  /// Moves the state as the making of a frame or a head does.
  private mutating func make(_ role: ConnectionType, _ input: Input, _ rules: ModelRules) throws(ModelFault) {
    guard let next = rules.table(self[role].state, input) else { return }
    let end = self[role]
    switch input {
    case .sendMessage, .sendPing:
      if end.closesMade > 0 { throw ModelFault(property: "after our Close no data and no ping") }
    case .sendPong:
      if end.closesMade > 0, end.closeArrived {
        throw ModelFault(property: "after our Close a pong only until the peer's Close")
      }
    case .sendClose:
      if end.closesMade > 0 { throw ModelFault(property: "at most one Close each way") }
      self[role].closesMade += 1
    default: break
    }
    enter(role, next, rules)
  }

  private mutating func enter(_ role: ConnectionType, _ state: State, _ rules: ModelRules) {
    self[role].state = state
    if state == .closed, rules.dropsPongs { self[role].pongWaits = false }
  }

  // MARK: Receiving

  private mutating func deliver(_ role: ConnectionType, _ rules: ModelRules) throws(ModelFault) {
    guard let item = self[to: role].first else { return }
    self[to: role].removeFirst()
    guard ConnectionStateMachine(state: self[role].state).reading == .reads else { return }
    switch self[role].state {
    case .open, .localClosing: try deliverFrame(item, to: role, rules)
    default: try deliverHead(item, to: role, rules)
    }
  }

  private mutating func deliverFrame(_ item: Item, to role: ConnectionType, _ rules: ModelRules)
    throws(ModelFault)
  {
    switch item {
    case .message, .pong: break
    case .ping:
      if rules.replies(role), rules.table(self[role].state, .sendPong) != nil { self[role].pongWaits = true }
    case .close:
      self[role].closeArrived = true
      move(role, .receiveClose, rules)
      try tell(role, .clean)
    case .garbage:
      move(role, .fail, rules)
      try tell(role, .violation)
    case .request, .accept, .reject, .rejectHead, .rejectData, .rejectEnd:
      throw ModelFault(property: "what a legal peer sends is legal")
    }
  }

  private mutating func deliverHead(_ item: Item, to role: ConnectionType, _ rules: ModelRules)
    throws(ModelFault)
  {
    switch (self[role].state, item) {
    case (_, .garbage):
      move(role, .failHandshake, rules)
      try tell(role, .handshakeFailed)
    case (.awaitingRequest, .request): move(role, .receiveRequest, rules)
    case (.awaitingResponse, .accept): move(role, .receiveAccept, rules)
    case (.awaitingResponse, .rejectHead): move(role, .receiveReject, rules)
    case (.awaitingResponse, .reject):
      move(role, .receiveReject, rules)
      move(role, .receiveRejectEnd, rules)
      try tell(role, .refused)
    case (.readingRejection, .rejectData): break
    case (.readingRejection, .rejectEnd):
      move(role, .receiveRejectEnd, rules)
      try tell(role, .refused)
    default: throw ModelFault(property: "what a legal peer sends is legal")
    }
  }

  private mutating func endOfStream(_ role: ConnectionType, _ rules: ModelRules) throws(ModelFault) {
    let before = self[role].state
    move(role, .endOfStream, rules)
    switch before {
    case .open, .localClosing: try tell(role, .abnormal)
    case .awaitingResponse: try tell(role, .handshakeFailed)
    case .readingRejection: try tell(role, .refused)
    default: break
    }
  }

  private mutating func move(_ role: ConnectionType, _ input: Input, _ rules: ModelRules) {
    if let next = rules.table(self[role].state, input) { enter(role, next, rules) }
  }

  private mutating func tell(_ role: ConnectionType, _ told: Told) throws(ModelFault) {
    if self[role].told != .nothing { throw ModelFault(property: "an event for every end, and only one") }
    self[role].told = told
  }

  // MARK: What holds at every end

  /// An end that was open and is closed now was told why, and rightly so.
  private func checkEnd(_ role: ConnectionType, before: State) throws(ModelFault) {
    let end = self[role]
    guard end.state == .closed, [.open, .remoteClosing, .localClosing, .failed].contains(before) else {
      return
    }
    if end.told == .nothing { throw ModelFault(property: "an event for every end, and only one") }
    if (end.told == .clean) != end.closeArrived {
      throw ModelFault(property: "a clean close is told where the peer's Close has arrived, 1006 elsewhere")
    }
  }
}
