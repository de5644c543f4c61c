// SPDX-License-Identifier: Apache-2.0

import Testing
import WSProtoTestSupport

@testable import WSProto

/// The rejection of an illegal handshake as an automatic reply.
@Suite struct RejectionReplyTests {
  static let automatic = Configuration(automaticReplies: .all)
  static let refused = H11HandshakeTests.refused

  /// What a server without automatic replies answers by a call.
  private static func answer(to head: String) throws -> [UInt8] {
    let server = WSConnection(.server)
    do throws(ProtocolError) {
      try server.receiveData(head.utf8)
    } catch {
      if case .remote(let failed) = error, let hint = failed.eventHint { return try server.send(hint) }
    }
    Issue.record("nothing was refused")
    return []
  }

  private static func expectRefusal(_ receive: () throws -> Void) -> RemoteProtocolError? {
    let error = #expect(throws: ProtocolError.self) { try receive() }
    if case .remote(let failed) = error { return failed }
    Issue.record("not refused: \(String(describing: error))")
    return nil
  }

  @Test(
    "an illegal request is answered as by the error's hint; the state moves when the reply is sent (RFC 6455 §4.2.1)",
    .threat(10, 12),
    .requirement("6455-4.2.1-error"),
    arguments: refused.indices,
    Splits.Door.allCases
  )
  func rejects(index: Int, door: Splits.Door) throws {
    let (_, head, status) = Self.refused[index]
    let server = WSConnection(.server, configuration: Self.automatic)
    #expect(server.waitingReplyBytes == 0)
    let failed = Self.expectRefusal { try door.receive(Array(head.utf8), on: server) { _ in } }
    #expect(failed?.eventHint != nil)
    #expect(server.state == .connecting)
    let bound = server.waitingReplyBytes
    let reply = try server.sendReplies()
    #expect(reply == (try Self.answer(to: head)))
    #expect(0 < reply.count && reply.count <= bound)
    #expect(String(decoding: reply, as: UTF8.self).hasPrefix("HTTP/1.1 \(status) "))
    #expect(server.state == .closed && server.waitingReplyBytes == 0)
    #expect(try server.sendReplies().isEmpty)
    // What follows is dropped.
    try door.receive(Array(upgradeRequest().utf8), on: server) { _ in Issue.record("an event") }
  }

  @Test("the handshake alone does the same, from bytes and from a parsed request, to an array and to a span")
  func handshakeAlone() throws {
    let head = upgradeRequest(without: "Sec-WebSocket-Key")
    let expected = try Self.answer(to: head)
    let one = H11Handshake(.server, configuration: Self.automatic)
    _ = Self.expectRefusal { try one.receiveData(head.utf8) }
    var output: [UInt8] = [1]
    try one.sendReplies(into: &output)
    #expect(output == [1] + expected && one.state == .closed)

    let two = WSConnection(.server, configuration: Self.automatic)
    let parts = HeadValues(head)
    _ = Self.expectRefusal {
      try two.initiateUpgradeConnection(headers: parts.fields, path: parts.line[1])
    }
    let room = two.waitingReplyBytes
    let error = #expect(throws: LocalProtocolError.self) {
      try PreparedMessageTests.written(expected.count - 1) { (span) throws(LocalProtocolError) in
        try two.sendReplies(into: &span)
      }
    }
    #expect(error?.violation == .outputTooSmall(needed: expected.count))
    #expect(two.waitingReplyBytes == room && two.state == .connecting)
    let sent = try PreparedMessageTests.written(room) { (span) throws(LocalProtocolError) in
      try two.sendReplies(into: &span)
    }
    #expect(sent == expected && two.state == .closed)
  }

  @Test("too many bytes before the decision are refused with the reply, too")
  func earlyBytes() throws {
    var configuration = Self.automatic
    configuration.limits.maxEarlyBytes = 10
    let server = WSConnection(.server, configuration: configuration)
    try server.receiveData(upgradeRequest().utf8)
    try server.receiveData([UInt8](repeating: 0, count: 11))
    _ = Self.expectRefusal { try server.receiveData([0]) }
    #expect(String(decoding: try server.sendReplies(), as: UTF8.self).hasPrefix("HTTP/1.1 400 "))
    #expect(server.state == .closed)
  }

  @Test(
    "without being asked for, and for a client, nothing waits; a refusal by a call takes the reply's place"
  )
  func others() throws {
    let head = upgradeRequest(without: "Host")
    for kinds in [[], .pongs, .closes, [.pongs, .closes]] as [AutomaticReplies] {
      let server = WSConnection(.server, configuration: Configuration(automaticReplies: kinds))
      _ = Self.expectRefusal { try server.receiveData(head.utf8) }
      #expect(server.waitingReplyBytes == 0)
      #expect(try server.sendReplies().isEmpty)
      #expect(server.state == .connecting)
    }
    let server = WSConnection(.server, configuration: Self.automatic)
    _ = Self.expectRefusal { try server.receiveData(head.utf8) }
    let own = try server.send(RejectConnection(statusCode: 418))
    #expect(String(decoding: own, as: UTF8.self).hasPrefix("HTTP/1.1 418 "))
    #expect(server.waitingReplyBytes == 0 && server.state == .closed)

    let late = WSConnection(.server, configuration: Self.automatic)
    _ = Self.expectRefusal { try late.receiveData(head.utf8) }
    try late.receiveEndOfStream()
    #expect(late.waitingReplyBytes == 0 && late.state == .closed)
    #expect(try late.sendReplies().isEmpty)

    let client = WSConnection(.client, configuration: Self.automatic)
    _ = try client.send(Request(host: "h", target: "/"))
    _ = Self.expectRefusal { try client.receiveData("BAD\r\n\r\n".utf8) }
    #expect(client.waitingReplyBytes == 0 && client.state == .closed)
    #expect(try client.sendReplies().isEmpty)
  }
}
