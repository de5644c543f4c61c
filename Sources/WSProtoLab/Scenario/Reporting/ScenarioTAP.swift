// SPDX-License-Identifier: Apache-2.0

/// The results of tests in the Test Anything Protocol, version 14.
package enum ScenarioTAP {
  /// The lines before those of the tests.
  package static func head(count: Int) -> [String] { ["TAP version 14", "1..\(count)"] }

  /// - Parameter number: the test's, from 1.
  package static func lines(_ result: ScenarioResult, number: Int) -> [String] {
    let status = result.hasPassed ? "ok" : "not ok"
    // A backslash and a number sign mean something else.
    let name = ScenarioText.name(result).replacing("\\", with: "\\\\").replacing("#", with: "\\#")
    var lines = [
      "\(status) \(number) - \(name)", "  ---", "  seconds: \(ScenarioText.seconds(result.duration))",
    ]
    for failure in result.failures {
      lines += [
        "  at: \(JSONLine.quoted("\(result.file)\(result.lineMark)\(failure.line)"))",
        "  step: \(JSONLine.quoted(failure.source))",
        "  message: \(JSONLine.quoted(failure.message))",
      ]
      if !failure.details.isEmpty {
        lines.append("  details: |2")
        lines += failure.details.map { "    \($0)" }
      }
    }
    return lines + ["  ..."]
  }
}
