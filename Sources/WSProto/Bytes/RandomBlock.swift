// SPDX-License-Identifier: Apache-2.0
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
/// A connection draws from its source in blocks, as a system call for each frame would cost more than the frame.
public struct RandomSource: Sendable {
  /// Nil is the system's generator, which is called without going through a closure.
  fileprivate let generator: (@Sendable (UnsafeMutableRawBufferPointer) -> Void)?

  /// The operating system's cryptographically secure generator. What every real connection uses.
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
/// The block is allocated on first use. No byte is given out twice, and as the type can't be copied, no copy can
/// repeat what the original gave. (A process that forks without exec must not go on with its connections in both.)
package struct RandomBlock: ~Copyable, @unchecked Sendable {
  /// The size of a block in bytes: a multiple of 4.
  static let blockSize = 512

  private let source: RandomSource
  private var block: UnsafeMutableRawPointer?
  /// How many bytes, at the start of the block, haven't been given out.
  private var remaining = 0

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
    let block = self.block ?? .allocate(byteCount: Self.blockSize, alignment: 16)
    self.block = block
    source.fill(UnsafeMutableRawBufferPointer(start: block, count: Self.blockSize))
    remaining = Self.blockSize
    return block
  }
}
