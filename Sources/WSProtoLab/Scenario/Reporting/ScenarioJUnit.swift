// SPDX-License-Identifier: Apache-2.0

/// The results of tests as JUnit's XML, which programs that run tests read.
package enum ScenarioJUnit {
  /// The lines of the file.
  package static func lines(_ results: [ScenarioResult]) -> [String] {
    var files: [String] = []
    for result in results where files.last != result.file { files.append(result.file) }
    var lines = ["<?xml version=\"1.0\" encoding=\"UTF-8\"?>", "<testsuites\(counts(results))>"]
    for file in files {
      let own = results.filter { $0.file == file }
      lines.append("  <testsuite name=\"\(XMLText.escaped(file))\"\(counts(own))>")
      for result in own { lines += testCase(result) }
      lines.append("  </testsuite>")
    }
    return lines + ["</testsuites>"]
  }

  private static func counts(_ results: [ScenarioResult]) -> String {
    let time = results.reduce(Duration.zero) { $0 + $1.duration }
    return " tests=\"\(results.count)\" failures=\"\(results.count { !$0.hasPassed })\""
      + " time=\"\(ScenarioText.seconds(time))\""
  }

  private static func testCase(_ result: ScenarioResult) -> [String] {
    let title = result.title.isEmpty ? result.file : result.title
    let head =
      "    <testcase name=\"\(XMLText.escaped(title))\" classname=\"\(XMLText.escaped(result.file))\""
      + " time=\"\(ScenarioText.seconds(result.duration))\""
    guard let first = result.failures.first else { return [head + "/>"] }
    var lines = [head + ">", "      <failure message=\"\(XMLText.escaped(first.message))\">"]
    for failure in result.failures {
      lines.append(XMLText.escaped("\(ScenarioText.place(failure, in: result)): \(failure.source)"))
      lines += ScenarioText.explanation(failure).map { XMLText.escaped("  \($0)") }
    }
    return lines + ["      </failure>", "    </testcase>"]
  }
}
