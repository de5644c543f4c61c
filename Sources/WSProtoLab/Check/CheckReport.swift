// SPDX-License-Identifier: Apache-2.0

/// Results as text, as JSON, and for JUnit's readers. What a peer has sent is escaped, always.
package struct CheckReport: Sendable {
  package let results: [CheckResult]
  /// What was checked, such as a URL.
  package let name: String

  package init(_ name: String, _ results: [CheckResult]) {
    self.name = name
    self.results = results
  }

  /// How many results are of a kind.
  private struct Count {
    var passed = 0
    var violations = 0
    var warnings = 0
    var information = 0
    var notApplicable = 0

    init(_ results: some Sequence<CheckResult>) {
      for result in results {
        switch result.verdict {
        case .passed: passed += 1
        case .notApplicable: notApplicable += 1
        case .failed(let failure):
          switch failure.severity {
          case .must: violations += 1
          case .should: warnings += 1
          case .may: information += 1
          }
        }
      }
    }
  }

  /// Whether a rule that binds is broken.
  package var hasViolation: Bool { results.contains { $0.isViolation } }

  // MARK: Text

  /// - Parameter verbose: whether notes, and what is not applicable, are shown, too.
  package func lines(verbose: Bool) -> [String] {
    var lines = ["\(Self.padded("", 15))\(Self.heading)"]
    for group in CheckCase.Group.allCases {
      let count = Count(results.lazy.filter { $0.group == group })
      if results.contains(where: { $0.group == group }) { lines.append(Self.row(group.rawValue, count)) }
    }
    lines.append(Self.row("all", Count(results)))
    for result in results {
      guard case .failed(let failure) = result.verdict, verbose || failure.severity != .may else { continue }
      lines.append("")
      lines += Self.lines(result, failure)
    }
    guard verbose else { return lines }
    lines.append("")
    for result in results {
      for note in result.notes { lines.append("\(result.id): \(shown(note))") }
      if case .notApplicable(let reason) = result.verdict {
        lines.append("\(result.id): not applicable: \(shown(reason))")
      }
    }
    return lines
  }

  private static let columns = ["passed", "violations", "warnings", "information", "not applicable"]

  private static let heading = columns.joined(separator: "  ")

  private static func row(_ name: String, _ count: Count) -> String {
    let numbers = [count.passed, count.violations, count.warnings, count.information, count.notApplicable]
    let cells = zip(columns, numbers).map { column, number in
      let text = number == 0 ? "-" : String(number)
      return String(repeating: " ", count: column.count - text.count) + text
    }
    return padded(name, 15) + cells.joined(separator: "  ")
  }

  private static func padded(_ text: String, _ width: Int) -> String {
    text + String(repeating: " ", count: max(0, width - text.count))
  }

  private static func word(_ severity: CheckCase.Severity) -> String {
    switch severity {
    case .must: "VIOLATION"
    case .should: "WARNING"
    case .may: "INFORMATION"
    }
  }

  private static func lines(_ result: CheckResult, _ failure: CheckFailure) -> [String] {
    ["\(word(failure.severity))  \(result.id)  (\(failure.section))", "  \(result.title)"]
      + ["  expected  \(shown(failure.expected))", "  seen      \(shown(failure.seen))"]
      + result.transcript.lines.map { "  \($0)" }
  }

  // MARK: JSON

  /// A line for each case, and one for all.
  package var jsonLines: [String] {
    var lines = results.map(Self.json)
    let count = Count(results)
    var all = JSONLine()
    all.add("type", "summary")
    all.add("name", name)
    all.add("passed", count.passed)
    all.add("violations", count.violations)
    all.add("warnings", count.warnings)
    all.add("information", count.information)
    all.add("notApplicable", count.notApplicable)
    lines.append(all.text)
    return lines
  }

  /// A case.
  package static func json(_ result: CheckResult) -> String {
    var line = JSONLine()
    line.add("type", "case")
    line.add("id", result.id)
    line.add("title", result.title)
    line.add("section", result.section)
    line.add("severity", result.severity.rawValue)
    switch result.verdict {
    case .passed: line.add("verdict", "passed")
    case .notApplicable(let reason):
      line.add("verdict", "not applicable")
      line.add("reason", reason)
    case .failed(let failure):
      line.add("verdict", "failed")
      var finding = JSONLine()
      finding.add("severity", failure.severity.rawValue)
      finding.add("section", failure.section)
      finding.add("expected", failure.expected)
      finding.add("seen", failure.seen)
      line.add("finding", finding)
    }
    if !result.notes.isEmpty { line.add("notes", result.notes) }
    if case .failed = result.verdict { line.add("bytes", result.transcript.lines) }
    return line.text
  }

  // MARK: JUnit

  /// A document for the readers of JUnit's reports: a suite a group. Warnings and information are no failures.
  package var junit: [String] {
    var lines = [
      "<?xml version=\"1.0\" encoding=\"UTF-8\"?>", "<testsuites name=\"\(XMLText.escaped(name))\">",
    ]
    for group in CheckCase.Group.allCases {
      let members = results.filter { $0.group == group }
      guard !members.isEmpty else { continue }
      let count = Count(members)
      lines.append(
        "  <testsuite name=\"\(group.rawValue)\" tests=\"\(members.count)\" failures=\"\(count.violations)\" skipped=\"\(count.notApplicable)\">"
      )
      for result in members { lines += Self.testCase(result) }
      lines.append("  </testsuite>")
    }
    return lines + ["</testsuites>"]
  }

  private static func testCase(_ result: CheckResult) -> [String] {
    let name = String(result.id.drop { $0 != "/" }.dropFirst())
    let opening = "    <testcase classname=\"\(result.group.rawValue)\" name=\"\(XMLText.escaped(name))\""
    switch result.verdict {
    case .passed: return [opening + "/>"]
    case .notApplicable(let reason):
      return [opening + "><skipped message=\"\(XMLText.escaped(reason))\"/></testcase>"]
    case .failed(let failure):
      let text = lines(result, failure).map(XMLText.escaped).joined(separator: "\n")
      guard failure.severity == .must else {
        return [opening + "><system-out>\(text)</system-out></testcase>"]
      }
      return [
        opening + ">",
        "      <failure message=\"\(XMLText.escaped("\(failure.section): \(failure.seen)"))\">\(text)</failure>",
        "    </testcase>",
      ]
    }
  }
}

extension CheckTranscript {
  /// A dump that `inspect` reads: `>` before the client's bytes, `<` before the server's.
  package var lines: [String] {
    var lines: [String] = []
    for entry in entries {
      let mark = entry.isClients ? ">" : "<"
      var start = 0
      while start < entry.bytes.count, start < Self.shownBytes {
        let row = entry.bytes[start..<min(start + 16, entry.bytes.count)]
        let hex = Escaping.hex(row)
        let text = String(row.map { 0x20...0x7E ~= $0 ? Character(Unicode.Scalar($0)) : "." })
        let offset = String(start, radix: 16)
        let column = String(repeating: "0", count: 6 - offset.count) + offset
        lines.append("\(mark) \(column)  \(hex)\(String(repeating: " ", count: 49 - hex.count))|\(text)|")
        start += 16
      }
      let left = entry.omitted + max(0, entry.bytes.count - Self.shownBytes)
      if left > 0 { lines.append("# and \(left) bytes more") }
      if lines.count > Self.shownLines { break }
    }
    if omitted > 0 || lines.count > Self.shownLines { lines.append("# more was sent") }
    if let end { lines.append("# \(end)") }
    return lines
  }

  /// Of one entry.
  private static let shownBytes = 256
  private static let shownLines = 48
}
