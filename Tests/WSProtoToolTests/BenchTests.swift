// SPDX-License-Identifier: Apache-2.0

#if Tool
import Testing
import WSProtoTool

@Suite("What bench computes")
struct BenchTests {
  @Test("A percentile keeps three significant digits, and is never longer than the longest duration")
  func percentiles() {
    var histogram = LatencyHistogram()
    let values = (1...10_000).map { UInt64($0) * 997 }
    for value in values.shuffled() { histogram.record(nanoseconds: value) }
    for percent in [1.0, 50, 90, 99, 99.9, 100] {
      let exact = Double(values[max(0, Int((percent / 100 * 10_000).rounded(.up)) - 1)])
      let measured = histogram.percentile(percent)
      #expect(measured >= exact && measured <= exact * 1.001, "p\(percent)")
    }
    #expect(histogram.percentile(100) == Double(values[9_999]))
    #expect(histogram.count == 10_000)
    #expect(abs(histogram.mean - 997 * 5000.5) < 1)
  }

  @Test(
    "Every duration is counted: one that is too long as the longest, a negative one as none",
    arguments: [
      0, 1, 2047, 2048, 86_400_000_000_000, 86_400_000_000_001, 1 << 47, 1 << 62, 1 << 63, .max,
    ] as [UInt64]
  )
  func extremes(nanoseconds: UInt64) {
    var histogram = LatencyHistogram()
    for _ in 0..<3 { histogram.record(nanoseconds: nanoseconds) }
    let counted = Double(min(nanoseconds, 86_400_000_000_000))
    #expect(histogram.count == 3)
    for percent in [0.001, 50, 99.999, 100] { #expect(histogram.percentile(percent) == counted) }
    #expect(histogram.mean == counted)
    #expect(histogram.bars(width: 10).count == 1)
    #expect(histogram.bars(width: 10).first?.hasSuffix("  100 %") == true)
  }

  @Test("Durations that aren't nanoseconds in a number: negative ones, and the longest there are")
  func durations() {
    var histogram = LatencyHistogram()
    histogram.record(.seconds(-1))
    histogram.record(.seconds(Int64.max))
    #expect(histogram.count == 2)
    #expect(histogram.percentile(50) == 0 && histogram.percentile(100) == 86_400_000_000_000)
    #expect(LatencyHistogram().percentile(99) == 0 && LatencyHistogram().mean == 0)
  }

  @Test("A mean of more nanoseconds than a number holds")
  func mean() {
    var histogram = LatencyHistogram()
    // A day each, then doubled: 2^20 days are 9 × 10^19 ns.
    histogram.record(nanoseconds: .max)
    for _ in 0..<20 { histogram.add(histogram) }
    #expect(histogram.count == 1 << 20)
    #expect(histogram.mean == 86_400_000_000_000)
  }

  @Test("Adding histograms is counting in one")
  func adding() {
    var one = LatencyHistogram()
    var other = LatencyHistogram()
    one.record(.microseconds(1))
    other.record(.milliseconds(1))
    one.add(other)
    #expect(one.count == 2 && one.percentile(100) == 1_000_000)
  }

  @Test("The bars cover all durations, with the steps between them")
  func bars() {
    var histogram = LatencyHistogram()
    for _ in 0..<3 { histogram.record(.microseconds(90)) }
    histogram.record(.microseconds(950))
    let bars = histogram.bars(width: 10)
    #expect(bars.map { String($0.prefix(9)) } == ["≤ 100 µs ", "≤ 200 µs ", "≤ 500 µs ", "≤ 1 ms   "])
    #expect(bars[0].contains("██████████  75 %"))
    #expect(LatencyHistogram().bars().isEmpty)
  }

  @Test("Thresholds: bounds on times, rates and counts")
  func thresholds() throws {
    let p99 = try #require(Threshold("p99<10ms"))
    #expect(p99.metric == .roundTrip(99) && p99.bound == 10_000_000)
    #expect(p99.isKept(by: 9_999_999) && !p99.isKept(by: 10_000_000) && !p99.isKept(by: .nan))
    #expect(try #require(Threshold("rate>1000")).isKept(by: 1001))
    #expect(Threshold("max<1s")?.metric == .roundTrip(100))
    #expect(Threshold("handshake-p50<5ms")?.metric == .handshake(50))
    for text in ["", "p99", "p0<1s", "p101<1s", "p99<x", "nonsense<1", "rate>-1"] {
      #expect(Threshold(text) == nil)
    }
  }
}
#endif
