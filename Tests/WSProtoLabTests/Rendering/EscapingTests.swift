// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import WSProtoLab

@Suite("The escaping rule")
struct EscapingTests {
  @Test(
    "What steers a terminal, forges a line, turns directions or hides is escaped",
    arguments: [
      ("\u{1b}[31m", "\\u{1b}[31m"),
      ("a\u{9b}31mb", "a\\u{9b}31mb"),
      ("user\u{202e}gpj.exe", "user\\u{202e}gpj.exe"),
      ("one\nwsproto: two", "one\\u{a}wsproto: two"),
      ("a\r\nb", "a\\u{d}\\u{a}b"),
      ("a\u{2028}b\u{2029}c", "a\\u{2028}b\\u{2029}c"),
      ("zero\u{200b}width\u{feff}", "zero\\u{200b}width\\u{feff}"),
      ("\u{2066}x\u{2069}\u{61c}", "\\u{2066}x\\u{2069}\\u{61c}"),
      ("\u{7f}\u{0}\u{85}", "\\u{7f}\\u{0}\\u{85}"),
    ]
  )
  func escapes(text: String, expected: String) {
    #expect(shown(text) == expected)
  }

  @Test(
    "Letters, emoji, joiners, tabs and backslashes stay",
    arguments: ["Grüße, 世界 👋", "👩‍👩‍👧", "نص", "a\tb", #"{"path":"C:\\dir\n"}"#, "é", ""]
  )
  func keeps(text: String) {
    #expect(shown(text) == text)
  }

  @Test("JSON escapes the same characters in its own way, beyond the BMP by two units (RFC 8259 §7)")
  func json() {
    var line = JSONLine()
    line.add("text", "\u{9b}\u{202e}\n\"\\\u{e0001}ß")
    #expect(line.text == #"{"text":"\u009b\u202e\n\"\\\udb40\udc01ß"}"#)
  }

  @Test("A quoted text is cut where it says so")
  func quotes() {
    #expect(shownInQuotes("abcdef", limit: 3) == "\"abc\"…")
    #expect(shownInQuotes("abc", limit: 3) == "\"abc\"")
  }

  @Test("What has no meaning is escaped in a line, in a literal and in JSON: private use, noncharacters")
  func meaningless() {
    let text = "\u{e0b0}\u{378}\u{fffe}\u{e0080}"
    let escaped = "\\u{e0b0}\\u{378}\\u{fffe}\\u{e0080}"
    #expect(shown(text) == escaped)
    #expect(Escaping.escaped(Array(text.utf8)) == escaped)
    #expect(JSONLine.quoted(text) == #""\ue0b0\u0378\ufffe\udb40\udc80""#)
  }

  @Test("Joiners stay in a literal and in JSON too; a tab is \\t in both")
  func joiners() {
    #expect(Escaping.escaped(Array("👩‍👩‍👧\t".utf8)) == "👩‍👩‍👧\\t")
    #expect(JSONLine.quoted("👩‍👩‍👧\t") == "\"👩‍👩‍👧\\t\"")
  }
}
