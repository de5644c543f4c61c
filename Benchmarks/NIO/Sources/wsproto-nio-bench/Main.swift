// SPDX-License-Identifier: Apache-2.0

import Glibc

// Servers and their load, each in a process of its own. `Benchmarks/nio` starts them, reads the servers' CPU clocks and
// talks to both by lines on their standard input and output.

@main
enum Bench {
  static func main() throws {
    let arguments = Arguments(CommandLine.arguments.dropFirst())
    switch arguments.command {
    case "serve": try serve(arguments)
    case "load": try runLoad(arguments)
    case "streams": try runStreams(arguments)
    default: throw BenchError("serve, load or streams, not \(arguments.command)")
    }
  }
}

/// Prints a line at once, for whoever reads it through a pipe.
func say(_ line: String) {
  print(line)
  fflush(nil)
}

struct BenchError: Error, CustomStringConvertible {
  let description: String

  init(_ description: String) { self.description = description }
}

/// `command --name value …`
struct Arguments {
  let command: String
  private var values: [String: String] = [:]

  init(_ arguments: ArraySlice<String>) {
    var rest = arguments
    command = rest.popFirst() ?? ""
    while let name = rest.popFirst() { values[name] = rest.popFirst() ?? "" }
  }

  subscript(_ name: String) -> String? { values["--\(name)"] }

  func number(_ name: String, default value: Int) -> Int { self[name].flatMap { Int($0) } ?? value }
}
