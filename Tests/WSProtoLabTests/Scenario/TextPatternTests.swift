// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import WSProtoLab

@Suite("Patterns of tests: regular expressions in linear time")
struct TextPatternTests {
  @Test(
    "The first match from the left, in the order of preference that Perl has",
    arguments: [
      ("b+", "abbbc", "bbb"), ("b+?", "abbbc", "b"), ("a|ab", "ab", "a"), ("(?:a|ab)c", "abc", "abc"),
      ("id=(\\d+)", "x id=17;", "17"), ("(a)|b", "b", ""), ("(?<year>\\d{4})-(\\d\\d)", "on 2026-11", "2026"),
      ("^h.*o$", "hello\n", "hello"), ("o\\z", "o\n", nil), ("^b", "a\nb", nil), (".", "\n", nil),
      ("x{2,3}", "xxxx", "xxx"), ("x{2,3}?", "xxxx", "xx"), ("x{,2}y", "xxxy", "xxy"), ("x{2}", "x", nil),
      ("{\"a\":1}", "[{\"a\":1}]", "{\"a\":1}"),
      ("[^a-c\\s]+", "ab xyz", "xyz"), ("[]x-]+", "a]-x", "]-x"), ("[\\w.]+@", "me.too@", "me.too@"),
      ("\\bcat\\b", "a cat.", "cat"), ("\\bcat\\b", "concat", nil), ("\\Bcat", "concat", "cat"),
      ("\\u{1F600}|\\x41", "é😀", "😀"), ("\\.\\/\\-", "a./-", "./-"), ("(a*)*b", "aab", "aa"), ("", "a", ""),
      ("a(?:(?:(?:(?:(?:){1000}){1000}){1000}){1000}){1000}b", "ab", "ab"),
      ("\\D\\S\\W", "1ab-", "ab-"), ("é", "e\u{301}é", "é"),
    ] as [(String, String, String?)]
  )
  func matching(_ pattern: String, _ text: String, _ expected: String?) throws {
    #expect(try TextPattern(pattern).firstMatch(in: text) == expected)
  }

  @Test("An i ignores case, beyond ASCII too")
  func ignoringCase() throws {
    #expect(try TextPattern("grÜße[a-c]", ignoresCase: true).firstMatch(in: "GRüßEB") == "GRüßEB")
    #expect(try TextPattern("[^a]", ignoresCase: true).firstMatch(in: "A") == nil)
  }

  @Test(
    "A pattern with a mistake, or one that needs going back, is refused in words",
    arguments: [
      ("(", "a ( without its )"), ("a)", "a ) without its ("), ("[a", "a [ without its ]"),
      ("*a", "nothing that * could repeat"), ("a**", "a quantifier behind a quantifier"),
      ("a++", "possessive quantifiers such as ++ are not supported"),
      ("(a)\\1", "references to a group, such as \\1, cannot be matched in linear time"),
      ("(?=a)", "behind (? only : or <name> is taken; looking ahead or behind takes no linear time"),
      ("(?<!a)", "behind (? only : or <name> is taken; looking ahead or behind takes no linear time"),
      ("a{3,2}", "the counts in braces are the wrong way round"),
      ("a{1001}", "a count in braces is 1000 at most"), ("\\q", "\\q has no meaning here"),
      ("a\\", "nothing behind the last backslash"),
      ("\\u{110000}", "\\u needs the hexadecimal number of a character"),
      ("[z-a]", "a range in brackets needs two characters in order, such as a-z"),
      ("[[:alpha:]]", "classes such as [:alpha:] are not supported: use \\w, \\d, \\s or ranges"),
      ("(?:a{1000}){1000}", "with its repetitions written out it has more than 10000 parts"),
      (String(repeating: "(", count: 33), "more than 32 parentheses are open at once"),
    ]
  )
  func mistakes(_ pattern: String, _ message: String) {
    let failure = #expect(throws: ScenarioFailure.self) { try TextPattern(pattern) }
    #expect(failure?.description == "no regular expression: \(message)")
  }

  @Test(
    "Twice the text takes twice the steps, for the patterns that make others go back for ever",
    arguments: ["(a+)+$", "(a|aa)+$", "(a|a?)+b", "^(.*?,){11}P", "(.*)(.*)(.*)(.*)[^a,b]"]
  )
  func linear(_ pattern: String) throws {
    let program = try PatternProgram(try PatternParser.parse(pattern))
    func steps(_ count: Int) throws -> Int {
      var machine = PatternMachine(program, ignoresCase: false, maxSteps: .max)
      _ = try machine.firstMatch(in: String(repeating: "a,", count: count) + "b")
      return machine.steps
    }
    let (once, twice) = (try steps(500), try steps(1000))
    #expect(twice <= once * 21 / 10)
    #expect(once <= 1001 * 2 * (program.instructions.count + 10))
  }

  @Test("A match that takes too many steps is given up, and the step fails in words")
  func givenUp() throws {
    let pattern = try TextPattern("(x|y)*z")
    let failure = #expect(throws: ScenarioFailure.self) {
      try pattern.firstMatch(in: String(repeating: "x", count: 1000), maxSteps: 2000)
    }
    #expect(failure?.description == "/(x|y)*z/ takes more than 2000 steps on a text of 1000 bytes")
  }
}
