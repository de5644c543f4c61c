// SPDX-License-Identifier: Apache-2.0

/// Where observations go, and who numbers connections.
final class InspectionOutput {
  let options: InspectionOptions
  private let each: (Observation) -> Void
  private var connections = 0

  init(_ options: InspectionOptions, _ each: @escaping (Observation) -> Void) {
    self.options = options
    self.each = each
  }

  /// The number of a new connection.
  func nextNumber() -> Int {
    connections += 1
    return connections
  }

  func send(_ observation: Observation) {
    if let only = options.connection, observation.connection != only, observation.connection != 0 { return }
    each(observation)
  }
}
