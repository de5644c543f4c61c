// SPDX-License-Identifier: Apache-2.0

/// How long each phase of a connection may take: the settings of ``Deadlines``.
///
/// `nil` disables a timeout; the peer then decides how long that phase takes. A timeout that is zero or
/// negative expires immediately.
public struct Timeouts: Sendable, Hashable, BitwiseCopyable {
  /// The opening handshake: from the opening of the transport until messages can flow. Includes the body of a
  /// refusal and the time a server takes to decide. Default 10 s.
  public var opening: Duration?
  /// Pings while messages flow, and how long a ping may remain unanswered. Default: every 20 s, within 20 s.
  public var keepalive: Keepalive?
  /// The closing handshake: from the first Close, sent or received, until the connection is closed
  /// (RFC 6455 §7.1.2). Default 10 s.
  public var closing: Duration?
  /// From the end of the connection until the peer has closed the transport too (RFC 6455 §7.1.1). Default 5
  /// s.
  public var transportEnd: Duration?

  /// The defaults, except for what is given.
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

  /// Pings that check whether the peer is still there (RFC 6455 §5.5.2).
  public struct Keepalive: Sendable, Hashable, BitwiseCopyable {
    /// The time from the opening of the connection to the first ping, and between pings. At least a
    /// millisecond; smaller values are raised to that.
    public var pingInterval: Duration {
      didSet { pingInterval = max(pingInterval, Self.shortestInterval) }
    }
    /// How long nothing at all may arrive after a ping. With `nil`, pings are sent to keep the path open and
    /// to measure the round-trip time, and need no answer.
    public var pongTimeout: Duration?

    private static let shortestInterval = Duration.milliseconds(1)

    /// Pings every 20 s, which may remain unanswered for 20 s, by default.
    public init(pingInterval: Duration = .seconds(20), pongTimeout: Duration? = .seconds(20)) {
      self.pingInterval = max(pingInterval, Self.shortestInterval)
      self.pongTimeout = pongTimeout
    }
  }
}

extension Duration {
  /// The sum, clamped to the longest or the most negative duration, so that no setting can trap.
  package func saturatingAdd(_ other: Duration) -> Duration {
    let (sum, overflow) = attoseconds.addingReportingOverflow(other.attoseconds)
    return Duration(attoseconds: overflow ? (attoseconds < 0 ? .min : .max) : sum)
  }

  /// The difference, clamped to the longest or the most negative duration.
  package func saturatingSubtract(_ other: Duration) -> Duration {
    let (difference, overflow) = attoseconds.subtractingReportingOverflow(other.attoseconds)
    return Duration(attoseconds: overflow ? (attoseconds < 0 ? .min : .max) : difference)
  }
}
