// SPDX-License-Identifier: Apache-2.0

/// The clock's side of a connection, as data: what is due when, and what to do then.
///
/// Drive one beside each ``WSConnection`` or ``Connection``, in either role. It holds no clock and no timer. Times are
/// yours: durations since any fixed moment, of a clock that doesn't go back, such as `start.duration(to: .now)` with a
/// `start` of `ContinuousClock`. A time before one that was given earlier is taken for that one.
///
/// Three calls make a loop: ``receivedBytes(at:)`` after each read; ``advance(to:state:)``, until it gives `nil`, after
/// anything was done to the connection and whenever ``nextDeadline`` is reached; a wait until ``nextDeadline``. Handing
/// in the pongs as well gives the ``roundTripTime``. On a blocking socket, where `wait` is `poll` with a timeout, rounded
/// up, and says whether there is something to read:
///
/// ```swift
/// func run(
///   _ connection: WSConnection,
///   now: () -> Duration,
///   wait: (Duration?) throws -> Bool,
///   read: (inout [UInt8]) throws -> Int,
///   answer: (borrowing BorrowedEvent, inout [UInt8]) throws(LocalProtocolError) -> Void,
///   write: ([UInt8]) throws -> Void,
///   shutDownWriting: () -> Void
/// ) throws {
///   var deadlines = Deadlines(at: now())
///   var input = [UInt8](repeating: 0, count: 64 << 10)
///   var output: [UInt8] = []
///   while true {
///     // What has come is read before anything is said to be late.
///     if try wait(deadlines.nextDeadline.map { max(.zero, $0 - now()) }) {
///       let count = try read(&input)
///       if count == 0 { return try connection.receiveEndOfStream() }
///       deadlines.receivedBytes(at: now())
///       try connection.receive(&input, count: count) { event throws(LocalProtocolError) in
///         if case .pong(let payload) = event { deadlines.receivedPong(payload, at: now()) }
///         try answer(event, &output)
///       }
///     }
///     while let action = deadlines.advance(to: now(), state: connection.state) {
///       switch action {
///       case .sendPing(let ping): try connection.send(ping, into: &output)
///       case .sendClose(let close, cause: _): try connection.send(close, into: &output)
///       case .dropTransport(let cause): throw cause
///       }
///     }
///     try write(output)
///     output.removeAll(keepingCapacity: true)
///     // The server ends the transport first (RFC 6455 §7.1.1).
///     if connection.state == .closed, !connection.client { shutDownWriting() }
///   }
/// }
/// ```
///
/// A client sends its ``Request`` first. <doc:Deadlines> has the same for an event loop, where one timer is enough, and
/// says what to do about a transport that takes nothing.
///
/// The deadlines of the opening and the closing handshake and of the transport's end are absolute. They begin with
/// their part of the connection's life, and nothing that a peer sends puts them off, a byte a second neither. While
/// messages flow, a ping goes out every ``Timeouts/Keepalive/pingInterval``, and anything that comes after it is the
/// sign of life that it asks for: a pong waits behind the frame that the peer is sending (RFC 6455 §5.4), which may
/// take long. A peer that has fallen silent is found after
/// ``Timeouts/Keepalive/pingInterval`` and ``Timeouts/Keepalive/pongTimeout`` at most.
///
/// A value of plain bits: nothing here allocates but the payload of a ping that is to be sent.
public struct Deadlines: Sendable, BitwiseCopyable {
  /// What to do now.
  public enum Action: Sendable, Hashable {
    /// Send this ping. Given while the state is ``ConnectionState/open`` only.
    case sendPing(Ping)
    /// Nothing has come since a ping: send this Close, whose code you may change. The deadline of the closing handshake
    /// runs from now on, whether it could be sent or not.
    case sendClose(CloseConnection, cause: Cause)
    /// Close the transport without waiting for anything; then tell the connection with `receiveEndOfStream()`, which
    /// gives the last event, 1006, if there was no Close (RFC 6455 §7.1.5). The last action of all.
    case dropTransport(cause: Cause)
  }

  /// Which deadline has passed, with the length that it had. An error, to be thrown or logged.
  public enum Cause: Error, Sendable, Hashable, BitwiseCopyable, CustomStringConvertible {
    /// ``Timeouts/opening``: the opening handshake, or the body of a refusal, was not complete.
    case opening(limit: Duration)
    /// ``Timeouts/Keepalive/pongTimeout``: nothing came after a ping.
    case keepalive(limit: Duration)
    /// ``Timeouts/closing``: the closing handshake was not complete.
    case closing(limit: Duration)
    /// ``Timeouts/transportEnd``: the connection was closed, and the peer did not end the transport.
    case transportEnd(limit: Duration)

    /// The cause in words.
    public var description: String {
      switch self {
      case .opening(let limit): "the opening handshake was not complete within \(limit)"
      case .keepalive(let limit): "nothing came within \(limit) of a ping"
      case .closing(let limit): "the closing handshake was not complete within \(limit)"
      case .transportEnd(let limit): "the peer did not end the transport within \(limit)"
      }
    }
  }

  /// The settings.
  public let timeouts: Timeouts

  /// How long the newest ping that was answered took from ``advance(to:state:)`` to its pong; `nil` before the first.
  ///
  /// What a peer makes it: it can delay its pongs. Pongs that answer no ping of ``Action/sendPing(_:)`` are not
  /// counted, nor is the second pong for one ping. A pong for a later ping answers the earlier ones (RFC 6455 §5.5.3).
  public var roundTripTime: Duration? { roundTrips.latest }

  /// The parts of a connection's life, which follow each other and don't come back.
  private enum Phase: BitwiseCopyable {
    case opening(Expiry?)
    case open(Due)
    case closing(Expiry?)
    case transportEnd(Expiry?)
    case over
  }

  /// An absolute deadline.
  private struct Expiry: BitwiseCopyable {
    var time: Duration
    var cause: Cause
  }

  /// What is due while messages flow.
  private struct Due: BitwiseCopyable {
    /// When the next ping is; `nil`: never.
    var ping: Duration?
    /// When a peer from which nothing came since a ping is given up; `nil` while there is a sign of life, or no limit.
    var silence: Duration?

    /// What comes first.
    var next: Duration? {
      guard let ping, let silence else { return ping ?? silence }
      return min(ping, silence)
    }
  }

  private var phase: Phase
  private var roundTrips = RoundTrips()
  /// The latest time that was given.
  private var latest: Duration

  /// The transport is open and the opening handshake begins at `now`. For a ``Connection`` whose handshake was done
  /// elsewhere the first ``advance(to:state:)`` says that it is open.
  public init(at now: Duration, timeouts: Timeouts = Timeouts()) {
    self.timeouts = timeouts
    latest = now
    phase = .opening(Self.expiry(now, timeouts.opening, Cause.opening))
  }

  /// When ``advance(to:state:)`` is to be called next if nothing happens before; `nil` if nothing is due any more.
  ///
  /// Right after a call that gave `nil`. What is received puts it off or leaves it, but never brings it nearer, so that
  /// a timer may stay as it is; a change of the connection's state counts from the next ``advance(to:state:)``.
  public var nextDeadline: Duration? {
    switch phase {
    case .opening(let expiry), .closing(let expiry), .transportEnd(let expiry): expiry?.time
    case .open(let due): due.next
    case .over: nil
    }
  }

  /// What to do now; `nil` when nothing is due. Do it, and call this again until it gives `nil`.
  ///
  /// A deadline has passed at its very time. Call this when ``nextDeadline`` is reached, after what came in until then
  /// was received, and after anything that may have moved the connection's state: events taken, events sent.
  ///
  /// - Parameters:
  ///   - time: now.
  ///   - state: the connection's state, now. What counts is how far it has come; it doesn't go back.
  public mutating func advance(to time: Duration, state: ConnectionState) -> Action? {
    let now = clock(time)
    follow(state, at: now)
    switch phase {
    case .opening(let expiry?), .closing(let expiry?), .transportEnd(let expiry?):
      guard now >= expiry.time else { return nil }
      phase = .over
      return .dropTransport(cause: expiry.cause)
    case .open(let due):
      guard let settings = timeouts.keepalive else { return nil }
      if let silence = due.silence, now >= silence, let limit = settings.pongTimeout {
        phase = .closing(Self.expiry(now, timeouts.closing, Cause.closing))
        let close = CloseConnection(code: .internalError, reason: "no sign of life within \(limit) of a ping")
        return .sendClose(close, cause: .keepalive(limit: limit))
      }
      guard let ping = due.ping, now >= ping else { return nil }
      phase = .open(Self.afterPing(due, at: now, settings))
      return .sendPing(roundTrips.ping(at: now))
    case .opening(nil), .closing(nil), .transportEnd(nil), .over: return nil
    }
  }

  /// Bytes came from the transport, of whatever kind: a sign of life. Call this after each read.
  ///
  /// Whoever leaves it out makes pongs the only sign of life.
  public mutating func receivedBytes(at time: Duration) {
    _ = clock(time)
    if case .open(let due) = phase, due.silence != nil { phase = .open(Due(ping: due.ping)) }
  }

  /// A pong came.
  ///
  /// - Returns: the round trip, if this pong answers a ping of ``Action/sendPing(_:)`` that had no answer yet; also kept
  ///   as ``roundTripTime``.
  @discardableResult
  public mutating func receivedPong(_ pong: Pong, at time: Duration) -> Duration? {
    pong.payload.withUnsafeBytes { receivedPong($0.bytes, at: time) }
  }

  /// A pong came whose payload is borrowed: ``BorrowedEvent/pong(_:)``.
  ///
  /// - Returns: as for ``receivedPong(_:at:)-(Pong,_)``.
  @discardableResult
  public mutating func receivedPong(_ payload: RawSpan, at time: Duration) -> Duration? {
    receivedBytes(at: time)
    guard case .open = phase else { return nil }
    return roundTrips.pong(payload, at: latest)
  }

  /// Moves on to the part of its life that the connection has reached.
  private mutating func follow(_ state: ConnectionState, at now: Duration) {
    switch (state, phase) {
    case (.open, .opening):
      phase = .open(Due(ping: timeouts.keepalive.map { now.saturatingAdd($0.pingInterval) }))
    case (.localClosing, .opening), (.localClosing, .open), (.remoteClosing, .opening),
      (.remoteClosing, .open):
      phase = .closing(Self.expiry(now, timeouts.closing, Cause.closing))
    case (.closed, .opening), (.closed, .open), (.closed, .closing):
      phase = .transportEnd(Self.expiry(now, timeouts.transportEnd, Cause.transportEnd))
    case (_, .opening), (_, .open), (_, .closing), (_, .transportEnd), (_, .over): break
    }
  }

  /// What is due after a ping at `now`.
  private static func afterPing(_ due: Due, at now: Duration, _ settings: Timeouts.Keepalive) -> Due {
    // From now on, not from when it was due: a caller that was held up sends one ping, not a row of them.
    let next = now.saturatingAdd(settings.pingInterval)
    // The first ping that nothing has followed counts; those behind it don't put the end off.
    let silence = due.silence ?? settings.pongTimeout.map { now.saturatingAdd($0) }
    return Due(ping: next > now ? next : nil, silence: silence)
  }

  /// Time does not go back.
  private mutating func clock(_ time: Duration) -> Duration {
    latest = max(latest, time)
    return latest
  }

  private static func expiry(_ now: Duration, _ limit: Duration?, _ cause: (Duration) -> Cause) -> Expiry? {
    limit.map { Expiry(time: now.saturatingAdd($0), cause: cause($0)) }
  }
}
