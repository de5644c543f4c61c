// SPDX-License-Identifier: Apache-2.0

import Testing
import WSProto

/// Parsing and comparing origins (RFC 6454 §4, §6, §7).
@Suite struct OriginTests {
  @Test(
    "an origin is scheme, host and port; without a port, the scheme's default (RFC 6454 §4)",
    arguments: [
      ("https://example.com", "https", "example.com", 443),
      ("http://example.com", "http", "example.com", 80),
      ("wss://example.com", "wss", "example.com", 443),
      ("ws://example.com", "ws", "example.com", 80),
      ("https://example.com:443", "https", "example.com", 443),
      ("https://example.com:0443", "https", "example.com", 443),
      ("https://example.com:80", "https", "example.com", 80),
      ("http://localhost:8080", "http", "localhost", 8080),
      ("http://127.0.0.1:65535", "http", "127.0.0.1", 65535),
      ("http://[::1]", "http", "[::1]", 80),
      ("http://[2001:DB8::A]:8443", "http", "[2001:db8::a]", 8443),
      ("HTTPS://EXAMPLE.COM", "https", "example.com", 443),
      ("https://xn--7ks3rz39bh7u", "https", "xn--7ks3rz39bh7u", 443),
      ("https://example.com.", "https", "example.com.", 443),
      ("https://a_b-c.example", "https", "a_b-c.example", 443),
      ("chrome-extension://abcdefgh", "chrome-extension", "abcdefgh", nil),
      ("a1+-.://h:1", "a1+-.", "h", 1),
    ] as [(String, String, String, UInt16?)]
  )
  func tuples(text: String, scheme: String, host: String, port: UInt16?) throws {
    let origin = try #require(Origin(text))
    guard case .tuple(let tuple) = origin else {
      Issue.record("\(origin)")
      return
    }
    #expect(tuple.scheme == scheme && tuple.host == host && tuple.port == port)
    #expect(tuple.isSecure == ["https", "wss"].contains(scheme))
    #expect(Origin.Tuple(text) == tuple)
    // What is written parses to the same.
    #expect(Origin(origin.description) == origin)
  }

  @Test("null is a separate origin, in lower case only (RFC 6454 §7.1)")
  func opaque() {
    #expect(Origin("null") == .opaque)
    #expect(Origin.opaque.description == "null")
    #expect(Origin.Tuple("null") == nil)
    for text in ["NULL", "Null", "null ", " null", "null null", "null://null:"] {
      #expect(Origin(text) == nil)
    }
  }

  @Test(
    "what is not a single serialised origin is not parsed (RFC 6454 §7.1)",
    arguments: [
      "", " ", "example.com", "//example.com", "https:", "https:/", "https://", "https:///",
      "https//example.com",
      "https://example.com/", "https://example.com/path", "https://example.com?", "https://example.com#",
      "https://example.com\\", "https://user@example.com", "https://example.com@evil.example",
      "https://example.com:", "https://example.com:65536", "https://example.com:99999999999999999999",
      "https://example.com:-1", "https://example.com:+1", "https://example.com:80:80",
      "https://example.com:8o",
      "https://example.com: 80", "https://exa mple.com", " https://example.com", "https://example.com ",
      "https://a.example https://b.example", "https://a.example,https://b.example", "https://a.example, null",
      "https://*.example.com", "*", "https://%65xample.com", "https://example.com%00.evil.example",
      "https://bücher.example", "https://ｅxample.com", "https://example。com", "https://[::1", "https://::1",
      "https://[]", "https://[a!b]", "https://[v1.x]", "https://[fe80::1%25eth0]", "https://[example.com]",
      "https://[::1]x", "https://[::1]:", "1https://example.com", "-://example.com",
      "ht tps://example.com", "https ://example.com", "https:// example.com", "https://example.com\u{0}",
      "https://example.com\r\nX: y", "https://example\t.com", "https://a'b", "https://(a)", "://example.com",
    ]
  )
  func malformed(text: String) {
    #expect(Origin(text) == nil)
    #expect(Origin.Tuple(text) == nil)
  }

  @Test("origins are equal if scheme, host and port are, whatever their case (RFC 6454 §5)")
  func sameness() {
    let same = [
      "https://example.com", "https://EXAMPLE.com", "HTTPS://example.com:443", "https://example.com:00443",
    ]
    #expect(Set(same.map { Origin($0) }).count == 1)
    let different = [
      "https://example.com", "http://example.com", "https://example.com:8443", "https://example.com.",
      "https://www.example.com", "https://example.co", "https://example.com.evil.example",
      "https://evilexample.com", "https://example-com.evil.example", "wss://example.com", "null",
    ]
    #expect(Set(different.map { Origin($0) }).count == different.count)
  }

  @Test(
    "an origin is written as browsers write it: lower case, without the scheme's default port (RFC 6454 §6.2)"
  )
  func written() {
    #expect(Origin("HTTPS://Example.com:443")?.description == "https://example.com")
    #expect(Origin("https://example.com:80")?.description == "https://example.com:80")
    #expect(Origin("http://[::1]:080")?.description == "http://[::1]")
    #expect(Origin("app://x:1")?.description == "app://x:1")
  }
}
