// SPDX-License-Identifier: Apache-2.0

/// Durations as people write them.
package enum DurationText {
  /// `250ms`, `1.5s`, `2m`, `1h`, `80us`; a bare number means seconds. `nil` if it isn't that, or negative.
  package static func parse(_ text: some StringProtocol) -> Duration? {
    let units: [(String, Double)] = [
      ("ms", 1e-3), ("us", 1e-6), ("µs", 1e-6), ("s", 1), ("m", 60), ("h", 3600),
    ]
    var number = String(text)
    var factor = 1.0
    if let (unit, seconds) = units.first(where: { number.hasSuffix($0.0) }) {
      number.removeLast(unit.count)
      factor = seconds
    }
    guard let value = Double(number), value.isFinite, value >= 0, value * factor < 1e9 else { return nil }
    return .seconds(value * factor)
  }

  /// Three digits and the unit that fits: `12.3 ms`.
  package static func format(_ duration: Duration) -> String {
    format(nanoseconds: duration / .nanoseconds(1))
  }

  /// The same for nanoseconds.
  package static func format(nanoseconds: Double) -> String {
    let (value, unit): (Double, String) =
      switch nanoseconds {
      case ..<1e3: (nanoseconds, "ns")
      case ..<1e6: (nanoseconds / 1e3, "µs")
      case ..<1e9: (nanoseconds / 1e6, "ms")
      default: (nanoseconds / 1e9, "s")
      }
    return "\(rounded(value)) \(unit)"
  }

  /// About three digits.
  package static func rounded(_ value: Double) -> String {
    if value >= 100 || value == value.rounded() { return String(Int(value.rounded())) }
    let places = value >= 10 ? 10.0 : 100.0
    return String((value * places).rounded() / places)
  }
}

/// Sizes as people write them.
package enum SizeText {
  /// `64K`, `16M`, `1G`, by powers of 1,024; a bare number means bytes. `nil` if it isn't that.
  package static func parse(_ text: some StringProtocol) -> Int? {
    let units: [Character: Int] = ["k": 10, "m": 20, "g": 30]
    var number = text.lowercased()
    if number.hasSuffix("b") { number.removeLast() }
    if number.hasSuffix("i") { number.removeLast() }
    var shift = 0
    if let last = number.last, let unit = units[last] {
      shift = unit
      number.removeLast()
    }
    guard let value = Int(number), value >= 0, value <= Int.max >> 31 else { return nil }
    return value << shift
  }

  /// `512 B`, `1.5 MiB`.
  package static func format(_ bytes: Double) -> String {
    switch bytes {
    case ..<1024: "\(DurationText.rounded(bytes)) B"
    case ..<1_048_576: "\(DurationText.rounded(bytes / 1024)) KiB"
    case ..<1_073_741_824: "\(DurationText.rounded(bytes / 1_048_576)) MiB"
    default: "\(DurationText.rounded(bytes / 1_073_741_824)) GiB"
    }
  }
}
