// SPDX-License-Identifier: Apache-2.0

#if NIO
import HTTPTypes
import Testing
import WSProtoNIO

/// Which redirects a client follows, and what it sends then (RFC 9110 §15.4).
@Suite struct RedirectPolicyTests {
  private func next(
    _ policy: RedirectPolicy = RedirectPolicy(),
    from urls: [String] = ["wss://a.example/x"],
    status: Int = 302,
    to locations: String...
  ) throws -> String? {
    let fields = HTTPFields(locations.map { HTTPField(name: .location, value: $0) })
    return try policy.next(after: urls.map { try WebSocketAddress($0) }, status: status, fields)?.description
  }

  @Test("the redirects of RFC 9110 §15.4 that name one address are followed, other responses are not")
  func statuses() throws {
    for status in [301, 302, 303, 307, 308] {
      #expect(try next(status: status, to: "https://b.example/y") == "wss://b.example/y")
      #expect(try next(status: status) == nil)
      #expect(try next(.refuse, status: status, to: "https://b.example/y") == nil)
    }
    for status in [101, 200, 201, 300, 304, 305, 306, 400, 500, 999] {
      #expect(try next(status: status, to: "https://b.example/y") == nil)
    }
    #expect(try next(to: "y?z") == "wss://a.example/y?z")
  }

  @Test("from TLS to a connection without is an error, unless allowed")
  func downgrade() throws {
    let target = try WebSocketAddress("ws://a.example/x")
    #expect(throws: RedirectError.insecure(target)) { try next(to: "http://a.example/x") }
    #expect(try next(RedirectPolicy(allowsInsecure: true), to: "http://a.example/x") == "ws://a.example/x")
    #expect(try next(from: ["ws://a.example/"], to: "https://a.example/") == "wss://a.example/")
    #expect(try next(from: ["ws://a.example/"], to: "http://b.example/") == "ws://b.example/")
  }

  @Test("a redirect to an address that was asked before is a loop, one beyond the limit too many")
  func bounds() throws {
    let urls = (0...10).map { "wss://a.example/\($0)" }
    let asked = try urls.map { try WebSocketAddress($0) }
    #expect(throws: RedirectError.loop([asked[0], asked[1], asked[0]])) {
      try next(from: Array(urls[..<2]), to: "/0")
    }
    #expect(throws: RedirectError.loop([asked[0], asked[0]])) { try next(from: [urls[0]], to: "#x") }
    #expect(try next(from: Array(urls[..<10]), to: "/11") == "wss://a.example/11")
    #expect(throws: RedirectError.tooMany(limit: 10, asked: asked)) { try next(from: urls, to: "/11") }
    #expect(RedirectPolicy(limit: 1000).limit == 10 && RedirectPolicy(limit: -1).limit == 0)
    let one = RedirectPolicy(limit: 1)
    #expect(throws: RedirectError.tooMany(limit: 1, asked: Array(asked[..<2]))) {
      try next(one, from: Array(urls[..<2]), to: "/11")
    }
  }

  @Test("a Location that cannot be asked for is an error that quotes it")
  func locations() throws {
    #expect(throws: RedirectError.severalLocations(["/a", "/a"])) { try next(to: "/a", "/a") }
    #expect(throws: RedirectError.location("ws://bücher.example/", .host("bücher.example", .notASCII))) {
      try next(to: "ws://bücher.example/")
    }
    #expect(throws: RedirectError.location("//h:0/", .port("0"))) { try next(to: "//h:0/") }
    #expect("\(RedirectError.location("//h:0/", .port("0")))".contains(#""//h:0/""#))
  }

  @Test("fields of the caller's go to another origin only if they are named")
  func secrets() throws {
    let fields: HTTPFields = [
      .authorization: "Bearer t", .cookie: "a=b", .proxyAuthorization: "c", .userAgent: "u",
      .origin: "https://o",
      try #require(HTTPField.Name("X-API-Key")): "k",
    ]
    let first = try WebSocketAddress("wss://a.example/x")
    var policy = RedirectPolicy()
    #expect(
      policy.fields(fields, for: try WebSocketAddress("https://a.example:443/y"), firstAsked: first) == fields
    )
    for other in ["wss://b.example", "wss://a.example:444", "ws://a.example", "wss://sub.a.example"] {
      let sent = policy.fields(fields, for: try WebSocketAddress(other), firstAsked: first)
      #expect(Set(sent.map(\.name)) == [.userAgent, .origin])
    }
    policy.fieldsAcrossOrigins = [.cookie]
    #expect(
      policy.fields(fields, for: try WebSocketAddress("wss://b.example"), firstAsked: first) == [
        .cookie: "a=b"
      ]
    )
  }
}
#endif
