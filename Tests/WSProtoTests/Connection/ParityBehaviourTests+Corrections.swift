// SPDX-License-Identifier: Apache-2.0

import HTTPTypes
import Testing
import WSProtoTestSupport

@testable import WSProto

/// What wsproto 1.2.0 does wrong or weakly and this library does right: one test for each.
@Suite struct ParityCorrectionTests {
  @Test(
    "the request and the answer say `Upgrade: websocket`, the answer `Switching Protocols` (RFC 6455 §4.1, §4.2.2)",
    .requirement("6455-4.1-upgrade", "6455-4.2.2-101")
  )
  func spelling() throws {
    let pair = WSConnectionPair()
    let head = try pair.client.send(Request(host: "h", target: "/"))
    #expect(fieldValue("Upgrade", in: head) == "websocket")
    try pair.server.receiveData(head)
    _ = pair.server.nextEvent()
    let answer = try pair.server.send(AcceptConnection())
    #expect(fieldValue("Upgrade", in: answer) == "websocket")
    #expect(String(decoding: answer, as: UTF8.self).hasPrefix("HTTP/1.1 101 Switching Protocols\r\n"))
  }

  static let declined = [
    "x-tagging; by=2", "x-tagging; by=1; by=1", "x-tagging; other", "x-tagging", "x-tagging-2; by=1",
  ]

  @Test(
    "an unknown, repeated or out-of-range parameter makes the server decline that offer; prefixes never match (RFC 6455 §9.1)",
    .requirement("7692-5.1-decline"),
    arguments: declined
  )
  func declines(offer: String) throws {
    let server = WSConnection(.server)
    try server.receiveData(upgradeRequest(extra: "Sec-WebSocket-Extensions: \(offer)\r\n").utf8)
    guard case .request = server.nextEvent() else {
      Issue.record("no request")
      return
    }
    let answer = try server.send(AcceptConnection(extensions: [TaggingExtension()]))
    #expect(fieldValue("Sec-WebSocket-Extensions", in: answer) == nil)
    #expect(server.state == .open)
    #expect(try server.send(TextMessage(data: "a")) == [0x81, 1, 0x61])
  }

  @Test(
    "several offers of one extension are tried in order, and quoted values are parsed (RFC 7692 §5.1, RFC 6455 §9.1)",
    .requirement("7692-5.1-preference")
  )
  func offersInOrder() throws {
    let server = WSConnection(.server)
    let offers = "x-tagging; by=2, x-tagging; by=\"1\", x-tagging; by=1"
    try server.receiveData(upgradeRequest(extra: "Sec-WebSocket-Extensions: \(offers)\r\n").utf8)
    _ = server.nextEvent()
    let answer = try server.send(AcceptConnection(extensions: [TaggingExtension()]))
    #expect(fieldValue("Sec-WebSocket-Extensions", in: answer) == "x-tagging")
    #expect(try server.send(TextMessage(data: "a")) == [0x91, 1, 0x62])
  }

  @Test(
    "a field that is not a list of extensions is answered with 400, whatever it is (RFC 6455 §9.1)",
    .requirement("6455-9.1-grammar", "6455-9.1-quoted"),
    arguments: ["x;", ";", "x; =1", "x; p=\"", "x y", "x; p=\"a b\"", "é"]
  )
  func malformedOffer(value: String) throws {
    let server = WSConnection(.server)
    let error = #expect(throws: ProtocolError.self) {
      try server.receiveData(upgradeRequest(extra: "Sec-WebSocket-Extensions: \(value)\r\n").utf8)
    }
    guard case .remote(let remote) = error, case .rejectConnection(let reject) = remote.eventHint else {
      Issue.record("no hint")
      return
    }
    #expect(reject.statusCode == 400)
    #expect(try server.send(reject).starts(with: "HTTP/1.1 400 ".utf8))
  }

  @Test(
    "an answer with an unknown, repeated, malformed or illegal extension fails the client's handshake (RFC 6455 §9.1)",
    .requirement("6455-4.1-bad-extension", "6455-9.1-grammar"),
    arguments: [
      "other", "x-tagging-2", "x-tagging; p", "x-tagging, x-tagging", "x-tagging;", "x-tagging; p=\"", ",;",
    ]
  )
  func illegalAnswer(value: String) throws {
    let client = WSConnection(.client)
    let head = try client.send(Request(host: "h", target: "/", extensions: [TaggingExtension()]))
    #expect(fieldValue("Sec-WebSocket-Extensions", in: head) == "x-tagging; by=1")
    let answer = switchingProtocols(to: head, "Sec-WebSocket-Extensions: \(value)\r\n")
    let error = #expect(throws: ProtocolError.self) { try client.receiveData(answer.utf8) }
    guard case .remote(let remote) = error else {
      Issue.record("not the peer's error")
      return
    }
    #expect(remote.eventHint == nil)
    #expect(client.state == .closed)
  }

  @Test(
    "window bits 8…15 are legal on the wire; what zlib cannot do causes no failure, neither at once nor later",
    .fault("D2"),
    arguments: 8...15
  )
  func windowBits(bits: Int) throws {
    let server = WSConnection(.server)
    let offer = "permessage-deflate; server_max_window_bits=\(bits)"
    try server.receiveData(upgradeRequest(extra: "Sec-WebSocket-Extensions: \(offer)\r\n").utf8)
    _ = server.nextEvent()
    let answer = try server.send(AcceptConnection(extensions: [PerMessageDeflate()]))
    let agreed = fieldValue("Sec-WebSocket-Extensions", in: answer)
    #expect(agreed == offer)
    // zlib can't compress with a window of 8 bits, so the message is sent uncompressed.
    let wire = try server.send(TextMessage(data: String(repeating: "window ", count: 200)))
    #expect((wire.first == 0xC1) == (bits > 8))
  }

  @Test(
    "illegal parameters of permessage-deflate decline the offer, and fail a client",
    .threat(6),
    .requirement(
      "7692-7.1-unknown",
      "7692-7.1-client-unknown",
      "7692-5.1-decline",
      "7692-5.1-client-fails",
      "7692-7.1.1.1-valueless"
    ),
    arguments: [
      "server_max_window_bits=0", "server_max_window_bits=7", "server_max_window_bits=16",
      "server_max_window_bits=-1", "server_max_window_bits=99999999999", "server_max_window_bits=08",
      "server_max_window_bits", "client_max_window_bits=7", "client_max_window_bits=16", "unknown",
      "server_no_context_takeover=1", "server_no_context_takeover; server_no_context_takeover",
      "server_max_window_bits=\"x\"", "server_max_window_bits=10; server_max_window_bits=11",
    ]
  )
  func deflateParameters(parameters: String) throws {
    let extra = "Sec-WebSocket-Extensions: permessage-deflate; \(parameters)\r\n"
    let server = WSConnection(.server)
    try server.receiveData(upgradeRequest(extra: extra).utf8)
    _ = server.nextEvent()
    let answer = try server.send(AcceptConnection(extensions: [PerMessageDeflate()]))
    #expect(fieldValue("Sec-WebSocket-Extensions", in: answer) == nil)
    #expect(server.state == .open)
    let client = WSConnection(.client)
    let sent = try client.send(Request(host: "h", target: "/", extensions: [PerMessageDeflate()]))
    #expect(throws: ProtocolError.self) { try client.receiveData(switchingProtocols(to: sent, extra).utf8) }
    #expect(client.state == .closed)
  }

  @Test(
    "Sec-WebSocket-Key must decode to 16 bytes (RFC 6455 §4.2.1)",
    .requirement("6455-4.2.1-key"),
    arguments: [
      "", "a", "dGhlIHNhbXBsZSBub25jZQ", "dGhlIHNhbXBsZSBub25jZQ=", "dGhlIHNhbXBsZSBub25jZQ===",
      "dGhlIHNhbXBsZSBub25jZQ!!", "dGhlIHNhbXBsZSBub24=", "dGhlIHNhbXBsZSBub25jZWE=",
      "dGhlIHNhbXBsZSBub-5jZQ==",
    ]
  )
  func key(value: String) {
    let server = WSConnection(.server)
    let head = upgradeRequest(without: "Sec-WebSocket-Key", extra: "Sec-WebSocket-Key: \(value)\r\n")
    let error = #expect(throws: ProtocolError.self) { try server.receiveData(head.utf8) }
    guard case .remote(let remote) = error, case .rejectConnection(let reject) = remote.eventHint else {
      Issue.record("no hint")
      return
    }
    #expect(reject.statusCode == 400)
  }

  @Test(
    "key and version must occur once in a request (RFC 6455 §11.3)",
    .requirement("6455-4.3-single"),
    arguments: ["Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Version: 13"]
  )
  func singleInRequest(field: String) {
    let server = WSConnection(.server)
    #expect(throws: ProtocolError.self) { try server.receiveData(upgradeRequest(extra: field + "\r\n").utf8) }
    #expect(server.nextEvent() == nil)
  }

  @Test("the accept field must occur once in an answer (RFC 6455 §11.3.3)", .requirement("6455-4.3-single"))
  func singleInAnswer() throws {
    let client = WSConnection(.client)
    let head = try client.send(Request(host: "h", target: "/"))
    let token = generateAcceptToken(fieldValue("Sec-WebSocket-Key", in: head) ?? "")
    let answer = switchingProtocols(to: head, "Sec-WebSocket-Accept: \(token)\r\n")
    #expect(throws: ProtocolError.self) { try client.receiveData(answer.utf8) }
    #expect(client.state == .closed)
  }

  @Test("HTTP/1.0 is refused (RFC 6455 §4.2.1)", .requirement("6455-4.2.1-get"))
  func http10() {
    let server = WSConnection(.server)
    #expect(throws: ProtocolError.self) {
      try server.receiveData(upgradeRequest(line: "GET / HTTP/1.0").utf8)
    }
    #expect(server.nextEvent() == nil)
  }

  @Test(
    "426 carries `Sec-WebSocket-Version: 13` (RFC 6455 §4.4)",
    .requirement("6455-4.2.1-version", "6455-4.2.2-426"),
    arguments: ["12", "8", "13, 8", "014", "x", ""]
  )
  func version(value: String) throws {
    let server = WSConnection(.server)
    let head = upgradeRequest(without: "Sec-WebSocket-Version", extra: "Sec-WebSocket-Version: \(value)\r\n")
    let error = #expect(throws: ProtocolError.self) { try server.receiveData(head.utf8) }
    guard case .remote(let remote) = error, let hint = remote.eventHint else {
      Issue.record("no hint")
      return
    }
    let answer = try server.send(hint)
    #expect(answer.starts(with: "HTTP/1.1 426 Upgrade Required\r\n".utf8))
    #expect(fieldValue("Sec-WebSocket-Version", in: answer) == "13")
    #expect(fieldValue("Connection", in: answer) == "Upgrade, close")
    #expect(server.state == .closed)
  }

  @Test(
    "the server's event has the host as it was sent",
    arguments: ["xn--7ks3rz39bh7u", "EXAMPLE.com:8080", "[::1]:80"]
  )
  func hostAsSent(host: String) throws {
    let pair = WSConnectionPair()
    guard case .request(let request) = try pair.send(Request(host: host, target: "/"), from: .client).first
    else {
      Issue.record("no request")
      return
    }
    #expect(request.host == host)
  }

  @Test("the server also keeps bytes that follow the request", arguments: [true, false])
  func serverTrailing(inOnePacket: Bool) throws {
    let server = WSConnection(.server)
    let frame = WireFrame(to: .server, 1, Array("hi".utf8)).bytes
    let head = Array(upgradeRequest().utf8)
    if inOnePacket {
      try server.receiveData(head + frame)
    } else {
      try server.receiveData(head)
      try server.receiveData(frame)
    }
    guard case .request = server.nextEvent() else {
      Issue.record("no request")
      return
    }
    #expect(server.nextEvent() == nil)
    _ = try server.send(AcceptConnection())
    #expect(server.nextEvent() == .textMessage(TextMessage(data: "hi")))
  }

  @Test("1xx responses before the 101 are skipped, not treated as a rejection (RFC 9110 §15.2)")
  func informational() throws {
    let client = WSConnection(.client)
    let head = try client.send(Request(host: "h", target: "/"))
    try client.receiveData("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n".utf8)
    #expect(client.nextEvent() == nil && client.state == .connecting)
    try client.receiveData("HTTP/1.1 102 Processing\r\n\r\n".utf8)
    try client.receiveData(switchingProtocols(to: head).utf8)
    #expect(client.nextEvent() == .acceptConnection(AcceptConnection()))
    #expect(client.state == .open)
  }

  @Test(
    "after a parse failure the connection takes no more input and sends only the Close (RFC 6455 §7.1.7)",
    .requirement("6455-7.1.7-stop", "6455-7.1.7-send-close"),
    arguments: ConnectionType.allCases
  )
  func afterFailure(role: ConnectionType) throws {
    let connection = Connection(role)
    try connection.receiveData([0x83, 0x80] as [UInt8])
    guard case .closeConnection(let close) = connection.nextEvent() else {
      Issue.record("no failure")
      return
    }
    try connection.receiveData(WireFrame(to: role, 9).bytes)
    #expect(connection.nextEvent() == nil)
    #expect(throws: LocalProtocolError.self) { try connection.send(TextMessage(data: "")) }
    #expect(throws: LocalProtocolError.self) { try connection.send(BytesMessage(data: [])) }
    #expect(throws: LocalProtocolError.self) { try connection.send(Ping()) }
    #expect(throws: LocalProtocolError.self) { try connection.send(Pong()) }
    #expect(connection.state == .remoteClosing)
    #expect(try connection.send(close.response()).first == 0x88)
    #expect(connection.state == .closed)
    #expect(throws: LocalProtocolError.self) { try connection.send(close) }
    try connection.receiveEndOfStream()
    #expect(connection.nextEvent() == nil)
  }

  @Test(
    "a Close that we send has a legal code (1000–1003, 1007–1014, 3000–4999), anything else is a LocalProtocolError",
    .requirement("6455-7.1.2-close", "6455-7.4.1-defined", "6455-7.4.2-private", "6455-7.4.2-unused")
  )
  func legalCodes() throws {
    for number in [0, 1, 999, 1004, 1016, 1100, 2000, 2999, 5000, 65535] as [UInt16] {
      let server = Connection(.server)
      let error = #expect(throws: LocalProtocolError.self) {
        try server.send(CloseConnection(code: CloseReason(number)))
      }
      #expect(error?.violation == .closeCode)
      #expect(server.state == .open)
    }
    for number in Array(1000...1003) + Array(1007...1014) + [3000, 3999, 4000, 4999] as [UInt16] {
      let pair = ConnectionPair()
      let close = CloseConnection(code: CloseReason(number), reason: "r")
      #expect(try pair.send(close, from: .server) == [.closeConnection(close)])
    }
  }

  @Test(
    "a Ping that arrives after our Close may still be answered (RFC 6455 §5.5.2)",
    .requirement("6455-5.5.1-no-data-after", "6455-5.5.1-closed")
  )
  func pongAfterClose() throws {
    let pair = ConnectionPair()
    let closed = try pair.client.send(CloseConnection(code: 1000))
    #expect(try pair.send(Ping(payload: [4]), from: .server) == [.ping(Ping(payload: [4]))])
    #expect(pair.client.state == .localClosing)
    #expect(try pair.send(Pong(payload: [4]), from: .client) == [.pong(Pong(payload: [4]))])
    #expect(throws: LocalProtocolError.self) { try pair.client.send(Ping()) }
    #expect(throws: LocalProtocolError.self) { try pair.client.send(TextMessage(data: "")) }
    try pair.server.receiveData(closed)
    #expect(Array(pair.server.events()).count == 1)
    #expect(try pair.send(CloseConnection(code: 1000), from: .server).count == 1)
    #expect(pair.client.state == .closed && pair.server.state == .closed)
  }

  @Test("size limits exist, on by default", .requirement("6455-10.4-limits"))
  func defaultLimits() throws {
    let limits = Limits()
    #expect(limits.maxFramePayload == 16 << 20 && limits.maxMessageBytes == 64 << 20)
    #expect(limits.maxMessageWireBytes == 64 << 20 && limits.maxMessageFragments == 1 << 17)
    #expect(limits.maxHeadBytes == 16 << 10 && limits.maxHeadFields == 100)
    let client = Connection(.client)
    try client.receiveData(WireFrame(2, declaredLength: 16 << 20).header)
    #expect(client.nextEvent() == nil)
    let other = Connection(.client)
    try other.receiveData(WireFrame(2, declaredLength: (16 << 20) + 1).header)
    guard case .closeConnection(let close) = other.nextEvent() else {
      Issue.record("no failure")
      return
    }
    #expect(close.code == .messageTooBig)
  }

  @Test(
    "size limits apply while inflating: a small frame gives no more than the limit",
    .threat(1),
    arguments: MessageDelivery.all
  )
  func inflateLimit(delivery: MessageDelivery) throws {
    let zeros = [UInt8](repeating: 0, count: 1 << 20)
    let payload = try DeflateStream().message([zeros])
    #expect(payload.count < 2000)
    for (limit, fits) in [(1 << 20, true), ((1 << 20) - 1, false), (1000, false)] {
      var limits = Limits()
      limits.maxMessageBytes = limit
      let connection = Connection(
        .client,
        extensions: [PerMessageDeflate.negotiated],
        configuration: Configuration(delivery: delivery, limits: limits)
      )
      try connection.receiveData(WireFrame(2, payload, rsv: 4).bytes)
      var bytes = 0
      var end: CloseReason?
      while let event = connection.nextEvent() {
        switch event {
        case .bytesMessage(let part): bytes += part.data.count
        case .closeConnection(let close): end = close.code
        default: Issue.record("\(event)")
        }
      }
      #expect(end == (fits ? nil : .messageTooBig))
      #expect(bytes <= limit)
      if fits { #expect(bytes == 1 << 20) }
      #expect(connection.inbound.heldBytes <= Retention.assembly)
    }
  }

  @Test("nothing is allocated just because a length is declared", .threat(4), arguments: MessageDelivery.all)
  func declaredLength(delivery: MessageDelivery) throws {
    var limits = Limits(maxMessageBytes: .max)
    limits.maxFramePayload = .max
    let connection = Connection(.client, configuration: Configuration(delivery: delivery, limits: limits))
    try connection.receiveData(WireFrame(2, declaredLength: 1 << 62).header + [1, 2, 3])
    while connection.nextEvent() != nil {}
    #expect(connection.inbound.heldBytes <= 1024)
    #expect((connection.buffer.window?.byteCapacity ?? 0) < 5000)
    #expect(connection.state == .open)
  }
}

extension MessageDelivery {
  static let all: [MessageDelivery] = [.chunks, .wholeMessages]
}
