// SPDX-License-Identifier: Apache-2.0

/// The timeouts of a connection, as data: what is due when, and what to do then.
///
/// Use one for each ``WSConnection`` or ``Connection``, in either role. It has no clock and no timer. You
/// pass the times: durations since any fixed moment of a monotonic clock, such as `start.duration(to: .now)`
/// with a `start` of `ContinuousClock`. A time earlier than a previous one is treated as that one.
///
/// A loop needs three calls: ``receivedBytes(at:)`` after each read; ``advance(to:state:)``, until it returns
/// `nil`, after anything was done with the connection and whenever ``nextDeadline`` is reached; and a wait
/// until ``nextDeadline``. If you pass the pongs too, it measures the ``roundTripTime``. On a blocking
/// socket, with `wait` being `poll` with a timeout, rounded up, that returns whether there is something to
/// read:
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
/// A client sends its ``Request`` first. <doc:Deadlines> shows the same for an event loop, where one timer is
/// enough, and says what to do about a transport that accepts no data.
///
/// The deadlines of the opening handshake, the closing handshake and the transport's end are absolute: they
/// start with that phase, and nothing a peer sends extends them, not even one byte per second. While messages
/// flow, a ping is sent every ``Timeouts/Keepalive/pingInterval``. Any bytes that arrive after it count as a
/// sign of life, not just the pong, because a pong must wait for the frame that the peer is sending
/// (RFC 6455 §5.4), which may take long. A silent peer is detected after at most
/// ``Timeouts/Keepalive/pingInterval`` plus ``Timeouts/Keepalive/pongTimeout``.
///
/// A bitwise-copyable value. It allocates nothing except the payload of a ping to send.
public struct Deadlines: Sendable, BitwiseCopyable {
  /// What to do now.
  public enum Action: Sendable, Hashable {
    /// Send this ping. Returned only in the state ``ConnectionState/open``.
    case sendPing(Ping)
    /// Nothing has arrived since a ping: send this Close; you may change its code. The deadline of the
    /// closing handshake starts now, whether or not the Close could be sent.
    case sendClose(CloseConnection, cause: Cause)
    /// Close the transport at once, then call `receiveEndOfStream()` on the connection. If there was no
    /// Close, that gives the last event, 1006 (RFC 6455 §7.1.5). No action follows this one.
    case dropTransport(cause: Cause)
  }

  /// Which deadline has passed, and how long it was. It is an error, so it can be thrown or logged.
  public enum Cause: Error, Sendable, Hashable, BitwiseCopyable, CustomStringConvertible {
    /// ``Timeouts/opening``: the opening handshake, or the body of a refusal, was not completed.
    case opening(limit: Duration)
    /// ``Timeouts/Keepalive/pongTimeout``: nothing arrived after a ping.
    case keepalive(limit: Duration)
    /// ``Timeouts/closing``: the closing handshake was not completed.
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

  /// The time from ``advance(to:state:)`` to the pong, for the newest ping that was answered; `nil` before
  /// the first.
  ///
  /// The peer controls it: it can delay its pongs. Pongs that don't answer a ping of ``Action/sendPing(_:)``
  /// are not counted, nor is a second pong for the same ping. A pong for a later ping also answers the
  /// earlier ones (RFC 6455 §5.5.3).
  public var roundTripTime: Duration? { roundTrips.latest }

  /// The phases of a connection, which follow each other in order.
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
    /// When the next ping is due; `nil` for never.
    var ping: Duration?
    /// When to give up on a peer that has sent nothing since a ping; `nil` while there are signs of life, or
    /// without a limit.
    var silence: Duration?

    /// The earlier of the two.
    var next: Duration? {
      guard let ping, let silence else { return ping ?? silence }
      return min(ping, silence)
    }
  }

  private var phase: Phase
  private var roundTrips = RoundTrips()
  /// The latest time passed so far.
  private var latest: Duration

  /// The transport is open, and the opening handshake begins at `now`. For a ``Connection`` whose handshake
  /// was done elsewhere, the first ``advance(to:state:)`` learns that it is open.
  public init(at now: Duration, timeouts: Timeouts = Timeouts()) {
    self.timeouts = timeouts
    latest = now
    phase = .opening(Self.expiry(now, timeouts.opening, Cause.opening))
  }

  /// When to call ``advance(to:state:)`` next if nothing happens before; `nil` if nothing is due any more.
  ///
  /// Valid after a call of that method has returned `nil`. Received bytes may move it later but never
  /// earlier, so a running timer can stay as it is. A change of the connection's state takes effect with the
  /// next ``advance(to:state:)``.
  public var nextDeadline: Duration? {
    switch phase {
    case .opening(let expiry), .closing(let expiry), .transportEnd(let expiry): expiry?.time
    case .open(let due): due.next
    case .over: nil
    }
  }

  /// What to do now; `nil` when nothing is due. Do it, and call this again until it returns `nil`.
  ///
  /// A deadline has passed once its exact time is reached. When ``nextDeadline`` is reached, first receive
  /// what has arrived, then call this. Also call it after anything that may have changed the connection's
  /// state: events taken, events sent.
  ///
  /// - Parameters:
  ///   - time: the current time.
  ///   - state: the connection's current state. Only progress counts; it doesn't go back.
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

  /// Bytes arrived from the transport, of any kind: a sign of life. Call this after each read.
  ///
  /// If you don't, only pongs count as signs of life.
  public mutating func receivedBytes(at time: Duration) {
    _ = clock(time)
    if case .open(let due) = phase, due.silence != nil { phase = .open(Due(ping: due.ping)) }
  }

  /// A pong arrived.
  ///
  /// - Returns: the round-trip time, if this is the first answer to a ping of ``Action/sendPing(_:)``. It is
  ///   also stored in ``roundTripTime``.
  @discardableResult
  public mutating func receivedPong(_ pong: Pong, at time: Duration) -> Duration? {
    pong.payload.withUnsafeBytes { receivedPong($0.bytes, at: time) }
  }

  /// A pong with a borrowed payload arrived: ``BorrowedEvent/pong(_:)``.
  ///
  /// - Returns: as for ``receivedPong(_:at:)-(Pong,_)``.
  @discardableResult
  public mutating func receivedPong(_ payload: RawSpan, at time: Duration) -> Duration? {
    receivedBytes(at: time)
    guard case .open = phase else { return nil }
    return roundTrips.pong(payload, at: latest)
  }

  /// Moves to the phase that the connection has reached.
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

  /// What is due after a ping sent at `now`.
  private static func afterPing(_ due: Due, at now: Duration, _ settings: Timeouts.Keepalive) -> Due {
    // Counted from now, not from when it was due, so that a delayed caller sends one ping and not several.
    let next = now.saturatingAdd(settings.pingInterval)
    // The first unanswered ping counts; later ones don't extend the timeout.
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
