// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import BenchSupport

/// Measures the library on input files.
@main
struct BenchCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "wsproto-bench",
    abstract: "Measures WSProto on input files: processor time, allocations and a verified checksum.",
    subcommands: [
      DecodeCommand.self, EncodeCommand.self, DeflateCommand.self, HandshakeCommand.self, MemoryCommand.self,
      AllocationsCommand.self,
    ]
  )
}

enum Role: String, ExpressibleByArgument, CaseIterable {
  case client
  case server
}

extension ReadSize: ExpressibleByArgument {
  /// `frame`, or a number of bytes.
  public init?(argument: String) { self.init(argument) }
  /// 64 KiB.
  public var defaultValueDescription: String { "65536" }
}

/// What every subcommand takes.
struct CommonOptions: ParsableArguments {
  @Option(help: "Whose side the measured stack is on.")
  var role: Role = .server

  @Option(help: "Processor seconds to measure for, at least; one pass at least is made.")
  var minSeconds: Double = 0.5

  @Option(help: "Exactly so many passes instead, after the one that warms up.")
  var passes: Int?

  @Flag(help: "One JSON object a line.")
  var json = false

  func validate() throws {
    guard passes.map({ $0 >= 1 }) ?? true else { throw ValidationError("--passes is at least 1") }
  }

  func measurement(operation: String, api: String) -> Measurement {
    var measurement = Measurement(peer: "WSProto", version: "", operation: operation, api: api)
    measurement.role = role.rawValue
    measurement.minSeconds = minSeconds
    measurement.exactPasses = passes
    measurement.json = json
    return measurement
  }
}
