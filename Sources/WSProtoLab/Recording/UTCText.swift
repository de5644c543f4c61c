// SPDX-License-Identifier: Apache-2.0

/// Dates of the Gregorian calendar, in UTC.
enum UTCText {
  /// `2026-11-26T10:00:00.123Z` (RFC 3339 §5.6).
  static func date(_ time: CaptureTime) -> String {
    let (seconds, nanoseconds) = time.nanoseconds.flooredQuotientAndRemainder(1_000_000_000)
    let (days, second) = seconds.flooredQuotientAndRemainder(86_400)
    let (year, month, day) = civil(days)
    func padded(_ number: Int64, _ width: Int) -> String {
      let text = String(number)
      return String(repeating: "0", count: max(0, width - text.count)) + text
    }
    return padded(year, 4) + "-" + padded(month, 2) + "-" + padded(day, 2) + "T" + padded(second / 3600, 2)
      + ":"
      + padded(second / 60 % 60, 2) + ":" + padded(second % 60, 2) + "." + padded(nanoseconds / 1_000_000, 3)
      + "Z"
  }

  /// The date of a day counted from 1970-01-01. Years are counted from March, so that the leap day is a year's last; an era
  /// is 400 of them.
  private static func civil(_ days: Int64) -> (year: Int64, month: Int64, day: Int64) {
    let (era, dayOfEra) = (days + 719_468).flooredQuotientAndRemainder(146_097)
    let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
    let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let shifted = (5 * dayOfYear + 2) / 153
    let month = shifted < 10 ? shifted + 3 : shifted - 9
    return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, dayOfYear - (153 * shifted + 2) / 5 + 1)
  }
}

extension Int64 {
  /// The quotient rounded down, and the remainder, which is not negative.
  fileprivate func flooredQuotientAndRemainder(_ divisor: Int64) -> (Int64, Int64) {
    let (quotient, rest) = quotientAndRemainder(dividingBy: divisor)
    return rest < 0 ? (quotient - 1, rest + divisor) : (quotient, rest)
  }
}
