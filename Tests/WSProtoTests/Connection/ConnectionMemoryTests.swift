// SPDX-License-Identifier: Apache-2.0

import Testing
import WSProtoTestSupport

@testable import WSProto

/// What a connection holds when it is idle, and that it talks on afterwards.
@Suite struct ConnectionMemoryTests {
  enum Negotiated: CaseIterable {
    case none, takeover, noTakeover
    /// permessage-deflate beside another extension, so that it runs through its hooks.
    case hooks, hooksNoTakeover

    var noTakeover: Bool { self == .noTakeover || self == .hooksNoTakeover }
    var compresses: Bool { self != .none }

    func extensions(_ role: ConnectionType) throws -> [any Extension] {
      if self == .none { return [] }
      var deflate = try PerMessageDeflate(
        clientNoContextTakeover: noTakeover,
        clientMaxWindowBits: .absent,
        serverNoContextTakeover: noTakeover
      )
      let names = noTakeover ? ["client_no_context_takeover", "server_no_context_takeover"] : []
      let header = ExtensionHeader(
        name: PerMessageDeflate.name,
        parameters: names.map { ExtensionParameter(name: $0) }
      )
      if role == .server { _ = deflate.accept(header) } else { try deflate.finalize(header) }
      return self == .hooks || self == .hooksNoTakeover ? [deflate, Bystander()] : [deflate]
    }
  }

  /// Does nothing.
  struct Bystander: Extension {
    var name: String { "x-bystander" }
    func enabled() -> Bool { true }
  }

  private static func text(_ number: Int) -> String {
    String(repeating: "message \(number), and again; ", count: 20)
  }

  @Test(
    "Idle, contexts given back, talk on: either end, any time between two messages (RFC 7692 §7.1.1)",
    arguments: ConnectionType.allCases,
    Negotiated.allCases
  )
  func givesBackAndTalksOn(role: ConnectionType, negotiated: Negotiated) throws {
    for pool in [nil, DeflatePool()] {
      let one = Connection(role, extensions: try negotiated.extensions(role), deflatePool: pool)
      let other = Connection(role.peer, extensions: try negotiated.extensions(role.peer))
      for round in 0..<5 {
        for number in 0..<3 {
          let text = Self.text(round * 3 + number)
          try other.receiveData(one.send(TextMessage(data: text)))
          #expect(Array(other.events()) == [.textMessage(TextMessage(data: text))])
          // In two parts, with an end of the stream in the middle of neither.
          var answer = try other.send(TextMessage(data: text, messageFinished: false))
          answer += try other.send(TextMessage(data: "end"))
          var joined = ""
          try one.receiveData(answer)
          for case .textMessage(let part) in one.events() { joined += part.data }
          #expect(joined == text + "end")
        }
        // The window that the peer refers to can't go.
        #expect(one.releaseContexts() == (!negotiated.compresses || negotiated.noTakeover))
      }
    }
  }

  @Test(
    "Contexts stay while a message is under way, and where the peer refers to earlier ones (RFC 7692 §7.2.2)",
    arguments: ConnectionType.allCases
  )
  func staysWhereNeeded(role: ConnectionType) throws {
    let negotiated = Negotiated.noTakeover
    let one = Connection(role, extensions: try negotiated.extensions(role))
    let other = Connection(role.peer, extensions: try negotiated.extensions(role.peer))
    // In the middle of a message that is sent.
    try other.receiveData(one.send(TextMessage(data: Self.text(1), messageFinished: false)))
    #expect(!one.releaseContexts())
    try other.receiveData(one.send(TextMessage(data: Self.text(1))))
    var joined = ""
    for case .textMessage(let part) in other.events() { joined += part.data }
    #expect(joined == Self.text(1) + Self.text(1))
    #expect(one.releaseContexts())
    // In the middle of one that is received.
    let bytes = try other.send(TextMessage(data: Self.text(2)))
    try one.receiveData(bytes.prefix(bytes.count / 2))
    _ = Array(one.events())
    #expect(!one.releaseContexts())
    try one.receiveData(bytes.dropFirst(bytes.count / 2))
    #expect(
      Array(one.events()).last.map {
        if case .textMessage(let part) = $0 { part.messageFinished } else { false }
      } == true
    )
    #expect(one.releaseContexts())
  }

  @Test("A context that is asked for from inside of a receiving call stays (RFC 7692 §7.2.2)")
  func fromInside() throws {
    let server = Connection(.server, extensions: try Negotiated.noTakeover.extensions(.server))
    let client = Connection(.client, extensions: try Negotiated.noTakeover.extensions(.client))
    var bytes =
      try client.send(TextMessage(data: Self.text(1))) + client.send(TextMessage(data: Self.text(2)))
    var seen: [String] = []
    server.receive(&bytes, count: bytes.count) { event in
      guard case .textMessage(let message) = event else { return }
      seen.append(String(copying: message.data))
      #expect(!server.releaseContexts())
    }
    #expect(seen == [Self.text(1), Self.text(2)])
    #expect(server.releaseContexts())
  }

  @Test(
    "An idle connection holds no buffer, by any door, in either delivery",
    arguments: Splits.Door.allCases,
    [MessageDelivery.chunks, .wholeMessages]
  )
  func holdsNoBuffer(door: Splits.Door, delivery: MessageDelivery) throws {
    for role in ConnectionType.allCases {
      let one = Connection(role, configuration: Configuration(delivery: delivery))
      let other = Connection(role.peer)
      for size in [10, 1024, 5000, 20000, 100_000] {
        let bytes = try other.send(BytesMessage(data: [UInt8](repeating: 1, count: size)))
        for length in [bytes.count, 1000] {
          var pieces: [[UInt8]] = []
          for start in stride(from: 0, to: bytes.count, by: length) {
            pieces.append(Array(bytes[start..<min(start + length, bytes.count)]))
          }
          let outcome = Splits.run(pieces, door, on: one, whole: delivery == .wholeMessages)
          #expect(outcome.entries.count == 1)
          #expect(one.buffer.window == nil, "\(role), \(size) bytes in pieces of \(length)")
          #expect(one.inbound.heldBytes == 0)
        }
      }
    }
  }

  private struct Stop: Error {}

  /// Reads these bytes, or throws instead. The closure throws too.
  private static func read(_ bytes: [UInt8]?, on end: Connection) throws(Stop) {
    _ = try end.receive(
      upTo: 64 << 10,
      reading: { (room) throws(Stop) -> Int in
        guard let bytes else { throw Stop() }
        room.copyBytes(from: bytes)
        return bytes.count
      },
      { (_) throws(Stop) in throw Stop() }
    )
  }

  @Test("A read that throws, and a closure that throws at the last event, leave no buffer")
  func throwsAndHoldsNoBuffer() {
    for role in ConnectionType.allCases {
      let one = Connection(role)
      let frame = WireFrame(to: role, WireOpcode.binary, [1, 2, 3]).bytes
      // The last one ends the connection: what stands behind it is never read.
      for bytes in [nil, frame, WireFrame(to: role, WireOpcode.close).bytes + frame] {
        #expect(throws: Stop.self) { try Self.read(bytes, on: one) }
        #expect(one.buffer.window == nil && one.buffer.isEmpty)
      }
      #expect(one.state == .remoteClosing)
    }
  }

  @Test(
    "The bytes that were not read can't be taken while they are being read: a trap, not memory that is gone"
  )
  func takingUnreadBytesInside() async {
    await #expect(processExitsWith: .failure) {
      let one = Connection(.client)
      let frame: [UInt8] = [0x82, 1, 7]
      _ = one.receive(
        upTo: 6,
        reading: { room in
          room.copyBytes(from: frame + frame)
          return 6
        },
        { _ in _ = one.takeUnreadBytes() }
      )
    }
    // Between two calls they can.
    let one = Connection(.client, trailingData: [0x82, 1, 7, 0x82])
    #expect(one.nextEvent() == .bytesMessage(BytesMessage(data: [7])))
    #expect(one.takeUnreadBytes() == [0x82])
    #expect(one.takeUnreadBytes().isEmpty)
  }
}
