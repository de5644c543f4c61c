// SPDX-License-Identifier: Apache-2.0

import Testing
import WSProto

@Suite struct DeflateRoundTripTests {
  @Test(
    "every window size, with and without takeover, round-trips however the data is split",
    arguments: 9...15,
    [true, false]
  )
  func roundTrip(windowBits: Int, takeover: Bool) throws {
    var generator = SeededGenerator(state: UInt64(windowBits))
    let deflater = try Deflater(windowBits: windowBits, memoryLevel: 1 + windowBits % 9)
    let inflater = try Inflater(windowBits: windowBits)
    for size in [0, 1, 5, 125, 126, 1_000, 0, 0, 20_000, 70_000, 3, 150_000] {
      let text =
        Bool.random(using: &generator)
        ? [UInt8].json(size, seed: generator.next()) : [UInt8].random(size, seed: generator.next())
      var parts = text.cut { Int.random(in: 1...$0, using: &generator) }
      parts.insert([], at: 0)
      if Bool.random(using: &generator) { parts.append([]) }
      let payload = try deflater.message(parts)
      let chunks = payload.cut { Int.random(in: 1...min($0, 5_000), using: &generator) }
      #expect(try inflater.message(chunks, limit: size) == text, "\(size)")
      if !takeover {
        deflater.reset()
        inflater.reset()
      }
    }
  }

  private enum Outcome: Equatable {
    case text([UInt8])
    case error(InflateError)
    case tooBig
  }

  private static func outcome(_ chunks: [[UInt8]], limit: Int, after history: [UInt8]) throws -> Outcome {
    let stream = try Inflater()
    _ = try stream.message(history)
    do {
      return .text(try stream.message(chunks, limit: limit))
    } catch let error as InflateError {
      return .error(error)
    } catch is TooBig {
      return .tooBig
    }
  }

  @Test("random and damaged payloads give the same result however they are split", arguments: 0..<8)
  func fuzz(seed: Int) throws {
    var generator = SeededGenerator(state: UInt64(seed))
    let history = try DeflateStream().message([.json(3_000, seed: 77)])
    var seen: [String: Int] = [:]
    for _ in 0..<400 {
      var payload: [UInt8]
      switch Int.random(in: 0...3, using: &generator) {
      case 0:
        payload = .random(Int.random(in: 1...40, using: &generator), seed: generator.next())
      case 1:
        // Short random starts that are likely to be a block with fixed codes.
        payload = .random(Int.random(in: 1...400, using: &generator), seed: generator.next())
        payload[0] = payload[0] & 0xF8 | UInt8.random(in: 2...5, using: &generator)
      default:
        let deflater = try DeflateStream(level: Int.random(in: 0...6, using: &generator))
        let size = Int.random(in: 0...5_000, using: &generator)
        payload = try deflater.message([.json(size, seed: generator.next())])
        for _ in 0..<Int.random(in: 0...2, using: &generator) {
          let index = Int.random(in: 0..<payload.count, using: &generator)
          payload[index] ^= 1 << UInt8.random(in: 0...7, using: &generator)
        }
        if Int.random(in: 0...4, using: &generator) == 0 { payload.removeLast(min(payload.count, 2)) }
      }
      let limit = [0, 10, 1_000, 1 << 20][Int.random(in: 0...3, using: &generator)]
      let whole = try Self.outcome([payload], limit: limit, after: history)
      switch whole {
      case .text(let text):
        #expect(text.count <= limit)
        seen["text", default: 0] += 1
      case .error(let error): seen["\(error)", default: 0] += 1
      case .tooBig: seen["tooBig", default: 0] += 1
      }
      let single = try Self.outcome(payload.cut { _ in 1 }, limit: limit, after: history)
      #expect(single == whole, "\(payload)")
      let cut = try Self.outcome(
        payload.cut { Int.random(in: 1...$0, using: &generator) },
        limit: limit,
        after: history
      )
      #expect(cut == whole, "\(payload)")
    }
    // The inputs must reach all three outcomes, or the test proves little.
    #expect(Set(seen.keys) == ["text", "invalid", "tooBig"] && seen.values.allSatisfy { $0 > 10 }, "\(seen)")
  }

  @Test(
    "with a small window, a peer that refers too far back gets its own data or an error",
    arguments: [8, 9, 11]
  )
  func tooFarBack(windowBits: Int) throws {
    let text = [UInt8].json(30_000, seed: 4)
    let payload = try DeflateStream(windowBits: 15).message([text])
    for chunk in [1, 3, 64, 1_000, .max] {
      let stream = try Inflater(windowBits: windowBits)
      do {
        #expect(try stream.message(payload, chunk: chunk) == text)
      } catch InflateError.invalid {
        #expect(throws: InflateError.invalid) { try stream.message(payload) }
      }
    }
  }
}
