// SPDX-License-Identifier: Apache-2.0

import CWSProtoKernels
#if canImport(Glibc)
import Glibc
#endif
import Synchronization
import Testing

@testable import WSProto

@Suite struct RandomBlockTests {
  @Test(
    "a million keys are distinct and unbiased in each byte (RFC 6455 §5.3, §10.3)",
    .threat(15),
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

  /// A source that counts up, so that every byte shows where it came from.
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

  @Test("an injected source is read in blocks, and not before the first use")
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

  @Test(
    "no byte is given out twice, neither for keys nor for nonces",
    .threat(15),
    .requirement("6455-5.3-unpredictable")
  )
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

  @Test("two blocks from the system's source differ", .requirement("6455-5.3-unpredictable"))
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
    // The chance that a byte stays zero in 24 draws is 256^-24.
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

  @Test(
    "every block is different, also when a new seed is drawn",
    .requirement("6455-5.3-unpredictable")
  )
  func seeds() {
    var random = RandomBlock(.system)
    var blocks: Set<[UInt32]> = []
    for _ in 0..<2 * RandomBlock.blocksASeed + 1 {
      blocks.insert((0..<RandomBlock.blockSize / 4).map { _ in random.nextKey() })
    }
    #expect(blocks.count == 2 * RandomBlock.blocksASeed + 1)
  }

  #if canImport(Glibc)
  @Test(
    "after a fork, parent and child draw different keys",
    .threat(15),
    .requirement("6455-5.3-unpredictable")
  )
  func forked() throws {
    // Not importable, because a child of a program with threads may call little: here nothing but the system.
    typealias Fork = @convention(c) () -> pid_t
    let fork = try unsafeBitCast(#require(dlsym(nil, "fork")), to: Fork.self)
    var ends: [Int32] = [0, 0]
    try #require(pipe(&ends) == 0)
    // Not for the processes that other tests start.
    for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
    var random = RandomBlock(.system)
    var keys: (UInt32, UInt32) = (random.nextKey(), random.nextKey())

    let child = fork()
    if child == 0 {
      // A child that hangs dies; the read below then ends, because no other process can write.
      alarm(60)
      keys = (random.nextKey(), random.nextKey())
      write(ends[1], &keys, 8)
      _exit(0)
    }
    close(ends[1])
    keys = (random.nextKey(), random.nextKey())
    var childKeys: (UInt32, UInt32) = (0, 0)
    #expect(child > 0)
    #expect(read(ends[0], &childKeys, 8) == 8)
    waitpid(child, nil, 0)
    close(ends[0])
    #expect(childKeys != keys)
  }
  #endif

  @Test("an idle client holds no random bytes of its own: the connections of a thread share them")
  func shared() {
    var first = RandomBlock(.system)
    var second = RandomBlock(.system)
    _ = first.nextKey()
    let block = cwsproto_random_block_of_thread()
    // A refill between the two draws would hide their sum.
    while block.pointee.remaining < 8 { _ = first.nextKey() }
    let before = block.pointee.remaining
    _ = first.nextKey()
    _ = second.nextKey()
    #expect(block.pointee.remaining == before - 8)
  }

  /// The keystream for `key`, block after block; `nil` if the processor doesn't support the version.
  private static func keystream(_ key: [UInt8], level: Int32) -> [[UInt8]]? {
    var output = [UInt8](repeating: 0, count: 512)
    guard cwsproto_chacha20_at_level(level, key, &output) == 0 else { return nil }
    return blocks(output)
  }

  /// The words of the eight blocks are interleaved.
  private static func blocks(_ output: [UInt8]) -> [[UInt8]] {
    var blocks = [[UInt8]](repeating: [], count: 8)
    for start in stride(from: 0, to: output.count, by: 4) {
      blocks[start / 4 % 8] += output[start..<start + 4]
    }
    return blocks
  }

  @Test("each C version gives the keystream of RFC 8439, appendix A.1", arguments: [0, 1])
  func chaCha20(level: Int32) {
    let zeros = [UInt8](repeating: 0, count: 32)
    guard let first = Self.keystream(zeros, level: level) else {
      #expect(level > 0)
      return
    }
    // Test vectors 1 and 2: counters 0 and 1.
    #expect(first[0].starts(with: [0x76, 0xB8, 0xE0, 0xAD, 0xA0, 0xF1, 0x3D, 0x90, 0x40, 0x5D, 0x6A, 0xE5]))
    #expect(first[0].suffix(8) == [0xC3, 0x87, 0xB6, 0x69, 0xB2, 0xEE, 0x65, 0x86])
    #expect(first[1].starts(with: [0x9F, 0x07, 0xE7, 0xBE, 0x55, 0x51, 0x38, 0x7A, 0x98, 0xBA, 0x97, 0x7C]))
    // Vector 3: the key's last byte is 1, counter 1.
    let third = Self.keystream(zeros.dropLast() + [1], level: level)
    #expect(
      third?[1].starts(with: [0x3A, 0xEB, 0x52, 0x24, 0xEC, 0xF8, 0x49, 0x92, 0x9B, 0x9D, 0x82, 0x8D]) == true
    )
    // Vector 4: the key's second byte is FF, counter 2.
    let fourth = Self.keystream([0, 0xFF] + [UInt8](repeating: 0, count: 30), level: level)
    #expect(
      fourth?[2].starts(with: [0x72, 0xD5, 0x4D, 0xFB, 0xF1, 0x2E, 0xC4, 0x4B, 0x36, 0x26, 0x92, 0xDF])
        == true
    )
    #expect(Set(first).count == 8)
  }

  @Test("the C versions give the same keystream, also when they overwrite the key")
  func chaCha20Versions() {
    for round in 0..<50 {
      let key = (0..<32).map { UInt8(truncatingIfNeeded: $0 &* 37 &+ round &* 11) }
      let plain = Self.keystream(key, level: 0)
      if let wide = Self.keystream(key, level: 1) { #expect(wide == plain) }
      var shared = [UInt8](repeating: 0, count: 480) + key
      shared.withUnsafeMutableBufferPointer { buffer in
        guard let base = buffer.baseAddress else { return }
        cwsproto_chacha20(base + 480, base)
      }
      #expect(Self.blocks(shared) == plain)
    }
  }
}
