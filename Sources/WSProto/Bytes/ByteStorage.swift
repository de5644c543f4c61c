// SPDX-License-Identifier: Apache-2.0

/// Tail-allocated bytes with a fixed capacity: one allocation, shared by a buffer and by the ``Bytes`` that were cut
/// from it.
///
/// Bounds and sharing: `base` points to `byteCapacity` bytes for as long as the object lives. A buffer writes only
/// behind what it has handed out, ``Bytes`` reads only what was handed out, so no byte is written once a ``Bytes`` can
/// see it. That is what makes sharing across threads sound.
@usableFromInline
final class ByteStorage: ManagedBuffer<Int, UInt8> {
  /// Storage for at least `needed` bytes, not initialised, and for `wanted` if that costs nothing: one that a connection
  /// has given back, in one of a few sizes, or a new one.
  static func make(_ needed: Int, wanted: Int) -> ByteStorage {
    needed <= SpareStorage.largest ? SpareStorage.take(min(wanted, SpareStorage.largest)) : allocate(wanted)
  }

  /// New storage.
  static func allocate(_ capacity: Int) -> ByteStorage {
    unsafeDowncast(create(minimumCapacity: capacity) { _ in capacity }, to: ByteStorage.self)
  }

  /// Gives a buffer's storage back: for others to use if nobody holds a part of it, else it goes with its last part.
  static func giveBack(_ storage: inout ByteStorage?) {
    if isKnownUniquelyReferenced(&storage), let unique = storage.take() { SpareStorage.keep(unique) }
    storage = nil
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
