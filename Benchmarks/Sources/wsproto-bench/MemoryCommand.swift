// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import BenchSupport
import WSProto

/// Heap bytes that an idle connection holds.
struct MemoryCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "memory",
    abstract: "Heap bytes of an idle connection: new, after a message received, after one of 1 MiB."
  )

  @Option(help: "Connections that are made.")
  var connections = 10_000

  @Flag(help: "One JSON object a line.")
  var json = false

  func run() throws {
    let small = frame(payload: 64)
    let large = frame(payload: 1 << 20)
    try report("new", [])
    try report("after 64 B received", [small])
    try report("after 1 MiB received", [large, small])
  }

  private func report(_ state: String, _ frames: [[UInt8]]) throws {
    // A large message comes and goes on every connection, so that fewer of them show the same.
    let count = frames.contains { $0.count > 65536 } ? min(connections, 200) : connections
    var kept: [Connection] = []
    kept.reserveCapacity(count)
    let bytes = try heapBytes {
      for _ in 0..<count {
        let connection = Connection(.server)
        for frame in frames {
          for start in stride(from: 0, to: frame.count, by: 65536) {
            try connection.receiveData(frame[start..<min(start + 65536, frame.count)])
            while connection.nextEvent() != nil {}
          }
        }
        kept.append(connection)
      }
    }
    withExtendedLifetime(kept) {}
    guard let bytes else { throw BenchError("heap bytes are counted with glibc only") }
    if json {
      print(
        """
        {"peer":"WSProto","operation":"memory","state":"\(state)","connections":\(count),\
        "bytes_per_connection":\(bytes / count)}
        """
      )
    } else {
      print("\(state): \(bytes / count) bytes a connection (\(count) connections)")
    }
  }

  private func frame(payload: Int) -> [UInt8] {
    let bytes = [UInt8](repeating: 0x61, count: payload)
    var encoder = FrameEncoder(client: true)
    var output: [UInt8] = []
    do {
      try encoder.encode(.binary, payload: bytes.span.bytes, into: &output)
    } catch {
      fatalError("a data frame has no illegal size: \(error)")
    }
    return output
  }
}
