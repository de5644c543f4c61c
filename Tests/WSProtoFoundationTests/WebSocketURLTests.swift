// SPDX-License-Identifier: Apache-2.0

import Foundation
import HTTPTypes
import Testing
import WSProto
import WSProtoFoundation

@Suite struct WebSocketURLTests {
  func url(_ text: String) throws -> URL { try #require(URL(string: text)) }

  @Test(
    "a URL gives the host field and the target of the request",
    arguments: [
      ("ws://example.com", "example.com", "/"),
      ("ws://example.com/", "example.com", "/"),
      ("ws://example.com?q=1", "example.com", "/?q=1"),
      ("ws://example.com/chat/?", "example.com", "/chat/?"),
      ("ws://example.com:80/chat", "example.com", "/chat"),
      ("wss://example.com:443/chat", "example.com", "/chat"),
      ("ws://example.com:443/chat", "example.com:443", "/chat"),
      ("wss://example.com:80/chat", "example.com:80", "/chat"),
      ("http://example.com:8080/a", "example.com:8080", "/a"),
      ("HTTPS://example.com/a", "example.com", "/a"),
      ("ws://h/ä b?x=ü", "h", "/%C3%A4%20b?x=%C3%BC"),
      ("ws://h/a//b/../c", "h", "/a//b/../c"),
      ("ws://127.0.0.1:9001/", "127.0.0.1:9001", "/"),
      ("ws://[::1]/", "[::1]", "/"),
      ("ws://[2001:db8::7]:9001/a?b=c", "[2001:db8::7]:9001", "/a?b=c"),
    ]
  )
  func request(text: String, host: String, target: String) throws {
    let request = try Request(url: url(text))
    #expect(request.host == host)
    #expect(request.target == target)
  }

  @Test(
    "a host that is not ASCII is sent as IDNA A-labels",
    arguments: [
      ("ws://芝士汉堡/x", "xn--7ks3rz39bh7u"), ("wss://bücher.example:443/", "xn--bcher-kva.example"),
      ("ws://☃.net:8080/", "xn--n3h.net:8080"),
    ]
  )
  func idna(text: String, host: String) throws {
    let request = try Request(url: url(text))
    #expect(request.host == host)
    // The core, which refuses everything that isn't ASCII, accepts it.
    let wire = try WSConnection(.client).send(request)
    #expect(String(decoding: wire, as: UTF8.self).contains("Host: \(host)\r\n"))
  }

  @Test("the transport's address has the default port of its scheme and no brackets")
  func address() throws {
    let plain = try WebSocketURL(url("ws://[::1]/"))
    #expect(plain.host == "::1")
    #expect(plain.port == 80)
    #expect(!plain.isSecure)
    let secure = try WebSocketURL(url("wss://example.com/"))
    #expect(secure.host == "example.com")
    #expect(secure.port == 443)
    #expect(secure.isSecure)
  }

  @Test(
    "RFC 6455 §3: a URL that a WebSocket client can't request is refused, with the reason",
    arguments: [
      ("ftp://example.com/", WebSocketURLError.scheme("ftp")),
      ("example.com/chat", .scheme(nil)),
      ("localhost:9001", .scheme("localhost")),
      ("ws:///chat", .host("")),
      ("ws:chat", .host("")),
      ("ws://a%20b/", .host("a b")),
      ("ws://[fe80::1%25eth0]/", .host("fe80::1%eth0")),
      ("ws://example.com:0/", .port(0)),
      ("ws://example.com:65536/", .port(65536)),
      ("ws://example.com/#top", .fragment),
      ("ws://user@example.com/", .userInformation),
      ("ws://user:secret@example.com/", .userInformation),
    ]
  )
  func refused(text: String, reason: WebSocketURLError) throws {
    let url = try url(text)
    #expect(throws: reason) { try Request(url: url) }
    #expect(!reason.description.isEmpty)
  }

  @Test("extensions, fields and subprotocols go into the request")
  func parameters() throws {
    let request = try Request(
      url: url("ws://h/"),
      extensions: [PerMessageDeflate()],
      extraHeaders: [.origin: "http://h"],
      subprotocols: ["chat"]
    )
    #expect(
      request
        == Request(
          host: "h",
          target: "/",
          extensions: [PerMessageDeflate()],
          extraHeaders: [.origin: "http://h"],
          subprotocols: ["chat"]
        )
    )
  }
}
