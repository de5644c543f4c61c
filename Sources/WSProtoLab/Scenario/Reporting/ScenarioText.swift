// SPDX-License-Identifier: Apache-2.0

/// The results of tests, for people.
package enum ScenarioText {
  /// A line for a test, and for one that has failed what was expected and seen.
  package static func lines(_ result: ScenarioResult) -> [String] {
    let name = ScenarioText.name(result)
    let time = TimeText.duration(nanoseconds(result.duration))
    var lines = ["\(result.hasPassed ? "ok  " : "FAIL")  \(name) (\(time))"]
    for failure in result.failures {
      lines.append("      \(place(failure, in: result)): \(failure.source)")
      lines += explanation(failure).map { "        \($0)" }
    }
    return lines
  }

  /// `3 passed, 1 failed`.
  package static func summary(_ results: [ScenarioResult]) -> String {
    let failed = results.count { !$0.hasPassed }
    return "\(results.count - failed) passed, \(failed) failed"
  }

  /// What is wrong, and the details of it.
  static func explanation(_ failure: StepFailure) -> [String] { [failure.message] + failure.details }

  /// Where something has failed.
  static func place(_ failure: StepFailure, in result: ScenarioResult) -> String {
    "\(shown(result.file))\(result.lineMark)\(failure.line)"
  }

  /// The file and the title.
  static func name(_ result: ScenarioResult) -> String {
    result.title.isEmpty ? shown(result.file) : "\(shown(result.file)): \(shown(result.title))"
  }

  static func nanoseconds(_ duration: Duration) -> Int64 { Int64(duration / .nanoseconds(1)) }

  /// Seconds, for programs.
  static func seconds(_ duration: Duration) -> String { TimeText.seconds(nanoseconds(duration)) }
}
