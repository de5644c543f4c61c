// SPDX-License-Identifier: Apache-2.0
internal import CWSProtoKernels

/// A connection's supply of random bytes, drawn from a `RandomSource` a block at a time.
///
/// The system's generator costs a system call and 8 ns a key on top, more than a small frame does. So it gives the key of
/// a ChaCha20 (RFC 8439) instead, the cipher that it uses itself, and the block is that one's keystream, a part of which is
/// the key of the next block: what was given out can't be worked out from what is held later. A new key is drawn every
/// ``blocksASeed`` blocks.
///
/// The block is allocated on first use. No byte is given out twice, and as the type can't be copied, no copy can
/// repeat what the original gave. (A process that forks without exec must not go on with its connections in both.)
package struct RandomBlock: ~Copyable, @unchecked Sendable {
  /// The bytes of a block that are given out: a multiple of 4.
  static let blockSize = keystreamSize - keySize
  /// How many blocks come from one draw of the system's generator.
  static let blocksASeed = 32

  private static let keystreamSize = 512
  private static let keySize = 32

  private let source: RandomSource
  /// The bytes to be given out, then the key of the next block.
  private var block: UnsafeMutableRawPointer?
  /// How many bytes, at the start of the block, haven't been given out.
  private var remaining = 0
  /// How many blocks may still be made before the next seed.
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
    // Bounds: remaining <= blockSize. It needn't be a multiple of 4, as nonces take from it too.
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
    // Reads keySize bytes at the key and writes keystreamSize at the block, the next key among them.
    cwsproto_chacha20(
      UnsafePointer(key.assumingMemoryBound(to: UInt8.self)),
      block.assumingMemoryBound(to: UInt8.self)
    )
    return block
  }
}
