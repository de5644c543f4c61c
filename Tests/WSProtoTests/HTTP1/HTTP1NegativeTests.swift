// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import WSProto

/// What RFC 9112 and RFC 9110 forbid, one row each.
@Suite struct HTTP1NegativeTests {
  struct Row: Sendable, CustomTestStringConvertible {
    let section: String
    let text: [UInt8]
    let error: HTTP1Error
    var testDescription: String { "\(section): \(error)" }

    init(_ section: String, _ text: String, _ error: HTTP1Error) {
      self.section = section
      // Each scalar stands for the byte with that number.
      self.text = text.unicodeScalars.map { UInt8(truncatingIfNeeded: $0.value) }
      self.error = error
    }
  }

  static let requestLines: [Row] = [
    Row("§2.2 bare LF", "GET / HTTP/1.1\nHost: x\r\n\r\n", .bareLineFeed),
    Row("§2.2 bare LF first", "\nGET / HTTP/1.1\r\n\r\n", .bareLineFeed),
    Row("§2.2 bare CR", "GET / HTTP/1.1\rHost: x\r\n\r\n", .bareCarriageReturn),
    Row("§2.2 bare CR in the target", "GET /\rx HTTP/1.1\r\n\r\n", .bareCarriageReturn),
    Row("§2.2 bare CR in the method", "GE\rT / HTTP/1.1\r\n\r\n", .bareCarriageReturn),
    Row("§2.2 CR CR LF", "GET / HTTP/1.1\r\r\n\r\n", .bareCarriageReturn),
    Row("§2.3 lower case", "GET / http/1.1\r\n\r\n", .malformedVersion),
    Row("§2.3 no version", "GET /\r\n\r\n", .malformedRequestLine),
    Row("§2.3 two digits", "GET / HTTP/1.10\r\n\r\n", .malformedVersion),
    Row("§2.3 no minor", "GET / HTTP/1\r\n\r\n", .malformedVersion),
    Row("§2.3 comma", "GET / HTTP/1,1\r\n\r\n", .malformedVersion),
    Row("§2.3 letters", "GET / HTTP/a.b\r\n\r\n", .malformedVersion),
    Row("§2.3 major 2", "GET / HTTP/2.0\r\n\r\n", .unsupportedVersion),
    Row("§2.3 major 0", "GET / HTTP/0.9\r\n\r\n", .unsupportedVersion),
    Row("RFC 6455 §4.2.1 HTTP/1.0", "GET / HTTP/1.0\r\n\r\n", .http10Request),
    Row("§3 trailing space", "GET / HTTP/1.1 \r\n\r\n", .malformedVersion),
    Row("§3 two spaces", "GET  / HTTP/1.1\r\n\r\n", .invalidTarget),
    Row("§3 two spaces before the version", "GET /  HTTP/1.1\r\n\r\n", .malformedVersion),
    Row("§3 tab for space", "GET\t/ HTTP/1.1\r\n\r\n", .invalidMethod),
    Row("§3 method alone", "GET\r\n\r\n", .malformedRequestLine),
    Row("§3 leading space", " GET / HTTP/1.1\r\n\r\n", .invalidMethod),
    Row("§3.1 method not a token", "G(T / HTTP/1.1\r\n\r\n", .invalidMethod),
    Row("§3.1 method above ASCII", "G\u{c9}T / HTTP/1.1\r\n\r\n", .invalidMethod),
    Row("§3.1 method with NUL", "G\0T / HTTP/1.1\r\n\r\n", .invalidMethod),
    Row("§3.2 target above ASCII", "GET /\u{e9} HTTP/1.1\r\n\r\n", .invalidTarget),
    Row("§3.2 target with NUL", "GET /\0 HTTP/1.1\r\n\r\n", .invalidTarget),
    Row("§3.2 target with DEL", "GET /\u{7f} HTTP/1.1\r\n\r\n", .invalidTarget),
    Row("§3.2 target with a tab", "GET /\t HTTP/1.1\r\n\r\n", .invalidTarget),
    Row("§2.1 another protocol", "\u{16}\u{3}\u{1}\u{2}\0\u{1}\0\u{1}\r\n", .invalidMethod),
    Row("§4 a response", "HTTP/1.1 200 OK\r\n\r\n", .invalidMethod),
  ]

  static let statusLines: [Row] = [
    Row("§4 a request", "GET / HTTP/1.1\r\n\r\n", .malformedStatusLine),
    Row("§4 no code", "HTTP/1.1\r\n\r\n", .malformedStatusLine),
    Row("§4 empty code", "HTTP/1.1 \r\n\r\n", .invalidStatusCode),
    Row("§4 two digits", "HTTP/1.1 20\r\n\r\n", .invalidStatusCode),
    Row("§4 two digits and a reason", "HTTP/1.1 20 OK\r\n\r\n", .invalidStatusCode),
    Row("§4 four digits", "HTTP/1.1 2000 OK\r\n\r\n", .invalidStatusCode),
    Row("§4 letters", "HTTP/1.1 2xx OK\r\n\r\n", .invalidStatusCode),
    Row("§4 sign", "HTTP/1.1 +20 OK\r\n\r\n", .invalidStatusCode),
    Row("§4 two spaces", "HTTP/1.1  200 OK\r\n\r\n", .invalidStatusCode),
    Row("§4 no space behind the code", "HTTP/1.1 200OK\r\n\r\n", .malformedStatusLine),
    Row("§4 reason with NUL", "HTTP/1.1 200 O\0K\r\n\r\n", .invalidReasonPhrase),
    Row("§2.2 reason with CR", "HTTP/1.1 200 O\rK\r\n\r\n", .bareCarriageReturn),
    Row("§2.2 bare LF", "HTTP/1.1 200 OK\n\r\n", .bareLineFeed),
    Row("§2.3 version", "HTTQ/1.1 200 OK\r\n\r\n", .malformedVersion),
    Row("§2.3 major", "HTTP/2.0 200 OK\r\n\r\n", .unsupportedVersion),
  ]

  static let fields: [Row] = [
    Row("§2.2 bare LF", "A: b\nC: d\r\n\r\n", .bareLineFeed),
    Row("§2.2 bare LF for the empty line", "A: b\r\n\n", .bareLineFeed),
    Row("§2.2 bare CR in a value", "A: b\rC: d\r\n\r\n", .bareCarriageReturn),
    Row("§2.2 bare CR at the end of a value", "A: b\r\r\n\r\n", .bareCarriageReturn),
    Row("§2.2 bare CR in a name", "A\rB: d\r\n\r\n", .bareCarriageReturn),
    Row("§2.2 bare CR as a line", "\r\r\n\r\n", .bareCarriageReturn),
    Row("§2.2 whitespace first", " A: b\r\n\r\n", .whitespaceBeforeFirstField),
    Row("§2.2 a blank line of spaces", " \r\n\r\n", .whitespaceBeforeFirstField),
    Row("§5.1 space before the colon", "Host : x\r\n\r\n", .whitespaceBeforeColon),
    Row("§5.1 tab before the colon", "Host\t: x\r\n\r\n", .whitespaceBeforeColon),
    Row("§5.1 empty name", ": x\r\n\r\n", .emptyFieldName),
    Row("§5 no colon", "Host\r\n\r\n", .missingColon),
    Row("§5 space in a name", "Ho st: x\r\n\r\n", .invalidFieldName),
    Row("RFC 9110 §5.1 name above ASCII", "H\u{f6}st: x\r\n\r\n", .invalidFieldName),
    Row("RFC 9110 §5.1 name with NUL", "H\0st: x\r\n\r\n", .invalidFieldName),
    Row("RFC 9110 §5.1 name with a parenthesis", "H(st: x\r\n\r\n", .invalidFieldName),
    Row("RFC 9110 §5.5 NUL in a value", "A: b\0c\r\n\r\n", .invalidFieldValue),
    Row("RFC 9110 §5.5 DEL in a value", "A: a long value, then \u{7f}\r\n\r\n", .invalidFieldValue),
    Row("RFC 9110 §5.5 escape in a value", "A: 0123456\u{1b}89\r\n\r\n", .invalidFieldValue),
    Row("RFC 9110 §5.5 behind a tab", "A: 0\t234567\u{1}9\r\n\r\n", .invalidFieldValue),
    Row("§6.1 odd byte in the coding", "Transfer-Encoding: \u{b}chunked\r\n\r\n", .invalidFieldValue),
  ]

  /// Only for requests: a fold in a response is accepted (§5.2), and its status counts whatever its framing
  /// (§6.3).
  static let requestFields: [Row] = [
    Row("§5.2 folding", "A: b\r\n c\r\n\r\n", .obsoleteLineFolding),
    Row("§5.2 folding with a tab", "A: b\r\n\tc\r\n\r\n", .obsoleteLineFolding),
    Row("§5.2 folding with nothing", "A: b\r\n \r\n\r\n", .obsoleteLineFolding),
    Row(
      "§6.1 length and coding",
      "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
      .contentLengthWithTransferEncoding
    ),
    Row(
      "§6.1 coding and length",
      "Transfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n",
      .contentLengthWithTransferEncoding
    ),
    Row("§6.1 another coding", "Transfer-Encoding: gzip, chunked\r\n\r\n", .unsupportedTransferCoding),
    Row("§6.1 identity", "Transfer-Encoding: identity\r\n\r\n", .unsupportedTransferCoding),
    Row("§6.1 hidden coding", "Transfer-Encoding: chunked, x\r\n\r\n", .unsupportedTransferCoding),
    Row(
      "§6.1 chunked twice",
      "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
      .unsupportedTransferCoding
    ),
    Row(
      "§6.3 differing lengths",
      "Content-Length: 1\r\nContent-Length: 2\r\n\r\n",
      .conflictingContentLengths
    ),
    Row("§6.3 differing lengths in a list", "Content-Length: 1, 2\r\n\r\n", .conflictingContentLengths),
    Row("RFC 9110 §8.6 sign", "Content-Length: +1\r\n\r\n", .invalidContentLength),
    Row("RFC 9110 §8.6 negative", "Content-Length: -1\r\n\r\n", .invalidContentLength),
    Row("RFC 9110 §8.6 empty", "Content-Length: \r\n\r\n", .invalidContentLength),
    Row("RFC 9110 §8.6 hexadecimal", "Content-Length: 0x1\r\n\r\n", .invalidContentLength),
    Row("RFC 9110 §8.6 inner space", "Content-Length: 1 2\r\n\r\n", .invalidContentLength),
    Row("RFC 9110 §8.6 empty element", "Content-Length: 1,\r\n\r\n", .invalidContentLength),
    Row("RFC 9110 §8.6 2^63", "Content-Length: 9223372036854775808\r\n\r\n", .invalidContentLength),
    Row("RFC 9110 §8.6 2^64 + 1", "Content-Length: 18446744073709551617\r\n\r\n", .invalidContentLength),
  ]

  private func expect(_ row: Row, _ bytes: [UInt8], as kind: HTTP1HeadReader.Kind) {
    #expect(readHead(bytes, as: kind).result == .failure(row.error))
    #expect(readHead(bytes, as: kind, pieces: 1).result == .failure(row.error))
  }

  @Test("request lines that RFC 9112 §2 and §3 forbid are refused", .threat(12), arguments: requestLines)
  func requestLine(row: Row) { expect(row, row.text, as: .request) }

  @Test("status lines that RFC 9112 §4 forbids are refused", arguments: statusLines)
  func statusLine(row: Row) { expect(row, row.text, as: .response) }

  @Test(
    "fields that RFC 9112 §5 forbids are refused in a request and in a response",
    .threat(12),
    arguments: fields
  )
  func field(row: Row) {
    expect(row, Array("GET / HTTP/1.1\r\n".utf8) + row.text, as: .request)
    expect(row, Array("HTTP/1.1 403 Forbidden\r\n".utf8) + row.text, as: .response)
  }

  @Test(
    "fields that RFC 9112 §5.2 and §6 forbid are refused in a request",
    .threat(12),
    arguments: requestFields
  )
  func requestField(row: Row) { expect(row, Array("GET / HTTP/1.1\r\n".utf8) + row.text, as: .request) }

  @Test(
    "H6: any three digits are accepted as a status (RFC 9112 §4, RFC 9110 §15)",
    .fault("H6"),
    arguments: [0, 99, 100, 599, 600, 999]
  )
  func anyStatus(code: Int) throws {
    let digits = String(repeating: "0", count: 3 - String(code).count) + String(code)
    #expect(try readHead("HTTP/1.1 \(digits) Denied\r\n\r\n", as: .response)?.get().statusCode == code)
  }

  @Test(
    "every byte in a name, a value, a method and a target is accepted or refused by its class (RFC 9110 §5.1, §5.5)",
    .threat(10)
  )
  func everyByte() {
    let tokens = Set("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ".utf8)
    for byte in UInt8.min...UInt8.max {
      func isRead(_ before: String, _ after: String) -> Bool {
        let bytes = Array(before.utf8) + [byte] + Array(after.utf8)
        if case .success = readHead(bytes, as: .request).result { return true }
        return false
      }
      #expect(HTTP1Bytes.isToken(byte) == tokens.contains(byte))
      #expect(isRead("GET / HTTP/1.1\r\nA", "B: x\r\n\r\n") == (tokens.contains(byte) || byte == 0x3a))
      #expect(isRead("G", "T / HTTP/1.1\r\n\r\n") == tokens.contains(byte))
      #expect(isRead("GET /", "x HTTP/1.1\r\n\r\n") == (0x21...0x7e).contains(byte))
      for position in 0..<17 {
        let filler = String(repeating: "v", count: position)
        #expect(
          isRead("GET / HTTP/1.1\r\nA: \(filler)", "\(filler)\r\n\r\n")
            == (byte == 0x09 || (0x20...0x7e).contains(byte) || byte >= 0x80)
        )
        #expect(
          isRead("GET / HTTP/1.1\r\nA\(filler)", "\(filler)B: x\r\n\r\n")
            == (tokens.contains(byte) || byte == 0x3a)
        )
      }
    }
  }
}
