// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import WSProtoLab

@Suite("Files of tests are read")
struct ScenarioParserTests {
  static func parse(_ text: String) throws -> ScenarioFile {
    try ScenarioParser.parse(Array(text.utf8), name: "a.wstest")
  }

  /// The error for a file that has a mistake.
  static func mistake(_ text: String) -> String? {
    do {
      _ = try parse(text)
      return nil
    } catch {
      return "\(error)"
    }
  }

  @Test("A file with every kind of step is read, with the line of each")
  func everyStep() throws {
    let file = try Self.parse(
      #"""
      # what this is about
      set greeting "hello"
      timeout 2s

      test a conversation
        listen 127.0.0.1:0 as server
          subprotocol chat
          header X-Served: yes
        connect {{server.url}}/chat as a   # a comment
          subprotocol chat
          header Authorization: Bearer {{env.TOKEN}}
          compression
        accept server as b
        a> expect subprotocol chat
        a> expect header X-Served == "yes"
        b> expect path "/chat"
        b> expect compression off
        a> send text "{{greeting}}" in 2 frames
        b> expect text "hello" within 500ms
        b> send json {"id": {{id}}, "list": [1, 2]}
        a> expect json
          $.id is number
          $.list length == 2
          $.list[-1] == 2
        a> capture $.id as id
        a> send binary 0x00ff
        b> expect binary size == 2
        a> send ping "x"
        a> expect pong "x"
        a> send frame opcode=text fin=no rsv=100 mask=0x01020304 "x"
        a> send raw 0x8100
        a> await text matches /^a\/b$/i
        a> expect silence 10ms
        a> wait until 1s
        wait 1ms
        set again "x"
        a> close 1000 "bye"
        b> expect end
        b> disconnect
      test another
        connect ws://localhost/
        expect refused 403
        reset
      """#
    )
    #expect(file.defaults.map(\.name) == ["greeting"])
    #expect(file.stepTimeout == .seconds(2))
    #expect(file.tests.map(\.title) == ["a conversation", "another"])
    let steps = file.tests[0].steps
    #expect(steps.count == 26)
    #expect(steps[0].line == 6)
    #expect(steps[1].source == "connect {{server.url}}/chat as a   # a comment")
    #expect(steps[3].connection == "a")
    guard case .connect(let connect) = file.tests[1].steps[0].action else { throw Unexpected() }
    #expect(connect.mayBeRefused)
  }

  struct Unexpected: Error {}

  @Test(
    "A mistake is named with its line, its column, and what was expected there",
    arguments: [
      ("", "a.wstest:1:1: expected a step, such as connect ws://localhost:9001/"),
      ("# nothing\n", "a.wstest:2:1: expected a step, such as connect ws://localhost:9001/"),
      (
        "conect ws://localhost/",
        "a.wstest:1:1: expected connect, listen, accept, send, expect, await, capture, close, disconnect, reset, wait or set, not \"conect\""
      ),
      ("connect", "a.wstest:1:8: expected a URL such as ws://localhost:9001/, not the end of the line"),
      ("send text \"x\"", "a.wstest:1:1: there is no connection yet: expected connect or listen"),
      (
        "connect ws://a as é",
        "a.wstest:1:19: expected a connection's name, of letters, digits, _, - and ., not \"é\""
      ),
      (
        "connect ws://a\nb> send text \"x\"",
        "a.wstest:2:1: \"b>\" is no connection: no connection has a name yet"
      ),
      (
        "connect ws://a as a\nconnect ws://b as b\nsend text \"x\"",
        "a.wstest:3:1: which connection? Expected a> or b> before this step"
      ),
      (
        "connect ws://a\n  colour red",
        "a.wstest:2:3: expected subprotocol, header, compression, insecure or no-replies, not \"colour\""
      ),
      (
        "connect ws://a\n  header nothing", "a.wstest:2:10: expected a field such as Origin: http://localhost"
      ),
      ("connect ws://a\nsend text hello", "a.wstest:2:11: expected a text in quotes, not \"hello\""),
      (
        "connect ws://a\nsend text \"é\\q\"",
        "a.wstest:2:13: expected \\\", \\\\, \\n, \\r, \\t, \\{, \\xNN or \\u{…}"
      ),
      (
        "connect ws://a\nsend text \"\\xff\"",
        "a.wstest:2:11: a text is UTF-8: send frame opcode=text sends other bytes"
      ),
      (
        "connect ws://a\nsend text \"x",
        "a.wstest:2:11: expected a quote at the end of this text; one of several lines stands in \"\"\""
      ),
      (
        "connect ws://a\nsend text \"\"\"\nx\n",
        "a.wstest:2:11: expected a line with \"\"\" at the end of this text"
      ),
      ("connect ws://a\nsend binary 0x0", "a.wstest:2:13: an odd number of hexadecimal digits: \"0x0\""),
      ("connect ws://a\nsend json {\"a\": 01}", "a.wstest:2:18: no JSON: expected a comma or }"),
      ("connect ws://a\nsend json {\"a\": 1", "a.wstest:2:11: no JSON: the text ends too early"),
      ("connect ws://a\nsend json {} {}", "a.wstest:2:14: expected the end of the line, not \"{}\""),
      ("connect ws://a\nexpect json $a", "a.wstest:2:14: expected . or [ in this place, not \"a\""),
      (
        "connect ws://a\nexpect json $.a[x]",
        "a.wstest:2:17: expected a number or a name in quotes, not \"x]\""
      ),
      (
        "connect ws://a\nexpect json $.a",
        "a.wstest:2:16: expected ==, !=, <, <=, >, >=, exists, absent, is, matches, contains, includes or length, not the end of the line"
      ),
      (
        "connect ws://a\nexpect text \"x\" within soon",
        "a.wstest:2:24: expected a time such as 500ms, 2s or 1m, not \"soon\""
      ),
      (
        "connect ws://a\nexpect text \"x\" later",
        "a.wstest:2:17: expected within, or the end of the line, not \"later\""
      ),
      ("connect ws://a\nsend frame fin=no", "a.wstest:2:18: expected opcode=text, or another"),
      ("connect ws://a\nclose 99", "a.wstest:2:7: expected a code, 1000...4999, not \"99\""),
      ("accept server as a", "a.wstest:1:8: \"server\" is no listener: expected listen before this step"),
      ("test", "a.wstest:1:5: expected the test's title"),
      ("test empty\n", "a.wstest:1:1: expected a step of this test"),
      (
        "connect ws://a \u{1b}[31m",
        "a.wstest:1:16: expected UTF-8 without control characters, not \"\\u{1b}[31m\""
      ),
    ]
  )
  func mistakes(text: String, message: String) { #expect(Self.mistake(text) == message) }

  @Test("A pattern that cannot be compiled is a mistake of the file")
  func badPattern() {
    let mistake = Self.mistake("connect ws://a\nexpect text matches /(/")
    #expect(mistake?.hasPrefix("a.wstest:2:21: no regular expression: ") == true)
    let deep = Self.mistake("connect ws://a\nexpect text matches /\(String(repeating: "(", count: 100_000))/")
    #expect(deep == "a.wstest:2:21: a pattern has 1024 bytes at most")
  }

  @Test("A block loses the indentation of its end and its last line end")
  func block() throws {
    let file = try Self.parse("connect ws://a\nsend text \"\"\"\n    one\n      two {{x}}\n\n    \"\"\"\n")
    guard case .send(let send) = file.tests[0].steps[1].action, case .text(let payload) = send.content else {
      throw Unexpected()
    }
    let variables = ScenarioVariables(["x": .text("3")])
    #expect(try payload.bytes(variables) == Array("one\n  two 3\n".utf8))
  }

  @Test("JSON may go on over several lines, and variables stand in it as values and within strings")
  func json() throws {
    let file = try Self.parse(
      "connect ws://a\nsend json {\n  \"a\": {{n}},\n  \"b\": \"<{{n}}>\", \"c\": {{s}}\n}\nclose"
    )
    guard case .send(let send) = file.tests[0].steps[1].action, case .json(let template) = send.content else {
      throw Unexpected()
    }
    let variables = ScenarioVariables(["n": .text("5"), "s": .json(.string("\"x"))])
    #expect(try template.value(variables).compact == #"{"a":5,"b":"<5>","c":"\"x"}"#)
    #expect(file.tests[0].steps[2].line == 6)
  }

  @Test("Whatever a file holds, reading it ends with tests or with a mistake")
  func anything() {
    let words = [
      "connect ws://a as a\n", "listen :0 as s\n", "accept s\n", "a> ", "send ", "expect ", "await ", "text ",
      "json ",
      "binary ", "frame ", "raw ", "\"", "\"\"\"\n", "{", "}", "[", "]", "$.a[0]", "$", "==", "/", "(", "\\",
      "\\u{",
      "0x", "ff", "{{", "}}", "x", "within ", "1s", "1e400", "99999999999999999999", "repeat ", "in 2 frames",
      "\n",
      "  ", "#", "\u{e9}", "\u{0}", "test t\n", "set ", "opcode=", "fin=no ", "mask=0x00000000 ", "-1",
      "length ",
    ]
    var state: UInt64 = 1
    func random(_ bound: Int) -> Int {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return Int((state >> 33) % UInt64(bound))
    }
    var read = 0
    for _ in 0..<20_000 {
      var bytes = Array("connect ws://a as a\n".utf8)
      for _ in 0..<random(12) { bytes += Array(words[random(words.count)].utf8) }
      if random(8) == 0, !bytes.isEmpty { bytes[random(bytes.count)] = UInt8(random(256)) }
      if (try? ScenarioParser.parse(bytes, name: "x")) != nil { read += 1 }
    }
    #expect(read > 0 && read < 20_000)
  }
}
