// SPDX-License-Identifier: Apache-2.0

#if NIO
import HTTPTypes
import Testing
import WSProto

@testable import WSProtoNIO

/// Waits between attempts, and which failures are worth another one.
@Suite struct ReconnectPolicyTests {
  /// Gives the same number each time.
  private struct Constant: RandomNumberGenerator {
    var number: UInt64
    mutating func next() -> UInt64 { number }
  }

  @Test("the bound of a wait doubles up to the longest, for any number of attempts")
  func bounds() {
    let backoff = Backoff(first: .seconds(1), factor: 2, longest: .seconds(10))
    let bounds = [Int.min, 0, 1, 2, 3, 4, 5, 6, 1000, Int.max].map { backoff.bound(beforeRetry: $0) }
    #expect(bounds == [1, 1, 1, 2, 4, 8, 10, 10, 10, 10].map { .seconds($0) })
    #expect(Backoff(first: .zero).bound(beforeRetry: .max) == .zero)
    #expect(Backoff(factor: 1).bound(beforeRetry: .max) == .milliseconds(500))
    let odd = Backoff(first: .seconds(-1), factor: .nan, longest: .seconds(-2), jitter: .nan)
    #expect(odd == Backoff(first: .zero, factor: 2, longest: .zero, jitter: 1))
    #expect(Backoff(first: .seconds(5), longest: .seconds(1)).bound(beforeRetry: 1) == .seconds(5))
    let huge = Backoff(
      first: .seconds(Int64.max),
      factor: .greatestFiniteMagnitude,
      longest: .seconds(Int64.max)
    )
    #expect(huge.bound(beforeRetry: 9) == .seconds(Int64.max))
  }

  @Test("jitter takes a random part off the bound, and no more than it may")
  func jitter() {
    var low = Constant(number: 0)
    let all = Backoff(first: .seconds(8), jitter: 1)
    let half = Backoff(first: .seconds(8), jitter: 0.5)
    #expect(all.delay(beforeRetry: 1, using: &low) == .seconds(8))
    #expect(half.delay(beforeRetry: 1, using: &low) == .seconds(8))
    var high = Constant(number: .max)
    #expect(all.delay(beforeRetry: 1, using: &high) < .nanoseconds(1))
    #expect(.seconds(4)...(.nanoseconds(4_000_000_001)) ~= half.delay(beforeRetry: 1, using: &high))
    // By the system's generator.
    var delays: Set<Duration> = []
    for _ in 0..<1000 {
      let delay = half.delay(beforeRetry: 1)
      #expect(.seconds(4)...(.seconds(8)) ~= delay)
      delays.insert(delay)
      #expect(.zero...(.seconds(8)) ~= all.delay(beforeRetry: 1))
    }
    #expect(delays.count > 900)
    #expect(Backoff(first: .seconds(8), jitter: 0).delay(beforeRetry: 2) == .seconds(16))
  }

  @Test("network errors and the statuses of a server in trouble are retryable, the rest is final")
  func causes() {
    let policy = ReconnectPolicy()
    #expect(policy.isRetryable(.network) && !policy.isRetryable(.final))
    let retryable = (100..<1000).filter { policy.isRetryable(.status($0, retryAfter: .zero)) }
    #expect(retryable == [500, 502, 503, 504])
    let codes = (UInt16.min...UInt16.max).filter { policy.isRetryable(.closed(CloseReason($0))) }
    #expect(codes == [1001, 1006, 1011, 1012, 1013, 1014])
  }

  @Test("attempts are counted from the last connection that lasted, and end at their number")
  func attempts() {
    let backoff = Backoff(first: .seconds(1), jitter: 0)
    var generator = Constant(number: 1)
    var reconnecting = Reconnecting(ReconnectPolicy(backoff: backoff, attempts: 3))
    #expect(reconnecting.next(after: .network, using: &generator) == .wait(.seconds(1)))
    #expect(reconnecting.next(after: .network, using: &generator) == .wait(.seconds(2)))
    let lost = ReconnectPolicy.Cause.closed(.abnormalClosure)
    #expect(reconnecting.next(after: lost, openFor: .seconds(10), using: &generator) == .wait(.seconds(1)))
    #expect(reconnecting.next(after: .network, using: &generator) == .wait(.seconds(2)))
    #expect(reconnecting.next(after: .network, using: &generator) == .end)
    var unstable = Reconnecting(ReconnectPolicy(backoff: backoff))
    #expect(unstable.next(after: lost, openFor: .seconds(9), using: &generator) == .wait(.seconds(1)))
    #expect(unstable.next(after: lost, openFor: .seconds(9), using: &generator) == .wait(.seconds(2)))
    var once = Reconnecting(ReconnectPolicy(backoff: backoff, attempts: 1))
    #expect(once.next(after: .network, using: &generator) == .end)
    var endless = Reconnecting(ReconnectPolicy(backoff: backoff))
    #expect(endless.next(after: .final, using: &generator) == .end)
    for _ in 0..<100 { _ = endless.next(after: .network, using: &generator) }
    #expect(endless.next(after: .network, using: &generator) == .wait(.seconds(60)))
  }

  @Test("what the server asks to wait comes before the backoff, up to a bound (RFC 9110 §10.2.3)")
  func retryAfter() {
    func wait(_ retryAfter: Duration?) -> Reconnecting.Step {
      var reconnecting = Reconnecting(ReconnectPolicy(backoff: Backoff(first: .seconds(1), jitter: 0)))
      return reconnecting.next(after: .status(503, retryAfter: retryAfter))
    }
    #expect(wait(nil) == .wait(.seconds(1)) && wait(.seconds(7)) == .wait(.seconds(8)))
    #expect(wait(.seconds(-7)) == .wait(.seconds(1)) && wait(.seconds(100_000)) == .wait(.seconds(301)))
  }

  @Test(
    "Retry-After is a number of seconds, or a date that counts from the response's own (RFC 9110 §10.2.3, §5.6.7)",
    arguments: [
      ("120", nil, .seconds(120)), ("0", nil, .zero), ("", nil, nil), ("-1", nil, nil), ("1.5", nil, nil),
      ("99999999999999999999", nil, .seconds(UInt32.max)), ("Sun, 06 Nov 1994 08:49:37 GMT", nil, nil),
      ("Sun, 06 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 1994 08:49:07 GMT", .seconds(30)),
      ("Tue, 01 Mar 2022 00:00:00 GMT", "Mon, 28 Feb 2022 23:59:59 GMT", .seconds(1)),
      ("Fri, 01 Mar 2024 00:00:00 GMT", "Wed, 28 Feb 2024 23:59:59 GMT", .seconds(86401)),
      ("Sat, 01 Jan 2000 00:00:00 GMT", "Thu, 31 Dec 1970 23:59:59 GMT", .seconds(915148801)),
      ("Sun, 06 Nov 1994 08:49:07 GMT", "Sun, 06 Nov 1994 08:49:37 GMT", .zero),
      ("Sun, 06 Nov 1994 08:49:37 CET", "Sun, 06 Nov 1994 08:49:07 GMT", nil),
      ("Sunday, 06-Nov-94 08:49:37 GMT", "Sun, 06 Nov 1994 08:49:07 GMT", nil),
      ("Sun, 99 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 1994 08:49:07 GMT", nil),
    ] as [(String, String?, Duration?)]
  )
  func retryAfterField(text: String, date: String?, delay: Duration?) {
    var fields: HTTPFields = [.retryAfter: text]
    fields[.date] = date
    #expect(RetryAfter.delay(in: fields) == delay)
  }
}
#endif
