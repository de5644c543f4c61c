// SPDX-License-Identifier: Apache-2.0

import Testing
import WSProto

/// The bytes that a connection sends, parsed by a reader in this file.
@Suite struct SentFramesTests {
  struct Sent: Equatable {
    var first: UInt8
    var key: [UInt8]?
    var payload: [UInt8]
  }

  static func frames(_ wire: [UInt8]) throws -> [Sent] {
    var frames: [Sent] = []
    var rest = wire[...]
    while let first = rest.popFirst() {
      let next = rest.popFirst()
      let second = try #require(next)
      var length = Int(second & 0x7F)
      if length >= 126 {
        let size = length == 126 ? 2 : 8
        length = rest.prefix(size).reduce(0) { $0 << 8 | Int($1) }
        rest = rest.dropFirst(size)
      }
      var key: [UInt8]?
      if second & 0x80 != 0 {
        key = Array(rest.prefix(4))
        rest = rest.dropFirst(4)
      }
      #expect(rest.count >= length)
      let payload = rest.prefix(length).enumerated().map { $1 ^ (key?[$0 % 4] ?? 0) }
      frames.append(Sent(first: first, key: key, payload: payload))
      rest = rest.dropFirst(length)
    }
    return frames
  }

  @Test(
    "every frame of a client is masked with its own key, none of a server is masked, and no reserved bit is set (RFC 6455 §5.1, §5.2)",
    .threat(15),
    .requirement(
      "6455-5.1-client-masks",
      "6455-5.1-server-unmasked",
      "6455-10.3-all",
      "6455-5.3-fresh",
      "6455-5.2-rsv-send",
      "6455-6.1-frames"
    ),
    arguments: ConnectionType.allCases
  )
  func every(role: ConnectionType) throws {
    let connection = Connection(role)
    var wire: [UInt8] = []
    var expected: [(UInt8, [UInt8])] = []
    for size in [0, 1, 5, 125, 126, 300, 70_000] {
      let payload = [UInt8](repeating: 0x61, count: size)
      try connection.send(TextMessage(data: String(decoding: payload, as: UTF8.self)), into: &wire)
      expected.append((0x81, payload))
      try connection.send(BytesMessage(data: payload, messageFinished: false), into: &wire)
      expected.append((0x02, payload))
      let control = Array(payload.prefix(125))
      try connection.send(Ping(payload: Bytes(control)), into: &wire)
      expected.append((0x89, control))
      try connection.send(Pong(payload: Bytes(control)), into: &wire)
      expected.append((0x8A, control))
      try connection.send(BytesMessage(data: payload), into: &wire)
      expected.append((0x80, payload))
    }
    try connection.send(CloseConnection(code: 1000, reason: "bye"), into: &wire)
    expected.append((0x88, [0x03, 0xE8] + Array("bye".utf8)))

    let sent = try Self.frames(wire)
    #expect(sent.map(\.first) == expected.map(\.0))
    #expect(sent.map(\.payload) == expected.map(\.1))
    let keys = sent.compactMap(\.key)
    #expect(keys.count == (role == .client ? sent.count : 0))
    // Two of 36 32-bit keys are equal by chance in one of seven million runs.
    #expect(Set(keys).count == keys.count)
  }
}
