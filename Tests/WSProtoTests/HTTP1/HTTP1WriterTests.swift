// SPDX-License-Identifier: Apache-2.0

import HTTPTypes
import Testing

@testable import WSProto

private func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }

@Suite struct HTTP1HeadWriterTests {
  @Test("a request is written as RFC 9112 §3 says, with its fields in order")
  func request() throws {
    var out: [UInt8] = []
    try HTTP1HeadWriter.appendRequestLine(target: "/chat?x=%20", to: &out)
    try HTTP1HeadWriter.appendField("Host", "example.com", to: &out)
    let headers: Headers = [.cookie: "a=b", .init("X-A")!: "1", .init("x-a")!: "2"]
    try HTTP1HeadWriter.appendFields(headers, to: &out)
    HTTP1HeadWriter.appendEnd(to: &out)
    #expect(
      text(out) == "GET /chat?x=%20 HTTP/1.1\r\nHost: example.com\r\nCookie: a=b\r\nX-A: 1\r\nx-a: 2\r\n\r\n"
    )
    #expect(try readHead(out, as: .request).result?.get().makeHeaders().count == 4)
  }

  @Test(
    "status codes get their registered reason (RFC 9110 §15)",
    arguments: [
      (101, "Switching Protocols"), (200, "OK"), (400, "Bad Request"), (403, "Forbidden"),
      (426, "Upgrade Required"), (431, "Request Header Fields Too Large"),
      (505, "HTTP Version Not Supported"),
      (599, ""),
    ]
  )
  func reasons(code: Int, reason: String) throws {
    var out: [UInt8] = []
    try HTTP1HeadWriter.appendStatusLine(code, to: &out)
    #expect(text(out) == "HTTP/1.1 \(code) \(reason)\r\n")
  }

  @Test("a custom reason replaces the registered one (RFC 9112 §4)")
  func ownReason() throws {
    var out: [UInt8] = []
    try HTTP1HeadWriter.appendStatusLine(403, reason: "No entry", to: &out)
    #expect(text(out) == "HTTP/1.1 403 No entry\r\n")
  }

  @Test("the 101 carries the token for the key (RFC 6455 §4.2.2)")
  func switchingProtocols() {
    var out: [UInt8] = []
    let key = Array("dGhlIHNhbXBsZSBub25jZQ==".utf8)
    HTTP1HeadWriter.appendSwitchingProtocols(key: key.span, to: &out)
    #expect(
      text(out) == "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        + "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
    )
  }

  @Test("what must not be sent is refused, and nothing of it is written (RFC 9112 §2.2)")
  func refused() {
    var out: [UInt8] = [1]
    #expect(throws: HTTP1WriteError.invalidTarget("/a b")) {
      try HTTP1HeadWriter.appendRequestLine(target: "/a b", to: &out)
    }
    #expect(throws: HTTP1WriteError.invalidTarget("")) {
      try HTTP1HeadWriter.appendRequestLine(target: "", to: &out)
    }
    #expect(throws: HTTP1WriteError.invalidTarget("/é")) {
      try HTTP1HeadWriter.appendRequestLine(target: "/é", to: &out)
    }
    #expect(throws: HTTP1WriteError.invalidMethod("G T")) {
      try HTTP1HeadWriter.appendRequestLine(method: "G T", target: "/", to: &out)
    }
    #expect(throws: HTTP1WriteError.invalidStatusCode(99)) {
      try HTTP1HeadWriter.appendStatusLine(99, to: &out)
    }
    #expect(throws: HTTP1WriteError.invalidStatusCode(.max)) {
      try HTTP1HeadWriter.appendStatusLine(.max, to: &out)
    }
    #expect(throws: HTTP1WriteError.invalidReasonPhrase("a\nb")) {
      try HTTP1HeadWriter.appendStatusLine(200, reason: "a\nb", to: &out)
    }
    #expect(throws: HTTP1WriteError.invalidFieldName("a:b")) {
      try HTTP1HeadWriter.appendField("a:b", "c", to: &out)
    }
    #expect(throws: HTTP1WriteError.invalidFieldName("")) {
      try HTTP1HeadWriter.appendField("", "c", to: &out)
    }
    #expect(throws: HTTP1WriteError.invalidFieldValue(name: "a")) {
      try HTTP1HeadWriter.appendField("a", "b\r\nc: d", to: &out)
    }
    #expect(out == [1])
  }

  @Test(
    "the only CR, LF or NUL ever written are the writer's own, whatever is requested (RFC 9112 §11.1)",
    .threat(11)
  )
  func nothingIsInjected() {
    let alphabet: [Unicode.Scalar] = [
      "a", " ", ":", "\r", "\n", "\0", "\t", "é", "\u{7f}", "\u{85}", "\u{2028}",
    ]
    var random = TestRandom(seed: 5)
    func string() -> String {
      var string = ""
      for _ in 0..<random.below(5) { string.unicodeScalars.append(alphabet[random.below(alphabet.count)]) }
      return string
    }
    var written = 0
    for _ in 0..<20_000 {
      var out: [UInt8] = []
      var lines = 0
      let (target, reason, value, raw, name) = (string(), string(), string(), string(), string())
      func attempt(_ body: (inout [UInt8]) throws(HTTP1WriteError) -> Void) {
        let before = out
        do throws(HTTP1WriteError) {
          try body(&out)
          lines += 1
        } catch {
          #expect(out == before)
        }
      }
      attempt { out throws(HTTP1WriteError) in try HTTP1HeadWriter.appendRequestLine(target: target, to: &out)
      }
      attempt { out throws(HTTP1WriteError) in
        try HTTP1HeadWriter.appendStatusLine(400, reason: reason, to: &out)
      }
      attempt { out throws(HTTP1WriteError) in try HTTP1HeadWriter.appendField("X", value, to: &out) }
      if let name = HTTPField.Name(name) {
        var headers = Headers()
        headers.append(HTTPField(name: name, lenientValue: Array(raw.utf8)))
        attempt { out throws(HTTP1WriteError) in try HTTP1HeadWriter.appendFields(headers, to: &out) }
      }
      written += lines
      #expect(out.count { $0 == 0x0d } == lines)
      #expect(out.count { $0 == 0x0a } == lines)
      #expect(!out.contains(0) && !out.contains(0x7f))
      #expect(text(out).split(separator: "\r\n", omittingEmptySubsequences: true).count == lines)
    }
    #expect(written > 10_000)
  }

  @Test("either all fields are written or none (RFC 9112 §5)")
  func allOrNone() {
    var headers: Headers = [.cookie: "fine"]
    headers.append(HTTPField(name: .accept, lenientValue: [0x61, 0x01]))
    var out: [UInt8] = [9]
    #expect(throws: HTTP1WriteError.invalidFieldValue(name: "Accept")) {
      try HTTP1HeadWriter.appendFields(headers, to: &out)
    }
    #expect(out == [9])
  }
}

@Suite struct HTTP1BodyWriterTests {
  @Test("exactly as many bytes as Content-Length says can be written (RFC 9112 §6.2)")
  func counted() throws {
    var out: [UInt8] = []
    var writer = HTTP1BodyWriter(.contentLength(5))
    try writer.append("he".utf8, finished: false, to: &out)
    #expect(throws: HTTP1WriteError.bodyTooLong(declared: 5)) {
      try writer.append("llo!".utf8, finished: true, to: &out)
    }
    #expect(throws: HTTP1WriteError.bodyTooShort(declared: 5, written: 4)) {
      try writer.append("ll".utf8, finished: true, to: &out)
    }
    try writer.append("llo".utf8, finished: true, to: &out)
    #expect(text(out) == "hello")
    #expect(writer.isFinished)
    #expect(throws: HTTP1WriteError.bodyAlreadyFinished) {
      try writer.append("".utf8, finished: true, to: &out)
    }
  }

  @Test("written chunks can be read back (RFC 9112 §7.1)")
  func chunked() throws {
    var out: [UInt8] = []
    var writer = HTTP1BodyWriter(.chunked)
    try writer.append("hello, chunked ".utf8, finished: false, to: &out)
    try writer.append("".utf8, finished: false, to: &out)
    try writer.append("world".utf8, finished: true, to: &out)
    #expect(text(out) == "f\r\nhello, chunked \r\n5\r\nworld\r\n0\r\n\r\n")
    var reader = HTTP1BodyReader(.chunked)
    var input = out[...]
    #expect(try reader.next(&input) == .data(Array("hello, chunked ".utf8)[...]))
    #expect(try reader.next(&input) == .data(Array("world".utf8)[...]))
    #expect(try reader.next(&input) == .finished)
    #expect(input.isEmpty)
  }

  @Test("an empty chunked body is only its last chunk (RFC 9112 §7.1)")
  func emptyChunked() throws {
    var out: [UInt8] = []
    var writer = HTTP1BodyWriter(.chunked)
    try writer.append([], finished: true, to: &out)
    #expect(text(out) == "0\r\n\r\n")
  }

  @Test("a body until the close has no framing, and no body means none (RFC 9112 §6.3)")
  func plain() throws {
    var out: [UInt8] = []
    var writer = HTTP1BodyWriter(.untilClose)
    try writer.append("bytes".utf8, finished: true, to: &out)
    #expect(text(out) == "bytes")
    var none = HTTP1BodyWriter(.none)
    #expect(throws: HTTP1WriteError.bodyNotAllowed) { try none.append("x".utf8, finished: true, to: &out) }
    try none.append([], finished: true, to: &out)
    #expect(none.isFinished)
    #expect(text(out) == "bytes")
  }

  @Test("the fields decide how a body is framed (RFC 9112 §6.1)")
  func framing() throws {
    func framing(_ status: Int, _ headers: Headers, old: Bool = false) throws -> (HTTP1Framing, Bool) {
      let result = try HTTP1BodyWriter.framing(status: status, headers: headers, peerIsHTTP10: old)
      return (result.framing, result.addsTransferEncoding)
    }
    #expect(try framing(403, [.contentLength: "5"]) == (.contentLength(5), false))
    #expect(try framing(403, [:]) == (.chunked, true))
    #expect(try framing(403, [.transferEncoding: "chunked"]) == (.chunked, false))
    #expect(try framing(505, [:], old: true) == (.untilClose, false))
    #expect(try framing(204, [:]) == (.none, false))
    #expect(try framing(304, [.contentLength: "5"]) == (.none, false))
  }

  static let contradictory: [(Headers, HTTP1WriteError)] = [
    (
      [.contentLength: "5", .transferEncoding: "chunked"], .contentLengthWithTransferEncoding
    ),
    ([.contentLength: "+5"], .invalidContentLength("+5")),
    ([.contentLength: ""], .invalidContentLength("")),
    ([.contentLength: "5", .contentLength: "5"], .invalidContentLength("5, 5")),
    ([.contentLength: "9223372036854775808"], .invalidContentLength("9223372036854775808")),
    ([.transferEncoding: "gzip"], .unsupportedTransferCoding("gzip")),
  ]

  @Test(
    "fields that contradict each other are the caller's mistake (RFC 9112 §6.1, RFC 9110 §8.6)",
    arguments: contradictory
  )
  func contradictions(headers: Headers, error: HTTP1WriteError) {
    #expect(throws: error) { try HTTP1BodyWriter.framing(status: 403, headers: headers) }
  }
}
