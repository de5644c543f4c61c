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
/// The connections of a thread share its block, so that an idle connection holds none. With a custom source,
/// each connection has its own, because the source may be meant for that connection alone. No byte is given
/// out twice, also not by the child of a fork.
package struct RandomBlock: ~Copyable, @unchecked Sendable {
  /// The number of bytes of a block that are given out: a multiple of 4.
  static let blockSize = keystreamSize - keySize
  /// The number of blocks made from one draw of the system's generator.
  static let blocksASeed = 32

  private typealias Block = UnsafeMutablePointer<cwsproto_random_block>

  private static let keystreamSize = MemoryLayout.size(ofValue: cwsproto_random_block().bytes)
  private static let keySize = 32

  private let source: RandomSource
  /// The block of a custom source; `nil` for the system's, where the thread's is used.
  private let own: Block?

  package init(_ source: RandomSource) {
    self.source = source
    if source.isSystem {
      own = nil
    } else {
      own = .allocate(capacity: 1)
      own?.initialize(to: cwsproto_random_block())
    }
  }

  deinit {
    own?.deallocate()
  }

  /// Whether the bytes come from the system's generator, so that drawing them runs no code of others.
  var isSystem: Bool { own == nil }

  /// A fresh masking key.
  @inline(__always)
  package mutating func nextKey() -> UInt32 {
    let block = block
    // It needn't be a multiple of 4, because nonces are taken from the block too.
    if block.pointee.remaining < 4 { refill(block) }
    return take(4, from: block).loadUnaligned(as: UInt32.self)
  }

  /// Fills `buffer` with fresh bytes.
  package mutating func fill(_ buffer: UnsafeMutableRawBufferPointer) {
    guard buffer.count <= Self.blockSize else { return source.fill(buffer) }
    guard let base = buffer.baseAddress else { return }
    let block = block
    if Int(block.pointee.remaining) < buffer.count { refill(block) }
    base.copyMemory(from: take(buffer.count, from: block), byteCount: buffer.count)
  }

  /// Valid until the caller returns: the thread may then be another one.
  @inline(__always)
  private var block: Block { own ?? cwsproto_random_block_of_thread() }

  /// The last `count` of the remaining bytes. `count` must not exceed them.
  @inline(__always)
  private func take(_ count: Int, from block: Block) -> UnsafeRawPointer {
    // Bounds: count <= remaining <= blockSize.
    block.pointee.remaining &-= UInt32(truncatingIfNeeded: count)
    return UnsafeRawPointer(block) + Int(block.pointee.remaining)
  }

  @inline(never)
  private func refill(_ block: Block) {
    let bytes = UnsafeMutableRawPointer(block)
    block.pointee.remaining = UInt32(Self.blockSize)
    guard source.isSystem else {
      source.fill(UnsafeMutableRawBufferPointer(start: bytes, count: Self.blockSize))
      return
    }
    let key = bytes + Self.blockSize
    if block.pointee.blocks_left == 0 {
      source.fill(UnsafeMutableRawBufferPointer(start: key, count: Self.keySize))
      block.pointee.blocks_left = UInt32(Self.blocksASeed)
    }
    block.pointee.blocks_left &-= 1
    // Reads keySize bytes at the key and writes keystreamSize bytes at the block, including the next key.
    cwsproto_chacha20(
      UnsafePointer(key.assumingMemoryBound(to: UInt8.self)),
      bytes.assumingMemoryBound(to: UInt8.self)
    )
  }
}
