// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import WSProto

@Suite struct PerMessageDeflateFailureTests {
  /// A stored block, not the last one.
  static func stored(_ bytes: [UInt8]) -> [UInt8] {
    let low = UInt8(bytes.count & 0xFF)
    let high = UInt8(bytes.count >> 8)
    return [0x00, low, high, ~low, ~high] + bytes
  }

  // MARK: Bombs

  @Test(
    "a message exactly at the limit arrives, one byte more closes with 1009",
    .threat(1),
    .requirement("7692-8-bomb"),
    arguments: Door.all
  )
  func limit(door: Door) throws {
    let size = 1 << 16
    let bomb = try DeflateStream(level: 9).message([[UInt8](repeating: 0, count: size)])
    #expect(bomb.count < size / 600)
    for role in ConnectionType.allCases {
      for chunk in [10, .max] {
        let whole = wireFrame(0xC2, bomb, to: role)
        let split =
          wireFrame(0x42, Array(bomb[..<40]), to: role) + wireFrame(0x80, Array(bomb[40...]), to: role)
        for wire in [whole, split] {
          let exact = try door.receive(wire, as: role, limits: Limits(maxMessageBytes: size), chunk: chunk)
          #expect(exact.size == size && exact.seen.count == 1)
          let over = try door.receive(wire, as: role, limits: Limits(maxMessageBytes: size - 1), chunk: chunk)
          #expect(over.seen.last == .close(.messageTooBig))
          #expect(over.size < size)
        }
      }
    }
  }

  @Test(
    "the memory for a bomb is bounded by the limit, not by the bomb",
    .threat(1),
    .requirement("7692-8-bomb"),
    arguments: Door.all
  )
  func bombMemory(door: Door) throws {
    let bomb = try DeflateStream(level: 1).message([[UInt8](repeating: 0x20, count: 4 << 20)])
    let limit = 64 << 10
    for opcode in [0xC1, 0xC2] as [UInt8] {
      let wire = wireFrame(opcode, bomb, to: .server)
      for chunk in [64, .max] {
        let outcome = try door.receive(
          wire,
          as: .server,
          limits: Limits(maxMessageBytes: limit),
          chunk: chunk
        )
        #expect(outcome.seen.last == .close(.messageTooBig))
        #expect(outcome.size <= limit)
        #expect(outcome.peak <= 4 * limit)
      }
    }
  }

  @Test("the message limits 0 and 1 apply to compressed messages too", .threat(1), arguments: Door.all)
  func tinyLimits(door: Door) throws {
    for (text, limit, fits) in [("", 0, true), ("a", 0, false), ("a", 1, true), ("ab", 1, false)] {
      let payload = try DeflateStream().message(text)
      var limits = Limits()
      limits.maxMessageBytes = limit
      for chunk in [1, .max] {
        let outcome = try door.receive(
          wireFrame(0xC1, payload, to: .client),
          as: .client,
          limits: limits,
          chunk: chunk
        )
        #expect(outcome.seen.last == (fits ? .text(text) : .close(.messageTooBig)))
      }
    }
  }

  @Test("the limit applies to each message separately", arguments: Door.all)
  func limitPerMessage(door: Door) throws {
    let sender = try Door().connection(.client)
    var wire: [UInt8] = []
    for _ in 0..<5 { try sender.send(BytesMessage(data: [UInt8](repeating: 1, count: 100)), into: &wire) }
    let outcome = try door.receive(wire, as: .server, limits: Limits(maxMessageBytes: 100), chunk: 3)
    #expect(outcome.seen == Array(repeating: .bytes(.init(repeating: 1, count: 100)), count: 5))
  }

  // MARK: Broken data

  /// The payload of a compressed message, the limit, the expected code, and the text delivered before the
  /// failure.
  static let brokenMessages: [(payload: [UInt8], limit: Int, code: CloseReason, text: String)] = {
    // "é€" is five bytes, C3 A9 E2 82 AC.
    let bad: [UInt8] = [0x07]  // a block of the reserved type
    return [
      (bad, 100, .invalidFramePayloadData, ""),
      (stored(Array("abc".utf8)) + bad, 100, .invalidFramePayloadData, "abc"),
      (stored(Array("abé".utf8)) + bad, 100, .invalidFramePayloadData, "abé"),
      // An unfinished character before the broken data is never delivered, nor is it the reason.
      (stored([0x61, 0xE2, 0x82]) + bad, 100, .invalidFramePayloadData, "a"),
      (stored([0xE2, 0x82]) + bad, 100, .invalidFramePayloadData, ""),
      (stored([0xC3]) + stored([0xA9, 0xE2]) + bad, 100, .invalidFramePayloadData, "é"),
      // The limit lies inside a character: too big, not invalid text.
      (stored(Array("é€".utf8)) + [0], 4, .messageTooBig, "é"),
      (stored(Array("é€".utf8)) + [0], 3, .messageTooBig, "é"),
      (stored(Array("é€".utf8)) + [0], 1, .messageTooBig, ""),
      (stored(Array("é€".utf8)) + [0], 0, .messageTooBig, ""),
      // Invalid text first, the limit after it: what comes first in the message decides.
      (stored([0x61, 0xFF] + Array("xyz".utf8)) + [0], 3, .invalidFramePayloadData, "a"),
      (stored([0xFF] + Array("xyz".utf8)) + [0], 3, .invalidFramePayloadData, ""),
      (stored(Array("xyz".utf8) + [0xFF]) + [0], 3, .messageTooBig, "xyz"),
      // The message ends inside a character, or inside a block.
      (stored([0x61, 0xE2, 0x82]) + [0], 100, .invalidFramePayloadData, "a"),
      ([0x00, 0x05, 0x00, 0xFA, 0xFF, 0x61, 0x62], 100, .invalidFramePayloadData, "ab"),
      ([0x00, 0x05, 0x00, 0xFA, 0xFF, 0x61, 0xC3], 100, .invalidFramePayloadData, "a"),
    ]
  }()

  @Test(
    "the output of a broken message does not depend on how its bytes were split",
    .requirement("7692-7.2.2-corrupt"),
    arguments: Door.all
  )
  func broken(door: Door) throws {
    for (index, one) in Self.brokenMessages.enumerated() {
      var limits = Limits()
      limits.maxMessageBytes = one.limit
      for role in ConnectionType.allCases {
        // What follows in the same read must not be processed.
        let wire =
          wireFrame(0xC1, one.payload, to: role) + wireFrame(0x89, [9], to: role)
          + wireFrame(0xC1, [0], to: role)
        for chunk in 1...wire.count {
          let seen = try door.receive(wire, as: role, limits: limits, chunk: chunk).seen
          if door.hooks {
            // A hook that fails outputs nothing with its error. So if invalid text and an excess byte come
            // together, the split decides which is reported.
            let codes: [Seen] = [.close(.invalidFramePayloadData), .close(.messageTooBig)]
            #expect(seen.last.map(codes.contains) == true, "case \(index), chunk \(chunk)")
            #expect(!seen.contains(.ping([9])))
          } else if door.delivery == .wholeMessages {
            #expect(seen == [.close(one.code)], "case \(index), chunk \(chunk)")
          } else {
            let text: [Seen] = one.text.isEmpty ? [] : [.partialText(one.text)]
            #expect(seen == text + [.close(one.code)], "case \(index), chunk \(chunk)")
          }
        }
      }
    }
  }

  @Test("a failure is reported once, by the call that finds it", arguments: Door.direct)
  func failsAtOnce(door: Door) throws {
    for one in Self.brokenMessages where one.code == .invalidFramePayloadData {
      let connection = try door.connection(.client)
      let frame = wireFrame(0xC1, one.payload, to: .client)
      #expect(try door.receive(frame, on: connection).seen.last == .close(one.code))
      #expect(connection.nextEvent() == nil)
      #expect(connection.nextEvent() == nil)
    }
  }

  @Test(
    "garbage never does worse than close the connection",
    .requirement("6455-10.7-validate"),
    arguments: Door.all
  )
  func garbage(door: Door) throws {
    for seed in 0..<60 as Range<UInt64> {
      let payload = [UInt8].random(Int(seed) + 1, seed: seed)
      let wire = wireFrame(seed % 2 == 0 ? 0xC1 : 0xC2, payload, to: .server)
      let outcome = try door.receive(wire, as: .server, limits: Limits(maxMessageBytes: 4096), chunk: 17)
      let isMessage = outcome.seen.count == 1 && outcome.size <= 4096
      let codes: [Seen] = [.close(.invalidFramePayloadData), .close(.messageTooBig)]
      #expect(isMessage || outcome.seen.last.map(codes.contains) == true)
    }
  }
}
