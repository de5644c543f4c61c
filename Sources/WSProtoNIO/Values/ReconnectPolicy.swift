// SPDX-License-Identifier: Apache-2.0

#if NIO
public import WSProto

/// When a client reconnects after it lost a connection or couldn't open one.
///
/// A value without a clock, and with random numbers of your choice, so that it can be tested:
///
/// ```swift
/// var reconnecting = Reconnecting(ReconnectPolicy(attempts: 5))
/// switch reconnecting.next(after: .status(503, retryAfter: .seconds(2))) {
/// case .wait(let delay): print("again in \(delay)")
/// case .end: print("no further attempt")
/// }
/// ```
public struct ReconnectPolicy: Sendable, Hashable {
  /// How long to wait before each attempt.
  public var backoff: Backoff
  /// How many attempts in a row may fail or end early, including the first one. Default `nil`: no limit.
  public var attempts: Int?
  /// The status codes of a refusal after which to retry. Default: 500, 502, 503 and 504.
  public var statuses: Set<Int>
  /// The codes of a Close after which to reconnect. Default: 1001, 1006, 1011, 1012, 1013 and 1014, which mean that the
  /// cause lies with the server rather than the client (RFC 6455 §7.4.1 and the IANA registry).
  public var codes: Set<CloseReason>
  /// How long a connection must have been open before the number of failed attempts is reset. Default 10 s. Otherwise,
  /// a server that accepts and closes at once would be contacted forever at short intervals.
  public var stableAfter: Duration
  /// The longest wait that a server can request with `Retry-After`. Default 5 min.
  public var longestRetryAfter: Duration

  /// Creates a policy with the default values, except for what is given.
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

  /// What ended a connection or an attempt.
  public enum Cause: Sendable, Hashable {
    /// No connection was opened: a network failure, a time limit, or an unreachable proxy.
    case network
    /// The server refused with this status code.
    case status(Int, retryAfter: Duration?)
    /// The connection was open and was closed with this code.
    case closed(CloseReason)
    /// A cause that another attempt can't change: an invalid certificate, answer or URL.
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

/// The attempts of a client under a ``ReconnectPolicy``: how many have failed, and what to do next.
public struct Reconnecting: Sendable, Hashable {
  /// The policy.
  public let policy: ReconnectPolicy
  /// The number of attempts in a row that failed or ended early.
  public private(set) var failures = 0

  /// What to do next.
  public enum Step: Sendable, Hashable {
    /// Connect again after this long.
    case wait(Duration)
    /// Don't connect again.
    case end
  }

  /// Creates the state before the first attempt.
  public init(_ policy: ReconnectPolicy) { self.policy = policy }

  /// Decides what to do after an attempt failed or a connection ended. The wait is random by the system's generator.
  ///
  /// - Parameters:
  ///   - cause: why.
  ///   - duration: how long the connection was open; zero if it never was.
  public mutating func next(after cause: ReconnectPolicy.Cause, openFor duration: Duration = .zero) -> Step {
    next(after: cause, openFor: duration) { $0.backoff.delay(beforeRetry: $1) }
  }

  /// Decides what to do after an attempt failed or a connection ended.
  ///
  /// - Parameters:
  ///   - cause: what ended it.
  ///   - duration: how long the connection was open; zero if it never was.
  ///   - generator: the source of the wait's random part.
  public mutating func next(
    after cause: ReconnectPolicy.Cause,
    openFor duration: Duration = .zero,
    using generator: inout some RandomNumberGenerator
  ) -> Step {
    next(after: cause, openFor: duration) { $0.backoff.delay(beforeRetry: $1, using: &generator) }
  }

  /// - Parameter wait: makes the wait before the new attempt of a number.
  private mutating func next(
    after cause: ReconnectPolicy.Cause,
    openFor duration: Duration,
    wait: (ReconnectPolicy, Int) -> Duration
  ) -> Step {
    if duration > .zero, duration >= policy.stableAfter { failures = 0 }
    guard policy.isRetryable(cause) else { return .end }
    failures += 1
    if let attempts = policy.attempts, failures >= attempts { return .end }
    let delay = wait(policy, failures)
    guard case .status(_, let retryAfter?) = cause else { return .wait(delay) }
    // Added to the requested wait, so that the clients don't all reconnect at that exact moment.
    return .wait(min(max(.zero, retryAfter), policy.longestRetryAfter) + delay)
  }
}
#endif
