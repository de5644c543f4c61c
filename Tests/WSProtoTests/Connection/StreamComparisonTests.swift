// SPDX-License-Identifier: Apache-2.0

import Testing
import WSProtoTestSupport

@testable import WSProto

/// Seeded streams, intact and damaged, in every split and with every way to receive, compared with the slow
/// decoder.
@Suite struct StreamComparisonTests {
  private static func smallLimits(_ random: inout TestRandom) -> Limits {
    var limits = Limits()
    switch random.below(4) {
    case 0: limits.maxFramePayload = random.below(130)
    case 1: limits.maxMessageBytes = random.below(200)
    case 2: limits.maxMessageWireBytes = random.below(200)
    default: limits.maxMessageFragments = 1 + random.below(3)
    }
    return limits
  }

  @Test(
    "streams without extensions give the same as the slow reference decoder",
    .requirement("6455-10.7-validate"),
    arguments: ConnectionType.allCases,
    0..<5
  )
  func plain(role: ConnectionType, part: Int) {
    var random = TestRandom(seed: UInt64(part) &* 977 &+ UInt64(role.rawValue))
    for number in 0..<30 {
      let limits = random.below(3) == 0 ? Self.smallLimits(&random) : Limits()
      var generator = StreamGenerator(random, receiver: role)
      let stream = generator.stream()
      random = generator.random
      var twin = SlowDecoder(role, limits: limits)
      let expected = twin.run(stream)
      let found = Splits.disagreements(stream, expected: expected, random: &random) { delivery in
        Connection(role, configuration: Configuration(delivery: delivery, limits: limits))
      }
      #expect(found.isEmpty, "stream \(number): \(found.first ?? "") \(stream)")
      if !found.isEmpty { return }
    }
  }

  @Test(
    "compressed streams give the same as the slow reference decoder",
    .requirement("6455-10.7-validate"),
    arguments: ConnectionType.allCases,
    0..<4
  )
  func deflated(role: ConnectionType, part: Int) throws {
    var random = TestRandom(seed: UInt64(part) &* 7919 &+ UInt64(role.rawValue))
    for number in 0..<25 {
      let limits = random.below(3) == 0 ? Self.smallLimits(&random) : Limits()
      var generator = StreamGenerator(random, receiver: role, deflater: try DeflateStream())
      let stream = generator.stream()
      random = generator.random
      var twin = SlowDecoder(role, limits: limits, inflater: try InflateStream())
      let expected = twin.run(stream)
      let found = Splits.disagreements(stream, expected: expected, random: &random) { delivery in
        Connection(
          role,
          extensions: [PerMessageDeflate.negotiated],
          configuration: Configuration(delivery: delivery, limits: limits)
        )
      }
      #expect(found.isEmpty, "stream \(number): \(found.first ?? "") \(stream)")
      if !found.isEmpty { return }
    }
  }

  @Test(
    "random bytes end with a documented event or wait for more, whatever they are",
    .requirement("6455-10.7-validate")
  )
  func noise() {
    var random = TestRandom(seed: 6455)
    for _ in 0..<120 {
      let role: ConnectionType = random.below(2) == 0 ? .client : .server
      let count = 1 + random.below(80)
      var stream: [UInt8] = []
      for _ in 0..<count { stream.append(random.byte()) }
      // Every other stream begins like a legal frame.
      if random.below(2) == 0 { stream = WireFrame(to: role, 1, stream, fin: false).header + stream }
      var twin = SlowDecoder(role)
      let expected = twin.run(stream)
      let found = Splits.disagreements(stream, expected: expected, random: &random) { delivery in
        Connection(role, configuration: Configuration(delivery: delivery))
      }
      #expect(found.isEmpty, "\(found.first ?? "") \(stream)")
    }
  }

  @Test("the generator makes legal streams, damaged ones, and every kind of end")
  func generatorCovers() {
    var codes: [UInt16?: Int] = [:]
    var entries = 0
    var generator = StreamGenerator(TestRandom(seed: 1), receiver: .server)
    for _ in 0..<600 {
      var twin = SlowDecoder(.server)
      let outcome = twin.run(generator.stream())
      codes[outcome.code, default: 0] += 1
      entries += outcome.entries.count
    }
    #expect(entries > 1000)
    for code: UInt16? in [nil, 1000, 1002, 1005, 1007, 3000] {
      #expect(codes[code, default: 0] > 0, "no stream ends with \(code.map(String.init) ?? "nothing")")
    }
  }
}
