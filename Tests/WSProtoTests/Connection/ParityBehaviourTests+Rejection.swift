// SPDX-License-Identifier: Apache-2.0

import HTTPTypes
import Testing
import WSProto
import WSProtoTestSupport

/// Refusing a connection as wsproto 1.2.0 does, seen from both ends.
@Suite struct ParityRejectionTests {
  static func requested() throws -> WSConnectionPair {
    let pair = WSConnectionPair()
    try pair.send(Request(host: "h", target: "/"), from: .client)
    return pair
  }

  static func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }

  /// The status, the joined body, and whether the end was reported once and last.
  static func read(_ client: WSConnection) -> (status: Int?, body: [UInt8], ended: Bool) {
    var status: Int?
    var body: [UInt8] = []
    var ended = false
    while let event = client.nextEvent() {
      switch event {
      case .rejectConnection(let reject):
        status = reject.statusCode
        #expect(reject.hasBody)
      case .rejectData(let data):
        #expect(!ended)
        body += data.data
        ended = data.bodyFinished
      default: Issue.record("\(event)")
      }
    }
    return (status, body, ended)
  }

  @Test("RejectConnection(hasBody: false) sends `content-length: 0`")
  func noBody() throws {
    let pair = try Self.requested()
    let wire = try pair.server.send(RejectConnection(statusCode: 403))
    #expect(Self.text(wire).lowercased().contains("content-length: 0\r\n"))
    #expect(pair.server.state == .closed)
    try pair.client.receiveData(wire)
    #expect(Self.read(pair.client) == (403, [], true))
    #expect(pair.client.state == .closed)
  }

  @Test("with a body, RejectData events carry it, framed by Content-Length")
  func contentLength() throws {
    let pair = try Self.requested()
    var wire = try pair.server.send(
      RejectConnection(statusCode: 401, headers: [.contentLength: "6"], hasBody: true)
    )
    #expect(pair.server.state == .rejecting)
    try pair.server.send(RejectData(data: Bytes("abc"), bodyFinished: false), into: &wire)
    try pair.server.send(RejectData(data: Bytes("def")), into: &wire)
    #expect(Self.text(wire).hasSuffix("\r\n\r\nabcdef"))
    try pair.client.receiveData(wire)
    #expect(Self.read(pair.client) == (401, Array("abcdef".utf8), true))
  }

  @Test("a body without a given length is chunked")
  func chunked() throws {
    let pair = try Self.requested()
    var wire = try pair.server.send(RejectConnection(statusCode: 403, hasBody: true))
    try pair.server.send(RejectData(data: Bytes("abc"), bodyFinished: false), into: &wire)
    try pair.server.send(RejectData(data: Bytes(""), bodyFinished: false), into: &wire)
    try pair.server.send(RejectData(data: Bytes("def")), into: &wire)
    #expect(Self.text(wire).lowercased().contains("transfer-encoding: chunked\r\n"))
    #expect(Self.text(wire).hasSuffix("\r\n\r\n3\r\nabc\r\n3\r\ndef\r\n0\r\n\r\n"))
    for byte in wire { try pair.client.receiveData([byte]) }
    #expect(Self.read(pair.client) == (403, Array("abcdef".utf8), true))
  }

  @Test("a body that ends with the connection lasts until the end of the stream (RFC 9112 §6.3)")
  func untilClose() throws {
    let pair = try Self.requested()
    try pair.client.receiveData("HTTP/1.1 403 Forbidden\r\n\r\nabc".utf8)
    try pair.client.receiveData("def".utf8)
    #expect(Self.read(pair.client) == (403, Array("abcdef".utf8), false))
    #expect(pair.client.state == .rejecting)
    try pair.client.receiveEndOfStream()
    #expect(Self.read(pair.client) == (nil, [], true))
    #expect(pair.client.state == .closed)
  }

  @Test(
    "a client gets RejectConnection(hasBody: true) and then RejectData until bodyFinished",
    .requirement("6455-4.1-other-status")
  )
  func order() throws {
    let pair = try Self.requested()
    try pair.client.receiveData("HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\nX: y\r\n\r\n".utf8)
    guard case .rejectConnection(let reject) = pair.client.nextEvent() else {
      Issue.record("no rejection")
      return
    }
    #expect(reject.statusCode == 404 && reject.hasBody)
    #expect(reject.headers[HTTPField.Name("X") ?? .accept] == "y")
    #expect(pair.client.nextEvent() == nil && pair.client.state == .rejecting)
    try pair.client.receiveData("a".utf8)
    #expect(pair.client.nextEvent() == .rejectData(RejectData(data: Bytes("a"), bodyFinished: false)))
    try pair.client.receiveData("b".utf8)
    #expect(Self.read(pair.client) == (nil, Array("b".utf8), true))
  }

  @Test("a body that ends too early, or whose chunks are malformed, fails (RFC 9112 §7.1, §8)")
  func brokenBody() throws {
    var pair = try Self.requested()
    try pair.client.receiveData("HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\na".utf8)
    #expect(throws: ProtocolError.self) { try pair.client.receiveEndOfStream() }
    #expect(pair.client.state == .closed)
    pair = try Self.requested()
    #expect(throws: ProtocolError.self) {
      try pair.client.receiveData("HTTP/1.1 404 No\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n".utf8)
    }
    #expect(pair.client.state == .closed)
  }

  @Test("a body longer or shorter than declared is refused, and changes nothing (RFC 9112 §6.2)")
  func bodyFraming() throws {
    let pair = try Self.requested()
    var wire = try pair.server.send(RejectConnection(headers: [.contentLength: "3"], hasBody: true))
    let before = wire
    for data in [
      RejectData(data: Bytes("abcd")), RejectData(data: Bytes("ab")),
      RejectData(data: Bytes("abcd"), bodyFinished: false),
    ] {
      let error = #expect(throws: LocalProtocolError.self) { try pair.server.send(data, into: &wire) }
      #expect(error?.violation == .bodyFraming)
    }
    #expect(wire == before && pair.server.state == .rejecting)
    try pair.server.send(RejectData(data: Bytes("abc")), into: &wire)
    #expect(pair.server.state == .closed)
  }

  @Test(
    "a rejection says `Connection: close`, and a request pipelined behind it is dropped",
    .threat(12),
    arguments: [403, 426]
  )
  func pipelined(status: Int) throws {
    let server = WSConnection(.server)
    try server.receiveData((upgradeRequest() + upgradeRequest(line: "GET /second HTTP/1.1")).utf8)
    guard case .request(let first) = server.nextEvent() else {
      Issue.record("no request")
      return
    }
    #expect(first.target == "/chat?x=1")
    let wire = try server.send(RejectConnection(statusCode: status))
    #expect(fieldValue("Connection", in: wire) == (status == 426 ? "Upgrade, close" : "close"))
    #expect(server.nextEvent() == nil)
    try server.receiveData(upgradeRequest().utf8)
    #expect(server.nextEvent() == nil && server.state == .closed)
  }

  @Test("statuses that are not a rejection are refused", arguments: [-1, 0, 100, 101, 199, 600, 1000])
  func status(code: Int) throws {
    let pair = try Self.requested()
    let error = #expect(throws: LocalProtocolError.self) {
      try pair.server.send(RejectConnection(statusCode: code))
    }
    #expect(error?.violation == .head)
    #expect(pair.server.state == .connecting)
    #expect(try pair.send(AcceptConnection(), from: .server).count == 1)
  }

  @Test("a request that could not be parsed can only be rejected, with its hint")
  func onlyRejected() throws {
    let server = WSConnection(.server)
    #expect(throws: ProtocolError.self) { try server.receiveData("GARBAGE\r\n\r\n".utf8) }
    #expect(throws: LocalProtocolError.self) { try server.send(AcceptConnection()) }
    try server.receiveData(upgradeRequest().utf8)
    #expect(server.nextEvent() == nil)
    #expect(try server.send(RejectConnection()).starts(with: "HTTP/1.1 400 ".utf8))
    #expect(server.state == .closed)
  }
}
