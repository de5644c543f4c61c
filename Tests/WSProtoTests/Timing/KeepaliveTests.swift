// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import WSProto

/// Pings, signs of life and round trips, with a clock that the test moves.
@Suite struct KeepaliveTests {
  static let nanosecond = DeadlinesTests.nanosecond

  static func open(_ timeouts: Timeouts = DeadlinesTests.timeouts) -> Deadlines {
    DeadlinesTests.open(timeouts)
  }

  static func ping(_ deadlines: inout Deadlines, at time: Duration) -> Ping? {
    DeadlinesTests.ping(&deadlines, at: time)
  }

  @Test("pings are sent at their interval while the connection is open, and only then (RFC 6455 §5.5.2)")
  func pings() throws {
    var deadlines = Deadlines(at: .zero, timeouts: DeadlinesTests.timeouts)
    #expect(deadlines.advance(to: .seconds(4), state: .open) == nil)
    var payloads: Set<Bytes> = []
    for number in 1...1000 {
      let due = Duration.seconds(4 + 20 * number)
      #expect(deadlines.nextDeadline == due)
      #expect(deadlines.advance(to: due - Self.nanosecond, state: .open) == nil)
      let ping = try #require(Self.ping(&deadlines, at: due))
      #expect(ping.payload.count <= 125)
      payloads.insert(ping.payload)
      #expect(deadlines.advance(to: due, state: .open) == nil)
      deadlines.receivedBytes(at: due + .seconds(1))
    }
    #expect(payloads.count == 1000)
    #expect(deadlines.advance(to: .seconds(20_010), state: .localClosing) == nil)
    #expect(deadlines.nextDeadline == .seconds(20_017))
  }

  @Test("a delayed caller sends one ping, and the next an interval later")
  func noBurst() {
    var deadlines = Self.open()
    #expect(Self.ping(&deadlines, at: .seconds(1000)) != nil)
    #expect(deadlines.advance(to: .seconds(1000), state: .open) == nil)
    deadlines.receivedBytes(at: .seconds(1001))
    #expect(deadlines.nextDeadline == .seconds(1020))
  }

  @Test(
    "a peer that is silent after a ping gets a Close at the limit, and its transport is dropped after the next"
  )
  func silence() throws {
    for arrival in [nil, Duration.seconds(20) - Self.nanosecond] {
      var deadlines = Self.open()
      // What arrived before the ping doesn't count.
      if let arrival { deadlines.receivedBytes(at: arrival) }
      #expect(Self.ping(&deadlines, at: .seconds(20)) != nil)
      #expect(deadlines.nextDeadline == .seconds(25))
      #expect(deadlines.advance(to: .seconds(25) - Self.nanosecond, state: .open) == nil)
      let action = deadlines.advance(to: .seconds(25), state: .open)
      guard case .sendClose(let close, .keepalive(limit: .seconds(5)))? = action else {
        Issue.record("\(String(describing: action))")
        return
      }
      #expect(close.code == .internalError)
      for role in ConnectionType.allCases {
        #expect(try Connection(role).send(close).count > 2)
      }
      // The caller may have been unable to send it: the state is still open.
      for state in [ConnectionState.open, .localClosing] {
        var deadlines = deadlines
        #expect(deadlines.nextDeadline == .seconds(32))
        deadlines.receivedBytes(at: .seconds(26))
        #expect(deadlines.advance(to: .seconds(32) - Self.nanosecond, state: state) == nil)
        #expect(
          deadlines.advance(to: .seconds(32), state: state)
            == .dropTransport(cause: .closing(limit: .seconds(7)))
        )
      }
    }
  }

  @Test("anything that arrives after a ping is a sign of life, until the next ping")
  func signOfLife() {
    for arrival in [Duration.seconds(20), .seconds(21), .seconds(25) - Self.nanosecond] {
      var deadlines = Self.open()
      #expect(Self.ping(&deadlines, at: .seconds(20)) != nil)
      deadlines.receivedBytes(at: arrival)
      #expect(deadlines.nextDeadline == .seconds(40))
      #expect(deadlines.advance(to: .seconds(25), state: .open) == nil)
      #expect(Self.ping(&deadlines, at: .seconds(40)) != nil)
      #expect(deadlines.nextDeadline == .seconds(45))
    }
  }

  @Test("a pong is a sign of life without receivedBytes(at:), even an unsolicited one")
  func pongIsSignOfLife() throws {
    for answers in [true, false] {
      var deadlines = Self.open()
      let ping = try #require(Self.ping(&deadlines, at: .seconds(20)))
      deadlines.receivedPong(answers ? ping.response() : Pong(), at: .seconds(22))
      #expect(deadlines.nextDeadline == .seconds(40))
    }
  }

  @Test("of several unanswered pings the first counts")
  func firstPingCounts() {
    let keepalive = Timeouts.Keepalive(pingInterval: .seconds(2), pongTimeout: .seconds(5))
    var deadlines = Self.open(Timeouts(keepalive: keepalive))
    #expect(Self.ping(&deadlines, at: .seconds(2)) != nil)
    #expect(Self.ping(&deadlines, at: .seconds(4)) != nil)
    #expect(Self.ping(&deadlines, at: .seconds(6)) != nil)
    #expect(deadlines.nextDeadline == .seconds(7))
    guard case .sendClose? = deadlines.advance(to: .seconds(7), state: .open) else {
      Issue.record("no Close")
      return
    }
  }

  @Test("if the interval equals the limit, the Close is sent instead of one more ping")
  func closeBeforePing() {
    var deadlines = Self.open(Timeouts())
    #expect(Self.ping(&deadlines, at: .seconds(20)) != nil)
    guard case .sendClose? = deadlines.advance(to: .seconds(40), state: .open) else {
      Issue.record("no Close")
      return
    }
  }

  @Test("without a limit for the pong, pings continue unanswered")
  func noLimit() {
    let keepalive = Timeouts.Keepalive(pingInterval: .seconds(1), pongTimeout: nil)
    var deadlines = Self.open(Timeouts(keepalive: keepalive))
    for second in 1...100 { #expect(Self.ping(&deadlines, at: .seconds(second)) != nil) }
    #expect(deadlines.roundTripTime == nil)
  }

  @Test("an interval of less than a millisecond is treated as one: the loop over actions ends")
  func shortestInterval() {
    for interval in [Duration.zero, .seconds(-1), .microseconds(999), Duration(attoseconds: .min)] {
      var keepalive = Timeouts.Keepalive(pingInterval: interval, pongTimeout: nil)
      #expect(keepalive.pingInterval == .milliseconds(1))
      keepalive.pingInterval = interval
      #expect(keepalive.pingInterval == .milliseconds(1))
      var deadlines = Self.open(Timeouts(keepalive: keepalive))
      var count = 0
      while count < 10, deadlines.advance(to: .seconds(10), state: .open) != nil { count += 1 }
      #expect(count == 1)
    }
  }

  // MARK: Round trips

  @Test(
    "a pong gives the time since its ping, once, whether owned or borrowed (RFC 6455 §5.5.3)",
    arguments: [true, false]
  )
  func roundTrip(borrowed: Bool) throws {
    var deadlines = Self.open()
    let ping = try #require(Self.ping(&deadlines, at: .seconds(20)))
    func answer(at time: Duration) -> Duration? {
      guard borrowed else { return deadlines.receivedPong(ping.response(), at: time) }
      return ping.payload.withUnsafeBytes { deadlines.receivedPong($0.bytes, at: time) }
    }
    #expect(deadlines.roundTripTime == nil)
    #expect(answer(at: .seconds(20) + .milliseconds(30)) == .milliseconds(30))
    #expect(deadlines.roundTripTime == .milliseconds(30))
    #expect(answer(at: .seconds(21)) == nil)
    #expect(deadlines.roundTripTime == .milliseconds(30))
    let next = try #require(Self.ping(&deadlines, at: .seconds(40)))
    #expect(deadlines.receivedPong(next.response(), at: .seconds(40)) == .zero)
    #expect(deadlines.roundTripTime == .zero)
  }

  @Test("a pong that answers no ping gives no round-trip time (RFC 6455 §5.5.3)")
  func unsolicited() throws {
    var first = Self.open()
    let payload = Array(try #require(Self.ping(&first, at: .seconds(20))).payload)
    var payloads: [[UInt8]] = [
      [], [0], Array("ping".utf8), payload.dropLast(), payload + [0], payload.reversed(),
    ]
    for index in payload.indices {
      payloads.append(payload)
      payloads[payloads.count - 1][index] ^= 0x80
    }
    payloads.append([UInt8](repeating: 0xFF, count: 125))
    payloads.append(payload.prefix(4) + [UInt8](repeating: 0, count: 8))
    payloads.append(payload.prefix(4) + [UInt8](repeating: 0xFF, count: 8))
    for payload in payloads {
      #expect(first.receivedPong(Pong(payload: Bytes(payload)), at: .seconds(21)) == nil)
    }
    #expect(first.roundTripTime == nil)
    // A pong that arrives before its ping was sent answers nothing, and doesn't become an answer later.
    var second = Self.open()
    #expect(second.receivedPong(Pong(payload: Bytes(payload)), at: .seconds(1)) == nil)
    let ping = try #require(Self.ping(&second, at: .seconds(20)))
    #expect(ping.payload == Bytes(payload))
    #expect(second.roundTripTime == nil)
    #expect(second.receivedPong(ping.response(), at: .seconds(22)) == .seconds(2))
  }

  @Test(
    "a pong for a later ping answers the earlier ones, whose own pongs then give nothing (RFC 6455 §5.5.3)"
  )
  func coalesced() throws {
    let keepalive = Timeouts.Keepalive(pingInterval: .seconds(1), pongTimeout: .seconds(60))
    var deadlines = Self.open(Timeouts(keepalive: keepalive))
    let pings = try (1...6).map { try #require(Self.ping(&deadlines, at: .seconds($0))) }
    // The first two of six are known, but not when they were sent: answers without a round-trip time.
    #expect(deadlines.receivedPong(pings[0].response(), at: .seconds(6.5)) == nil)
    #expect(deadlines.receivedPong(pings[1].response(), at: .seconds(6.5)) == nil)
    #expect(deadlines.receivedPong(pings[2].response(), at: .seconds(6.5)) == .seconds(3.5))
    #expect(deadlines.receivedPong(pings[3].response(), at: .seconds(6.5)) == .seconds(2.5))
    #expect(deadlines.receivedPong(pings[2].response(), at: .seconds(6.6)) == nil)
    #expect(deadlines.receivedPong(pings[5].response(), at: .seconds(6.75)) == .seconds(0.75))
    #expect(deadlines.receivedPong(pings[4].response(), at: .seconds(6.8)) == nil)
    #expect(deadlines.roundTripTime == .seconds(0.75))
    #expect(deadlines.nextDeadline == .seconds(7))
  }

  @Test("a round trip of several intervals is measured too")
  func longRoundTrip() throws {
    let keepalive = Timeouts.Keepalive(pingInterval: .seconds(1), pongTimeout: .seconds(60))
    var deadlines = Self.open(Timeouts(keepalive: keepalive))
    var under: [(Ping, Duration)] = []
    for step in 1...100 {
      under.append((try #require(Self.ping(&deadlines, at: .seconds(step))), .seconds(step)))
      guard let (ping, sent) = under.first, Duration.seconds(step) - sent >= .seconds(3) else { continue }
      under.removeFirst()
      #expect(deadlines.receivedPong(ping.response(), at: .seconds(step)) == .seconds(3))
    }
  }

  @Test("a pong that arrives once the connection is closing gives no round-trip time")
  func pongWhileClosing() throws {
    var deadlines = Self.open()
    let ping = try #require(Self.ping(&deadlines, at: .seconds(20)))
    #expect(deadlines.advance(to: .seconds(21), state: .localClosing) == nil)
    #expect(deadlines.receivedPong(ping.response(), at: .seconds(22)) == nil)
    #expect(deadlines.roundTripTime == nil)
  }
}
