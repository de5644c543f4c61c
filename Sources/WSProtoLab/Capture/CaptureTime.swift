// SPDX-License-Identifier: Apache-2.0

/// When something was captured: nanoseconds since 1970-01-01 00:00 UTC.
public struct CaptureTime: Sendable, Hashable, Comparable {
  /// Nanoseconds since the epoch; before it, negative.
  public var nanoseconds: Int64

  /// A time.
  public init(nanoseconds: Int64) { self.nanoseconds = nanoseconds }

  /// A count of ticks. What does not fit 64 bits is wrong in the capture, and becomes the nearest time that fits.
  init(ticks: UInt64, perSecond: UInt64) {
    let rate = max(1, perSecond)
    let (seconds, rest) = ticks.quotientAndRemainder(dividingBy: rate)
    let (whole, overflow) = Int64(clamping: seconds).multipliedReportingOverflow(by: 1_000_000_000)
    // The remainder is below the rate, so the quotient is below 10⁹.
    let fraction = rate.dividingFullWidth(rest.multipliedFullWidth(by: 1_000_000_000)).quotient
    let (sum, tooMuch) = whole.addingReportingOverflow(Int64(clamping: fraction))
    nanoseconds = overflow || tooMuch ? .max : sum
  }

  /// Earlier first.
  public static func < (left: CaptureTime, right: CaptureTime) -> Bool {
    left.nanoseconds < right.nanoseconds
  }

  /// The nanoseconds from `earlier` to this time.
  func since(_ earlier: CaptureTime) -> Int64 {
    let (difference, overflow) = nanoseconds.subtractingReportingOverflow(earlier.nanoseconds)
    return overflow ? .max : difference
  }
}
