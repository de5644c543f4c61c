// SPDX-License-Identifier: Apache-2.0

#if NIO
/// How long to wait before each new attempt: longer each time, and at random within bounds, so that the clients of a
/// server that was away don't all return at once.
///
/// A value without a clock: it computes how long to wait, and the caller waits.
public struct Backoff: Sendable, Hashable {
  /// The upper bound of the wait before the first new attempt. Default 500 ms.
  public let first: Duration
  /// The factor by which the bound grows from one attempt to the next, 1 or more. Default 2.
  public let factor: Double
  /// The longest possible wait. Default 60 s.
  public let longest: Duration
  /// The random part of each wait, from 0 to 1. With 1, the default, a wait is anything between zero and its bound.
  public let jitter: Double

  /// Creates a backoff with the default values, except for what is given. Values out of range are clamped, and values
  /// that are not a number are replaced by the default.
  public init(
    first: Duration = .milliseconds(500),
    factor: Double = 2,
    longest: Duration = .seconds(60),
    jitter: Double = 1
  ) {
    self.first = max(.zero, first)
    self.longest = max(self.first, longest)
    self.factor = factor.isFinite ? max(1, factor) : 2
    self.jitter = jitter.isNaN ? 1 : min(max(0, jitter), 1)
  }

  /// The upper bound of the wait before a new attempt; the first new attempt has number 1.
  public func bound(beforeRetry number: Int) -> Duration {
    var bound = first
    // Ends after a few rounds because the bound grows. If it doesn't grow, it was returned above.
    if factor == 1 || bound == .zero { return bound }
    for _ in 1..<max(2, number) where number > 1 {
      // Compared before multiplying, so that nothing overflows.
      if bound >= longest / factor { return longest }
      bound = bound * factor
    }
    return min(bound, longest)
  }

  /// The wait before a new attempt, by the system's random numbers; the first new attempt has number 1.
  public func delay(beforeRetry number: Int) -> Duration {
    delay(beforeRetry: number, random: UInt64.random(in: .min ... .max))
  }

  /// The wait before a new attempt; the first new attempt has number 1.
  public func delay(
    beforeRetry number: Int,
    using generator: inout some RandomNumberGenerator
  ) -> Duration {
    delay(beforeRetry: number, random: generator.next())
  }

  private func delay(beforeRetry number: Int, random: UInt64) -> Duration {
    let bound = bound(beforeRetry: number)
    // 53 bits, 0..<1, of one number: so the generator is called exactly once, and any generator works.
    return bound - bound * (jitter * Double(random >> 11) * 0x1p-53)
  }
}
#endif
