// SPDX-License-Identifier: Apache-2.0

import Benchmark
import WSProto

/// What the suites share; each repeats its work a thousand times an iteration, so that figures are by 1,000 messages.
let benchmarks: @Sendable () -> Void = {
  Benchmark.defaultConfiguration = .init(
    metrics: [.instructions, .mallocCountTotal, .cpuTotal, .throughput],
    warmupIterations: 3,
    scalingFactor: .kilo,
    maxDuration: .milliseconds(300),
    maxIterations: 300,
    thresholds: [
      // Instructions are the same from run to run; a tenth more is a finding. Allocations promised to be none stay none.
      .instructions: .init(relative: [.p50: 10]),
      .mallocCountTotal: .init(absolute: [.p50: 0]),
    ]
  )
  decodeSuite()
  encodeSuite()
  deflateSuite()
  handshakeSuite()
}

/// A payload of `size` bytes.
func payload(_ size: Int) -> [UInt8] { (0..<size).map { UInt8(0x61 + $0 % 26) } }
