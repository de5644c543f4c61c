// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import WSProtoLab

@Suite("JSON values are compared and found (RFC 8259, RFC 9535)")
struct JSONValueTests {
  static func value(_ text: String) throws -> JSONValue { try JSONValue(parsing: Array(text.utf8)) }

  @Test(
    "Values are equal by what they mean",
    arguments: [
      (#"{"a":1,"b":[]}"#, #"{ "b": [], "a": 1.0 }"#, true),
      ("100", "1e2", true),
      ("9007199254740993", "9007199254740992", false),
      (#""é""#, #""\u00e9""#, true),
      ("[1,2]", "[2,1]", false),
      (#"{"a":1}"#, #"{"a":1,"b":2}"#, false),
      ("null", "false", false),
      (#"{"a":1,"a":2}"#, #"{"a":2}"#, true),
    ]
  )
  func equality(left: String, right: String, isEqual: Bool) throws {
    #expect((try Self.value(left) == Self.value(right)) == isEqual)
  }

  @Test("A value includes another if it has at least its members, at any depth")
  func includes() throws {
    let value = try Self.value(#"{"type":"next","payload":{"data":{"a":1,"b":[{"c":1,"d":2}]}}}"#)
    #expect(try value.includes(Self.value(#"{"payload":{"data":{"b":[{"c":1}]}}}"#)))
    #expect(try !value.includes(Self.value(#"{"payload":{"data":{"b":[]}}}"#)))
    #expect(try !value.includes(Self.value(#"{"id":null}"#)))
    let twice = try Self.value(#"{"a":[1],"a":{"b":true}}"#)
    #expect(twice.includes(twice))
  }

  @Test(
    "A place names a member or an element",
    arguments: [
      (JSONPath([.member("a"), .element(1), .member("b c")]), "true"),
      (JSONPath([.member("a"), .element(-1), .member("b c")]), "true"),
      (JSONPath([.member("a"), .element(2)]), nil),
      (JSONPath([.member("a"), .element(-3)]), nil),
      (JSONPath([.member("a"), .member("b")]), nil),
      (JSONPath([.element(.min)]), nil),
      (JSONPath(), #"{"a":[0,{"b c":true}]}"#),
    ] as [(JSONPath, String?)]
  )
  func path(path: JSONPath, found: String?) throws {
    let value = try Self.value(#"{"a": [0, {"b c": true}]}"#)
    #expect(path.value(in: value)?.compact == found)
  }

  @Test("The lines of a value are indented, and show objects in one order")
  func lines() throws {
    let value = try Self.value(#"{"b":[1,2],"a":{"x":"\u001b"},"c":[{}, [[1]]]}"#)
    #expect(
      value.lines == [
        "{", "  \"a\": {", "    \"x\": \"\\u001b\"", "  },", "  \"b\": [1,2],", "  \"c\": [", "    {},",
        "    [", "      [1]",
        "    ]", "  ]", "}",
      ]
    )
  }

  @Test("A text that is nested without end is no value")
  func depth() {
    #expect(throws: JSONSyntaxError.self) { try Self.value(String(repeating: "[", count: 100_000)) }
  }
}
