// SPDX-License-Identifier: Apache-2.0

import WSProtoTestSupport

@testable import WSProto

/// Steps of the model on real connections, whose bytes are carried by hand: shows that the model is what the code does.
final class ModelReplay {
  typealias Told = ModelWorld.Told

  private struct Side {
    let connection: WSConnection
    var told = Told.nothing
    /// More than one end was told.
    var toldTwice = false
    /// What is under way to this end; `nil` stands for bytes that violate the protocol where they are read.
    var incoming: [[UInt8]?] = []
    var isEnded = false
    var isDeaf = false
  }

  private var client: Side
  private var server: Side
  private let rules: ModelRules
  private let borrowed: Bool

  init(_ rules: ModelRules, borrowed: Bool) {
    self.rules = rules
    self.borrowed = borrowed
    func side(_ role: ConnectionType) -> Side {
      let replies: AutomaticReplies = rules.replies(role) ? .all : []
      return Side(connection: WSConnection(role, configuration: Configuration(automaticReplies: replies)))
    }
    client = side(.client)
    server = side(.server)
  }

  private subscript(role: ConnectionType) -> Side {
    get { role == .client ? client : server }
    set { if role == .client { client = newValue } else { server = newValue } }
  }

  /// What is not as the model has it; `nil` if all is.
  func difference(from world: ModelWorld) -> String? {
    for role in ConnectionType.allCases {
      let expected = ConnectionStateMachine(state: world[role].state).publicState
      let state = self[role].connection.state
      if state != expected { return "the \(role) is \(state), not \(expected)" }
      if self[role].told != world[role].told {
        return "the \(role) was told \(self[role].told), not \(world[role].told)"
      }
      let waiting = world.replies(of: role, rules)
      if (self[role].connection.waitingReplyBytes == 0) != waiting.isEmpty {
        return "of the \(role) \(self[role].connection.waitingReplyBytes) bytes wait, not \(waiting)"
      }
      if self[role].toldTwice { return "the \(role) was told of two ends" }
    }
    return nil
  }

  func apply(_ step: ModelStep) throws {
    switch step {
    case .send(let role, let input):
      guard let event = Self.event(input) else { return }
      let isFrames = self[role].connection.connection != nil
      put(try self[role].connection.send(event), isFrames, to: role.peer)
    case .deliver(let role):
      let bytes = self[role].incoming.removeFirst()
      receive(bytes ?? Self.garbage(for: self[role].connection), role)
    case .deliverEnd(let role): endOfStream(role)
    case .flush(let role):
      let isFrames = self[role].connection.connection != nil
      put(try self[role].connection.sendReplies(), isFrames, to: role.peer)
    case .finish(let role): self[role.peer].isEnded = true
    case .violate(let role): put(nil, to: role)
    case .cut(let role):
      self[role].incoming = []
      self[role].isEnded = true
    case .timeOut(let role):
      self[role].incoming = []
      self[role].isDeaf = true
      self[role.peer].isEnded = true
      endOfStream(role)
    }
  }

  private static func event(_ input: ConnectionStateMachine.Input) -> Event? {
    switch input {
    case .sendRequest: .request(Request(host: "example.com", target: "/"))
    case .sendAccept: .acceptConnection(AcceptConnection())
    case .sendReject: .rejectConnection(RejectConnection(statusCode: 403))
    case .sendRejectHead: .rejectConnection(RejectConnection(statusCode: 403, hasBody: true))
    case .sendRejectData: .rejectData(RejectData(data: [1], bodyFinished: false))
    case .sendRejectEnd: .rejectData(RejectData(data: [], bodyFinished: true))
    case .sendMessage: .textMessage(TextMessage(data: "m"))
    case .sendPing: .ping(Ping(payload: [1]))
    case .sendPong: .pong(Pong(payload: [1]))
    case .sendClose: .closeConnection(CloseConnection(code: .normalClosure))
    default: nil
    }
  }

  /// Bytes that are illegal where the connection stands.
  private static func garbage(for connection: WSConnection) -> [UInt8] {
    switch connection.state {
    case .connecting: Array("BAD\r\n\r\n".utf8)
    case .rejecting: Array("zz\r\n".utf8)
    case .open, .localClosing, .remoteClosing, .closed: WireFrame(to: connection.type, 3).bytes
    }
  }

  /// Each frame is an item.
  private func put(_ bytes: [UInt8], _ isFrames: Bool, to role: ConnectionType) {
    guard isFrames else { return put(bytes, to: role) }
    var rest = bytes[...]
    while let length = rest.dropFirst().first {
      // All are short; a client's are masked.
      let count = 2 + Int(length & 0x7F) + (length & 0x80 == 0 ? 0 : 4)
      put(Array(rest.prefix(count)), to: role)
      rest = rest.dropFirst(count)
    }
  }

  private func put(_ bytes: [UInt8]?, to role: ConnectionType) {
    if !self[role].isEnded, !self[role].isDeaf { self[role].incoming.append(bytes) }
  }

  private func tell(_ role: ConnectionType, _ told: Told) {
    if self[role].told != .nothing { self[role].toldTwice = true }
    self[role].told = told
  }

  private func receive(_ bytes: [UInt8], _ role: ConnectionType) {
    let connection = self[role].connection
    if borrowed {
      var bytes = bytes
      let count = bytes.count
      connection.receive(&bytes, count: count) { event in take(event, role) }
    } else {
      do throws(ProtocolError) { try connection.receiveData(bytes) } catch { tell(role, .handshakeFailed) }
      for event in connection.events() { take(event, role) }
    }
  }

  private func endOfStream(_ role: ConnectionType) {
    let connection = self[role].connection
    let before = connection.state
    var failed = false
    do throws(ProtocolError) { try connection.receiveEndOfStream() } catch { failed = true }
    // A body of a refusal that ends too early: refused all the same.
    if failed { tell(role, before == .rejecting ? .refused : .handshakeFailed) }
    if borrowed {
      connection.receive(UnsafeMutableRawBufferPointer(start: nil, count: 0)) { event in take(event, role) }
    } else {
      for event in connection.events() { take(event, role) }
    }
  }

  private func take(_ event: Event, _ role: ConnectionType) {
    switch event {
    case .rejectData(let data): if data.bodyFinished { tell(role, .refused) }
    case .closeConnection(let close): end(close.code, role)
    default: break
    }
  }

  private func take(_ event: borrowing BorrowedEvent, _ role: ConnectionType) {
    switch event {
    case .handshake(let event): take(event, role)
    case .handshakeFailed: tell(role, .handshakeFailed)
    case .closeConnection(let code, _): end(code, role)
    case .textMessage, .bytesMessage, .ping, .pong: break
    }
  }

  private func end(_ code: CloseReason, _ role: ConnectionType) {
    let connection = self[role].connection
    tell(role, code == .abnormalClosure ? .abnormal : connection.failure == nil ? .clean : .violation)
  }
}
