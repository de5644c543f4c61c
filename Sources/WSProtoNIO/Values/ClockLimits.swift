// SPDX-License-Identifier: Apache-2.0

#if NIO
import NIOCore

extension Duration {
  /// The same, up to a century either way. Clocks have an end: beyond it, sleeping traps, and nothing can be scheduled.
  var clampedForClock: Duration {
    min(max(self, .seconds(-3_000_000_000)), .seconds(3_000_000_000))
  }
}

extension TimeAmount {
  /// The same, up to a century either way.
  init(clamped duration: Duration) { self.init(duration.clampedForClock) }
}

extension NIODeadline {
  /// The moment of the event loop's clock that is `uptime` after its beginning, or the next one that it can tell.
  init(clampedUptime uptime: Duration) {
    let time = TimeAmount(clamped: max(.zero, uptime.clampedForClock) + Duration(attoseconds: 999_999_999))
    self = .uptimeNanoseconds(UInt64(time.nanoseconds))
  }
}
#endif
