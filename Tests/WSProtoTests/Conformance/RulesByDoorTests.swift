// SPDX-License-Identifier: Apache-2.0

import Testing
import WSProto
import WSProtoTestSupport

/// Twelve rules by every way that bytes come in. What violates them stands in `Conformance/support/rules`, where the C
/// interface finds it too. `Conformance/rules` switches one rule off at a time, and reads from the comments of these tests
/// which doors have let everything through.
@Suite struct RulesByDoorTests {
  /// A way of an input through a door, and whether the door has refused it as it must.
  typealias Way = () throws -> Bool
  typealias MakeEnd = () throws -> any WebSocketEndpoint

  private func expectRefusals(_ rule: String, _ door: String, _ input: String, _ ways: [Way]) throws {
    var missed = 0
    for isRefused in ways where try !isRefused() { missed += 1 }
    #expect(missed == 0, "\(rule) | \(door) | \(input): missed in \(missed) of \(ways.count) ways")
  }

  @Test("there are inputs for twelve rules")
  func tables() {
    #expect(Set(ForbiddenFrames.all.map(\.rule) + ForbiddenField.all.map(\.rule)).count == 12)
  }

  // MARK: Frames

  /// Both classes, both deliveries.
  private func ends(_ input: ForbiddenFrames, _ role: ConnectionType) -> [MakeEnd] {
    [MessageDelivery.chunks, .wholeMessages].flatMap { delivery in
      let configuration = Configuration(delivery: delivery, limits: input.limits)
      let open = {
        Connection(role, extensions: try input.extensionsInUse(role), configuration: configuration)
          as any WebSocketEndpoint
      }
      let shakenHands = {
        try WSConnectionPair.open(
          request: Request(host: "example.com", target: "/", extensions: input.extensions),
          accept: AcceptConnection(extensions: input.extensions),
          configuration: configuration
        ).end(role) as any WebSocketEndpoint
      }
      return [open, shakenHands]
    }
  }

  /// Gives an end each piece by `receive`, which returns the codes of the closes that come of it.
  private func expectRefusals(
    _ input: ForbiddenFrames,
    _ role: ConnectionType,
    _ door: String,
    _ receive: @escaping (inout [UInt8], any WebSocketEndpoint) throws -> [CloseReason]
  ) throws {
    let ways = input.ways(to: role).flatMap { pieces in
      ends(input, role).map { make -> Way in
        {
          let end = try make()
          var codes: [CloseReason] = []
          for piece in pieces {
            var piece = piece
            codes += try receive(&piece, end)
          }
          return codes == [input.code] && end.failure?.code == input.code
        }
      }
    }
    try expectRefusals(input.rule, door, "\(role), \(input.what)", ways)
  }

  private static func codes(of event: borrowing BorrowedEvent) -> [CloseReason] {
    switch event {
    case .closeConnection(let code, reason: _): [code]
    case .textMessage, .bytesMessage, .ping, .pong, .handshake, .handshakeFailed: []
    }
  }

  @Test(
    "frames that violate a rule close a connection with the rule's code, with owned events (RFC 6455 §7.1.7)",
    arguments: ForbiddenFrames.all,
    ConnectionType.allCases
  )
  func owned(input: ForbiddenFrames, role: ConnectionType) throws {
    try expectRefusals(input, role, "owned") { piece, end in
      try end.receiveData(piece)
      return end.events().compactMap { if case .closeConnection(let close) = $0 { close.code } else { nil } }
    }
  }

  @Test(
    "frames that violate a rule close a connection with the rule's code, with borrowed events (RFC 6455 §7.1.7)",
    arguments: ForbiddenFrames.all,
    ConnectionType.allCases
  )
  func borrowed(input: ForbiddenFrames, role: ConnectionType) throws {
    try expectRefusals(input, role, "borrowed") { piece, end in
      var codes: [CloseReason] = []
      end.receive(&piece, count: piece.count) { codes += Self.codes(of: $0) }
      return codes
    }
  }

  @Test(
    "frames that violate a rule close a connection with the rule's code, when it reads into its own buffer (RFC 6455 §7.1.7)",
    arguments: ForbiddenFrames.all,
    ConnectionType.allCases
  )
  func reading(input: ForbiddenFrames, role: ConnectionType) throws {
    try expectRefusals(input, role, "reading") { piece, end in
      var codes: [CloseReason] = []
      _ = end.receive(
        upTo: piece.count,
        reading: { room in
          room.copyBytes(from: piece)
          return piece.count
        },
        { codes += Self.codes(of: $0) }
      )
      return codes
    }
  }

  @Test(
    "frames that violate a rule fail a FrameProtocol with the rule's code (RFC 6455 §7.1.7)",
    arguments: ForbiddenFrames.all,
    ConnectionType.allCases
  )
  func frameProtocol(input: ForbiddenFrames, role: ConnectionType) throws {
    let ways = input.ways(to: role).map { pieces -> Way in
      {
        let receiver = FrameProtocol(
          client: role == .client,
          extensions: try input.extensionsInUse(role),
          configuration: Configuration(limits: input.limits)
        )
        do throws(ParseFailed) {
          for piece in pieces {
            receiver.receiveBytes(piece)
            while try receiver.nextFrame() != nil {}
          }
          return false
        } catch {
          return error.code == input.code
        }
      }
    }
    try expectRefusals(input.rule, "FrameProtocol", "\(role), \(input.what)", ways)
  }

  @Test(
    "frames that violate a rule fail a FrameDecoder, or the MessageDecoder after it, with the rule's code (RFC 6455 §7.1.7)",
    // What a Close holds is beyond both.
    arguments: ForbiddenFrames.all.filter { $0.rule != "close codes" },
    ConnectionType.allCases
  )
  func decoders(input: ForbiddenFrames, role: ConnectionType) throws {
    let ways = input.ways(to: role).map { pieces -> Way in
      {
        let frames = FrameDecoder(
          client: role == .client,
          extensions: try input.extensionsInUse(role),
          limits: input.limits
        )
        var messages = MessageDecoder()
        do throws(ParseFailed) {
          for piece in pieces {
            frames.receiveBytes(piece)
            while let frame = try frames.processBuffer() {
              if !frame.opcode.isControl { _ = try messages.processFrame(frame) }
            }
          }
          return false
        } catch {
          return error.code == input.code
        }
      }
    }
    try expectRefusals(input.rule, "decoders", "\(role), \(input.what)", ways)
  }

  // MARK: The handshake

  /// An end that waits for the peer's head, and the request that it has sent if it is a client.
  private func begun<End>(
    _ role: ConnectionType,
    _ end: End,
    _ send: (End, Request) throws -> [UInt8]
  ) throws -> (end: End, request: [UInt8]) {
    (end, role == .server ? [] : try send(end, Request(host: "server.example.com", target: "/")))
  }

  /// - Parameter receive: gives an end a piece of the head; the failure that comes of it.
  private func expectRefusals(
    _ input: ForbiddenField,
    _ door: String,
    _ receive: @escaping (inout [UInt8], WSConnection) throws -> RemoteProtocolError?
  ) throws {
    let ways = (0..<2).map { number -> Way in
      {
        let (end, request) = try begun(input.role, WSConnection(input.role)) { try $0.send($1) }
        var failure: RemoteProtocolError?
        for piece in input.ways(answering: request)[number] where failure == nil {
          var piece = piece
          failure = try receive(&piece, end)
        }
        return input.isRefused(by: failure)
      }
    }
    try expectRefusals(input.rule, door, "\(input.role), \(input.name): \(input.value)", ways)
  }

  private static func failure(_ body: () throws(ProtocolError) -> Void) -> RemoteProtocolError? {
    do throws(ProtocolError) {
      try body()
    } catch {
      if case .remote(let failed) = error { return failed }
    }
    return nil
  }

  private static func failure(of event: borrowing BorrowedEvent) -> RemoteProtocolError? {
    switch event {
    case .handshakeFailed(let failed): failed
    case .textMessage, .bytesMessage, .ping, .pong, .closeConnection, .handshake: nil
    }
  }

  @Test(
    "a field that violates a rule fails a handshake, with owned events (RFC 6455 §4.1, §4.2.1)",
    arguments: ForbiddenField.all
  )
  func ownedHandshake(input: ForbiddenField) throws {
    try expectRefusals(input, "owned") { piece, end in
      let bytes = piece
      return Self.failure { () throws(ProtocolError) in try end.receiveData(bytes) }
    }
  }

  @Test(
    "a field that violates a rule fails a handshake, with borrowed events (RFC 6455 §4.1, §4.2.1)",
    arguments: ForbiddenField.all
  )
  func borrowedHandshake(input: ForbiddenField) throws {
    try expectRefusals(input, "borrowed") { piece, end in
      var failure: RemoteProtocolError?
      end.receive(&piece, count: piece.count) { failure = Self.failure(of: $0) ?? failure }
      return failure
    }
  }

  @Test(
    "a field that violates a rule fails a handshake that reads into its own buffer (RFC 6455 §4.1, §4.2.1)",
    arguments: ForbiddenField.all
  )
  func readingHandshake(input: ForbiddenField) throws {
    try expectRefusals(input, "reading") { piece, end in
      var failure: RemoteProtocolError?
      _ = end.receive(
        upTo: piece.count,
        reading: { room in
          room.copyBytes(from: piece)
          return piece.count
        },
        { failure = Self.failure(of: $0) ?? failure }
      )
      return failure
    }
  }

  @Test(
    "a field that violates a rule fails an H11Handshake (RFC 6455 §4.1, §4.2.1)",
    arguments: ForbiddenField.all
  )
  func handshake(input: ForbiddenField) throws {
    let ways = (0..<2).map { number -> Way in
      {
        let (end, request) = try begun(input.role, H11Handshake(input.role)) { try $0.send($1) }
        var failure: RemoteProtocolError?
        for piece in input.ways(answering: request)[number] where failure == nil {
          failure = Self.failure { () throws(ProtocolError) in try end.receiveData(piece) }
        }
        return input.isRefused(by: failure)
      }
    }
    try expectRefusals(input.rule, "H11Handshake", "\(input.role), \(input.name): \(input.value)", ways)
  }

  @Test(
    "a field that violates a rule is refused in a request that was parsed elsewhere (RFC 6455 §4.2.1)",
    arguments: ForbiddenField.all.filter { $0.role == .server }
  )
  func parsedRequest(input: ForbiddenField) throws {
    let ways: [Way] = [
      {
        let end = WSConnection(.server)
        return input.isRefused(
          by: Self.failure { () throws(ProtocolError) in
            try end.initiateUpgradeConnection(headers: input.fields, path: "/chat")
          }
        )
      },
      {
        let end = H11Handshake(.server)
        return input.isRefused(
          by: Self.failure { () throws(ProtocolError) in
            try end.initiateUpgradeConnection(headers: input.fields, path: "/chat")
          }
        )
      },
    ]
    try expectRefusals(input.rule, "parsed request", "\(input.role), \(input.name): \(input.value)", ways)
  }

  @Test(
    "a field that violates a rule is refused when passed as values: an upgrade, an extended CONNECT (RFC 6455 §4.1, §4.2.1, RFC 8441 §5)",
    arguments: ForbiddenField.all
  )
  func values(input: ForbiddenField) throws {
    // No key, and nothing made of it, in an extended CONNECT.
    let forms = input.rule == "key check" ? [true] : [true, false]
    let ways = forms.map { isUpgrade -> Way in
      {
        do throws(RemoteProtocolError) {
          switch input.role {
          case .server where isUpgrade:
            _ = try ServerNegotiation(upgrade: input.upgrade, minorVersion: 1)
          case .server:
            _ = try ServerNegotiation(extendedConnect: input.extendedConnect, enableConnectProtocol: true)
          case .client:
            var client = try Self.negotiation(isUpgrade)
            _ = try client.receive(input.response(to: client.httpRequest))
          }
          return false
        } catch {
          return input.isRefused(by: error)
        }
      }
    }
    try expectRefusals(input.rule, "values", "\(input.role), \(input.name): \(input.value)", ways)
  }

  private static func negotiation(_ isUpgrade: Bool) throws(RemoteProtocolError) -> ClientNegotiation {
    let request = Request(host: "server.example.com", target: "/")
    do throws(LocalProtocolError) {
      return isUpgrade
        ? try ClientNegotiation(upgrade: request)
        : try ClientNegotiation(extendedConnect: request, enableConnectProtocol: true)
    } catch {
      throw RemoteProtocolError(error.message)
    }
  }
}
