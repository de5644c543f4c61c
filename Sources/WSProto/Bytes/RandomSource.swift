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
/// A connection draws from its source in blocks, as a system call for each frame would cost more than the frame. Of the
/// system's generator it draws the keys of a ChaCha20 (RFC 8439), which makes the blocks.
public struct RandomSource: Sendable {
  /// Nil is the system's generator, which is called without going through a closure.
  private let generator: (@Sendable (UnsafeMutableRawBufferPointer) -> Void)?

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

  /// Whether this is ``system``.
  var isSystem: Bool { generator == nil }

  /// Fills `buffer` with fresh bytes.
  func fill(_ buffer: UnsafeMutableRawBufferPointer) {
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
