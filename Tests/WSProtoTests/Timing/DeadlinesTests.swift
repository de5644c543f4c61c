// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import WSProto

/// Every deadline, with a clock that the test moves.
@Suite struct DeadlinesTests {
  static let timeouts = Timeouts(
    opening: .seconds(10),
    keepalive: Timeouts.Keepalive(pingInterval: .seconds(20), pongTimeout: .seconds(5)),
    closing: .seconds(7),
    transportEnd: .seconds(3)
  )
  static let nanosecond = Duration.nanoseconds(1)

  /// Deadlines of a connection that opened at zero.
  static func open(_ timeouts: Timeouts = timeouts) -> Deadlines {
    var deadlines = Deadlines(at: .zero, timeouts: timeouts)
    #expect(deadlines.advance(to: .zero, state: .open) == nil)
    return deadlines
  }

  /// The ping that is due at `time`.
  static func ping(_ deadlines: inout Deadlines, at time: Duration) -> Ping? {
    guard case .sendPing(let ping)? = deadlines.advance(to: time, state: .open) else { return nil }
    return ping
  }

  // MARK: Absolute deadlines

  /// A path through a connection's life, one second per step, the deadline that runs at its end, and its
  /// length.
  struct Path: Sendable, CustomTestStringConvertible {
    var states: [ConnectionState]
    var cause: Deadlines.Cause
    /// At which step the deadline began.
    var begins: Int

    var testDescription: String { states.map { "\($0)" }.joined(separator: ", ") }

    static let all = [
      Path(states: [.connecting], cause: .opening(limit: .seconds(10)), begins: 0),
      Path(states: [.connecting, .connecting], cause: .opening(limit: .seconds(10)), begins: 0),
      Path(states: [.connecting, .rejecting], cause: .opening(limit: .seconds(10)), begins: 0),
      Path(states: [.open, .localClosing], cause: .closing(limit: .seconds(7)), begins: 1),
      Path(states: [.open, .remoteClosing], cause: .closing(limit: .seconds(7)), begins: 1),
      Path(
        states: [.connecting, .localClosing, .localClosing],
        cause: .closing(limit: .seconds(7)),
        begins: 1
      ),
      Path(
        states: [.connecting, .open, .remoteClosing, .remoteClosing],
        cause: .closing(limit: .seconds(7)),
        begins: 2
      ),
      Path(states: [.connecting, .closed], cause: .transportEnd(limit: .seconds(3)), begins: 1),
      Path(states: [.rejecting, .closed, .closed], cause: .transportEnd(limit: .seconds(3)), begins: 1),
      Path(states: [.open, .closed], cause: .transportEnd(limit: .seconds(3)), begins: 1),
      Path(states: [.open, .localClosing, .closed], cause: .transportEnd(limit: .seconds(3)), begins: 2),
      Path(
        states: [.open, .remoteClosing, .closed, .closed],
        cause: .transportEnd(limit: .seconds(3)),
        begins: 2
      ),
    ]

    /// The deadlines at the end of the path, when they end, and the last state.
    func walk(from start: Duration) throws -> (deadlines: Deadlines, end: Duration, state: ConnectionState) {
      var deadlines = Deadlines(at: start, timeouts: DeadlinesTests.timeouts)
      for (step, state) in states.enumerated() {
        #expect(deadlines.advance(to: start + .seconds(step), state: state) == nil)
      }
      return (deadlines, start + .seconds(begins) + limit, try #require(states.last))
    }

    private var limit: Duration {
      switch cause {
      case .opening(let limit), .keepalive(let limit), .closing(let limit), .transportEnd(let limit): limit
      }
    }
  }

  @Test(
    "a deadline passes at its exact time, not a nanosecond early, and also if it is checked late",
    .threat(17),
    arguments: Path.all,
    [Duration.zero, .seconds(-5), .seconds(1_000_000_000)]
  )
  func boundaries(path: Path, start: Duration) throws {
    let (deadlines, end, state) = try path.walk(from: start)
    for lateness in [Duration.zero, Self.nanosecond, .seconds(100)] {
      var deadlines = deadlines
      #expect(deadlines.nextDeadline == end)
      #expect(deadlines.advance(to: end - Self.nanosecond, state: state) == nil)
      #expect(deadlines.nextDeadline == end)
      #expect(deadlines.advance(to: end + lateness, state: state) == .dropTransport(cause: path.cause))
      // There are no more deadlines.
      #expect(deadlines.nextDeadline == nil)
      for state in ConnectionState.allCases {
        #expect(deadlines.advance(to: end + .seconds(1000), state: state) == nil)
      }
    }
  }

  @Test("neither single bytes nor a pong extend an absolute deadline", .threat(17), arguments: Path.all)
  func dripping(path: Path) throws {
    var (deadlines, end, state) = try path.walk(from: .zero)
    var now = end - .milliseconds(2999)
    while now < end {
      deadlines.receivedBytes(at: now)
      deadlines.receivedPong(Pong(), at: now)
      #expect(deadlines.nextDeadline == end)
      #expect(deadlines.advance(to: now, state: state) == nil)
      now += .milliseconds(100)
    }
    deadlines.receivedBytes(at: end)
    #expect(deadlines.advance(to: end, state: state) == .dropTransport(cause: path.cause))
  }

  @Test("a disabled deadline never passes, and later ones still do")
  func switchedOff() {
    let never = Duration.seconds(1_000_000_000)
    var deadlines = Deadlines(
      at: .zero,
      timeouts: Timeouts(opening: nil, keepalive: nil, closing: nil, transportEnd: nil)
    )
    for (step, state) in [ConnectionState.connecting, .open, .localClosing, .closed].enumerated() {
      #expect(deadlines.advance(to: never * step, state: state) == nil)
      #expect(deadlines.advance(to: never * (step + 1), state: state) == nil)
      #expect(deadlines.nextDeadline == nil)
    }

    deadlines = Deadlines(at: .zero, timeouts: Timeouts(opening: nil, keepalive: nil, closing: nil))
    for state in [ConnectionState.connecting, .open, .remoteClosing] {
      #expect(deadlines.advance(to: never, state: state) == nil)
    }
    #expect(deadlines.advance(to: never, state: .closed) == nil)
    #expect(deadlines.nextDeadline == never + .seconds(5))
  }

  @Test("the defaults are those that the documentation names")
  func defaults() {
    let timeouts = Timeouts()
    #expect(timeouts.opening == .seconds(10) && timeouts.closing == .seconds(10))
    #expect(timeouts.transportEnd == .seconds(5))
    #expect(timeouts.keepalive?.pingInterval == .seconds(20))
    #expect(timeouts.keepalive?.pongTimeout == .seconds(20))
  }

  // MARK: Odd clocks

  @Test("a time that goes back is treated as the latest one seen")
  func backwards() throws {
    var deadlines = Deadlines(at: .seconds(5), timeouts: Self.timeouts)
    #expect(deadlines.advance(to: .seconds(12), state: .connecting) == nil)
    #expect(deadlines.advance(to: .zero, state: .connecting) == nil)
    // Open at 12, not at -1000.
    #expect(deadlines.advance(to: .seconds(-1000), state: .open) == nil)
    #expect(deadlines.nextDeadline == .seconds(32))
    let ping = try #require(Self.ping(&deadlines, at: .seconds(32)))
    #expect(deadlines.receivedPong(ping.response(), at: .seconds(31)) == .zero)
    #expect(deadlines.advance(to: .seconds(40), state: .localClosing) == nil)
    deadlines.receivedBytes(at: .seconds(46))
    // The latest time is 46, so 47 is a second away whatever the caller says.
    #expect(deadlines.advance(to: .zero, state: .localClosing) == nil)
    #expect(deadlines.nextDeadline == .seconds(47))
    deadlines.receivedBytes(at: .seconds(47))
    #expect(
      deadlines.advance(to: .zero, state: .localClosing)
        == .dropTransport(cause: .closing(limit: .seconds(7)))
    )
  }

  @Test("no duration and no time traps: the longest, the shortest, none, negative ones")
  func extremes() throws {
    let lengths = [
      Duration(attoseconds: .max), Duration(attoseconds: .min), .seconds(Int64.max), .seconds(Int64.min),
      .zero,
      .nanoseconds(-1), .nanoseconds(1), Duration(attoseconds: 1),
    ]
    for length in lengths {
      let keepalive = Timeouts.Keepalive(pingInterval: length, pongTimeout: length)
      let timeouts = Timeouts(opening: length, keepalive: keepalive, closing: length, transportEnd: length)
      for start in lengths {
        for state in ConnectionState.allCases {
          var deadlines = Deadlines(at: start, timeouts: timeouts)
          for time in lengths + [deadlines.nextDeadline ?? .zero] {
            var actions = 0
            while actions < 10, let action = deadlines.advance(to: time, state: state) {
              actions += 1
              if case .sendPing(let ping) = action {
                deadlines.receivedBytes(at: time)
                _ = deadlines.receivedPong(ping.response(), at: time)
              }
            }
            #expect(actions <= 3, "\(length) from \(start), \(state) at \(time)")
          }
        }
      }
    }
    var deadlines = Deadlines(at: .seconds(1), timeouts: Timeouts(opening: Duration(attoseconds: .max)))
    #expect(deadlines.nextDeadline == Duration(attoseconds: .max))
    #expect(deadlines.advance(to: .seconds(Int64.max), state: .connecting) == nil)
    deadlines = Deadlines(at: .zero, timeouts: Timeouts(opening: .zero))
    #expect(
      deadlines.advance(to: .zero, state: .connecting) == .dropTransport(cause: .opening(limit: .zero))
    )
  }

  @Test("a cause says which deadline it was, and how long")
  func causes() {
    let limit = Duration.milliseconds(1500)
    let causes: [Deadlines.Cause] = [
      .opening(limit: limit), .keepalive(limit: limit), .closing(limit: limit), .transportEnd(limit: limit),
    ]
    #expect(causes.allSatisfy { $0.description.contains("1.5 seconds") })
    #expect(Set(causes.map(\.description)).count == 4)
  }

  // MARK: Any order of calls

  /// A state that a connection can move to.
  static func successor(of state: ConnectionState, _ choice: Int) -> ConnectionState {
    switch state {
    case .connecting: [.open, .open, .rejecting][choice]
    case .open: [.localClosing, .remoteClosing, .closed][choice]
    case .localClosing, .remoteClosing, .rejecting, .closed: .closed
    }
  }

  @Test(
    "in any order of calls, nextDeadline is when something is due, and receiving never moves it earlier",
    arguments: 0..<20
  )
  func anyOrder(seed: Int) {
    var random = TestRandom(seed: UInt64(seed))
    for _ in 0..<200 {
      let keepalive = Timeouts.Keepalive(
        pingInterval: .milliseconds(random.below(3000)),
        pongTimeout: random.below(4) == 0 ? nil : .milliseconds(random.below(3000))
      )
      let timeouts = Timeouts(
        opening: .milliseconds(random.below(5000)),
        keepalive: random.below(5) == 0 ? nil : keepalive,
        closing: .milliseconds(random.below(2000)),
        transportEnd: .milliseconds(random.below(2000))
      )
      var now = Duration.milliseconds(random.below(10_000))
      var deadlines = Deadlines(at: now, timeouts: timeouts)
      var state = ConnectionState.connecting
      var isOver = false
      var lastPing: Ping?
      for _ in 0..<40 {
        now += .milliseconds(random.below(700))
        if random.below(8) == 0 { state = Self.successor(of: state, random.below(3)) }
        let before = deadlines.nextDeadline
        switch random.below(3) {
        case 0: deadlines.receivedBytes(at: now)
        case 1: deadlines.receivedPong(lastPing?.response() ?? Pong(), at: now)
        default: break
        }
        if let before, let after = deadlines.nextDeadline { #expect(after >= before) }
        if before == nil { #expect(deadlines.nextDeadline == nil) }
        var actions = 0
        while actions < 10, let action = deadlines.advance(to: now, state: state) {
          actions += 1
          #expect(!isOver, "\(action) after the last action")
          switch action {
          case .sendPing(let ping):
            #expect(state == .open)
            lastPing = ping
          case .sendClose: #expect(state == .open)
          case .dropTransport: isOver = true
          }
        }
        #expect(actions <= 3)
        if isOver { #expect(deadlines.nextDeadline == nil) }
        guard let next = deadlines.nextDeadline else { continue }
        #expect(next > now)
        var copy = deadlines
        #expect(copy.advance(to: next - Self.nanosecond, state: state) == nil)
        #expect(copy.nextDeadline == next)
        #expect(copy.advance(to: next, state: state) != nil)
      }
    }
  }

  @Test(
    "a deadline costs no allocation: the value is bitwise copyable, and small enough for idle connections"
  )
  func plainBits() {
    func size<T: BitwiseCopyable>(_: T.Type) -> Int { MemoryLayout<T>.size }
    #expect(size(Deadlines.self) <= 320)
  }
}
