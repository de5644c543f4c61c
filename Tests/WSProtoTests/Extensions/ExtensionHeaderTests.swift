// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import WSProto

@Suite struct ExtensionHeaderTests {
  static let good: [(String, [ExtensionHeader])] = [
    ("permessage-deflate", [ExtensionHeader(name: "permessage-deflate")]),
    (
      "permessage-deflate; client_max_window_bits",
      [ExtensionHeader(name: "permessage-deflate", parameters: [.init(name: "client_max_window_bits")])]
    ),
    (
      "foo; bar; baz=2",
      [ExtensionHeader(name: "foo", parameters: [.init(name: "bar"), .init(name: "baz", value: "2")])]
    ),
    (
      "foo;a=1,bar",
      [ExtensionHeader(name: "foo", parameters: [.init(name: "a", value: "1")]), .init(name: "bar")]
    ),
    (
      " \tfoo \t; a\t ; b \t,\tbar\t ",
      [
        ExtensionHeader(name: "foo", parameters: [.init(name: "a"), .init(name: "b")]), .init(name: "bar"),
      ]
    ),
    ("foo; a = 1", [ExtensionHeader(name: "foo", parameters: [.init(name: "a", value: "1")])]),
    ("foo; a=\"10\"", [ExtensionHeader(name: "foo", parameters: [.init(name: "a", value: "10")])]),
    ("foo; a=\"\\1\\0\"", [ExtensionHeader(name: "foo", parameters: [.init(name: "a", value: "10")])]),
    (
      "foo; a; a=1; a",
      [
        ExtensionHeader(
          name: "foo",
          parameters: [.init(name: "a"), .init(name: "a", value: "1"), .init(name: "a")]
        )
      ]
    ),
    (",, foo ,, ,bar,", [ExtensionHeader(name: "foo"), ExtensionHeader(name: "bar")]),
    ("!#$%&'*+-.^_`|~09azAZ", [ExtensionHeader(name: "!#$%&'*+-.^_`|~09azAZ")]),
  ]

  @Test("legal values are parsed into their parts, in order (RFC 6455 §9.1)", arguments: good)
  func parsed(value: String, expected: [ExtensionHeader]) throws {
    #expect(try ExtensionHeader.parseList(value) == expected)
    let surrounded = Array("xx\(value)yy".utf8).dropFirst(2).dropLast(2)
    #expect(try ExtensionHeader.parseList(surrounded) == expected)
  }

  @Test(
    "what is written parses back to the same (RFC 6455 §9.1)",
    .requirement("6455-4.1-extensions"),
    arguments: good
  )
  func roundTrip(value: String, expected: [ExtensionHeader]) throws {
    let text = expected.map(\.description).joined(separator: ", ")
    #expect(try ExtensionHeader.parseList(text) == expected)
  }

  static let bad: [(String, ExtensionHeaderError)] = [
    ("", .empty), (" ", .empty), (", ,\t,", .empty),
    (";", .expectedToken(offset: 0)), ("=a", .expectedToken(offset: 0)), ("\"a\"", .expectedToken(offset: 0)),
    ("a;", .expectedToken(offset: 2)), ("a;;b", .expectedToken(offset: 2)),
    ("a; ;b", .expectedToken(offset: 3)),
    ("a;,b", .expectedToken(offset: 2)), ("a;=1", .expectedToken(offset: 2)),
    ("a; b=", .expectedToken(offset: 5)), ("a; b=;c", .expectedToken(offset: 5)),
    ("a; b=,c", .expectedToken(offset: 5)), ("a; b==c", .expectedToken(offset: 5)),
    ("a b", .unexpectedByte(offset: 2)), ("a=b", .unexpectedByte(offset: 1)),
    ("a; b c", .unexpectedByte(offset: 5)), ("a; b=c d", .unexpectedByte(offset: 7)),
    ("a; b=c=d", .unexpectedByte(offset: 6)), ("a; b=\"c\"d", .unexpectedByte(offset: 8)),
    ("a; b=c\"d\"", .unexpectedByte(offset: 6)), ("a/b", .unexpectedByte(offset: 1)),
    ("a, b; c=(d)", .expectedToken(offset: 8)), ("é", .expectedToken(offset: 0)),
    ("a\0", .unexpectedByte(offset: 1)), ("a\r\nb", .unexpectedByte(offset: 1)),
    ("a; b=\"", .unterminatedQuotedString(offset: 5)), ("a; b=\"c", .unterminatedQuotedString(offset: 5)),
    ("a; b=\"c\\", .unterminatedQuotedString(offset: 5)), ("a; b=\"c\\\"", .quotedValueNotToken(offset: 5)),
    ("a; b=\"\"", .quotedValueNotToken(offset: 5)), ("a; b=\"c d\"", .quotedValueNotToken(offset: 5)),
    ("a; b=\"c,d\"", .quotedValueNotToken(offset: 5)), ("a; b=\"é\"", .quotedValueNotToken(offset: 5)),
    ("a; b=\"\\ \"", .quotedValueNotToken(offset: 5)),
  ]

  @Test(
    "malformed values are refused, with the offset (RFC 6455 §9.1, RFC 9110 §5.6)",
    .requirement("6455-9.1-grammar", "6455-9.1-quoted"),
    arguments: bad
  )
  func refused(value: String, error: ExtensionHeaderError) {
    #expect(throws: error) { try ExtensionHeader.parseList(value) }
    #expect(throws: error) { try ExtensionHeader.parseList(Array("x\(value)".utf8).dropFirst()) }
    #expect(!error.description.isEmpty)
  }

  @Test("the description quotes and escapes only what is not a token (RFC 9110 §5.6.4)")
  func quoting() {
    let header = ExtensionHeader(
      name: "x",
      parameters: [
        .init(name: "a", value: "1"), .init(name: "b"), .init(name: "c", value: "d e"),
        .init(name: "f", value: ""), .init(name: "g", value: "\"\\"),
      ]
    )
    #expect(header.description == "x; a=1; b; c=\"d e\"; f=\"\"; g=\"\\\"\\\\\"")
  }

  @Test("the number of extensions and parameters is limited")
  func bounded() throws {
    let most = Array(repeating: "a", count: 128)
    #expect(try ExtensionHeader.parseList(most.joined(separator: ",")).count == 128)
    #expect(try ExtensionHeader.parseList(most.joined(separator: ";")).first?.parameters.count == 127)
    #expect(throws: ExtensionHeaderError.tooMany(limit: 128)) {
      try ExtensionHeader.parseList((most + ["a"]).joined(separator: ","))
    }
    #expect(throws: ExtensionHeaderError.tooMany(limit: 128)) {
      try ExtensionHeader.parseList((most + ["a"]).joined(separator: ";"))
    }
  }

  @Test(
    "parsing is linear: a megabyte of each kind would take hours if every byte were visited again from the next",
    .threat(8),
    arguments: [
      ("b", " ", nil), ("b;a=\"", "\\c", .unterminatedQuotedString(offset: 4)),
      ("b;a=\"", "c", .unterminatedQuotedString(offset: 4)), ("", ",", .empty), ("b", " ,", nil),
      ("b;a", "\t", nil), ("b;a", "\tx", .unexpectedByte(offset: 4)), ("", "b", nil),
      ("b;a=\"c\"", ",b;a=\"c\"", .tooMany(limit: 128)), ("", "\"", .expectedToken(offset: 0)),
      ("b; a=\"c\"", " ;", .expectedToken(offset: 11)),
    ] as [(String, String, ExtensionHeaderError?)]
  )
  func linear(start: String, more: String, error: ExtensionHeaderError?) {
    let value = start + String(repeating: more, count: (1 << 20) / more.utf8.count)
    var found: ExtensionHeaderError?
    do throws(ExtensionHeaderError) {
      #expect(try ExtensionHeader.parseList(value).count == 1)
    } catch {
      found = error
    }
    #expect(found == error)
  }

  @Test("no bytes can trap the parser, and whatever it parses, it writes legally (RFC 6455 §9.1)")
  func randomBytes() {
    let alphabet = Array("ab;=,\" \\\t\u{1}é".utf8)
    var random = TestRandom(seed: 3)
    var read = 0
    for _ in 0..<50_000 {
      let bytes = (0..<random.below(14)).map { _ in alphabet[random.below(alphabet.count)] }
      guard let list = try? ExtensionHeader.parseList(bytes[...]) else { continue }
      read += 1
      let again = try? ExtensionHeader.parseList(list.map(\.description).joined(separator: ", "))
      #expect(again == list)
    }
    #expect(read > 1000)
  }
}
