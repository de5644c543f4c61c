// SPDX-License-Identifier: Apache-2.0

import HTTPTypes
import Testing

@testable import WSProto

@Suite("Requests of HTTP/1.1, one after the other")
struct HTTP1RequestReaderTests {
  private static let stream =
    "GET /a?b HTTP/1.1\r\nHost: a\r\nX-One: 1\r\n\r\n"
    + "POST /c HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"
    + "PUT /d HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n"
    + "HEAD /e HTTP/1.1\r\nHost: a\r\n\r\nrest"

  @Test("are read with their bodies, however the bytes are cut (RFC 9112 §6)", arguments: [1, 2, 7, 1000])
  func requests(size: Int) throws {
    var reader = HTTP1RequestReader(limits: Limits())
    var heads: [String] = []
    var bodies: [String] = []
    var body: [UInt8] = []
    let bytes = Array(Self.stream.utf8)
    var unread: [UInt8] = []
    for start in stride(from: 0, to: bytes.count, by: size) {
      reader.receive(bytes[start..<min(start + size, bytes.count)].span.bytes)
      while bodies.count < 4, let part = try reader.next() {
        switch part {
        case .head(let request, let minorVersion):
          heads.append("\(request.method.rawValue) \(request.path ?? "") 1.\(minorVersion)")
          #expect(request.headerFields.contains { $0.name.canonicalName == "host" && $0.value == "a" })
        case .body(let data): body += data
        case .end:
          bodies.append(String(decoding: body, as: UTF8.self))
          body = []
        }
      }
      if bodies.count == 4 { unread += reader.takeUnreadBytes() }
    }
    #expect(heads == ["GET /a?b 1.1", "POST /c 1.1", "PUT /d 1.1", "HEAD /e 1.1"])
    #expect(bodies == ["", "hello", "abcde", ""])
    #expect(String(decoding: unread, as: UTF8.self) == "rest")
  }

  @Test(
    "end at the first that is not legal, with the response to send",
    arguments: [
      ("GET / HTTP/1.1\nHost: a\r\n\r\n", 400),
      ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
      ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nz\r\n", 400),
      ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n", 501),
      // RFC 9112 §3.2: one Host, with a host in it.
      ("GET / HTTP/1.1\r\n\r\n", 400),
      ("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400),
      ("GET / HTTP/1.1\r\nHost: a, b\r\n\r\n", 400),
      ("GET http://a/ HTTP/1.1\r\nHost: a@b\r\n\r\n", 400),
    ]
  )
  func refusals(text: String, status: Int) {
    var reader = HTTP1RequestReader(limits: Limits())
    reader.receive(Array((text + "GET / HTTP/1.1\r\nHost: a\r\n\r\n").utf8).span.bytes)
    for _ in 0..<2 {
      let error = #expect(throws: RemoteProtocolError.self) {
        while try reader.next() != nil {}
      }
      #expect(error?.response.status.code == status)
    }
  }

  @Test("are answered with a head in which nothing of a caller's can begin a line (RFC 9112 §4, §5)")
  func response() throws {
    var output: [UInt8] = []
    var response = HTTPResponse(status: .ok, headerFields: [.server: "test"])
    try response.appendHead(to: &output)
    #expect(String(decoding: output, as: UTF8.self) == "HTTP/1.1 200 OK\r\nServer: test\r\n\r\n")
    response.status = HTTPResponse.Status(code: 999)
    #expect(throws: LocalProtocolError.self) { try response.appendHead(to: &output) }
    #expect(output.count == "HTTP/1.1 200 OK\r\nServer: test\r\n\r\n".utf8.count)
  }
}
