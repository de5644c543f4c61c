// SPDX-License-Identifier: Apache-2.0

#if NIO
/// How long to wait before each new attempt: longer from one to the next, and at random within bounds, so that the
/// clients of a server that was away don't come back all at once.
///
/// A value without a clock: it says how long, and the caller waits.
public struct Backoff: Sendable, Hashable {
  /// The longest wait before the first new attempt. Default 500 ms.
  public let first: Duration
  /// By how much each is longer than the one before, 1 or more. Default 2.
  public let factor: Double
  /// What no wait exceeds. Default 60 s.
  public let longest: Duration
  /// Which part of the wait is random, 0…1: with 1, the default, a wait is anything from nothing to its bound.
  public let jitter: Double

  /// The defaults, unless stated. Values out of their bounds are taken for the nearest, those that are no number for the
  /// default.
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

  /// The longest wait before the new attempt of this number, of which the first is 1.
  public func bound(beforeRetry number: Int) -> Duration {
    var bound = first
    // Ends after few rounds, as it grows; where it does not, it is the same each time.
    if factor == 1 || bound == .zero { return bound }
    for _ in 1..<max(2, number) where number > 1 {
      // Compared before it is multiplied, so that nothing overflows.
      if bound >= longest / factor { return longest }
      bound = bound * factor
    }
    return min(bound, longest)
  }

  /// The wait before the new attempt of this number, of which the first is 1.
  public func delay(
    beforeRetry number: Int,
    using generator: inout some RandomNumberGenerator
  ) -> Duration {
    let bound = bound(beforeRetry: number)
    // 53 bits, 0..<1: as one number each time, so that any generator will do.
    let random = Double(generator.next() >> 11) * 0x1p-53
    return bound - bound * (jitter * random)
  }
}
#endif
