// SPDX-License-Identifier: Apache-2.0

/// Tail-allocated bytes with a fixed capacity: one allocation, shared by a buffer and the ``Bytes`` cut from
/// it.
///
/// Bounds and sharing: `base` points to `byteCapacity` bytes for as long as the object lives. A buffer writes
/// only past the bytes it has handed out, and ``Bytes`` reads only those, so a byte is never written once a
/// ``Bytes`` can see it. That is what makes sharing across threads sound.
@usableFromInline
final class ByteStorage: ManagedBuffer<Int, UInt8> {
  /// Uninitialised storage for at least `needed` bytes, and for `wanted` if that costs nothing. Reuses a
  /// spare block if one fits; allocates otherwise.
  static func make(_ needed: Int, wanted: Int) -> ByteStorage {
    needed <= SpareStorage.largest ? SpareStorage.take(min(wanted, SpareStorage.largest)) : allocate(wanted)
  }

  /// Allocates new storage.
  static func allocate(_ capacity: Int) -> ByteStorage {
    unsafeDowncast(create(minimumCapacity: capacity) { _ in capacity }, to: ByteStorage.self)
  }

  /// Returns a buffer's storage to the spare blocks if nobody else holds a part of it; otherwise the last
  /// holder frees it.
  static func giveBack(_ storage: inout ByteStorage?) {
    if !giveBackIfUnique(&storage) { storage = nil }
  }

  /// Returns a buffer's storage to the spare blocks, and whether it did: not if somebody else holds a part of it.
  static func giveBackIfUnique(_ storage: inout ByteStorage?) -> Bool {
    guard isKnownUniquelyReferenced(&storage), let unique = storage.take() else { return false }
    SpareStorage.keep(Unmanaged.passRetained(unique))
    return true
  }

  /// The first byte. Valid while the object lives.
  @inline(__always)
  @usableFromInline
  var base: UnsafeMutableRawPointer {
    UnsafeMutableRawPointer(withUnsafeMutablePointerToElements { $0 })
  }

  /// The capacity in bytes. Read through the pointer, because `header` is checked for exclusive access at run
  /// time.
  @inline(__always)
  var byteCapacity: Int { withUnsafeMutablePointerToHeader { $0.pointee } }
}
