// SPDX-License-Identifier: Apache-2.0

#if NIO
package import NIOCore

extension Duration {
  /// The duration, clamped to about a century in either direction. With longer ones, sleeping traps and scheduling
  /// fails.
  var clampedForClock: Duration {
    min(max(self, .seconds(-3_000_000_000)), .seconds(3_000_000_000))
  }
}

extension TimeAmount {
  /// The same, up to a century either way.
  package init(clamped duration: Duration) { self.init(duration.clampedForClock) }
}

extension NIODeadline {
  /// The moment `uptime` after the beginning of the event loop's clock, rounded up to whole nanoseconds.
  init(clampedUptime uptime: Duration) {
    let time = TimeAmount(clamped: max(.zero, uptime.clampedForClock) + Duration(attoseconds: 999_999_999))
    self = .uptimeNanoseconds(UInt64(time.nanoseconds))
  }
}
#endif
