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
/// A connection draws from its source in blocks, because a system call for each frame would cost more than
/// the frame. From the system's generator it draws ChaCha20 keys (RFC 8439) and generates the blocks with
/// them.
public struct RandomSource: Sendable {
  /// `nil` for the system's generator, which is called without a closure.
  private let generator: (@Sendable (UnsafeMutableRawBufferPointer) -> Void)?

  /// The operating system's cryptographically secure generator, used directly or to key a cipher. Every real
  /// connection should use it.
  public static var system: RandomSource { RandomSource(generator: nil) }

  /// A custom generator, for tests and simulations only. If a script can predict the masking keys, it can
  /// choose the bytes on the wire (RFC 6455 §10.3).
  ///
  /// - Parameter fill: Fills the whole buffer it is given. It's called on whatever thread uses the
  ///   connection.
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
    // A call of up to 256 bytes is never partial and never interrupted.
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

  /// The fallback where no better call exists, or the call fails (an old kernel, a seccomp filter).
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
