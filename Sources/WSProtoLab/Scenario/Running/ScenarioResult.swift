// SPDX-License-Identifier: Apache-2.0

/// How a test has ended.
package struct ScenarioResult: Sendable {
  package var file: String
  package var title: String
  /// What has failed; one at most, unless a replay goes on.
  package var failures: [StepFailure] = []
  package var duration: Duration = .zero
  /// What stands between the file's name and the number of a line, or of a step.
  package var lineMark = ":"

  package var hasPassed: Bool { failures.isEmpty }
}

/// A step that has failed: where, why, and what was expected and seen.
package struct StepFailure: Sendable {
  package var line: Int
  /// The step, as it was written.
  package var source: String
  /// What is wrong.
  package var message: String
  /// What was expected and what was seen, line by line, escaped and bounded.
  package var details: [String] = []
  /// Whether no later step can be taken, also where a run goes on after differences.
  var isFinal = false

  package init(line: Int, source: String, message: String, details: [String] = []) {
    self.line = line
    self.source = source
    self.message = message
    self.details = details
  }
}
