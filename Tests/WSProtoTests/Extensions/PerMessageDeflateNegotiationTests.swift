// SPDX-License-Identifier: Apache-2.0

import Testing
import WSProto

@Suite struct PerMessageDeflateNegotiationTests {
  static func header(_ parameters: String) throws -> ExtensionHeader {
    let text = "permessage-deflate" + (parameters.isEmpty ? "" : "; " + parameters)
    return try #require(ExtensionHeader.parseList(text).first)
  }

  static func text(_ parameters: [ExtensionParameter]?) -> String? {
    parameters.map { String(ExtensionHeader(name: "x", parameters: $0).description.dropFirst(3)) }
  }

  // MARK: Settings

  @Test(
    "windows of 9 to 15 bits, levels of -1 to 9 and memory levels of 1 to 9 are accepted; everything else is refused",
    .requirement("7692-7.2.1-window")
  )
  func settings() throws {
    for bits in [Int.min, -1, 0, 7, 8, 16, 99_999, Int.max] {
      #expect(throws: LocalProtocolError.self) { try PerMessageDeflate(clientMaxWindowBits: .bits(bits)) }
      #expect(throws: LocalProtocolError.self) { try PerMessageDeflate(serverMaxWindowBits: bits) }
    }
    for level in [-2, 10] {
      #expect(throws: LocalProtocolError.self) { try PerMessageDeflate(level: level) }
    }
    for level in [0, 10] {
      #expect(throws: LocalProtocolError.self) { try PerMessageDeflate(memoryLevel: level) }
    }
    #expect(throws: LocalProtocolError.self) {
      try PerMessageDeflate(fallbackOffers: [[.init(name: "client_max_window_bits", value: "8")]])
    }
    #expect(throws: LocalProtocolError.self) {
      try PerMessageDeflate(fallbackOffers: [[.init(name: "unknown")]])
    }
    let made = try PerMessageDeflate(
      clientMaxWindowBits: 9,
      serverMaxWindowBits: 15,
      level: 9,
      memoryLevel: 1
    )
    #expect(
      (made.clientMaxWindowBits, made.serverMaxWindowBits, made.level, made.memoryLevel) == (9, 15, 9, 1)
    )
    #expect(PerMessageDeflate() == PerMessageDeflate())
    #expect(throws: LocalProtocolError.self) { try PerMessageDeflate(threshold: -1) }
    #expect(try PerMessageDeflate(threshold: 1) != PerMessageDeflate())
    #expect(!made.enabled())
    // The message names the value.
    let error = #expect(throws: LocalProtocolError.self) { try PerMessageDeflate(serverMaxWindowBits: 8) }
    #expect(error?.message == "a window of 8 bits; zlib compresses with 9 to 15")
  }

  @Test("the description shows the parameters as wsproto does")
  func description() throws {
    #expect(
      "\(PerMessageDeflate())" == "<PerMessageDeflate client_max_window_bits=15; server_max_window_bits=15>"
    )
    let all = try PerMessageDeflate(
      clientNoContextTakeover: true,
      clientMaxWindowBits: 9,
      serverNoContextTakeover: true,
      serverMaxWindowBits: 10
    )
    #expect(
      "\(all)" == "<PerMessageDeflate client_max_window_bits=9; client_no_context_takeover; "
        + "server_max_window_bits=10; server_no_context_takeover>"
    )
  }

  @Test("the extensions of the package can be looked up and made by name")
  func supported() throws {
    #expect(supportedExtensions.keys.sorted() == ["permessage-deflate"])
    let make = try #require(supportedExtensions["permessage-deflate"])
    let made = make()
    #expect(made as? PerMessageDeflate == PerMessageDeflate())
    #expect(made.name == PerMessageDeflate.name)
  }

  // MARK: Client

  @Test(
    "D1: a client offers what browsers do; any parameter can be left out or spelt out (RFC 7692 §5.1, §7.1)",
    .requirement("7692-5-offer"),
    .fault("D1")
  )
  func offers() throws {
    #expect(Self.text(PerMessageDeflate().offer()) == "client_max_window_bits")
    #expect(try Self.text(PerMessageDeflate(clientMaxWindowBits: .absent).offer()) == "")
    #expect(try Self.text(PerMessageDeflate(clientMaxWindowBits: 10).offer()) == "client_max_window_bits=10")
    #expect(
      try Self.text(PerMessageDeflate(clientMaxWindowBits: .absent, serverMaxWindowBits: 15).offer())
        == "server_max_window_bits=15"
    )
    // wsproto's offer.
    #expect(
      try Self.text(PerMessageDeflate(clientMaxWindowBits: 15, serverMaxWindowBits: 15).offer())
        == "client_max_window_bits=15; server_max_window_bits=15"
    )
    let all = try PerMessageDeflate(
      clientNoContextTakeover: true,
      clientMaxWindowBits: 9,
      serverNoContextTakeover: true,
      serverMaxWindowBits: 10,
      fallbackOffers: [[.init(name: "client_max_window_bits")], []]
    )
    #expect(
      all.offers().map { Self.text($0) } == [
        "client_max_window_bits=9; server_max_window_bits=10; client_no_context_takeover; server_no_context_takeover",
        "client_max_window_bits", "",
      ]
    )
  }

  @Test(
    "D1: the default offer is accepted by servers that know only the flags and client_max_window_bits, and by all of ours",
    .fault("D1"),
    arguments: ["", "client_max_window_bits=15", "server_no_context_takeover; client_no_context_takeover"]
  )
  func takenByOthers(answer: String) throws {
    let client = WSConnection(.client)
    let head = try client.send(Request(host: "h", target: "/", extensions: [PerMessageDeflate()]))
    let field = try #require(fieldValue("Sec-WebSocket-Extensions", in: head))
    #expect(field == "permessage-deflate; client_max_window_bits")
    let value = "permessage-deflate" + (answer.isEmpty ? "" : "; \(answer)")
    try client.receiveData(switchingProtocols(to: head, "Sec-WebSocket-Extensions: \(value)\r\n").utf8)
    guard case .acceptConnection(let accepted)? = client.nextEvent() else {
      Issue.record("not accepted")
      return
    }
    #expect(accepted.extensions.map { $0.enabled() } == [true])
    #expect(try client.send(TextMessage(data: "Hello")).first == 0xC1)
    var server: any Extension = PerMessageDeflate()
    #expect(try server.accept(#require(ExtensionHeader.parseList(field).first)) != nil)
  }

  @Test(
    "RFC 7692 §7: a client accepts a legal answer",
    arguments: [
      ("", false, 15, false, 15),
      ("client_no_context_takeover", true, 15, false, 15),
      ("server_no_context_takeover", false, 15, true, 15),
      ("client_max_window_bits=9", false, 9, false, 15),
      ("client_max_window_bits=8", false, 8, false, 15),
      ("server_max_window_bits=9", false, 15, false, 9),
      ("server_max_window_bits=8", false, 15, false, 8),
      ("server_max_window_bits=\"12\"", false, 15, false, 12),
      (
        "server_max_window_bits=10; client_max_window_bits=11; server_no_context_takeover; client_no_context_takeover",
        true, 11, true, 10
      ),
    ] as [(String, Bool, Int, Bool, Int)]
  )
  func finalize(answer: String, clientReset: Bool, clientBits: Int, serverReset: Bool, serverBits: Int) throws
  {
    var client = PerMessageDeflate()
    try client.finalize(Self.header(answer))
    #expect(client.enabled())
    #expect(client.clientNoContextTakeover == clientReset && client.clientMaxWindowBits == clientBits)
    #expect(client.serverNoContextTakeover == serverReset && client.serverMaxWindowBits == serverBits)
  }

  static let malformedParameters: [String] =
    ["client_max_window_bits", "server_max_window_bits"].flatMap { name in
      [
        "0", "1", "7", "16", "17", "-1", "+9", "09", "010", "9.0", "9a", "a", "99999999999",
        "18446744073709551625",
        "\"\"", "\"7\"", "\"-1\"", "\" 9\"", "\"9 \"", "\"09\"", "\"٩\"",
      ].map { "\(name)=\($0)" } + ["\(name)=10; \(name)=10", "\(name)=9; \(name)=10"]
    } + [
      "server_max_window_bits", "unknown", "unknown=1", "client_max_window_bits_=10",
      "client_max_window_bit=10",
      "CLIENT_MAX_WINDOW_BITS=10", "client_no_context_takeover=", "client_no_context_takeover=1",
      "client_no_context_takeover=\"\"", "client_no_context_takeover=true", "server_no_context_takeover=0",
      "client_no_context_takeover; client_no_context_takeover",
      "server_no_context_takeover; server_no_context_takeover",
      "client_no_context_takeover; unknown", "client_max_window_bits; client_max_window_bits=10",
      "server_no_context_takeovers", "x-webkit=1; server_max_window_bits=9",
    ]

  @Test(
    "a malformed parameter declines the offer, changes nothing, and fails a client",
    .threat(6),
    .requirement(
      "7692-7.1-unknown",
      "7692-7.1-client-unknown",
      "7692-7.1.1.1-valueless",
      "7692-7.1.1.2-valueless",
      "7692-7.1.2.1-range",
      "7692-7.1.2.2-range"
    ),
    arguments: malformedParameters
  )
  func malformed(parameters: String) throws {
    // Split by hand, because the grammar of RFC 6455 §9.1 refuses some of it earlier.
    let pieces = parameters.split(separator: "; ").map { piece -> ExtensionParameter in
      guard let equals = piece.firstIndex(of: "=") else { return ExtensionParameter(name: String(piece)) }
      let value = piece[piece.index(after: equals)...].filter { $0 != "\"" }
      return ExtensionParameter(name: String(piece[..<equals]), value: value)
    }
    let header = ExtensionHeader(name: PerMessageDeflate.name, parameters: pieces)
    if let parsed = try? Self.header(parameters) { #expect(parsed == header) }
    var server = try PerMessageDeflate(serverMaxWindowBits: 12)
    let before = server
    #expect(server.accept(header) == nil)
    #expect(server == before && !server.enabled())
    var client = PerMessageDeflate()
    #expect(throws: NegotiationError.self) { try client.finalize(header) }
    #expect(client == PerMessageDeflate() && !client.enabled())
  }

  @Test(
    "RFC 7692 §7.1: a client refuses an answer that its offer doesn't allow",
    .requirement(
      "7692-5.1-client-fails",
      "7692-7.1.1.1-missing",
      "7692-7.1.2.1-exceeds",
      "7692-7.1.2.2-range"
    )
  )
  func illegalAnswers() throws {
    func refuses(_ client: PerMessageDeflate, _ answer: String) throws -> Bool {
      var changed = client
      let header = try Self.header(answer)
      #expect(throws: NegotiationError.self) { try changed.finalize(header) }
      return changed == client
    }
    // An answer needs a value.
    #expect(try refuses(PerMessageDeflate(), "client_max_window_bits"))
    // What the offer left out must not be in the answer.
    #expect(try refuses(PerMessageDeflate(clientMaxWindowBits: .absent), "client_max_window_bits=10"))
    // A server must keep to what was asked (§7.1.1.1, §7.1.2.1).
    #expect(try refuses(PerMessageDeflate(serverNoContextTakeover: true), "client_no_context_takeover"))
    #expect(try refuses(PerMessageDeflate(serverMaxWindowBits: 10), "server_max_window_bits=11"))
    #expect(try refuses(PerMessageDeflate(serverMaxWindowBits: 10), ""))
    // An answer with a larger window than the client offered does not force the client to use it (§7.1.2.2).
    var small = try PerMessageDeflate(clientNoContextTakeover: true, clientMaxWindowBits: 10)
    try small.finalize(Self.header("client_max_window_bits=12"))
    #expect(small.clientMaxWindowBits == 10 && small.clientNoContextTakeover)
  }

  @Test(
    "RFC 7692 §7.1.2.2: client_max_window_bits in the answer requires an offer that has it; fallbacks count",
    .requirement("7692-7.1.2.2-unoffered")
  )
  func fallbackAnswers() throws {
    let offers: [[ExtensionParameter]] = [[.init(name: "server_no_context_takeover")], []]
    let client = try PerMessageDeflate(serverMaxWindowBits: 10, fallbackOffers: offers)
    for (answer, legal) in [
      ("", true), ("server_no_context_takeover", true), ("server_max_window_bits=15", true),
      ("client_max_window_bits=10; server_max_window_bits=10", true), ("client_max_window_bits=10", false),
      ("client_max_window_bits=10; server_no_context_takeover", false),
    ] {
      var copy = client
      let header = try Self.header(answer)
      if legal {
        try copy.finalize(header)
        #expect(copy.enabled())
      } else {
        #expect(throws: NegotiationError.self) { try copy.finalize(header) }
      }
    }
    var copy = client
    try copy.finalize(Self.header("server_no_context_takeover"))
    #expect(copy.serverMaxWindowBits == 15 && copy.serverNoContextTakeover)
  }

  // MARK: Server

  @Test(
    "RFC 7692 §7.1: a server's answer",
    .requirement("7692-7.1.1.1-include", "7692-7.1.2.2-range"),
    arguments: [
      ("", ""),
      ("client_max_window_bits", "client_max_window_bits=15"),
      ("client_max_window_bits=10", "client_max_window_bits=10"),
      ("client_max_window_bits=\"10\"", "client_max_window_bits=10"),
      ("client_max_window_bits=8", "client_max_window_bits=8"),
      ("server_max_window_bits=9", "server_max_window_bits=9"),
      ("server_max_window_bits=15", "server_max_window_bits=15"),
      // zlib can't compress with a window of 8 bits, so messages are then sent uncompressed.
      ("server_max_window_bits=8", "server_max_window_bits=8"),
      (
        "client_max_window_bits; server_max_window_bits=8",
        "client_max_window_bits=15; server_max_window_bits=8"
      ),
      ("client_no_context_takeover", "client_no_context_takeover"),
      ("server_no_context_takeover", "server_no_context_takeover"),
      (
        "server_max_window_bits=10; server_no_context_takeover; client_max_window_bits=9; client_no_context_takeover",
        "client_no_context_takeover; server_no_context_takeover; client_max_window_bits=9; server_max_window_bits=10"
      ),
    ] as [(String, String?)]
  )
  func accept(offer: String, answer: String?) throws {
    var server = PerMessageDeflate()
    #expect(try Self.text(server.accept(Self.header(offer))) == answer)
    #expect(server.enabled() == (answer != nil))
    if answer == nil { #expect(server == PerMessageDeflate()) }
  }

  @Test(
    "RFC 7692 §7.1: a server with its own settings asks for them if it may",
    .requirement("7692-7.1.2.1-use", "7692-7.1.2.2-unoffered", "7692-7.1.2.2-answer"),
    arguments: [
      ("", "client_no_context_takeover; server_no_context_takeover; server_max_window_bits=11", 15, 11),
      (
        "client_max_window_bits",
        "client_no_context_takeover; server_no_context_takeover; client_max_window_bits=10; server_max_window_bits=11",
        10, 11
      ),
      (
        "client_max_window_bits=9; server_max_window_bits=15",
        "client_no_context_takeover; server_no_context_takeover; client_max_window_bits=9; server_max_window_bits=11",
        9, 11
      ),
      (
        "client_max_window_bits=12; server_max_window_bits=9",
        "client_no_context_takeover; server_no_context_takeover; client_max_window_bits=10; server_max_window_bits=9",
        10, 9
      ),
    ] as [(String, String, Int, Int)]
  )
  func acceptWithSettings(offer: String, answer: String, clientBits: Int, serverBits: Int) throws {
    var server = try PerMessageDeflate(
      clientNoContextTakeover: true,
      clientMaxWindowBits: 10,
      serverNoContextTakeover: true,
      serverMaxWindowBits: 11
    )
    #expect(try Self.text(server.accept(Self.header(offer))) == answer)
    #expect(server.clientMaxWindowBits == clientBits && server.serverMaxWindowBits == serverBits)
    #expect(server.clientNoContextTakeover && server.serverNoContextTakeover)
  }

  @Test(
    "RFC 7692 §5.1: the first acceptable of several offers counts",
    .requirement("7692-5.1-preference"),
    arguments: [
      ("permessage-deflate; server_max_window_bits=7, permessage-deflate", "permessage-deflate"),
      (
        "permessage-deflate; server_max_window_bits=8, permessage-deflate",
        "permessage-deflate; server_max_window_bits=8"
      ),
      (
        "permessage-deflate; client_max_window_bits; server_max_window_bits=10, "
          + "permessage-deflate; client_max_window_bits",
        "permessage-deflate; client_max_window_bits=15; server_max_window_bits=10"
      ),
      (
        "x-other, permessage-deflate; mode=2, permessage-deflate; server_max_window_bits=16, "
          + "permessage-deflate; client_no_context_takeover, permessage-deflate",
        "permessage-deflate; client_no_context_takeover"
      ),
      ("permessage-deflate; a, permessage-deflate; b", nil),
      ("permessage-bzip2, x-webkit-deflate-frame", nil),
    ] as [(String, String?)]
  )
  func severalOffers(offers: String, answer: String?) throws {
    var extensions: [any Extension] = [PerMessageDeflate()]
    #expect(try serverExtensionsHandshake(ExtensionHeader.parseList(offers), &extensions) == answer)
    #expect(extensions[0].enabled() == (answer != nil))
  }

  // MARK: Whole handshakes

  @Test(
    "a handshake gives both ends the same parameters, and they exchange messages",
    .requirement("7692-5-offer")
  )
  func handshake() throws {
    let client = WSConnection(.client)
    let server = WSConnection(.server)
    let offered = try PerMessageDeflate(
      serverNoContextTakeover: true,
      serverMaxWindowBits: 12,
      fallbackOffers: [[]]
    )
    try server.receiveData(client.send(Request(host: "example.com", target: "/", extensions: [offered])))
    guard case .request(let request)? = server.nextEvent() else {
      Issue.record("no request")
      return
    }
    #expect(request.extensions.count == 2)
    let answer = AcceptConnection(extensions: [try PerMessageDeflate(clientMaxWindowBits: 10)])
    try client.receiveData(server.send(answer))
    guard case .acceptConnection(let accepted)? = client.nextEvent(),
      let inUse = accepted.extensions.first as? PerMessageDeflate
    else {
      Issue.record("not accepted")
      return
    }
    #expect(inUse.enabled() && inUse.serverNoContextTakeover && !inUse.clientNoContextTakeover)
    #expect(inUse.clientMaxWindowBits == 10 && inUse.serverMaxWindowBits == 12)
    let text = String(repeating: "compressible ", count: 100)
    for _ in 0..<3 {
      let toServer = try client.send(TextMessage(data: text))
      let toClient = try server.send(TextMessage(data: text))
      #expect(toServer.count < 100 && toClient.count < 100)
      try server.receiveData(toServer)
      try client.receiveData(toClient)
      #expect(server.nextEvent() == .textMessage(TextMessage(data: text)))
      #expect(client.nextEvent() == .textMessage(TextMessage(data: text)))
    }
  }

  @Test("without the extension on the server nothing is compressed", .requirement("7692-5.1-decline"))
  func declined() throws {
    let client = WSConnection(.client)
    let server = WSConnection(.server)
    try server.receiveData(
      client.send(Request(host: "example.com", target: "/", extensions: [PerMessageDeflate()]))
    )
    _ = server.nextEvent()
    try client.receiveData(server.send(AcceptConnection()))
    #expect(client.nextEvent() == .acceptConnection(AcceptConnection()))
    #expect(try client.send(TextMessage(data: "Hello")).first == 0x81)
    #expect(try server.send(TextMessage(data: "Hello")).first == 0x81)
  }
}
