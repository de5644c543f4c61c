// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import WSProtoLab

@Suite("Results of tests are reported")
struct ScenarioReportTests {
  static let results = [
    ScenarioResult(file: "a.wstest", title: "says hello", duration: .milliseconds(12)),
    ScenarioResult(
      file: "a.wstest",
      title: "#1 <\u{1b}>",
      failures: [
        StepFailure(
          line: 7,
          source: "expect text \"<a>\"",
          message: "the text differs",
          details: ["expected  \"<a>\"", "seen      \"&\""]
        )
      ],
      duration: .seconds(2)
    ),
  ]

  @Test("For people: a line a test, and below one that has failed its step and what differs")
  func text() {
    #expect(
      Self.results.flatMap { ScenarioText.lines($0) } == [
        "ok    a.wstest: says hello (12.0 ms)", "FAIL  a.wstest: #1 <\\u{1b}> (2.00 s)",
        "      a.wstest:7: expect text \"<a>\"", "        the text differs", "        expected  \"<a>\"",
        "        seen      \"&\"",
      ]
    )
    #expect(ScenarioText.summary(Self.results) == "1 passed, 1 failed")
  }

  @Test("In the Test Anything Protocol, number signs are escaped and details are a block")
  func tap() {
    let lines = Self.results.enumerated().flatMap { ScenarioTAP.lines($1, number: $0 + 1) }
    #expect(
      ScenarioTAP.head(count: 2) + lines == [
        "TAP version 14", "1..2", "ok 1 - a.wstest: says hello", "  ---", "  seconds: 0.012000", "  ...",
        "not ok 2 - a.wstest: \\#1 <\\\\u{1b}>", "  ---", "  seconds: 2.000000", "  at: \"a.wstest:7\"",
        "  step: \"expect text \\\"<a>\\\"\"", "  message: \"the text differs\"", "  details: |2",
        "    expected  \"<a>\"", "    seen      \"&\"", "  ...",
      ]
    )
  }

  @Test("In JUnit's XML, what has a meaning there is escaped")
  func junit() {
    #expect(
      ScenarioJUnit.lines(Self.results) == [
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>",
        "<testsuites tests=\"2\" failures=\"1\" time=\"2.012000\">",
        "  <testsuite name=\"a.wstest\" tests=\"2\" failures=\"1\" time=\"2.012000\">",
        "    <testcase name=\"says hello\" classname=\"a.wstest\" time=\"0.012000\"/>",
        "    <testcase name=\"#1 &lt;\\u{1b}&gt;\" classname=\"a.wstest\" time=\"2.000000\">",
        "      <failure message=\"the text differs\">", "a.wstest:7: expect text &quot;&lt;a&gt;&quot;",
        "  the text differs", "  expected  &quot;&lt;a&gt;&quot;", "  seen      &quot;&amp;&quot;",
        "      </failure>", "    </testcase>", "  </testsuite>", "</testsuites>",
      ]
    )
  }

  @Test("Lines of both sides stand beside each other, and those of one side alone")
  func sideBySide() {
    let difference = Difference("", expected: ["a", "b", "c"], seen: ["a", "c", "d"])
    #expect(
      difference.details.map { $0.split(separator: " ").joined(separator: " ") } == [
        "expected | seen", "a | a", "b <", "c | c", "> d",
      ]
    )
    let long = Difference("", expected: (0..<1000).map { "\($0)" }, seen: [])
    #expect(long.details.count == 42 && long.details.last == "… 960 more lines")
  }
}
