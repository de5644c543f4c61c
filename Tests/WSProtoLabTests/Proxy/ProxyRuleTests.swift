// SPDX-License-Identifier: Apache-2.0

import Testing
import WSProto

@testable import WSProtoLab

@Suite("Rules of a proxy, as they are written")
struct ProxyRuleTests {
  @Test("Direction, kind, pattern and probability may be left out; their order is fixed")
  func parts() throws {
    let full = try ProxyRule("to-server text /a b/ 12.5% delay 200ms")
    #expect(full.scope == .toServer && full.kind == .text)
    #expect(full.pattern == .containing(Array("a b".utf8)))
    #expect(full.probability == 0.125 && full.action == .delay(200_000_000))
    let bare = try ProxyRule("drop")
    #expect(bare.scope == .both && bare.kind == .any && bare.pattern == nil && bare.probability == 1)
  }

  @Test(
    "Each action with what it takes",
    arguments: [
      ("delay 1.5s", .delay(1_500_000_000)), ("drop", .drop), ("split 3", .split(3)), ("coalesce", .coalesce),
      ("segments 1", .segments(1)), ("truncate 0", .truncate(0)), ("truncate 1K", .truncate(1024)),
      ("duplicate", .duplicate), ("reset", .reset), ("hold", .hold),
      ("close 4001", .close(4001, "")), ("close 1011 'too late'", .close(1011, "too late")),
      ("corrupt", .corrupt(.init())), ("corrupt 3", .corrupt(.init(place: .payload, byte: 3))),
      ("corrupt header 0.6", .corrupt(.init(place: .header, byte: 0, bit: 6))),
      ("replace 'a' 'b'", .replace([0x61], [0x62])),
      ("replace '\\x00\\n\\'' ''", .replace([0, 10, 0x27], [])),
    ] as [(String, ProxyRule.Action)]
  )
  func actions(_ text: String, _ action: ProxyRule.Action) throws {
    #expect(try ProxyRule("both any \(text)").action == action)
    #expect(try ProxyRule(text).action == action)
  }

  @Test("'close' is a kind unless a code follows")
  func closeKind() throws {
    #expect(try ProxyRule("close drop").kind == .close)
    #expect(try ProxyRule("close close 1000").kind == .close)
    #expect(try ProxyRule("close close 1000").action == .close(1000, ""))
    #expect(try ProxyRule("to-client close 1000").kind == .any)
  }

  @Test(
    "A mistake is told with its column and what was expected there",
    arguments: [
      ("", 1, "expected an action"), ("to-server", 10, "expected an action"),
      ("to-server text dely 200ms", 16, "\"dely\""), ("delay soon", 7, "such as 200ms"),
      ("delay 2h", 7, "up to 1h"), ("text /a drop", 6, "no / ends"), ("text // drop", 6, "nothing between"),
      ("/a/drop", 4, "a space behind /"), ("150% drop", 1, "100%"), ("x% drop", 1, "probability"),
      ("split 0", 7, "at least 1"), ("split", 6, "the end"), ("corrupt payload x", 17, "a byte's number"),
      ("corrupt 1.8", 9, "from 0 to 7"), ("close 70000", 7, "close code"),
      ("replace 'a'", 12, "the new text"),
      ("replace '' 'b'", 9, "is empty"), ("drop it", 6, "the end of the rule"),
      ("/\\xg0/ drop", 4, "hexadecimal"),
      ("close 1000 '\(String(repeating: "x", count: 124))'", 12, "123 bytes"),
    ]
  )
  func mistakes(_ text: String, _ column: Int, _ words: String) {
    #expect { try ProxyRule(text) } throws: { error in
      guard let error = error as? ProxyRuleError else { return false }
      return error.column == column && error.message.contains(words) && error.description.contains("column")
    }
  }

  @Test(
    "A glob is compared with the whole payload, a part is looked for in it",
    arguments: [
      ("/ell/", "hello", true), ("/ell/", "el", false), ("/a*/", "a*b", true), ("/a*/", "ab", false),
      ("'*'", "", true), ("''", "", true), ("''", "a", false), ("'h*o'", "hello", true),
      ("'h*o'", "hello!", false),
      ("'h?l*'", "hello", true), ("'?'", "", false), ("'*a*a*b'", "aaaaaaaab", true),
      ("'*a*a*b'", "aaaaaaaac", false),
      ("'\\*'", "*", true), ("'\\*'", "x", false), ("/\\//", "a/b", true),
    ]
  )
  func patterns(_ pattern: String, _ payload: String, _ matches: Bool) throws {
    #expect(try ProxyRule("\(pattern) drop").pattern?.matches(Array(payload.utf8)) == matches)
  }

  @Test("The same seed draws the same, another one differs, and about as often as the probability says")
  func drawing() {
    func draw(_ seed: UInt64, _ stream: UInt64) -> [Bool] {
      var random = SeededGenerator(seed: seed, stream: stream)
      return (0..<1000).map { _ in random.happens(0.25) }
    }
    #expect(draw(7, 1) == draw(7, 1))
    #expect(draw(7, 1) != draw(8, 1) && draw(7, 1) != draw(7, 2))
    #expect(200...300 ~= draw(7, 1).filter { $0 }.count)
    var random = SeededGenerator(seed: 0, stream: 0)
    #expect((0..<100).allSatisfy { _ in random.happens(1) && !random.happens(0) })
  }

  @Test(
    "What is typed at the prompt",
    arguments: [
      ("p", .decide(.pass)), ("d", .decide(.drop)), ("e a b ", .decide(.edit(Array("a b ".utf8)))),
      ("e", .decide(.edit([]))),
      (
        "/inject to-client text  hi", .inject(Injection(.text, Array(" hi".utf8)), .toClient, connection: nil)
      ),
      (
        "/inject #12 to-server binary 01 ff",
        .inject(Injection(.binary, [1, 255]), .toServer, connection: 12)
      ),
      (
        "/inject to-client close 1011 why",
        .inject(Injection(.close, [3, 243] + Array("why".utf8)), .toClient, connection: nil)
      ),
      ("/inject to-client ping", .inject(Injection(.ping, []), .toClient, connection: nil)),
    ] as [(String, ProxyInput)]
  )
  func typed(_ line: String, _ meaning: ProxyInput) throws { #expect(try ProxyInput(typed: line) == meaning) }

  @Test(
    "A line that means nothing says what was expected",
    arguments: [
      ("", "expected p"), ("pass", "not \"pass\""), ("/inject", "to-client or to-server"),
      ("/inject both text x", "both"),
      ("/inject #x to-client text", "number"), ("/inject to-client continuation", "expected one of text"),
      ("/inject to-client binary 0", "hexadecimal"), ("/inject to-client close x", "a code"),
      ("/inject to-client ping \(String(repeating: "x", count: 126))", "125"),
    ]
  )
  func mistyped(_ line: String, _ words: String) {
    #expect { try ProxyInput(typed: line) } throws: {
      ($0 as? ProxyInputError)?.description.contains(words) == true
    }
  }
}
