// SPDX-License-Identifier: Apache-2.0

import Synchronization
import Testing

@testable import WSProto

@Suite struct RandomBlockTests {
  @Test(
    "a million keys are distinct and unbiased in each byte (RFC 6455 §5.3, §10.3)",
    .requirement("6455-5.3-unpredictable")
  )
  func distribution() {
    var random = RandomBlock(.system)
    let draws = 1_000_000
    var keys: [UInt32] = []
    keys.reserveCapacity(draws)
    for _ in 0..<draws { keys.append(random.nextKey()) }

    for shift: UInt32 in [0, 8, 16, 24] {
      var counts = [Int](repeating: 0, count: 256)
      for key in keys { counts[Int(truncatingIfNeeded: key >> shift & 0xFF)] += 1 }
      let expected = Double(draws) / 256
      let chiSquare = counts.reduce(0) { $0 + (Double($1) - expected) * (Double($1) - expected) / expected }
      // 255 degrees of freedom: mean 255, standard deviation 22.6. Eight of those either way.
      #expect(chiSquare > 74 && chiSquare < 436, "chi-square \(chiSquare) for the byte at bit \(shift)")
    }

    // Of 10^6 random keys, 116 pairs are equal on average, standard deviation 11.
    keys.sort()
    let repeated = zip(keys, keys.dropFirst()).reduce(0) { $0 + ($1.0 == $1.1 ? 1 : 0) }
    #expect(repeated < 220)
  }

  /// A source that counts up, so that every byte given out tells where it came from.
  private static func counting() -> (RandomSource, @Sendable () -> [Int]) {
    let state = CallLog()
    let source = RandomSource { buffer in
      state.sizes.withLock { sizes in
        var position = sizes.reduce(0, +)
        for index in stride(from: 0, to: buffer.count, by: 2) where index + 1 < buffer.count {
          buffer.storeBytes(of: UInt16(truncatingIfNeeded: position), toByteOffset: index, as: UInt16.self)
          position += 2
        }
        sizes.append(buffer.count)
      }
    }
    return (source, { state.sizes.withLock { $0 } })
  }

  private final class CallLog: Sendable {
    let sizes = Mutex<[Int]>([])
  }

  @Test("an injected source is drawn from, in blocks, and not before the first use")
  func injected() {
    let (source, sizes) = Self.counting()
    var random = RandomBlock(source)
    #expect(sizes() == [])
    let perBlock = RandomBlock.blockSize / 4
    for _ in 0..<perBlock { _ = random.nextKey() }
    #expect(sizes() == [RandomBlock.blockSize])
    _ = random.nextKey()
    #expect(sizes() == [RandomBlock.blockSize, RandomBlock.blockSize])
  }

  @Test("no byte is given out twice, be it to a key or to a nonce", .requirement("6455-5.3-unpredictable"))
  func noReuse() {
    let (source, _) = Self.counting()
    var random = RandomBlock(source)
    var words: [UInt16] = []
    for round in 0..<300 {
      let key = random.nextKey()
      words += [UInt16(truncatingIfNeeded: key), UInt16(truncatingIfNeeded: key >> 16)]
      var nonce = [UInt16](repeating: 0, count: round % 11)
      nonce.withUnsafeMutableBytes { random.fill($0) }
      words += nonce
    }
    #expect(Set(words).count == words.count)
  }

  @Test("two blocks on the system's source differ", .requirement("6455-5.3-unpredictable"))
  func independent() {
    var first = RandomBlock(.system)
    var second = RandomBlock(.system)
    let keys = (0..<4).map { _ in (first.nextKey(), second.nextKey()) }
    #expect(keys.contains { $0.0 != $0.1 })
  }

  @Test(
    "every byte of a buffer of any size is filled",
    arguments: [0, 1, 3, 16, 255, 256, 257, 512, 513, 2000]
  )
  func filledWhole(count: Int) {
    // A byte that stays zero in 24 draws has a chance of 256^-24.
    var seen = [UInt8](repeating: 0, count: count)
    var random = RandomBlock(.system)
    for _ in 0..<24 {
      var buffer = [UInt8](repeating: 0, count: count)
      buffer.withUnsafeMutableBytes { random.fill($0) }
      for index in 0..<count { seen[index] |= buffer[index] }
    }
    #expect(!seen.contains(0))
  }

  @Test("keys that follow an odd-sized nonce still fit the block")
  func oddSizes() {
    let (source, sizes) = Self.counting()
    var random = RandomBlock(source)
    var odd = [UInt8](repeating: 0, count: 3)
    odd.withUnsafeMutableBytes { random.fill($0) }
    for _ in 0..<RandomBlock.blockSize / 4 - 1 { _ = random.nextKey() }
    #expect(sizes().count == 1)
    _ = random.nextKey()
    #expect(sizes().count == 2)
  }
}
