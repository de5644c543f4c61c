// SPDX-License-Identifier: Apache-2.0

import HTTPTypes
import Testing

@testable import WSProto

/// A head, or what it violates; `nil` if the bytes end before the head does.
typealias HeadResult = Result<HTTP1Head, HTTP1Error>

/// Feeds `bytes` in pieces of `size`, asking for the head after each of them.
func readHead(
  _ bytes: [UInt8],
  as kind: HTTP1HeadReader.Kind,
  pieces size: Int = .max,
  limits: HTTP1Limits = HTTP1Limits()
) -> (result: HeadResult?, trailing: [UInt8]) {
  var reader = HTTP1HeadReader(kind, limits: limits)
  var rest = bytes[...]
  while !rest.isEmpty {
    reader.receive(Array(rest.prefix(size)))
    rest = rest.dropFirst(size)
    do throws(HTTP1Error) {
      if let head = try reader.next() {
        return (.success(head), reader.takeTrailingBytes() + rest)
      }
    } catch {
      return (.failure(error), [])
    }
  }
  return (nil, [])
}

func readHead(_ text: String, as kind: HTTP1HeadReader.Kind) -> HeadResult? {
  readHead(Array(text.utf8), as: kind).result
}

let browserRequest = """
  GET /chat?room=1 HTTP/1.1\r
  Host: server.example.com:8080\r
  Connection: keep-alive, Upgrade\r
  Pragma: no-cache\r
  Cache-Control: no-cache\r
  User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36\r
  Upgrade: websocket\r
  Origin: https://server.example.com\r
  Sec-WebSocket-Version: 13\r
  Accept-Encoding: gzip, deflate, br, zstd\r
  Accept-Language: en-GB,en;q=0.9\r
  Cookie: session=0123456789abcdef0123456789abcdef; theme=dark\r
  Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r
  Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r
  \r\n
  """

@Suite struct HTTP1HeadReaderTests {
  @Test("a browser's request is parsed into its parts (RFC 9112 §3, §5)")
  func browser() throws {
    let head = try #require(try readHead(browserRequest, as: .request)?.get())
    #expect(head.method.text == "GET")
    #expect(head.target.text == "/chat?room=1")
    #expect(head.minorVersion == 1)
    #expect(head.statusCode == 0)
    #expect(head.fields.count == 13)
    #expect(head.bytes == Array(browserRequest.utf8))
    let connection = head.lines(of: .connection)
    #expect(connection.lists("upgrade") && connection.lists("keep-alive") && !connection.lists("keep"))
    #expect(head.lines(of: .upgrade) == .one(HeadPart("websocket")))
    #expect(head.lines(of: .secWebSocketKey) == .one(HeadPart("dGhlIHNhbXBsZSBub25jZQ==")))
    #expect(head.lines(of: .secWebSocketAccept) == .none)
  }

  @Test("every known field is recognised in any case, and no other name is", arguments: HTTP1FieldID.allCases)
  func recognition(id: HTTP1FieldID) throws {
    guard id != .other else { return try unknownNames() }
    let name = id.name.description
    let value = id == .contentLength ? "0" : "chunked"
    for spelling in [name, name.uppercased(), name.prefix(1).uppercased() + name.dropFirst()] {
      let head = try #require(
        try readHead("GET / HTTP/1.1\r\n\(spelling): \(value)\r\n\r\n", as: .request)?.get()
      )
      #expect(head.fields.map(\.id) == [id])
      #expect(HTTP1FieldID(canonicalName: name) == id)
      #expect(head.fields.map { head.name(of: $0) } == [spelling])
    }
    for near in ["x" + name.dropFirst(), String(name.dropLast()) + "_", name + "x"] {
      let head = try #require(try readHead("GET / HTTP/1.1\r\n\(near): 1\r\n\r\n", as: .request)?.get())
      #expect(head.fields.map(\.id) == [.other])
    }
  }

  private func unknownNames() throws {
    let head = try #require(try readHead("GET / HTTP/1.1\r\nx: 1\r\nCookie: 2\r\n\r\n", as: .request)?.get())
    #expect(head.fields.map(\.id) == [.other, .other])
    #expect(HTTP1FieldID(canonicalName: "cookie") == .other)
  }

  @Test("repeated fields keep their order, and are lines of one field (RFC 9110 §5.3)")
  func repeated() throws {
    let head = try #require(
      try readHead(
        "GET / HTTP/1.1\r\nHost: a\r\nX: 1\r\nSec-WebSocket-Protocol: a\r\nx: 2\r\n"
          + "sec-websocket-protocol: b\r\n\r\n",
        as: .request
      )?.get()
    )
    #expect(head.lines(of: .secWebSocketProtocol) == .several([HeadPart("a"), HeadPart("b")]))
    #expect(head.lines(of: .host) == .one(HeadPart("a")))
    #expect(head.fields.map { head.value(of: $0) } == ["a", "1", "a", "2", "b"])
    let headers = head.makeHeaders(excluding: HTTP1FieldSet([.host]))
    #expect(headers.map(\.name.rawName) == ["X", "Sec-WebSocket-Protocol", "x", "sec-websocket-protocol"])
    #expect(headers.map(\.value) == ["1", "a", "2", "b"])
  }

  @Test("whitespace around a value is not part of it, whitespace inside is (RFC 9112 §5.1)")
  func optionalWhitespace() throws {
    let head = try #require(
      try readHead("GET / HTTP/1.1\r\nA:\t x \t y\t \r\nB:\r\nC: \t \r\nD:z\r\n\r\n", as: .request)?.get()
    )
    #expect(head.fields.map { head.value(of: $0) } == ["x \t y", "", "", "z"])
  }

  @Test("octets above ASCII in a value are opaque: kept as they are (RFC 9110 §5.5)")
  func opaqueOctets() throws {
    let bytes = Array("GET / HTTP/1.1\r\nA: ".utf8) + [0x80, 0xff, 0xc3, 0xa9] + Array("\r\n\r\n".utf8)
    let head = try #require(try readHead(bytes, as: .request).result?.get())
    let field = try #require(head.fields.first)
    #expect(Array(head.valueBytes(of: field).slice) == [0x80, 0xff, 0xc3, 0xa9])
    #expect(head.value(of: field) == "\u{80}\u{ff}\u{c3}\u{a9}")
    let kept = head.makeHeaders().first?.withUnsafeBytesOfValue { Array($0) }
    #expect(kept == [0x80, 0xff, 0xc3, 0xa9])
  }

  @Test("one empty line before a request is skipped (RFC 9112 §2.2)")
  func leadingEmptyLine() throws {
    let head = try #require(try readHead("\r\nGET /x HTTP/1.1\r\n\r\n", as: .request)?.get())
    #expect(head.target.text == "/x")
    #expect(readHead("\r\n\r\nGET /x HTTP/1.1\r\n\r\n", as: .request) == .failure(.malformedRequestLine))
    #expect(readHead("\r\nHTTP/1.1 200 OK\r\n\r\n", as: .response) == .failure(.malformedStatusLine))
  }

  @Test("what follows the head is returned, and a second head can be read (RFC 9112 §9.3)")
  func trailingBytes() throws {
    var reader = HTTP1HeadReader(.response)
    reader.receive(
      Array("HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 101 \r\n\r\n\u{1}\r\n\r\n".utf8)
    )
    #expect(reader.isInsideHead)
    let first = try #require(try reader.next())
    let second = try #require(try reader.next())
    #expect(first.statusCode == 103)
    #expect(first.reason == "Early Hints")
    #expect(second.statusCode == 101)
    #expect(second.reason == "")
    #expect(reader.takeTrailingBytes() == Array("\u{1}\r\n\r\n".utf8))
    #expect(reader.takeTrailingBytes() == [])
    #expect(!reader.isInsideHead)
  }

  @Test(
    "a status line without a reason is accepted (RFC 9112 §4)",
    arguments: ["HTTP/1.1 204 ", "HTTP/1.1 204"]
  )
  func noReason(line: String) throws {
    let head = try #require(try readHead(line + "\r\n\r\n", as: .response)?.get())
    #expect(head.statusCode == 204)
    #expect(head.reason == "")
  }

  @Test("a response may be HTTP/1.0, and a higher minor version counts as 1.1 (RFC 9110 §2.5)")
  func versions() throws {
    #expect(try readHead("HTTP/1.0 404 Gone\r\n\r\n", as: .response)?.get().minorVersion == 0)
    #expect(try readHead("HTTP/1.7 404 Gone\r\n\r\n", as: .response)?.get().minorVersion == 1)
    #expect(try readHead("GET / HTTP/1.2\r\n\r\n", as: .request)?.get().minorVersion == 1)
  }

  static let folds: [(String, String)] = [
    ("X-A: a;\r\n b", "a;   b"), ("X-A: a\r\n\tb", "a  \tb"), ("X-A:\r\n b", "b"), ("X-A: a\r\n ", "a"),
    ("X-A: a\r\n \t\r\n  b\r\n c", "a   \t    b   c"), ("X-A: \r\n \r\n \t", ""),
    ("X-A: a\r\n :b: c", "a   :b: c"),
  ]

  @Test(
    "H5: a fold in a response becomes spaces, wherever it is and however it is split (RFC 9112 §5.2)",
    .fault("H5"),
    arguments: folds
  )
  func folding(fields: String, value: String) throws {
    for place in ["\(fields)\r\nX-B: y", "X-B: y\r\n\(fields)"] {
      let bytes = Array("HTTP/1.1 403 No\r\n\(place)\r\n\r\nrest".utf8)
      for pieces in [1, 2, 3, 5, Int.max] {
        let (result, trailing) = readHead(bytes, as: .response, pieces: pieces)
        let head = try #require(try result?.get())
        let values = Dictionary(
          uniqueKeysWithValues: head.fields.map { (head.name(of: $0), head.value(of: $0)) }
        )
        #expect(values == ["X-A": value, "X-B": "y"])
        #expect(trailing == Array("rest".utf8))
      }
    }
  }

  @Test(
    "H5: a fold hides nothing: its content is checked, and there must be a field before it",
    .fault("H5"),
    arguments: [
      ("X-A: a\r\n b\u{0}c", HTTP1Error.invalidFieldValue), ("X-A: a\r\n b\rc", .bareCarriageReturn),
      ("X-A: a\r\n b\nc", .bareLineFeed), (" X-A: a", .whitespaceBeforeFirstField),
    ]
  )
  func badFold(fields: String, error: HTTP1Error) {
    let bytes = Array("HTTP/1.1 403 No\r\n\(fields)\r\n\r\n".utf8)
    for pieces in [1, Int.max] {
      #expect(readHead(bytes, as: .response, pieces: pieces).result == .failure(error))
    }
  }

  @Test("each rejection suggests the status to answer with (RFC 9110 §15.5, RFC 6585 §5)")
  func suggestedStatus() {
    #expect(HTTP1Error.headTooLarge.suggestedStatus == 431)
    #expect(HTTP1Error.http10Request.suggestedStatus == 505)
    #expect(HTTP1Error.unsupportedTransferCoding.suggestedStatus == 501)
    #expect(HTTP1Error.bareLineFeed.suggestedStatus == 400)
    #expect(Set(HTTP1Error.allCases.map(\.description)).count == HTTP1Error.allCases.count)
  }

  @Test(
    "an unfinished head gives nothing yet, and the reader says that it is inside one",
    arguments: [1, 5, 16, 17, 40]
  )
  func unfinished(count: Int) throws {
    var reader = HTTP1HeadReader(.request)
    #expect(!reader.isInsideHead)
    reader.receive(Array(browserRequest.utf8.prefix(count)))
    #expect(try reader.next() == nil)
    #expect(reader.isInsideHead)
  }
}
