// SPDX-License-Identifier: Apache-2.0

import Benchmark
import CAllocationCounter
import WSProto

/// Heap allocations by our own counter, which needs glibc; elsewhere by the tool's, where it has one.
let allocations: BenchmarkMetric =
  wsb_allocations_are_counted() ? .custom("Allocations", useScalingFactor: true) : .mallocCountTotal

/// What the suites share; each repeats its work a thousand times an iteration.
let benchmarks: @Sendable () -> Void = {
  Benchmark.defaultConfiguration = .init(
    metrics: [.instructions, allocations, .wallClock, .throughput],
    warmupIterations: 3,
    scalingFactor: .kilo,
    maxDuration: .milliseconds(300),
    maxIterations: 300,
    thresholds: [
      // Both are the same from run to run; a tenth more instructions, or one more allocation, is a finding.
      .instructions: .init(relative: [.p50: 10]),
      allocations: .init(absolute: [.p50: 0]),
      // Time is not.
      .wallClock: .init(relative: [.p50: 25]),
      .throughput: .init(relative: [.p50: 25]),
    ]
  )
  decodeSuite()
  encodeSuite()
  deflateSuite()
  handshakeSuite()
}

extension Benchmark {
  /// Measures `body`, repeated, after one call that warms up. Fails if it is to allocate nothing and does.
  @inline(__always)
  func measure(allocatesNothing: Bool, _ body: () -> Void) {
    body()
    startMeasurement()
    let before = wsb_allocations()
    for _ in scaledIterations { body() }
    let count = Int(wsb_allocations() - before)
    stopMeasurement()
    guard wsb_allocations_are_counted() else { return }
    measurement(allocations, count)
    if allocatesNothing, count > 0 {
      // The tool leaves with 0 after a benchmark's own error; not after this.
      fatalError(
        "\(name): \(count) allocations in \(scaledIterations.count) repetitions where none is promised"
      )
    }
  }
}

/// A payload of `size` bytes.
func payload(_ size: Int) -> [UInt8] { (0..<size).map { UInt8(0x61 + $0 % 26) } }
