// SPDX-License-Identifier: Apache-2.0

#if Tool
private import Histogram
import WSProtoLab

/// Durations, counted by HdrHistogram: a value keeps three significant digits, and the memory doesn't depend on how many
/// there are.
///
/// What this adds: durations in place of numbers; one that is longer than what is tracked counts as the longest, where
/// the library drops it; a mean that is summed up as values come, where the library's can overflow.
package struct LatencyHistogram: Sendable {
  /// A day, in nanoseconds.
  package static let longest: UInt64 = 86_400_000_000_000

  private var histogram = Histogram<UInt64>(
    highestTrackableValue: longest,
    numberOfSignificantValueDigits: .three
  )
  private var sum = 0.0

  package init() {}

  /// Counts a duration; a negative one as zero.
  package mutating func record(_ duration: Duration) {
    record(nanoseconds: UInt64(max(0, min(duration / .nanoseconds(1), 1e18))))
  }

  /// Counts a duration; one of more than a day as a day.
  package mutating func record(nanoseconds: UInt64) {
    let value = min(nanoseconds, Self.longest)
    histogram.record(value)
    sum += Double(value)
  }

  /// Adds what another one has counted.
  package mutating func add(_ other: LatencyHistogram) {
    histogram.add(other.histogram)
    sum += other.sum
  }

  package var count: UInt64 { histogram.totalCount }

  package var mean: Double { count == 0 ? 0 : sum / Double(count) }

  /// The duration in nanoseconds that so many percent do not exceed; zero if there is none.
  package func percentile(_ percent: Double) -> Double {
    count == 0 ? 0 : Double(histogram.valueAtPercentile(percent))
  }

  /// How many durations are not longer, as far as three digits tell.
  private func count(upTo nanoseconds: UInt64) -> UInt64 {
    histogram.count(within: 0...min(nanoseconds, Self.longest))
  }

  /// 1, 2 and 5 of each power of ten, until no duration is longer.
  private static let steps: [UInt64] = {
    var steps: [UInt64] = []
    var power: UInt64 = 1
    while steps.last ?? 0 < longest {
      steps += [power, 2 * power, 5 * power]
      power *= 10
    }
    return steps
  }()

  /// The histogram for a terminal: a line for each step of a logarithmic scale, its bar as long as its share.
  package func bars(width: Int = 50) -> [String] {
    guard count > 0 else { return [] }
    var shares: [(step: UInt64, count: UInt64)] = []
    var counted: UInt64 = 0
    for step in Self.steps {
      let upToStep = count(upTo: step)
      // From the first step that has a duration to the last one.
      if upToStep > 0 { shares.append((step, upToStep - counted)) }
      counted = upToStep
      if counted == count { break }
    }
    let most = shares.map(\.count).max() ?? 1
    return shares.map { share in
      let label = "≤ " + DurationText.format(nanoseconds: Double(share.step))
      let length = Int((Double(share.count) / Double(most) * Double(width)).rounded(.up))
      let percent = DurationText.rounded(Double(share.count) * 100 / Double(count))
      return label.padded(10) + "  " + String(repeating: "█", count: length).padded(width) + "  \(percent) %"
    }
  }
}

extension String {
  /// With spaces behind it, up to `width` characters.
  package func padded(_ width: Int) -> String {
    count < width ? self + String(repeating: " ", count: width - count) : self
  }

  /// With spaces before it, up to `width` characters.
  package func paddedLeft(_ width: Int) -> String {
    count < width ? String(repeating: " ", count: width - count) + self : self
  }
}
#endif
