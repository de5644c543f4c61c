// SPDX-License-Identifier: Apache-2.0

import Testing
import WSProto

@testable import WSProtoLab

@Suite("A proxy and whatever two ends may send")
struct ProxyPropertyTests {
  /// Bytes that look like frames often enough: with legal and illegal headers, cut off, long.
  private func noise(_ random: inout SeededGenerator, count: Int) -> [UInt8] {
    var bytes: [UInt8] = []
    while bytes.count < count {
      switch Int.random(in: 0..<8, using: &random) {
      case 0: bytes.append(UInt8.random(in: 0...255, using: &random))
      case 1: bytes += [UInt8.random(in: 0...255, using: &random), 0x7E, 0, 200]
      case 2: bytes += [0xC1, 5] + (0..<5).map { _ in UInt8.random(in: 0...255, using: &random) }
      default:
        let first: UInt8 = [0x81, 0x01, 0x00, 0x80, 0x82, 0x89, 0x8A, 0xC1, 0x41, 0x83][
          Int.random(in: 0..<10, using: &random)
        ]
        let payload = (0..<Int.random(in: 0..<20, using: &random)).map { _ in
          UInt8(ascii: ["a", "b", "c"][Int.random(in: 0..<3, using: &random)])
        }
        bytes +=
          Bool.random(using: &random) ? masked(first, payload) : [first, UInt8(payload.count)] + payload
      }
    }
    return bytes
  }

  private static let rules = [
    "delay 1ms", "drop", "split 1", "coalesce", "segments 3", "corrupt", "corrupt header", "corrupt header 1",
    "truncate 2", "duplicate", "replace 'a' 'bb'", "replace 'b' ''", "hold", "close 1011", "reset",
  ]

  @Test("Every rule on every kind of bytes ends, with each direction's input read", arguments: 0..<60)
  func anything(_ seed: UInt64) throws {
    var random = SeededGenerator(seed: seed, stream: 99)
    let rules = (0..<3).map { _ in
      let action = Self.rules[Int.random(in: 0..<Self.rules.count, using: &random)]
      let kind = ["any", "data", "control", "text"][Int.random(in: 0..<4, using: &random)]
      return kind + [" ", " /a/ ", " '*b*' 50% ", " 30% "][Int.random(in: 0..<4, using: &random)] + action
    }
    let extensions: [any Extension] = seed % 2 == 0 ? [PerMessageDeflate()] : []
    let proxied = try Proxied(rules, seed: seed, maxHeldBytes: 64, extensions: extensions)
    try proxied.open()
    proxied.endInput()
    for sender in [Direction.fromClient, .fromServer] {
      proxied.pass(noise(&random, count: 2000), from: sender, piece: Int.random(in: 1...300, using: &random))
      #expect(proxied.connection.wantsInput(from: sender))
      proxied.end(from: sender)
    }
    #expect(proxied.isReset || Set(proxied.finished) == [.fromClient, .fromServer])
  }

  @Test("Where no rule applies, all bytes of all kinds arrive, in order", arguments: 0..<40)
  func nothing(_ seed: UInt64) throws {
    var random = SeededGenerator(seed: seed, stream: 98)
    let extensions: [any Extension] = seed % 2 == 0 ? [PerMessageDeflate()] : []
    let proxied = try Proxied(
      ["0% drop", "to-client data /zzzzzzzz/ drop"],
      maxHeldBytes: 64,
      extensions: extensions
    )
    try proxied.open()
    let sent = noise(&random, count: 3000)
    proxied.pass(sent, from: .fromClient, piece: Int.random(in: 1...300, using: &random))
    proxied.end(from: .fromClient)
    #expect(proxied.delivered[.fromClient] == sent)
    // Control frames overtake messages that a rule looks at: the same bytes, perhaps in another order.
    proxied.pass(sent, from: .fromServer, piece: Int.random(in: 1...300, using: &random))
    proxied.end(from: .fromServer)
    #expect(proxied.delivered[.fromServer]?.sorted() == sent.sorted())
  }

  @Test(
    "A small message that inflates to much is not held beyond the bound, whatever a rule wants (RFC 7692 §8)"
  )
  func bomb() throws {
    let proxied = try Proxied(
      ["to-client text /x/ drop", "to-client binary drop"],
      maxHeldBytes: 10_000,
      extensions: [PerMessageDeflate()]
    )
    try proxied.open()
    // The history is broken first, so that the large one is sent on inflated.
    try proxied.send(BytesMessage(data: [1, 2, 3]), from: .server)
    let size = 12 << 20
    let bytes = try proxied.server.send(TextMessage(data: String(repeating: "a", count: size)))
    #expect(bytes.count < 30_000)
    proxied.connection.receive(bytes, from: .fromServer, at: CaptureTime(nanoseconds: 0))
    var most = 0
    var total = 0
    while let step = proxied.connection.nextStep(from: .fromServer, at: CaptureTime(nanoseconds: 0)) {
      guard case .bytes(let part) = step.action else { continue }
      most = max(most, part.count)
      total += part.count
    }
    #expect(total > size)
    // What one piece of 4 KiB of input inflates to, at about a thousand for one, besides what was under way.
    #expect(most < 6 << 20)
  }
}
