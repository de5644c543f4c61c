// SPDX-License-Identifier: Apache-2.0

#if Tool
import WSProtoLab

/// Durations counted in buckets that grow with them, as HdrHistogram does: a percentile is at most 1 % too long, and the
/// memory doesn't depend on how many durations there are.
package struct LatencyHistogram: Sendable {
  /// Buckets within a power of two.
  private static let shift = 7
  /// Up to 2^43 ns, more than two hours.
  private static let bucketCount = (43 - shift + 1) << shift

  private var buckets = [UInt64](repeating: 0, count: bucketCount)
  package private(set) var count: UInt64 = 0
  package private(set) var min: UInt64 = .max
  package private(set) var max: UInt64 = 0
  private var sum = 0.0

  package init() {}

  /// Counts a duration; a negative one as zero.
  package mutating func record(_ duration: Duration) {
    record(nanoseconds: UInt64(Swift.max(0, Swift.min(duration / .nanoseconds(1), 1e18))))
  }

  package mutating func record(nanoseconds value: UInt64) {
    buckets[Self.index(value)] += 1
    count += 1
    min = Swift.min(min, value)
    max = Swift.max(max, value)
    sum += Double(value)
  }

  /// Adds what another one has counted.
  package mutating func add(_ other: LatencyHistogram) {
    for index in buckets.indices { buckets[index] += other.buckets[index] }
    count += other.count
    min = Swift.min(min, other.min)
    max = Swift.max(max, other.max)
    sum += other.sum
  }

  package var mean: Double { count == 0 ? 0 : sum / Double(count) }

  /// The duration in nanoseconds that so many percent do not exceed; zero if there is none.
  package func percentile(_ percent: Double) -> Double {
    guard count > 0 else { return 0 }
    let rank = Swift.max(1, (percent / 100 * Double(count)).rounded(.up))
    var seen = 0.0
    for (index, bucket) in buckets.enumerated() where bucket > 0 {
      seen += Double(bucket)
      if seen >= rank { return Swift.min(Double(Self.end(index)), Double(max)) }
    }
    return Double(max)
  }

  private static func index(_ value: UInt64) -> Int {
    let exponent = Swift.max(0, 63 - value.leadingZeroBitCount - shift)
    let index = exponent << shift + Int(value >> UInt64(exponent))
    return Swift.min(index, bucketCount - 1)
  }

  /// The largest value of a bucket.
  private static func end(_ index: Int) -> UInt64 {
    let exponent = Swift.max(0, index >> shift - 1)
    let mantissa = UInt64(index - exponent << shift)
    return (mantissa + 1) << UInt64(exponent) - 1
  }

  /// The histogram for a terminal: a line for each step of a logarithmic scale, its bar as long as its share.
  package func bars(width: Int = 50) -> [String] {
    guard count > 0 else { return [] }
    // Steps of 1, 2 and 5.
    var steps: [UInt64] = []
    var power: UInt64 = 1
    while power < 10_000_000_000_000 {
      steps += [power, 2 * power, 5 * power]
      power *= 10
    }
    var shares: [(step: UInt64, count: UInt64)] = []
    var step = 0
    for (index, bucket) in buckets.enumerated() where bucket > 0 {
      while step < steps.count - 1, Self.end(index) > steps[step] { step += 1 }
      if shares.last?.step == steps[step] {
        shares[shares.count - 1].count += bucket
      } else {
        // Steps without a duration between others are shown, too.
        while let last = shares.last?.step, let next = steps.firstIndex(of: last).map({ $0 + 1 }),
          next < step,
          steps[next] < steps[step]
        {
          shares.append((steps[next], 0))
        }
        shares.append((steps[step], bucket))
      }
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
