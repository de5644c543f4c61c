// SPDX-License-Identifier: Apache-2.0
internal import CWSProtoKernels

/// A connection's supply of random bytes, drawn from a `RandomSource` one block at a time.
///
/// Calling the system's generator for each key would cost a system call and 8 ns per key, more than a small
/// frame costs. So the system's generator only supplies a ChaCha20 key (RFC 8439, the cipher it uses itself),
/// and each block is keystream of that cipher. Part of the keystream is the key of the next block, so earlier
/// output can't be reconstructed from the current state. A new key is drawn from the system every
/// ``blocksASeed`` blocks.
///
/// The block is allocated on first use. No byte is given out twice, and because the type can't be copied, no
/// copy can repeat the original's output. (After a fork without exec, only one of the two processes may go on
/// using its connections.)
package struct RandomBlock: ~Copyable, @unchecked Sendable {
  /// The number of bytes of a block that are given out: a multiple of 4.
  static let blockSize = keystreamSize - keySize
  /// The number of blocks made from one draw of the system's generator.
  static let blocksASeed = 32

  private static let keystreamSize = 512
  private static let keySize = 32

  private let source: RandomSource
  /// The bytes to give out, followed by the key of the next block.
  private var block: UnsafeMutableRawPointer?
  /// How many bytes, from the start of the block, have not been given out yet.
  private var remaining = 0
  /// How many blocks may still be made before the next draw.
  private var blocksLeft = 0

  package init(_ source: RandomSource) {
    self.source = source
  }

  deinit {
    block?.deallocate()
  }

  /// A fresh masking key.
  @inline(__always)
  package mutating func nextKey() -> UInt32 {
    // Bounds: remaining <= blockSize. It needn't be a multiple of 4, because nonces are taken from the block
    // too.
    guard let block, remaining >= 4 else { return nextKeyAfterRefill() }
    remaining &-= 4
    return block.loadUnaligned(fromByteOffset: remaining, as: UInt32.self)
  }

  @inline(never)
  private mutating func nextKeyAfterRefill() -> UInt32 {
    let block = refill()
    remaining &-= 4
    return block.loadUnaligned(fromByteOffset: remaining, as: UInt32.self)
  }

  /// Fills `buffer` with fresh bytes.
  package mutating func fill(_ buffer: UnsafeMutableRawBufferPointer) {
    guard buffer.count <= Self.blockSize else { return source.fill(buffer) }
    guard buffer.count > 0 else { return }
    var filled = block
    if filled == nil || remaining < buffer.count { filled = refill() }
    guard let filled else { return }
    remaining &-= buffer.count
    buffer.copyMemory(from: UnsafeRawBufferPointer(start: filled + remaining, count: buffer.count))
  }

  /// Gives the block back. What is left of it is given to nobody; the next byte is of a new seed.
  mutating func release() {
    block?.deallocate()
    block = nil
    remaining = 0
    blocksLeft = 0
  }

  private mutating func refill() -> UnsafeMutableRawPointer {
    let block = self.block ?? .allocate(byteCount: Self.keystreamSize, alignment: 32)
    self.block = block
    remaining = Self.blockSize
    guard source.isSystem else {
      source.fill(UnsafeMutableRawBufferPointer(start: block, count: Self.blockSize))
      return block
    }
    let key = block + Self.blockSize
    if blocksLeft == 0 {
      source.fill(UnsafeMutableRawBufferPointer(start: key, count: Self.keySize))
      blocksLeft = Self.blocksASeed
    }
    blocksLeft &-= 1
    // Reads keySize bytes at the key and writes keystreamSize bytes at the block, including the next key.
    cwsproto_chacha20(
      UnsafePointer(key.assumingMemoryBound(to: UInt8.self)),
      block.assumingMemoryBound(to: UInt8.self)
    )
    return block
  }
}
