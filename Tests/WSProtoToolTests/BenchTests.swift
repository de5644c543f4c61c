// SPDX-License-Identifier: Apache-2.0

#if Tool
import Testing
import WSProtoTool

@Suite("What bench computes")
struct BenchTests {
  @Test("A percentile is at most 1 % longer than the true one, and never longer than the longest")
  func percentiles() {
    var histogram = LatencyHistogram()
    let values = (1...10_000).map { UInt64($0) * 997 }
    for value in values.shuffled() { histogram.record(nanoseconds: value) }
    for percent in [1.0, 50, 90, 99, 99.9, 100] {
      let exact = Double(values[max(0, Int((percent / 100 * 10_000).rounded(.up)) - 1)])
      let measured = histogram.percentile(percent)
      #expect(measured >= exact && measured <= exact * 1.01, "p\(percent)")
    }
    #expect(histogram.percentile(100) == Double(values[9_999]))
    #expect(histogram.min == 997 && histogram.count == 10_000)
  }

  @Test("The shortest and the longest durations find their buckets")
  func extremes() {
    var histogram = LatencyHistogram()
    for value in [0, 1, 127, 128, 255, 256, .max] as [UInt64] { histogram.record(nanoseconds: value) }
    #expect(histogram.count == 7)
    #expect(histogram.percentile(1) == 0)
    #expect(LatencyHistogram().percentile(99) == 0)
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
