// SPDX-License-Identifier: Apache-2.0

#if NIO
import Testing
import WSProtoNIO

/// URLs of WebSockets and of proxies, taken apart (RFC 6455 §3, RFC 3986).
@Suite struct WebSocketAddressTests {
  @Test(
    "scheme, host, port and target are those of the URL (RFC 6455 §3)",
    arguments: [
      ("ws://example.com", false, "example.com", 80, "/", "example.com"),
      ("WSS://EXAMPLE.com/Chat?a=b", true, "example.com", 443, "/Chat?a=b", "example.com"),
      ("http://h:8080/", false, "h", 8080, "/", "h:8080"),
      ("https://h:443", true, "h", 443, "/", "h"),
      ("ws://h:", false, "h", 80, "/", "h"),
      ("ws://h:443", false, "h", 443, "/", "h:443"),
      ("ws://h?x", false, "h", 80, "/?x", "h"),
      ("ws://h/?", false, "h", 80, "/?", "h"),
      ("ws://[2001:DB8::1]:9/x", false, "2001:db8::1", 9, "/x", "[2001:db8::1]:9"),
      ("wss://[::1]", true, "::1", 443, "/", "[::1]"),
      ("ws://192.0.2.1:1", false, "192.0.2.1", 1, "/", "192.0.2.1:1"),
      ("ws://a_b.example.com./", false, "a_b.example.com.", 80, "/", "a_b.example.com."),
      ("ws://xn--bcher-kva.example/", false, "xn--bcher-kva.example", 80, "/", "xn--bcher-kva.example"),
      ("ws://h/a/../b", false, "h", 80, "/a/../b", "h"),
      ("ws://1password.example:65535", false, "1password.example", 65535, "/", "1password.example:65535"),
      ("ws://h\\x", false, "h", 80, "/%5Cx", "h"),
    ]
  )
  func parts(
    url: String,
    isSecure: Bool,
    host: String,
    port: Int,
    target: String,
    field: String
  ) throws {
    let address = try WebSocketAddress(url)
    #expect(address.isSecure == isSecure && address.host.name == host && address.port == port)
    #expect(address.target == target && address.hostField == field && address.credentials == nil)
    #expect(try WebSocketAddress(address.description) == address)
  }

  @Test("what must not be in a target is percent-encoded, what is encoded stays (RFC 3986 §2.1)")
  func encoding() throws {
    #expect(try WebSocketAddress("ws://h/ä/%C3?ü=\"{}|'").target == "/%C3%A4/%C3?%C3%BC=%22{}|'")
    #expect(try WebSocketAddress("ws://h/<{`}>?<`>").target == "/%3C%7B%60%7D%3E?%3C`%3E")
  }

  @Test(
    "a URL that no client can open is refused by its cause",
    arguments: [
      ("", .noScheme), ("example.com/feed", .noScheme), ("localhost:8080/x", .noScheme), ("//h/", .noScheme),
      ("/feed", .noScheme), ("ftp://h/", .scheme("ftp", expected: ["ws", "wss", "http", "https"])),
      ("mailto:a@b", .scheme("mailto", expected: ["ws", "wss", "http", "https"])),
      ("ws:h", .host("", .empty)), ("ws:///x", .host("", .empty)), ("ws://:80/", .host("", .empty)),
      ("ws://user@/", .host("", .empty)), ("ws://bücher.example/", .host("bücher.example", .notASCII)),
      ("ws://%41/", .host("%41", .percentEncoding)), ("ws://a*b/", .host("a*b", .character)),
      ("ws://a..b/", .host("a..b", .label)), ("ws://./", .host(".", .label)),
      ("ws://127.1/", .host("127.1", .number)), ("ws://2130706433/", .host("2130706433", .number)),
      ("ws://0x7f.1/", .host("0x7f.1", .number)), ("ws://a.0xFF/", .host("a.0xFF", .number)),
      ("ws://256.1.1.1/", .host("256.1.1.1", .number)), ("ws://1.2.3.4./", .host("1.2.3.4.", .number)),
      ("ws://::1/", .host("::1", .addressLiteral)), ("ws://[::1/", .host("[", .addressLiteral)),
      ("ws://[1.2.3.4]/", .host("[1.2.3.4]", .addressLiteral)),
      ("ws://[fe80::1%25eth0]/", .host("[fe80::1%25eth0]", .addressLiteral)),
      ("ws://[::1]x:80/", .host("[::1]x", .addressLiteral)),
      ("ws://h:0/", .port("0")), ("ws://h:65536/", .port("65536")), ("ws://h:8a/", .port("8a")),
      ("ws://h:-1/", .port("-1")), ("ws://h:+1/", .port("+1")), ("ws://h/#f", .fragment),
      ("ws://h#", .fragment),
      ("ws://u%zz@h/", .credentials), ("ws://u%ff@h/", .credentials), ("ws://u:%0d%0a@h/", .credentials),
      ("ws://u%3a:p@h/", .credentials), ("ws://h/a b", .character(0x20)), (" ws://h/", .character(0x20)),
      ("ws://h/\r\nX: y", .character(0x0d)), ("ws://h/\0", .character(0)),
      ("ws://h/\u{7f}", .character(0x7f)),
    ] as [(String, InvalidURL)]
  )
  func faults(url: String, fault: InvalidURL) {
    #expect(throws: fault) { try WebSocketAddress(url) }
  }

  @Test("a host has 253 characters at most, and a label 63 (RFC 1035 §2.3.4)")
  func lengths() throws {
    let label = String(repeating: "a", count: 63)
    #expect(throws: Never.self) { try WebSocketAddress("ws://\(label).b/") }
    #expect(throws: InvalidURL.host("a\(label)", .label)) { try WebSocketAddress("ws://a\(label)/") }
    let long = [label, label, label, String(label.dropLast(2))].joined(separator: ".")
    #expect(long.count == 253)
    #expect(throws: Never.self) { try WebSocketAddress("ws://\(long)./") }
    #expect(throws: InvalidURL.host(long + "a", .label)) { try WebSocketAddress("ws://\(long)a/") }
  }

  @Test("user and password become Basic credentials, and are in no description (RFC 7617 §2)")
  func credentials() throws {
    let address = try WebSocketAddress("wss://Aladdin:open%20sesame@example.com/x@y")
    #expect(address.credentials?.authorization == "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==")
    #expect(address.target == "/x@y" && address.host.name == "example.com")
    var dumped = ""
    dump(address, to: &dumped)
    for text in ["\(address)", String(reflecting: address.credentials), dumped] {
      #expect(!text.contains("sesame"))
    }
    #expect(try WebSocketAddress("ws://a:b:c@h").credentials == BasicCredentials(user: "a", password: "b:c"))
    #expect(try WebSocketAddress("ws://a@b@h").credentials == BasicCredentials(user: "a@b", password: ""))
    #expect(try WebSocketAddress("ws://@h").credentials == nil)
    #expect(try WebSocketAddress("ws://t%C3%A9st:@h").credentials?.authorization == "Basic dMOpc3Q6")
    #expect(BasicCredentials(user: "a:b", password: "") == nil)
    #expect(BasicCredentials(user: "a", password: "\u{85}") == nil)
  }

  @Test(
    "an error about credentials does not tell them; the advice for a host that isn't ASCII names A-labels"
  )
  func messages() {
    #expect(throws: InvalidURL.credentials) { try WebSocketAddress("ws://user:secret%zz@h/") }
    #expect(!"\(InvalidURL.credentials)".contains("secret"))
    #expect("\(InvalidURL.host("bücher.example", .notASCII))".contains("A-labels"))
    #expect("\(InvalidURL.host("a\r\nb", .character))".contains(#"\u{d}\u{a}"#))
  }

  @Test(
    "a reference means what RFC 3986 §5.4 says",
    arguments: [
      ("g", "/b/c/g"), ("./g", "/b/c/g"), ("g/", "/b/c/g/"), ("/g", "/g"), ("?y", "/b/c/d;p?y"),
      ("g?y", "/b/c/g?y"),
      ("#s", "/b/c/d;p?q"), ("g#s", "/b/c/g"), (";x", "/b/c/;x"), ("", "/b/c/d;p?q"), (".", "/b/c/"),
      ("./", "/b/c/"), ("..", "/b/"), ("../", "/b/"), ("../g", "/b/g"), ("../..", "/"), ("../../g", "/g"),
      ("../../../g", "/g"), ("/./g", "/g"), ("/../g", "/g"), ("g.", "/b/c/g."), ("..g", "/b/c/..g"),
      ("./../g", "/b/g"), ("./g/.", "/b/c/g/"), ("g/./h", "/b/c/g/h"), ("g/../h", "/b/c/h"),
      ("g?y/../x", "/b/c/g?y/../x"),
    ]
  )
  func references(reference: String, target: String) throws {
    let base = try WebSocketAddress("wss://u:p@a.example:8443/b/c/d;p?q")
    let resolved = try base.resolving(reference)
    #expect(
      resolved.target == target && resolved.isSameOrigin(as: base) && resolved.credentials == base.credentials
    )
  }

  @Test("user and password go where the origin stays, and nowhere else")
  func referencesElsewhere() throws {
    let base = try WebSocketAddress("wss://u:p@a.example/x")
    #expect(try base.resolving("https://A.example:443/y").credentials == base.credentials)
    for reference in ["//b.example/", "ws://a.example/", "wss://a.example:444/", "//sub.a.example/"] {
      let resolved = try base.resolving(reference)
      #expect(resolved.credentials == nil && !resolved.isSameOrigin(as: base))
    }
    #expect(try base.resolving("//b.example/y#z").description == "wss://b.example/y")
    #expect(try base.resolving("//n:m@a.example/").credentials?.user == "n")
    #expect(throws: InvalidURL.scheme("file", expected: ["ws", "wss", "http", "https"])) {
      try base.resolving("file:///etc/passwd")
    }
    #expect(throws: InvalidURL.character(0x0a)) { try base.resolving("/a\nb") }
  }

  @Test("a proxy's URL, or its host and port; the port is that of the scheme")
  func proxies() throws {
    let table: [(String, ProxyAddress.Kind, String, Int)] = [
      ("http://proxy.example", .http, "proxy.example", 80), ("https://p", .https, "p", 443),
      ("socks5://[::1]", .socks5, "::1", 1080), ("SOCKS5H://p:9", .socks5, "p", 9),
      ("proxy.example:3128", .http, "proxy.example", 3128), ("192.0.2.1", .http, "192.0.2.1", 80),
      ("http://p:3128/ignored", .http, "p", 3128),
    ]
    for (url, kind, host, port) in table {
      let proxy = try ProxyAddress(url)
      #expect(proxy.kind == kind && proxy.host.name == host && proxy.port == port)
    }
    let proxy = try ProxyAddress("http://user:secret@p:3128")
    #expect(proxy.credentials == BasicCredentials(user: "user", password: "secret"))
    #expect(proxy.description == "http://p:3128")
    #expect(try ProxyAddress("user:secret@p:1").credentials?.user == "user")
    #expect(throws: InvalidURL.scheme("socks4", expected: ["http", "https", "socks5", "socks5h"])) {
      try ProxyAddress("socks4://p")
    }
    #expect(throws: InvalidURL.host("", .empty)) { try ProxyAddress("") }
  }
}
#endif
