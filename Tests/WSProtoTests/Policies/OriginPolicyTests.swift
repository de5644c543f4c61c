// SPDX-License-Identifier: Apache-2.0

import Testing
import WSProto

/// Which requests a server allows by their Origin (RFC 6455 §4.2.2, §10.2).
@Suite struct OriginPolicyTests {
  /// The ways by which a request reaches a server.
  enum Door: CaseIterable {
    case owned, borrowed, reading, parsed
  }

  /// A request as a server receives it; a refusal is sent as its answer.
  static func request(host: String, origins: [String], by door: Door = .owned) throws -> (
    Request, WSConnection
  ) {
    let server = WSConnection(.server)
    let origins = origins.map { "Origin: \($0)\r\n" }.joined()
    var head = Array(upgradeRequest(without: "Host", extra: "Host: \(host)\r\n\(origins)").utf8)
    var request: Request?
    func take(_ event: borrowing BorrowedEvent) {
      switch event {
      case .handshake(.request(let received)): request = received
      default: break
      }
    }
    switch door {
    case .owned:
      try server.receiveData(head)
      for case .request(let received) in server.events() { request = received }
    case .borrowed:
      let count = head.count
      server.receive(&head, count: count) { event in take(event) }
    case .reading:
      _ = server.receive(
        upTo: 4096,
        reading: {
          $0.copyBytes(from: head); return head.count
        }
      ) { event in take(event) }
    case .parsed:
      var headers = fields("Host", host)
      for (name, value) in [
        ("Upgrade", "websocket"), ("Connection", "Upgrade"), ("Sec-WebSocket-Version", "13"),
        ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
      ] {
        headers.append(contentsOf: fields(name, value))
      }
      for line in origins.split(separator: "\r\n") {
        headers.append(contentsOf: fields("Origin", String(line.dropFirst("Origin: ".count))))
      }
      try server.initiateUpgradeConnection(headers: headers, path: "/")
      for case .request(let received) in server.events() { request = received }
    }
    return (try #require(request), server)
  }

  static func check(
    _ policy: OriginPolicy,
    host: String = "example.com",
    _ origins: String...
  ) throws -> OriginRefusal.Cause? {
    let (request, _) = try request(host: host, origins: origins)
    do throws(OriginRefusal) {
      try request.checkOrigin(policy)
      return nil
    } catch {
      return error.cause
    }
  }

  static func origin(_ text: String) throws -> Origin { try #require(Origin(text)) }

  // MARK: A list

  @Test("a list allows its origins, and nothing that looks like them", .threat(13))
  func list() throws {
    let policy = try OriginPolicy.list(
      parsing: [
        "https://example.com", "http://localhost:3000", "http://[::1]:3000", "chrome-extension://abc",
      ],
      missing: .refused
    )
    for allowed in [
      "https://example.com", "https://example.com:443", "HTTPS://Example.COM", "http://localhost:3000",
      "http://[::1]:3000", "chrome-extension://abc",
    ] {
      #expect(try Self.check(policy, allowed) == nil, "\(allowed)")
    }
    for refused in [
      // The scheme, the port.
      "http://example.com", "wss://example.com", "https://example.com:80", "https://example.com:8443",
      "http://example.com:443", "http://localhost", "https://localhost:3000", "http://[::1]",
      "http://[::2]:3000",
      // Suffixes, prefixes, dots.
      "https://example.com.evil.example", "https://evilexample.com", "https://evil-example.com",
      "https://www.example.com", "https://example.com.", "https://.example.com", "https://example.co",
      "https://example.comm", "https://com", "chrome-extension://abcd", "moz-extension://abc",
    ] {
      #expect(try Self.check(policy, refused) == .notAllowed(Self.origin(refused)), "\(refused)")
    }
    for malformed in [
      "https://example.com/", "https://example.com/https://evil.example", "https://example.com@evil.example",
      "https://evil.example#https://example.com", "https://evil.example?https://example.com",
      "https://example.com, https://evil.example", "https://example.com https://evil.example", "NULL", "*",
      "https://example.com:443:443", "example.com", "https://example.com%2eevil.example",
      "https://example.com:",
      "https://evil.example\\.example.com",
    ] {
      #expect(try Self.check(policy, malformed) == .malformed(malformed), "\(malformed)")
    }
  }

  @Test("null and a missing origin are allowed only explicitly", .threat(13))
  func byName() throws {
    let page = try Self.origin("https://example.com")
    #expect(try Self.check(.list([page], missing: .refused), "null") == .notAllowed(.opaque))
    #expect(try Self.check(.list([page, .opaque], missing: .refused), "null") == nil)
    #expect(try Self.check(.list([page, .opaque], missing: .refused)) == .missing)
    #expect(try Self.check(.list([page], missing: .allowed)) == nil)
    #expect(try Self.check(.list([page], missing: .allowed), "null") == .notAllowed(.opaque))
    #expect(try Self.check(.list([], missing: .refused), "https://example.com") == .notAllowed(page))
    #expect(try Self.check(.list([], missing: .allowed)) == nil)
  }

  @Test("an empty Origin is not a missing one, and two are not one", .threat(13))
  func emptyAndRepeated() throws {
    let list = try OriginPolicy.list(parsing: ["https://example.com"], missing: .allowed)
    for policy in [list, .sameHost, .sameOrigin(secure: true)] {
      #expect(try Self.check(policy, "") == .malformed(""))
      #expect(try Self.check(policy, "https://example.com", "https://example.com") == .repeated(2))
      #expect(try Self.check(policy, "https://example.com", "https://evil.example", "null") == .repeated(3))
    }
  }

  @Test("a list of texts reports which one is not an origin")
  func invalidList() throws {
    #expect(throws: InvalidOrigin(text: "https://example.com/")) {
      try OriginPolicy.list(parsing: ["https://a.example", "https://example.com/", "*"], missing: .refused)
    }
    let error = InvalidOrigin(text: "*\r\n" + String(repeating: "x", count: 1000))
    #expect(error.description.contains("\"*\\u{d}\\u{a}xxx") && error.description.utf8.count < 250)
    #expect(
      try OriginPolicy.list(parsing: ["null", "HTTPS://a.example:443"], missing: .refused)
        == .list([.opaque, Self.origin("https://a.example")], missing: .refused)
    )
  }

  // MARK: The server's own pages

  @Test(
    "the same origin is the scheme, the host and the port of the request",
    .threat(13),
    arguments: [
      ("example.com", "https://example.com", true), ("example.com:443", "https://example.com", true),
      ("EXAMPLE.com", "https://example.com", true), ("example.com", "https://example.com:443", true),
      ("example.com:8443", "https://example.com:8443", true), ("[::1]:8443", "https://[::1]:8443", true),
      ("example.com", "http://example.com", false), ("example.com", "https://example.com:8443", false),
      ("example.com:8443", "https://example.com", false), ("example.com:80", "https://example.com", false),
      ("example.com", "https://example.com.evil.example", false),
      ("example.com", "https://evil.example", false),
      ("example.com", "https://notexample.com", false), ("example.com.", "https://example.com", false),
      ("example.com", "wss://example.com", false), ("example.com", "app://example.com", false),
      ("example.com", "null", false), ("null", "null", false),
    ]
  )
  func sameOrigin(host: String, origin: String, allowed: Bool) throws {
    #expect(
      try Self.check(.sameOrigin(secure: true), host: host, origin)
        == (allowed ? nil : .notAllowed(Self.origin(origin)))
    )
  }

  @Test("a server without TLS has http pages, on port 80 unless the request says otherwise")
  func sameOriginPlain() throws {
    let policy = OriginPolicy.sameOrigin(secure: false)
    #expect(try Self.check(policy, host: "localhost:8080", "http://localhost:8080") == nil)
    #expect(try Self.check(policy, host: "localhost", "http://localhost") == nil)
    #expect(try Self.check(policy, host: "localhost:80", "http://localhost") == nil)
    for (host, origin) in [
      ("localhost", "https://localhost"), ("localhost:443", "https://localhost"),
      ("localhost", "http://localhost:8080"),
    ] {
      #expect(try Self.check(policy, host: host, origin) == .notAllowed(Self.origin(origin)))
    }
  }

  @Test("sameHost allows the page over either https or http")
  func sameHost() throws {
    for (host, origin) in [
      ("example.com", "https://example.com"), ("example.com", "http://example.com"),
      ("example.com:443", "https://example.com"), ("example.com:80", "http://example.com"),
      ("example.com:8080", "http://example.com:8080"), ("example.com:8080", "https://example.com:8080"),
    ] {
      #expect(try Self.check(.sameHost, host: host, origin) == nil, "\(host), \(origin)")
    }
    for (host, origin) in [
      ("example.com:80", "https://example.com"), ("example.com:443", "http://example.com"),
      ("example.com", "http://example.com:8080"), ("example.com", "https://example.org"),
      ("example.com", "https://a.example.com"), ("example.com", "ws://example.com"),
      ("example.com", "chrome-extension://example.com"), ("example.com", "null"),
    ] {
      #expect(
        try Self.check(.sameHost, host: host, origin) == .notAllowed(Self.origin(origin)),
        "\(host), \(origin)"
      )
    }
  }

  @Test(
    "a server's own pages and programs that aren't browsers are allowed; a Host that no page can have allows none"
  )
  func missingAndHost() throws {
    for policy in [OriginPolicy.sameHost, .sameOrigin(secure: true), .sameOrigin(secure: false)] {
      #expect(try Self.check(policy) == nil)
      // A request that was not received may have any Host.
      for host in [
        "", "a!b", "a%41", "example.com:", "example.com:99999", "user@example.com", "example.com/", "a b",
      ] {
        let request = Request(host: host, target: "/", extraHeaders: fields("Origin", "https://example.com"))
        #expect(throws: OriginRefusal(cause: .hostUnusable(host))) { try request.checkOrigin(policy) }
      }
    }
  }

  // MARK: Any

  @Test("any origin, none, and an illegal one are allowed by the policy any")
  func any() throws {
    for origins in [[], ["null"], ["https://evil.example"], ["rubbish/"], ["a", "b"], [""]] {
      let (request, _) = try Self.request(host: "example.com", origins: origins)
      let origin = try request.checkOrigin(.any)
      #expect(origin == (origins.count == 1 ? Origin(origins[0]) : nil))
    }
  }

  // MARK: Answers

  @Test(
    "a refusal is a 403 that doesn't say why, however the request was received (RFC 6455 §4.2.2)",
    arguments: Door.allCases
  )
  func answers(door: Door) throws {
    let policy = try OriginPolicy.list(parsing: ["https://example.com"], missing: .refused)
    let evil = "https://evil.example"
    for (origins, cause) in [
      ([], .missing), ([evil], .notAllowed(try Self.origin(evil))), ([evil, evil], .repeated(2)),
      (["x"], .malformed("x")),
    ] as [([String], OriginRefusal.Cause)] {
      let (request, server) = try Self.request(host: "example.com", origins: origins, by: door)
      let refusal = try #require(throws: OriginRefusal.self) { try request.checkOrigin(policy) }
      #expect(refusal.cause == cause)
      let answer = String(decoding: try server.send(refusal.rejection), as: UTF8.self)
      #expect(answer.hasPrefix("HTTP/1.1 403 Forbidden\r\n"))
      #expect(!answer.contains("evil") && !answer.contains("rigin"))
      #expect(server.state == .closed)
    }
    let (request, server) = try Self.request(host: "example.com", origins: ["https://example.com"], by: door)
    #expect(try request.checkOrigin(policy) == Self.origin("https://example.com"))
    #expect(server.state == .connecting)
  }

  @Test("a refusal in words quotes the peer's value, shortened and escaped")
  func words() {
    let long = String(repeating: "x", count: 10_000) + "\r\n"
    let causes: [OriginRefusal.Cause] = [
      .missing, .repeated(2), .malformed("\r\n" + long), .notAllowed(.opaque), .hostUnusable("\u{0}" + long),
    ]
    var words: Set<String> = []
    for cause in causes {
      let text = OriginRefusal(cause: cause).description
      #expect(text.utf8.count < 200 && !text.contains("\r\n") && !text.contains("\u{0}"))
      words.insert(text)
    }
    #expect(words.count == causes.count)
  }
}
