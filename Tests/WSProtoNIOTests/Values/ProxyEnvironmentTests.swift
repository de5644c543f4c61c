// SPDX-License-Identifier: Apache-2.0

#if NIO
import Testing
import WSProtoNIO

/// The proxies that environment variables name.
@Suite struct ProxyEnvironmentTests {
  private func proxy(_ url: String, _ variables: [String: String]) throws -> String? {
    try ProxyEnvironment(variables).proxy(for: WebSocketAddress(url))?.host.name
  }

  @Test("the scheme's own variable comes first, then that of HTTP, then that of all schemes")
  func order() throws {
    let all = ["ws_proxy": "a", "wss_proxy": "b", "http_proxy": "c", "https_proxy": "d", "all_proxy": "e"]
    #expect(try proxy("ws://h", all) == "a" && proxy("wss://h", all) == "b")
    let http = all.filter { !$0.key.hasPrefix("ws") }
    #expect(try proxy("ws://h", http) == "c" && proxy("wss://h", http) == "d")
    #expect(try proxy("ws://h", ["all_proxy": "e"]) == "e" && proxy("wss://h", ["ALL_PROXY": "e"]) == "e")
    #expect(try proxy("ws://h", ["https_proxy": "d"]) == nil && proxy("wss://h", ["http_proxy": "c"]) == nil)
    #expect(try proxy("ws://h", [:]) == nil)
  }

  @Test("lower case comes before upper case; a variable set to nothing means no proxy")
  func cases() throws {
    #expect(try proxy("wss://h", ["https_proxy": "a", "HTTPS_PROXY": "b"]) == "a")
    #expect(try proxy("wss://h", ["HTTPS_PROXY": "b"]) == "b")
    #expect(try proxy("wss://h", ["wss_proxy": "", "https_proxy": "b"]) == nil)
    #expect(try proxy("wss://h", ["no_proxy": "", "NO_PROXY": "*", "https_proxy": "b"]) == "b")
  }

  @Test("HTTP_PROXY is not read where a web server may have set it from a field")
  func httpoxy() throws {
    #expect(try proxy("ws://h", ["HTTP_PROXY": "a"]) == "a")
    #expect(try proxy("ws://h", ["HTTP_PROXY": "a", "REQUEST_METHOD": "GET"]) == nil)
    #expect(try proxy("ws://h", ["http_proxy": "a", "REQUEST_METHOD": "GET"]) == "a")
  }

  @Test(
    "no_proxy names hosts with what is below them, ports, addresses, blocks, or all",
    arguments: [
      ("example.com", "ws://example.com", true), ("example.com", "ws://a.EXAMPLE.com", true),
      ("EXAMPLE.com", "ws://example.com", true), ("example.com", "ws://anexample.com", false),
      (".example.com", "ws://example.com", true), (".example.com", "ws://a.example.com", true),
      ("*.example.com", "ws://a.example.com", true), ("example.com.", "ws://example.com", true),
      ("example.com", "ws://example.com.", true), ("com", "ws://example.com", true),
      ("a.example.com", "ws://example.com", false), ("x, example.com", "ws://example.com", true),
      ("x example.com", "ws://example.com", true), (",,", "ws://example.com", false),
      ("example.com:8080", "ws://example.com:8080", true), ("example.com:8080", "ws://example.com", false),
      ("example.com:80", "ws://example.com", true), ("example.com:x", "ws://example.com", false),
      ("*", "ws://example.com", true), ("*", "ws://[::1]", true), ("192.0.2.1", "ws://192.0.2.1", true),
      ("192.0.2.1:81", "ws://192.0.2.1", false), ("192.0.2.1:80", "ws://192.0.2.1", true),
      ("192.0.2.0/24", "ws://192.0.2.9", true), ("192.0.2.0/24", "ws://192.0.3.9", false),
      ("192.0.2.0/24", "ws://a.example", false), ("::1", "ws://[::1]", true), ("[::1]", "ws://[::1]", true),
      ("[::1]:80", "ws://[::1]", true), ("[::1]:81", "ws://[::1]", false),
      ("2001:db8::/32", "ws://[2001:db8::7]", true),
      ("2.1", "ws://192.0.2.1", false), ("192.0.2.0/99", "ws://192.0.2.1", false),
      ("localhost", "ws://localhost:9", true),
    ]
  )
  func exceptions(list: String, url: String, isExcepted: Bool) throws {
    #expect(try proxy(url, ["all_proxy": "p", "no_proxy": list]) == (isExcepted ? nil : "p"))
    #expect(try proxy(url, ["all_proxy": "p", "NO_PROXY": list]) == (isExcepted ? nil : "p"))
  }

  @Test("a variable that names no proxy is an error that says which, and not its value")
  func invalid() throws {
    let cause = InvalidURL.scheme("ftp", expected: ["http", "https", "socks5", "socks5h"])
    #expect(throws: InvalidProxyVariable(name: "HTTPS_PROXY", cause: cause)) {
      try proxy("wss://h", ["HTTPS_PROXY": "ftp://user:secret@p"])
    }
    #expect("\(InvalidProxyVariable(name: "x", cause: cause))".contains("names no proxy"))
  }

  @Test("the variables of this process are read without a trap")
  func process() throws {
    let address = try WebSocketAddress("wss://proxy-test.invalid")
    #expect(throws: Never.self) {
      do { _ = try ProxyEnvironment.current().proxy(for: address) } catch is InvalidProxyVariable {}
    }
  }
}
#endif
