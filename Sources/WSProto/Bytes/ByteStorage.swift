// SPDX-License-Identifier: Apache-2.0

/// Tail-allocated bytes with a fixed capacity: one allocation, shared by a ``ReceiveBuffer`` and by the ``Bytes`` that
/// were cut from it.
///
/// Bounds and sharing: `base` points to `capacity` bytes for as long as the object lives. The receive buffer writes
/// only at or after the position it has handed out up to, ``Bytes`` reads only what was handed out, so no byte is
/// written once a ``Bytes`` can see it. That is what makes sharing across threads sound.
@usableFromInline
final class ByteStorage: ManagedBuffer<Int, UInt8> {
  /// Storage for at least `minimumCapacity` bytes, not initialised.
  static func make(minimumCapacity: Int) -> ByteStorage {
    let made = create(minimumCapacity: minimumCapacity) { _ in minimumCapacity }
    return unsafeDowncast(made, to: ByteStorage.self)
  }

  /// The first byte. Valid while the object lives.
  @inline(__always)
  @usableFromInline
  var base: UnsafeMutableRawPointer {
    UnsafeMutableRawPointer(withUnsafeMutablePointerToElements { $0 })
  }

  /// In bytes. Read by pointer: `header` itself is checked for exclusive access at run time.
  @inline(__always)
  var byteCapacity: Int { withUnsafeMutablePointerToHeader { $0.pointee } }
}
