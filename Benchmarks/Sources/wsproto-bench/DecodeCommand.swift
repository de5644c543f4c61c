// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import BenchSupport

/// Decodes a stream of frames.
struct DecodeCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "decode",
    abstract: "Decodes concatenated frames, masked for --role server, unmasked for --role client."
  )

  enum API: String, ExpressibleByArgument, CaseIterable {
    /// The floor: reads are copied into the receive buffer and nothing else happens.
    case feedOnly = "feed-only"
  }

  @OptionGroup var common: CommonOptions

  @Option(help: "The file with the frames.")
  var input: String

  @Option(help: "Bytes a read, or 'frame' for one frame a read.")
  var chunk: ReadSize = .bytes(65536)

  @Option(help: "How messages are taken.")
  var api: API = .feedOnly

  func run() throws {
    let file = try InputFile(path: input)
    let reads = try file.reads(chunk)
    var measurement = common.measurement(operation: "decode", api: api.rawValue)
    measurement.chunk = chunk
    let expected = try file.expectedTotals()
    measurement.expected = expected
    switch api {
    case .feedOnly:
      let capacity = reads.lazy.map(\.count).max() ?? 0
      let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: capacity, alignment: 64)
      defer { buffer.deallocate() }
      try measurement.run { totals in
        var touched: UInt64 = 0
        for read in reads {
          buffer.copyMemory(from: read)
          touched &+= UInt64(buffer[read.count - 1])
        }
        totals = expected
        totals.outputBytes = touched == .max ? 1 : 0
      }
    }
  }
}
