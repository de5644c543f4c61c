// SPDX-License-Identifier: Apache-2.0

import WSProto

@testable import WSProtoLab

/// Any file of tests: tests whose steps stand at lines of the file, or a mistake at a place of it in words that are safe to
/// show. JSON that can be read stays the same when it is written and read again.
enum FuzzScenarios {
  static func run(_ input: inout Input) {
    let choice = input.byte()
    let content = input.rest
    if choice & 1 == 0 { return json(content) }
    // Half of the files have a connection already, so that steps are reached.
    let bytes = choice & 2 == 0 ? content : Array("connect ws://a as a\n".utf8) + content
    let lines = bytes.count { $0 == 0x0A } + 1
    do throws(ScenarioSyntaxError) {
      let file = try ScenarioParser.parse(bytes, name: "file")
      for step in file.tests.flatMap(\.steps) where !(1...lines ~= step.line) || !isSafe(step.source) {
        disagree("a step beside the file", [("file", bytes), ("line", step.line), ("source", step.source)])
      }
    } catch {
      guard 1...lines ~= error.line, 1...(bytes.count + 1) ~= error.column, isSafe(error.message) else {
        disagree("a mistake beside the file", [("file", bytes), ("error", error)])
      }
    }
  }

  private static func json(_ content: [UInt8]) {
    guard let value = try? JSONValue(parsing: content) else { return }
    let again = try? JSONValue(parsing: Array(value.compact.utf8))
    let shown = try? JSONValue(parsing: Array(value.lines.joined(separator: "\n").utf8))
    guard again == value, shown == value, value.includes(value), isSafe(value.compact) else {
      disagree("JSON that changes", [("content", content), ("compact", value.compact)])
    }
  }

  private static func isSafe(_ text: String) -> Bool {
    text.unicodeScalars.allSatisfy { !$0.mustBeEscaped }
  }

  static func seeds() -> [[UInt8]] {
    let steps = [
      "set x 1\ntimeout 2s\ntest t\nlisten 127.0.0.1:0 as s\n  subprotocol c\n  refuse 503 \"no\"\naccept s as b\n",
      "connect {{url}} as c\n  header Origin: x\n  compression\nc> expect refused 403 contains \"no\"\n",
      "a> send text \"é\\u{e9}\\x41{{x}}\" repeat 3 in 2 frames\n",
      "a> send json {\"a\": {{x}}, \"b\": [1, \"{{y}}\"]}\n",
      "a> send text \"\"\"\n  one\n  \"\"\"\n",
      "a> send frame opcode=text fin=no rsv=100 mask=0x01020304 length=5 0x00ff\n",
      "a> expect json $.a[0][\"b c\"] length >= 2 within 1s\n  $.c matches /x(y)/i\n  $.d includes {\"e\": 1}\n",
      "a> await binary size < 5\na> expect silence 5ms\na> capture /a(b)/ as c\na> wait until 1s\na> close 1000 \"bye\"\n",
    ]
    let values = [
      #"{"a":[1,2.5e3,null,"\u00e9"],"b":{"c":true}}"#, "[[],{},[[1]]]", #""\ud83d\ude00""#, "-0.0e5",
    ]
    return steps.map { [3] + Array($0.utf8) } + values.map { [0] + Array($0.utf8) }
  }
}
