// SPDX-License-Identifier: Apache-2.0
internal import CWSProtoKernels

#if canImport(Darwin)
  internal import Darwin
#elseif canImport(Android)
  internal import Android
#elseif canImport(Glibc)
  internal import Glibc
#elseif canImport(Musl)
  internal import Musl
#endif

/// Where masking keys (RFC 6455 §5.3, §10.3) and handshake nonces (§4.1) come from.
///
/// A connection draws from its source in blocks, as a system call for each frame would cost more than the frame. Of the
/// system's generator it draws the keys of a ChaCha20 (RFC 8439), which makes the blocks.
public struct RandomSource: Sendable {
  /// Nil is the system's generator, which is called without going through a closure.
  fileprivate let generator: (@Sendable (UnsafeMutableRawBufferPointer) -> Void)?

  /// The operating system's cryptographically secure generator, at first hand or through a cipher that it keys. What
  /// every real connection uses.
  public static var system: RandomSource { RandomSource(generator: nil) }

  /// A generator of the caller's, for tests and simulations only: keys that a peer's script can predict let it
  /// choose the bytes on the wire (RFC 6455 §10.3).
  ///
  /// - Parameter fill: Fills the whole buffer it gets. It's called from whatever thread uses the connection.
  public init(fill: @escaping @Sendable (UnsafeMutableRawBufferPointer) -> Void) {
    self.init(generator: fill)
  }

  private init(generator: (@Sendable (UnsafeMutableRawBufferPointer) -> Void)?) {
    self.generator = generator
  }

  fileprivate var isSystem: Bool { generator == nil }

  /// Fills `buffer` with fresh bytes.
  fileprivate func fill(_ buffer: UnsafeMutableRawBufferPointer) {
    if let generator {
      generator(buffer)
    } else {
      Self.fillFromSystem(buffer)
    }
  }

  private static func fillFromSystem(_ buffer: UnsafeMutableRawBufferPointer) {
    #if canImport(Darwin) || canImport(Android)
      if let base = buffer.baseAddress { arc4random_buf(base, buffer.count) }
    #elseif canImport(Glibc) || canImport(Musl)
      // One call gives at most 256 bytes, and those whole: no partial results, no interruption.
      var rest = buffer[...]
      while !rest.isEmpty {
        let part = UnsafeMutableRawBufferPointer(rebasing: rest.prefix(256))
        guard let base = part.baseAddress, getentropy(base, part.count) == 0 else {
          return fillFromStandardLibrary(UnsafeMutableRawBufferPointer(rebasing: rest))
        }
        rest = rest.dropFirst(part.count)
      }
    #else
      fillFromStandardLibrary(buffer)
    #endif
  }

  /// Where there's no better call, or it fails (a kernel without the system call, a filter that forbids it).
  private static func fillFromStandardLibrary(_ buffer: UnsafeMutableRawBufferPointer) {
    var generator = SystemRandomNumberGenerator()
    var offset = 0
    while offset < buffer.count {
      withUnsafeBytes(of: generator.next() as UInt64) { word in
        let part = word.prefix(buffer.count - offset)
        buffer[offset...].copyBytes(from: part)
        offset += part.count
      }
    }
  }
}

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

  /// Fills `buffer` with fresh bytes from `source`, for who needs them once.
  static func fill(_ buffer: UnsafeMutableRawBufferPointer, from source: RandomSource) {
    source.fill(buffer)
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
