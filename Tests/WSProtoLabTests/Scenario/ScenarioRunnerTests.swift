// SPDX-License-Identifier: Apache-2.0

import Testing
import WSProto

@testable import WSProtoLab

@Suite("Tests run against servers of their own, in memory")
struct ScenarioRunnerTests {
  /// Two ends that talk to each other: `a` is the client, `b` the server.
  static let opening = """
    listen memory as server
      subprotocol chat
      header X-Served: yes
    connect {{server.url}}/chat?x=1 as a
      subprotocol chat
      header Origin: http://localhost
    accept server as b

    """

  static func run(
    _ text: String,
    _ change: (inout ScenarioRunner.Options) -> Void = { _ in }
  ) async throws -> [ScenarioResult] {
    let file = try ScenarioParser.parse(Array(text.utf8), name: "a.wstest")
    var options = ScenarioRunner.Options()
    options.stepTimeout = .seconds(3600)
    change(&options)
    var results: [ScenarioResult] = []
    await ScenarioJobs.run([file], on: MemoryNetwork(), options, jobs: 1) { results.append($0) }
    return results
  }

  /// What has failed, in lines; empty if all has passed.
  static func failures(_ text: String) async throws -> [String] {
    try await run(text).flatMap(\.failures).flatMap { ["\($0.line): \($0.message)"] + $0.details }
  }

  @Test(
    "What is sent arrives (RFC 6455 §5.6, §5.5)",
    arguments: [
      "a> send text \"hello\"\nb> expect text \"hello\"",
      "a> send text \"héllo\" in 3 frames\nb> expect text \"héllo\"",
      "b> send text \"ab\" repeat 40000\na> expect text \"ab\" repeat 40000",
      "a> send binary 0x00ff\nb> expect binary 0x00ff\nb> send binary \"\\x01\" in 2 frames\na> expect binary 0x01",
      "a> send json {\"a\": [1, {\"b\": null}]}\nb> expect json {\"a\":[1,{\"b\":null}]}",
      "a> send json {\"type\":\"ack\",\"n\":2}\nb> expect json includes {\"type\":\"ack\"}",
      "a> send json {\"n\":2}\nb> expect json\n  $.n > 1\n  $.n <= 2\n  $.m absent\n  $ length == 1",
      "a> send ping \"x\"\na> expect pong \"x\"\nb> expect ping \"x\"",
      "a> send text \"id=17\"\nb> expect text matches /id=\\d+/\nb> capture /id=(\\d+)/ as id\nb> send text \"{{id}}\"\na> expect text \"17\"",
      "a> send json {\"id\":5}\nb> expect json\nb> capture $.id as id\nb> send json {\"is\":{{id}}}\na> expect json {\"is\":5}",
      "a> send text \"1\"\na> send text \"2\"\nb> await text \"2\"",
      "a> send text \"hello\"\nb> expect text contains \"ell\"\na> send text \"xx\"\nb> expect text size == 2",
      "a> send text \"1\"\na> send ping \"x\"\na> send text \"2\"\nb> expect text \"1\"\nb> expect text \"2\"\nb> expect ping \"x\"\na> expect pong \"x\"",
      "a> expect silence 10ms\na> send frame opcode=text fin=no \"he\"\na> send frame opcode=continuation \"llo\"\nb> expect text \"hello\"",
      "a> send raw 0x818500000000\na> send raw \"hello\"\nb> expect text \"hello\"",
      "a> expect subprotocol chat\na> expect header X-Served == \"yes\"\nb> expect header origin\nb> expect path \"/chat?x=1\"\nb> expect header cookie absent",
      "a> close 1000 \"bye\"\nb> expect close 1000 \"bye\"\nb> expect end",
      "b> send close 4000 \"go\"\na> expect close 4000 matches /g/",
      "a> close\nb> expect close 1005",
      "a> disconnect\nb> expect end",
      "a> send frame opcode=3\nb> expect violation 1002",
      "a> send frame opcode=text 0xff\nb> expect violation 1007\na> expect close 1007",
      "a> send frame opcode=text mask=no \"x\"\nb> expect violation",
      "set x \"1\"\na> send text \"{{x}}\"\nb> expect text \"1\"\nb> expect compression off",
    ]
  )
  func passes(steps: String) async throws { #expect(try await Self.failures(Self.opening + steps) == []) }

  @Test(
    "What differs is shown beside what was expected",
    arguments: [
      (
        "a> send text \"olleh\"\nb> expect text \"hello\"",
        ["9: the text differs", "expected  text \"hello\"", "seen      text \"olleh\""]
      ),
      (
        "a> send binary 0x01\nb> expect text \"hello\"",
        ["9: something else came", "expected  text \"hello\"", "seen      binary 0x01"]
      ),
      (
        "a> send json {\"b\":1,\"a\":2}\nb> expect json {\"a\":1,\"b\":1}",
        [
          "9: the JSON differs", "expected                                 | seen",
          "{                                        | {",
          "  \"a\": 1,                                !   \"a\": 2,",
          "  \"b\": 1                                 |   \"b\": 1",
          "}                                        | }",
        ]
      ),
      (
        "a> send json {\"type\":\"error\"}\nb> expect json $.type == \"ack\"",
        [
          "9: the JSON differs", "expected  $.type == \"ack\"", "seen      $.type is \"error\"",
          "in        {",
          "            \"type\": \"error\"", "          }",
        ]
      ),
      (
        "a> send text \"no\"\nb> expect json",
        ["9: the text is no JSON: expected null at byte 1", "expected  json", "seen      text \"no\""]
      ),
      (
        "b> expect text \"hello\" within 10ms",
        ["8: nothing came", "expected  text \"hello\"", "seen      nothing within 10ms"]
      ),
      (
        "a> send text \"\\u{1b}[31m\"\nb> expect silence 20s",
        ["9: something came", "expected  silence for 20s", "seen      text \"\\u{1b}[31m\""]
      ),
      (
        "a> send text \"0123456789012345678901234567890\"\nb> expect text \"0123456789012345678901234567899\"",
        [
          "9: the text differs", "expected  text \"0123456789012345678901234567899\"",
          "seen      text \"0123456789012345678901234567890\"",
          "at byte 30: \"234567899\", and \"234567890\"",
        ]
      ),
      (
        "a> send close 1001\nb> expect close 1000",
        ["9: the Close differs", "expected  close 1000", "seen      close 1001"]
      ),
      (
        "a> disconnect\nb> expect text \"x\"",
        ["9: something else came", "expected  text \"x\"", "seen      the connection ends without a Close"]
      ),
      (
        "b> send pong \"one\"\na> expect pong \"two\"",
        ["9: the pong differs", "expected  pong \"two\"", "seen      pong \"one\""]
      ),
      (
        "b> disconnect\na> expect pong",
        ["9: something else came", "expected  pong", "seen      the connection ends without a Close"]
      ),
      (
        "a> send text \"{{nothing}}\"",
        ["8: there is no variable \"nothing\": set it, capture it, or use --set"]
      ),
      (
        "a> expect subprotocol other",
        ["8: the subprotocol differs", "expected  subprotocol \"other\"", "seen      subprotocol \"chat\""]
      ),
      (
        "a> expect compression on",
        ["8: there is none", "expected  permessage-deflate", "seen      no permessage-deflate"]
      ),
      ("a> disconnect\na> send text \"x\"", ["9: cannot be sent: this end has ended the connection"]),
      ("a> send text \"x\"\nb> expect text\nb> capture $.a as a", ["10: the last message is no JSON: \"x\""]),
    ]
  )
  func differs(steps: String, lines: [String]) async throws {
    #expect(try await Self.failures(Self.opening + steps) == lines)
  }

  @Test("A refusal is what a step expects, or fails the connect (RFC 6455 §4.2.2)")
  func refused() async throws {
    let server = "listen memory as server\n  refuse 403 \"no\"\nconnect {{server.url}}/\n"
    #expect(try await Self.failures(server + "expect refused 403 \"no\"") == [])
    #expect(
      try await Self.failures(server + "expect refused 404")
        == ["4: something else came", "expected  refused 404", "seen      refused 403 \"no\""]
    )
    #expect(
      try await Self.failures(server + "close 1000") == [
        "3: the connection was not opened: refused 403 \"no\""
      ]
    )
  }

  @Test("Messages are compressed where both ends want that (RFC 7692)")
  func compression() async throws {
    let steps = """
      listen memory as server
        compression
      connect {{server.url}}/ as a
        compression
      accept server as b
      a> expect compression on
      b> expect compression on
      a> send text "hello " repeat 1000
      b> expect text "hello " repeat 1000
      """
    #expect(try await Self.failures(steps) == [])
  }

  @Test(
    "Pings are answered while the test is busy elsewhere, unless it wants to do that itself (RFC 6455 §5.5.2)"
  )
  func replies() async throws {
    let steps = """
      listen memory as server
        no-replies
      connect {{server.url}}/ as a
      accept server as b
      a> send ping "x"
      a> expect silence 20ms
      b> expect ping "x"
      b> send pong "x"
      a> expect pong "x"
      a> send close 1000
      b> expect close 1000
      a> expect silence 20ms
      b> send close 1000
      a> expect close 1000
      """
    #expect(try await Self.failures(steps) == [])
  }

  @Test("The tests of a file begin with the same variables, and one that fails ends no other")
  func tests() async throws {
    let text = """
      set x "default"
      test one
      listen memory as server
      connect {{server.url}}/ as a
      accept server as b
      set x "other"
      a> send text "{{x}}"
      b> expect text "wrong"
      a> send text "never"
      test two
      listen memory as server
      connect {{server.url}}/ as a
      accept server as b
      a> send text "{{x}} {{env.HOME}}"
      b> expect text "given /home"
      """
    let results = try await Self.run(text) { options in
      options.variables = ["x": "given"]
      options.environment = ["HOME": "/home"]
    }
    #expect(results.map(\.hasPassed) == [false, true])
    #expect(results[0].failures.map(\.line) == [8])
  }

  @Test("Everything ends at the deadline of the whole")
  func deadline() async throws {
    let results = try await Self.run(Self.opening + "a> expect text\na> send text \"x\"") { options in
      options.deadline = .now + .milliseconds(100)
    }
    // A busy machine may need all of the time before the step that waits.
    let failure = try #require(results[0].failures.first)
    #expect(([failure.message] + failure.details).contains { $0.contains("--timeout") })
  }
}
