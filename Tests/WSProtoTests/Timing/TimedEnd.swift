// SPDX-License-Identifier: Apache-2.0

import WSProto

/// One end of a connection with its deadlines, driven as a caller would: with owned or borrowed events.
final class TimedEnd {
  let connection: WSConnection
  private(set) var deadlines: Deadlines
  /// What was due, in order.
  private(set) var actions: [(time: Duration, action: Deadlines.Action)] = []
  /// The last reported end of the connection.
  private(set) var closeCode: CloseReason?
  private(set) var roundTrips: [Duration] = []

  /// Duties that an end can neglect.
  var decides = true
  var answersPings = true
  var answersClose = true

  private let borrowed: Bool

  init(_ role: ConnectionType, borrowed: Bool, at now: Duration = .zero, timeouts: Timeouts = Timeouts()) {
    connection = WSConnection(role)
    deadlines = Deadlines(at: now, timeouts: timeouts)
    self.borrowed = borrowed
  }

  /// Why the transport was dropped, and when.
  var drop: (time: Duration, cause: Deadlines.Cause)? {
    for (time, action) in actions { if case .dropTransport(let cause) = action { return (time, cause) } }
    return nil
  }

  /// Receives bytes; returns what to send.
  func receive(_ bytes: [UInt8], at now: Duration) throws -> [UInt8] {
    var output: [UInt8] = []
    deadlines.receivedBytes(at: now)
    if borrowed {
      var bytes = bytes
      let count = bytes.count
      try connection.receive(&bytes, count: count) { event throws(LocalProtocolError) in
        switch event {
        case .handshake(let event): try answer(event, at: now, into: &output)
        case .ping(let payload): if answersPings { try connection.sendPong(payload, into: &output) }
        case .pong(let payload):
          if let roundTrip = deadlines.receivedPong(payload, at: now) { roundTrips.append(roundTrip) }
        case .closeConnection(let code, _):
          try answer(.closeConnection(CloseConnection(code: code)), at: now, into: &output)
        case .textMessage, .bytesMessage, .handshakeFailed: break
        }
      }
    } else if connection.state != .closed {
      try connection.receiveData(bytes)
      for event in connection.events() { try answer(event, at: now, into: &output) }
    }
    return output + (try advance(to: now))
  }

  /// Does what is due; returns what to send.
  func advance(to now: Duration) throws -> [UInt8] {
    var output: [UInt8] = []
    while actions.count < 1000, let action = deadlines.advance(to: now, state: connection.state) {
      actions.append((now, action))
      switch action {
      case .sendPing(let ping): try connection.send(ping, into: &output)
      case .sendClose(let close, cause: _): try connection.send(close, into: &output)
      case .dropTransport: try? connection.receiveEndOfStream()
      }
    }
    return output
  }

  /// Sends on its own initiative.
  func send(_ event: some EventConvertible, at now: Duration) throws -> [UInt8] {
    try connection.send(event) + (try advance(to: now))
  }

  private func answer(_ event: Event, at now: Duration, into output: inout [UInt8]) throws(LocalProtocolError)
  {
    switch event {
    case .request: if decides { try connection.send(AcceptConnection(), into: &output) }
    case .ping(let ping): if answersPings { try connection.send(ping.response(), into: &output) }
    case .pong(let pong):
      if let roundTrip = deadlines.receivedPong(pong, at: now) { roundTrips.append(roundTrip) }
    case .closeConnection(let close):
      closeCode = close.code
      if connection.state == .remoteClosing, answersClose {
        try connection.send(close.response(), into: &output)
      }
    case .acceptConnection, .rejectConnection, .rejectData, .textMessage, .bytesMessage: break
    }
  }
}

/// Two ends and the time that bytes take between them, with a clock that jumps to whatever is next.
struct TimedLink {
  let client: TimedEnd
  let server: TimedEnd
  let latency: Duration
  private(set) var now: Duration = .zero
  private var underWay: [(arrival: Duration, to: ConnectionType, bytes: [UInt8])] = []

  init(borrowed: Bool, latency: Duration, timeouts: Timeouts) throws {
    client = TimedEnd(.client, borrowed: borrowed, timeouts: timeouts)
    server = TimedEnd(.server, borrowed: borrowed, timeouts: timeouts)
    self.latency = latency
    carry(try client.send(Request(host: "example.com", target: "/"), at: now), from: .client)
  }

  func end(_ role: ConnectionType) -> TimedEnd { role == .client ? client : server }

  mutating func carry(_ bytes: [UInt8], from role: ConnectionType) {
    if !bytes.isEmpty { underWay.append((now + latency, role == .client ? .server : .client, bytes)) }
  }

  mutating func send(_ event: some EventConvertible, from role: ConnectionType) throws {
    carry(try end(role).send(event, at: now), from: role)
  }

  /// Runs until `time`, including what is due then.
  mutating func run(until time: Duration) throws {
    // Bounded, so that a deadline that never passes fails the test instead of hanging it.
    for _ in 0..<10_000 {
      let times = [underWay.first?.arrival, client.deadlines.nextDeadline, server.deadlines.nextDeadline]
      guard let next = times.compactMap({ $0 }).min(), next <= time else { break }
      now = max(now, next)
      if let first = underWay.first, first.arrival <= now {
        underWay.removeFirst()
        carry(try end(first.to).receive(first.bytes, at: now), from: first.to)
      } else {
        for role in ConnectionType.allCases { carry(try end(role).advance(to: now), from: role) }
      }
    }
    now = time
  }
}
