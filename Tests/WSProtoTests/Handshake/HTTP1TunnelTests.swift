// SPDX-License-Identifier: Apache-2.0

import HTTPTypes
import Testing

@testable import WSProto

/// A tunnel through an HTTP proxy: its request, and the answer in pieces (RFC 9110 §9.3.6).
@Suite struct HTTP1TunnelTests {
  /// What comes of `bytes`, given in pieces of `size`.
  private func answer(_ text: String, by size: Int) throws -> String {
    var tunnel = HTTP1Tunnel()
    var status = ""
    var rest = Array(text.utf8)[...]
    while !rest.isEmpty {
      let piece = Array(rest.prefix(size))
      rest = rest.dropFirst(size)
      switch try piece.withUnsafeBytes({ try tunnel.receive($0) }) {
      case .none: break
      case .open(let early): return "open \(String(decoding: early + rest, as: UTF8.self))"
      case .refused(let reject, let data):
        if status.isEmpty { status = "\(reject.statusCode) " }
        status += String(decoding: data.data, as: UTF8.self)
        if data.bodyFinished { return status + "." }
      }
    }
    if case .refused(let reject, let data) = try tunnel.receiveEndOfStream() {
      return (status.isEmpty ? "\(reject.statusCode) " : status) + (data.bodyFinished ? "." : "")
    }
    return "none"
  }

  @Test(
    "an answer means the same however it is cut; a 2xx has no body, whatever its fields say",
    arguments: [
      ("HTTP/1.1 200 OK\r\n\r\nxy", "open xy"),
      ("HTTP/1.0 200 Connection established\r\nContent-Length: 9\r\n\r\n", "open "),
      ("HTTP/1.1 299 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "open "),
      ("HTTP/1.1 100 Go\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", "open "),
      ("HTTP/1.1 407 Who\r\nContent-Length: 3\r\n\r\nabcdef", "407 abc."),
      ("HTTP/1.1 502 No\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n", "502 ab."),
      ("HTTP/1.1 502 No\r\n\r\nabc", "502 abc."), ("HTTP/1.1 304 No\r\n\r\n", "304 ."),
      // The status counts, whatever is wrong with the body.
      ("HTTP/1.1 502 No\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\nzz", "502 a."),
      ("HTTP/1.1 502 No\r\nContent-Length: x\r\n\r\nabc", "502 ."),
      ("HTTP/1.1 502 No\r\nContent-Length: 9\r\n\r\nabc", "502 abc."),
    ]
  )
  func answers(text: String, meaning: String) throws {
    for size in [1, 2, 7, text.utf8.count] { #expect(try answer(text, by: size) == meaning) }
  }

  @Test(
    "an answer that is not HTTP, that is cut off, or has no end of 1xx, is an error",
    arguments: [
      "SSH-2.0-x\r\n", "HTTP/1.1 200 OK", "HTTP/1.1 200 OK\r\n", "",
      String(repeating: "HTTP/1.1 103 Hints\r\n\r\n", count: 17) + "HTTP/1.1 200 OK\r\n\r\n",
      "HTTP/1.1 200 OK\r\nX: " + String(repeating: "a", count: 17_000) + "\r\n\r\n",
    ]
  )
  func faults(text: String) {
    for size in [1, max(1, text.utf8.count)] {
      #expect(throws: RemoteProtocolError.self) { try answer(text, by: size) }
    }
  }

  @Test("the request names host and port, and no field that must not be sent")
  func request() throws {
    var output: [UInt8] = []
    try HTTP1Tunnel.appendRequest(to: "h:443", [.proxyAuthorization: "Basic x"], to: &output)
    #expect(
      String(decoding: output, as: UTF8.self)
        == "CONNECT h:443 HTTP/1.1\r\nHost: h:443\r\nProxy-Authorization: Basic x\r\n\r\n"
    )
    #expect(throws: LocalProtocolError.self) {
      try HTTP1Tunnel.appendRequest(to: "h\r\n:443", [:], to: &output)
    }
  }
}
