// SPDX-License-Identifier: Apache-2.0

import Benchmark
import WSProto

/// Frames into a buffer that is kept.
func encodeSuite() {
  for role in [ConnectionType.server, .client] {
    for size in [16, 125, 1024, 16384] {
      Benchmark("encode, \(role), binary, \(size) B") { benchmark in
        let bytes = payload(size)
        let connection = Connection(role)
        var output: [UInt8] = []
        output.reserveCapacity(size + 64)
        benchmark.measure(allocatesNothing: true) {
          output.removeAll(keepingCapacity: true)
          do { try send(bytes, connection, into: &output) } catch { fatalError("\(error)") }
        }
        blackHole(output)
      }
    }
  }
}

private func send(
  _ bytes: [UInt8],
  _ connection: Connection,
  into output: inout [UInt8]
) throws(LocalProtocolError) {
  try connection.sendBytes(bytes.span.bytes, into: &output)
}
