// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import WSProto

@Suite struct QuotedTests {
  @Test(
    "a quoted value is visible ASCII on one line, whatever it contains",
    arguments: [
      ("", "\"\""),
      ("https://example.com", "\"https://example.com\""),
      ("a\"b\\c", "\"a\\\"b\\\\c\""),
      ("a\r\nb\u{0}", "\"a\\u{d}\\u{a}b\\u{0}\""),
      ("é\u{202E}", "\"\\u{e9}\\u{202e}\""),
      (" ~\u{7f}", "\" ~\\u{7f}\""),
    ]
  )
  func escapes(value: String, expected: String) { #expect(quoted(value) == expected) }

  @Test("80 characters are shown whole, 81 are cut")
  func bounds() {
    let whole = String(repeating: "x", count: 80)
    #expect(quoted(whole) == "\"\(whole)\"")
    #expect(quoted(whole + "y") == "\"\(whole)\"…")
  }
}
