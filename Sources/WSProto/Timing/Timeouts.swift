// SPDX-License-Identifier: Apache-2.0

/// How long each part of a connection's life may take: the settings of ``Deadlines``.
///
/// Lengths of time. `nil` switches one off, and the peer then decides how long that part takes; one that is zero or
/// negative is over as soon as it begins.
public struct Timeouts: Sendable, Hashable, BitwiseCopyable {
  /// The opening handshake: from the transport's being open until messages can flow, the body of a refusal and a
  /// server's own decision included. Default 10 s.
  public var opening: Duration?
  /// Pings while messages flow, and how long one may stay without an answer. Default: every 20 s, within 20 s.
  public var keepalive: Keepalive?
  /// The closing handshake: from the first Close, sent or received, until the connection is closed (RFC 6455 §7.1.2).
  /// Default 10 s.
  public var closing: Duration?
  /// From the end of the connection until the peer has ended the transport too (RFC 6455 §7.1.1). Default 5 s.
  public var transportEnd: Duration?

  /// The defaults, but for what is given.
  public init(
    opening: Duration? = .seconds(10),
    keepalive: Keepalive? = Keepalive(),
    closing: Duration? = .seconds(10),
    transportEnd: Duration? = .seconds(5)
  ) {
    self.opening = opening
    self.keepalive = keepalive
    self.closing = closing
    self.transportEnd = transportEnd
  }

  /// Pings that are sent to see whether the peer is still there (RFC 6455 §5.5.2).
  public struct Keepalive: Sendable, Hashable, BitwiseCopyable {
    /// From the connection's being open to the first ping, and from each ping to the next. A millisecond at least: less
    /// is taken for one.
    public var pingInterval: Duration {
      didSet { pingInterval = max(pingInterval, Self.shortestInterval) }
    }
    /// How long nothing at all may come after a ping. `nil`: pings go out, to keep the path open and to measure the
    /// round trip, and none needs an answer.
    public var pongTimeout: Duration?

    private static let shortestInterval = Duration.milliseconds(1)

    /// Pings every 20 s, one of which may stay without an answer for 20 s, unless stated.
    public init(pingInterval: Duration = .seconds(20), pongTimeout: Duration? = .seconds(20)) {
      self.pingInterval = max(pingInterval, Self.shortestInterval)
      self.pongTimeout = pongTimeout
    }
  }
}

extension Duration {
  /// The sum; where it does not fit, the longest or the most negative duration, so that no setting can trap.
  func saturatingAdd(_ other: Duration) -> Duration {
    let (sum, overflow) = attoseconds.addingReportingOverflow(other.attoseconds)
    return Duration(attoseconds: overflow ? (attoseconds < 0 ? .min : .max) : sum)
  }

  /// The difference; where it does not fit, the longest or the most negative duration.
  func saturatingSubtract(_ other: Duration) -> Duration {
    let (difference, overflow) = attoseconds.subtractingReportingOverflow(other.attoseconds)
    return Duration(attoseconds: overflow ? (attoseconds < 0 ? .min : .max) : difference)
  }
}
