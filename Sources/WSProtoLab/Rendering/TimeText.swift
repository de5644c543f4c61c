// SPDX-License-Identifier: Apache-2.0

/// Times and durations as text, without the rounding of floating-point numbers.
enum TimeText {
  /// Seconds with six decimals.
  static func seconds(_ nanoseconds: Int64) -> String {
    fixed(nanoseconds.magnitude / 1000, decimals: 6, isNegative: nanoseconds < 0)
  }

  /// Seconds since the epoch, with nine decimals.
  static func exact(_ time: CaptureTime) -> String {
    fixed(time.nanoseconds.magnitude, decimals: 9, isNegative: time.nanoseconds < 0)
  }

  /// A duration in the unit that suits it: `12 µs`, `3.4 ms`, `5.67 s`.
  static func duration(_ nanoseconds: Int64) -> String {
    let magnitude = nanoseconds.magnitude
    let sign = nanoseconds < 0 ? "-" : ""
    switch magnitude {
    case 0..<1000: return "\(sign)\(magnitude) ns"
    case 1000..<1_000_000: return "\(sign)\(magnitude / 1000) µs"
    case 1_000_000..<1_000_000_000: return sign + fixed(magnitude / 100_000, decimals: 1) + " ms"
    default: return sign + fixed(magnitude / 10_000_000, decimals: 2) + " s"
    }
  }

  /// A number whose last digits are decimals.
  private static func fixed(_ number: UInt64, decimals: Int, isNegative: Bool = false) -> String {
    let digits = String(number)
    let padded = String(repeating: "0", count: max(0, decimals + 1 - digits.count)) + digits
    return (isNegative ? "-" : "") + padded.dropLast(decimals) + "." + padded.suffix(decimals)
  }
}
