// SPDX-License-Identifier: Apache-2.0

import Testing
import WSProto
import WSProtoTestSupport

/// Deadlines with real connections, in both roles, with owned and borrowed events, and with peers that send
/// slowly, stall and fall silent.
@Suite struct TimedConnectionTests {
  static let timeouts = Timeouts(
    opening: .seconds(10),
    keepalive: Timeouts.Keepalive(pingInterval: .seconds(20), pongTimeout: .seconds(5)),
    closing: .seconds(7),
    transportEnd: .seconds(3)
  )
  static let ends: [(ConnectionType, Bool)] = [
    (.client, true), (.client, false), (.server, true), (.server, false),
  ]

  struct NotOpen: Error {}

  /// An end that opened at zero, with a peer that makes bytes for it.
  static func open(_ role: ConnectionType, borrowed: Bool) throws -> (end: TimedEnd, peer: WSConnection) {
    let end = TimedEnd(role, borrowed: borrowed, timeouts: timeouts)
    let peer = WSConnection(role == .client ? .server : .client)
    if role == .client {
      try peer.receiveData(end.send(Request(host: "h", target: "/"), at: .zero))
      guard case .request? = peer.nextEvent() else { throw NotOpen() }
      #expect(try end.receive(peer.send(AcceptConnection()), at: .zero).isEmpty)
    } else {
      try peer.receiveData(end.receive(peer.send(Request(host: "h", target: "/")), at: .zero))
      guard case .acceptConnection? = peer.nextEvent() else { throw NotOpen() }
    }
    #expect(end.connection.state == .open && peer.state == .open)
    return (end, peer)
  }

  /// Feeds one byte per second, the first at `start`, until the end drops its transport.
  static func drip(_ bytes: [UInt8], to end: TimedEnd, from start: Duration) throws {
    var now = start
    for byte in bytes {
      // Bounded, so that a deadline that never passes fails instead of hanging.
      for _ in 0..<8 {
        guard let next = end.deadlines.nextDeadline, next <= now else { break }
        _ = try end.advance(to: next)
      }
      if end.drop != nil { return }
      _ = try end.receive([byte], at: now)
      now += .seconds(1)
    }
  }

  // MARK: Opening

  @Test(
    "a request that arrives one byte per second is dropped at the limit",
    .threat(17),
    arguments: [true, false]
  )
  func slowRequest(borrowed: Bool) throws {
    let end = TimedEnd(.server, borrowed: borrowed, timeouts: Self.timeouts)
    try Self.drip(Array(upgradeRequest().utf8), to: end, from: .seconds(0.5))
    #expect(end.drop?.time == .seconds(10))
    #expect(end.drop?.cause == .opening(limit: .seconds(10)))
    #expect(end.connection.state == .closed)
  }

  @Test(
    "an answer that arrives one byte per second is dropped at the limit",
    .threat(17),
    arguments: [true, false]
  )
  func slowAnswer(borrowed: Bool) throws {
    let end = TimedEnd(.client, borrowed: borrowed, timeouts: Self.timeouts)
    let request = try end.send(Request(host: "h", target: "/"), at: .zero)
    try Self.drip(Array(switchingProtocols(to: request).utf8), to: end, from: .seconds(0.5))
    #expect(end.drop?.time == .seconds(10))
    #expect(end.drop?.cause == .opening(limit: .seconds(10)))
    #expect(end.connection.state == .closed)
  }

  @Test(
    "the body of a refusal that arrives one byte per second is dropped at the limit",
    .threat(17),
    arguments: [true, false]
  )
  func slowRefusal(borrowed: Bool) throws {
    let end = TimedEnd(.client, borrowed: borrowed, timeouts: Self.timeouts)
    _ = try end.send(Request(host: "h", target: "/"), at: .zero)
    _ = try end.receive(Array("HTTP/1.1 403 Forbidden\r\nContent-Length: 1000\r\n\r\n".utf8), at: .seconds(3))
    #expect(end.connection.state == .rejecting)
    try Self.drip([UInt8](repeating: 0x61, count: 1000), to: end, from: .seconds(3.5))
    #expect(end.drop?.time == .seconds(10))
    #expect(end.drop?.cause == .opening(limit: .seconds(10)))
  }

  @Test(
    "a server that does not decide, and a client that gets no answer, drop the transport",
    arguments: ends
  )
  func undecided(role: ConnectionType, borrowed: Bool) throws {
    let end = TimedEnd(role, borrowed: borrowed, timeouts: Self.timeouts)
    end.decides = false
    if role == .client {
      _ = try end.send(Request(host: "h", target: "/"), at: .zero)
    } else {
      #expect(try end.receive(Array(upgradeRequest().utf8), at: .seconds(1)).isEmpty)
    }
    #expect(end.deadlines.nextDeadline == .seconds(10))
    _ = try end.advance(to: .seconds(10))
    #expect(end.drop?.cause == .opening(limit: .seconds(10)))
  }

  @Test("a handshake that ends in time cancels the deadline of the opening", arguments: ends)
  func openInTime(role: ConnectionType, borrowed: Bool) throws {
    let (end, _) = try Self.open(role, borrowed: borrowed)
    _ = try end.advance(to: .seconds(10))
    #expect(end.drop == nil && end.deadlines.nextDeadline == .seconds(20))
  }

  // MARK: Closing

  @Test(
    "a peer that sends one byte per second instead of its Close is dropped at the limit",
    .threat(17),
    arguments: ends
  )
  func slowClose(role: ConnectionType, borrowed: Bool) throws {
    let (end, peer) = try Self.open(role, borrowed: borrowed)
    _ = try end.send(CloseConnection(code: .normalClosure), at: .seconds(2))
    #expect(end.connection.state == .localClosing)
    let message = try peer.send(BytesMessage(data: [UInt8](repeating: 1, count: 1000)))
    try Self.drip(message, to: end, from: .seconds(2.5))
    #expect(end.drop?.time == .seconds(9))
    #expect(end.drop?.cause == .closing(limit: .seconds(7)))
    // The last event shows that the end was not clean (RFC 6455 §7.1.5).
    #expect(end.connection.nextEvent() == .closeConnection(CloseConnection(code: .abnormalClosure)))
    #expect(end.connection.state == .closed)
  }

  @Test("an unanswered Close drops the transport at the limit", arguments: ends)
  func unansweredClose(role: ConnectionType, borrowed: Bool) throws {
    let (end, peer) = try Self.open(role, borrowed: borrowed)
    end.answersClose = false
    _ = try end.receive(peer.send(CloseConnection(code: .goingAway)), at: .seconds(4))
    #expect(end.connection.state == .remoteClosing)
    #expect(end.deadlines.nextDeadline == .seconds(11))
    _ = try end.advance(to: .seconds(11))
    #expect(end.drop?.cause == .closing(limit: .seconds(7)))
  }

  @Test(
    "a peer that does not end the transport is dropped at the limit, even if it sends one byte per second",
    .threat(17),
    arguments: ends
  )
  func slowEnd(role: ConnectionType, borrowed: Bool) throws {
    for drips in [true, false] {
      let (end, peer) = try Self.open(role, borrowed: borrowed)
      _ = try end.receive(peer.send(CloseConnection(code: .goingAway)), at: .seconds(4))
      #expect(end.connection.state == .closed)
      if drips {
        try Self.drip([UInt8](repeating: 0x81, count: 100), to: end, from: .seconds(4.5))
      } else {
        #expect(end.deadlines.nextDeadline == .seconds(7))
        _ = try end.advance(to: .seconds(7))
      }
      #expect(end.drop?.time == .seconds(7))
      #expect(end.drop?.cause == .transportEnd(limit: .seconds(3)))
    }
  }

  @Test(
    "after a violation by the peer the closing deadline runs, then that of the transport",
    arguments: ends
  )
  func violation(role: ConnectionType, borrowed: Bool) throws {
    let (end, _) = try Self.open(role, borrowed: borrowed)
    let answer = try end.receive(WireFrame(to: role, 3, [1]).bytes, at: .seconds(1))
    #expect(!answer.isEmpty && end.connection.state == .closed)
    #expect(end.deadlines.nextDeadline == .seconds(4))
  }

  // MARK: Keepalive

  @Test(
    "the round-trip time is that of the wire, in both roles, with owned and borrowed events",
    arguments: [true, false]
  )
  func roundTrips(borrowed: Bool) throws {
    for latency in [Duration.zero, .nanoseconds(1), .milliseconds(35), .seconds(2)] {
      var link = try TimedLink(borrowed: borrowed, latency: latency, timeouts: Self.timeouts)
      try link.run(until: .seconds(110))
      for end in [link.client, link.server] {
        #expect(end.connection.state == .open && end.drop == nil)
        #expect(end.roundTrips == [Duration](repeating: latency * 2, count: 5))
        #expect(end.deadlines.roundTripTime == latency * 2)
        #expect(end.actions.count == 5)
      }
    }
  }

  @Test(
    "a conversation from the opening to the end has only pings as actions",
    arguments: ConnectionType.allCases
  )
  func wholeLife(closer: ConnectionType) throws {
    for borrowed in [true, false] {
      var link = try TimedLink(borrowed: borrowed, latency: .milliseconds(100), timeouts: Self.timeouts)
      try link.run(until: .seconds(50))
      try link.send(TextMessage(data: "Hello"), from: closer)
      try link.send(CloseConnection(code: .normalClosure), from: closer)
      try link.run(until: .seconds(51))
      for end in [link.client, link.server] {
        #expect(end.connection.state == .closed && end.closeCode == .normalClosure)
        let onlyPings = end.actions.allSatisfy { if case .sendPing = $0.action { true } else { false } }
        #expect(onlyPings && end.actions.count == 2)
      }
      // Nobody ends the transport here.
      try link.run(until: .seconds(60))
      #expect(link.client.drop?.cause == .transportEnd(limit: .seconds(3)))
      #expect(link.server.drop?.cause == .transportEnd(limit: .seconds(3)))
    }
  }

  @Test("a peer that falls silent gets a Close with 1011, then its transport is dropped", arguments: ends)
  func silence(role: ConnectionType, borrowed: Bool) throws {
    let (end, peer) = try Self.open(role, borrowed: borrowed)
    peer.receive(try end.advance(to: .seconds(20)))
    let close = try end.advance(to: .seconds(25))
    #expect(end.connection.state == .localClosing)
    try peer.receiveData(close)
    #expect(
      peer.events().contains {
        if case .closeConnection(let close) = $0 { close.code == 1011 } else { false }
      }
    )
    _ = try end.advance(to: .seconds(32))
    #expect(end.drop?.cause == .closing(limit: .seconds(7)))
  }

  @Test(
    "a peer that is slow in a long message is alive, even without a pong (RFC 6455 §5.4)",
    arguments: ends
  )
  func longMessage(role: ConnectionType, borrowed: Bool) throws {
    let (end, peer) = try Self.open(role, borrowed: borrowed)
    let message = try peer.send(BytesMessage(data: [UInt8](repeating: 7, count: 300)))
    try Self.drip(message, to: end, from: .seconds(1))
    #expect(end.connection.state == .open && end.drop == nil && end.roundTrips.isEmpty)
    let last = Duration.seconds(message.count)
    // Silence is detected after at most an interval and a limit.
    while end.connection.state == .open, let next = end.deadlines.nextDeadline {
      _ = try end.advance(to: next)
    }
    #expect(end.connection.state == .localClosing)
    let closed = try #require(end.actions.last?.time)
    #expect(closed > last && closed <= last + .seconds(25))
  }

  @Test(
    "a peer may answer only the newest of several pings, including the caller's own (RFC 6455 §5.5.3)",
    arguments: ends
  )
  func coalescedPongs(role: ConnectionType, borrowed: Bool) throws {
    for ownIsNewest in [true, false] {
      let (end, peer) = try Self.open(role, borrowed: borrowed)
      for round in 1...10 {
        let due = Duration.seconds(20 * round)
        let own = try end.connection.send(Ping(payload: [UInt8(round)]))
        let keepalive = try end.advance(to: due)
        try peer.receiveData(ownIsNewest ? keepalive + own : own + keepalive)
        var pings: [Ping] = []
        for case .ping(let ping) in peer.events() { pings.append(ping) }
        #expect(pings.count == 2)
        _ = try end.receive(peer.send(try #require(pings.last).response()), at: due + .seconds(4))
      }
      #expect(end.roundTrips == [Duration](repeating: .seconds(4), count: ownIsNewest ? 0 : 10))
      #expect(end.connection.state == .open && end.actions.count == 10)
    }
  }
}

extension WSConnection {
  /// Receives bytes and ignores their events.
  fileprivate func receive(_ bytes: [UInt8]) {
    try? receiveData(bytes)
    for _ in events() {}
  }
}
