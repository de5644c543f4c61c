// SPDX-License-Identifier: Apache-2.0

#if NIO
import Testing
import WSProtoNIO

/// Messages and bytes a second, on a clock of the caller's.
@Suite struct RateLimitTests {
  @Test("a burst passes at once, and then as many messages a second as the rate says")
  func messages() {
    var meter = RateMeter(RateLimit(messages: .init(perSecond: 2, burst: 3)))
    let atOnce = (0..<5).map { _ in meter.receivedMessage(bytes: 1 << 40, at: .seconds(100)) }
    #expect(atOnce == [.zero, .zero, .zero, .milliseconds(500), .seconds(1)])
    // A debt of two messages has been paid after a second; one token has come after half a second more.
    #expect(meter.receivedMessage(bytes: 0, at: .milliseconds(101_500)) == .zero)
    #expect(meter.receivedMessage(bytes: 0, at: .milliseconds(101_500)) == .milliseconds(500))
  }

  @Test("bytes count besides messages, and the longer wait is the one")
  func bytes() {
    let limit = RateLimit(messages: .init(perSecond: 10), bytes: .init(perSecond: 1000, burst: 500))
    var meter = RateMeter(limit)
    #expect(meter.receivedMessage(bytes: 500, at: .zero) == .zero)
    #expect(meter.receivedMessage(bytes: 250, at: .zero) == .milliseconds(250))
    #expect(meter.receivedMessage(bytes: 0, at: .milliseconds(250)) == .zero)
    // A message larger than the burst is there already: it is paid for.
    #expect(meter.receivedMessage(bytes: 10_000, at: .seconds(60)) == .milliseconds(9500))
  }

  @Test("no pause saves up more than the burst")
  func pause() {
    var meter = RateMeter(RateLimit(bytes: .init(perSecond: 100)))
    #expect(meter.receivedMessage(bytes: 100, at: .zero) == .zero)
    #expect(meter.receivedMessage(bytes: 100, at: .seconds(1_000_000)) == .zero)
    #expect(meter.receivedMessage(bytes: 1, at: .seconds(1_000_000)) == .milliseconds(10))
  }

  @Test("neither a clock that goes back nor numbers at their ends trap")
  func extremes() {
    var meter = RateMeter(
      RateLimit(messages: .init(perSecond: .max), bytes: .init(perSecond: .min, burst: .min))
    )
    #expect(meter.receivedMessage(bytes: 2, at: .seconds(10)) == .seconds(1))
    #expect(meter.receivedMessage(bytes: 0, at: .zero) == .seconds(1))
    for _ in 0..<50 { #expect(meter.receivedMessage(bytes: .max, at: .zero) > .seconds(1)) }
    #expect(meter.receivedMessage(bytes: .min, at: .seconds(Int64.max)) >= .zero)
    #expect(RateLimit.Rate(perSecond: 0) == RateLimit.Rate(perSecond: 1, burst: 1))
    var free = RateMeter(RateLimit())
    #expect(free.receivedMessage(bytes: .max, at: .seconds(Int64.min)) == .zero)
  }
}
#endif
