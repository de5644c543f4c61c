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
    /// Replies that were made and are not written.
    var pong: [UInt8]?
    var close: [UInt8]?
  }

  private var client = Side(connection: WSConnection(.client))
  private var server = Side(connection: WSConnection(.server))
  private let rules: ModelRules
  private let borrowed: Bool

  init(_ rules: ModelRules, borrowed: Bool) {
    self.rules = rules
    self.borrowed = borrowed
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
      if self[role].toldTwice { return "the \(role) was told of two ends" }
    }
    return nil
  }

  func apply(_ step: ModelStep) throws {
    switch step {
    case .send(let role, let input):
      guard let event = Self.event(input) else { return }
      put(try self[role].connection.send(event), to: role.peer)
    case .deliver(let role):
      let bytes = self[role].incoming.removeFirst()
      receive(bytes ?? Self.garbage(for: self[role].connection), role)
    case .deliverEnd(let role): endOfStream(role)
    case .flush(let role):
      if let pong = self[role].pong {
        self[role].pong = nil
        put(pong, to: role.peer)
      } else if let close = self[role].close {
        self[role].close = nil
        put(close, to: role.peer)
      }
    case .finish(let role): self[role.peer].isEnded = true
    case .violate(let role): put(nil, to: role)
    case .cut(let role):
      self[role].incoming = []
      self[role].isEnded = true
    case .timeOut(let role):
      self[role].pong = nil
      self[role].close = nil
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
    case .ping(let ping): reply(to: ping, role)
    case .closeConnection(let close): end(close.code, role)
    default: break
    }
  }

  private func take(_ event: borrowing BorrowedEvent, _ role: ConnectionType) {
    switch event {
    case .handshake(let event): take(event, role)
    case .handshakeFailed: tell(role, .handshakeFailed)
    case .ping(let payload): reply(to: Ping(payload: Bytes(copying: payload)), role)
    case .closeConnection(let code, _): end(code, role)
    case .textMessage, .bytesMessage, .pong: break
    }
  }

  private func reply(to ping: Ping, _ role: ConnectionType) {
    if rules.replies(role) {
      self[role].pong = (try? self[role].connection.send(ping.response())) ?? self[role].pong
    }
  }

  private func end(_ code: CloseReason, _ role: ConnectionType) {
    let connection = self[role].connection
    tell(role, code == .abnormalClosure ? .abnormal : connection.failure == nil ? .clean : .violation)
    if rules.replies(role), connection.state == .remoteClosing {
      self[role].close = try? connection.send(CloseConnection(code: code))
    }
  }
}
