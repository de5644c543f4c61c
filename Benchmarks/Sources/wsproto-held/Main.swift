// SPDX-License-Identifier: Apache-2.0

import CAllocationCounter
import WSProto

#if canImport(Glibc)
import Glibc
#elseif canImport(Darwin)
import Darwin
#endif

/// Counts what a connection holds after each of the faults about memory, once a door: an executable of its own, since
/// nothing else may allocate meanwhile. Exit status 1 if a figure is above its bound.
@main
struct Main {
  static func main() throws {
    guard wsb_allocations_are_counted() else {
      print("allocations are not counted here: glibc only")
      exit(77)
    }
    let arguments = CommandLine.arguments.dropFirst()
    // A row of its own process each, as `Benchmarks/held --scale` calls it.
    if arguments.first == "scale", let connections = arguments.dropFirst().first.flatMap({ Int($0) }) {
      return try scale(connections, arguments.dropFirst(2).first)
    }
    var checks = Checks()
    for delivery in [MessageDelivery.chunks, .wholeMessages] {
      for door in Door.allCases {
        try checks.inflatedMessage(door, delivery, then: .ping)
        try checks.inflatedMessage(door, delivery, then: .halfHeader)
        try checks.largeFrame(door, delivery)
      }
    }
    for door in Door.allCases { try checks.partsWhileInflating(door) }
    try checks.framesAfterTheEnd(.close)
    try checks.framesAfterTheEnd(.failure)
    try checks.largeHead()
    print("\(checks.passed) passed, \(checks.failed) failed")
    exit(checks.failed == 0 ? 0 : 1)
  }

  /// `scale CONNECTIONS`: how many rows there are; `scale CONNECTIONS rates`: messages a second; `scale CONNECTIONS N`: row N.
  private static func scale(_ connections: Int, _ what: String?) throws {
    let rows = Scale.rows(connections: connections)
    switch what {
    case nil: print(rows.count)
    case "rates": try Scale.rates()
    case let number?:
      guard let index = Int(number), rows.indices.contains(index) else { exit(64) }
      exit(try Scale.run(rows[index]) ? 0 : 1)
    }
  }
}
