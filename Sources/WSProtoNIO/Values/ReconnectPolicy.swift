// SPDX-License-Identifier: Apache-2.0

#if NIO
public import WSProto

/// When a client that has lost its connection, or got none, connects again.
///
/// A value without a clock and without randomness of its own, so that it can be tested:
///
/// ```swift
/// var generator = SystemRandomNumberGenerator()
/// var reconnecting = Reconnecting(ReconnectPolicy(attempts: 5))
/// switch reconnecting.next(after: .status(503, retryAfter: .seconds(2)), using: &generator) {
/// case .wait(let delay): print("again in \(delay)")
/// case .end: print("no further attempt")
/// }
/// ```
public struct ReconnectPolicy: Sendable, Hashable {
  /// How long to wait before each attempt.
  public var backoff: Backoff
  /// How many attempts may fail, or end soon, one after the other, the first included; `nil`, the default, for any number.
  public var attempts: Int?
  /// The statuses of a refusal after which it is worth to ask again: 500, 502, 503 and 504.
  public var statuses: Set<Int>
  /// The codes of a Close after which it is worth to connect again: 1001, 1006, 1011, 1012, 1013 and 1014, which say that
  /// the server, and not what the client does, is the cause (RFC 6455 §7.4.1, the registry of IANA).
  public var codes: Set<CloseReason>
  /// How long a connection must have been open for the attempts to be counted from there. Default 10 s. A server that
  /// accepts and closes at once would otherwise be asked without end, in short intervals.
  public var stableAfter: Duration
  /// What is waited at most because a server says so in `Retry-After`. Default 5 min.
  public var longestRetryAfter: Duration

  /// The defaults, unless stated.
  public init(backoff: Backoff = Backoff(), attempts: Int? = nil) {
    self.backoff = backoff
    self.attempts = attempts
    statuses = [500, 502, 503, 504]
    codes = [
      .goingAway, .abnormalClosure, .internalError, .serviceRestart, .tryAgainLater, .badGateway,
    ]
    stableAfter = .seconds(10)
    longestRetryAfter = .seconds(300)
  }

  /// What has ended a connection, or an attempt.
  public enum Cause: Sendable, Hashable {
    /// Nothing was agreed upon: the network, a time limit, a proxy that cannot be reached.
    case network
    /// The server has refused with this status.
    case status(Int, retryAfter: Duration?)
    /// The connection was open, and was closed with this code.
    case closed(CloseReason)
    /// Something that another attempt cannot change: a certificate, an answer that is not legal, a URL.
    case final
  }

  /// Whether another attempt may help.
  public func isRetryable(_ cause: Cause) -> Bool {
    switch cause {
    case .network: true
    case .status(let status, _): statuses.contains(status)
    case .closed(let code): codes.contains(code)
    case .final: false
    }
  }
}

/// The attempts of a client under a ``ReconnectPolicy``: how many have failed, and what comes next.
public struct Reconnecting: Sendable, Hashable {
  /// The policy.
  public let policy: ReconnectPolicy
  /// How many attempts have failed, or ended soon, one after the other.
  public private(set) var failures = 0

  /// What to do.
  public enum Step: Sendable, Hashable {
    /// Connect again after this long.
    case wait(Duration)
    /// Connect no more.
    case end
  }

  /// Before the first attempt.
  public init(_ policy: ReconnectPolicy) { self.policy = policy }

  /// An attempt has failed, or a connection has ended.
  ///
  /// - Parameters:
  ///   - cause: why.
  ///   - duration: how long the connection was open; zero if it never was.
  ///   - generator: for the wait's random part.
  public mutating func next(
    after cause: ReconnectPolicy.Cause,
    openFor duration: Duration = .zero,
    using generator: inout some RandomNumberGenerator
  ) -> Step {
    if duration > .zero, duration >= policy.stableAfter { failures = 0 }
    guard policy.isRetryable(cause) else { return .end }
    failures += 1
    if let attempts = policy.attempts, failures >= attempts { return .end }
    let delay = policy.backoff.delay(beforeRetry: failures, using: &generator)
    guard case .status(_, let retryAfter?) = cause else { return .wait(delay) }
    // Behind what the server asks for, or all its clients would come in that very moment.
    return .wait(min(max(.zero, retryAfter), policy.longestRetryAfter) + delay)
  }
}
#endif
