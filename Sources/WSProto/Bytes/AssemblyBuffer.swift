// SPDX-License-Identifier: Apache-2.0

/// Bytes that are put together: the parts of a message that came in several chunks or frames, what was inflated, what
/// was compressed.
///
/// Grows with what has arrived, never with what a header declares.
package struct AssemblyBuffer: ~Copyable {
  // 0 <= count <= storage.byteCapacity; [0, count) is initialised.
  private var storage: ByteStorage?
  package private(set) var count = 0

  package init() {}

  /// The first byte; `nil` when nothing was ever appended.
  var base: UnsafeMutableRawPointer? { storage?.base }

  /// Of the storage, in bytes.
  var capacity: Int { storage?.byteCapacity ?? 0 }

  /// What is in it, until it next changes.
  var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: storage?.base, count: count) }

  /// What can be appended without new storage, in bytes.
  mutating func spareCapacity() -> Int {
    // A storage that was handed over is not written to as long as somebody holds it.
    guard let capacity = storage?.byteCapacity else { return 0 }
    return count > 0 || isKnownUniquelyReferenced(&storage) ? capacity - count : 0
  }

  /// Appends one byte.
  mutating func append(_ byte: UInt8) {
    (reserve(1) + count).storeBytes(of: byte, as: UInt8.self)
    count += 1
  }

  /// Appends `source` XORed with `key` (RFC 6455 §5.3): the copy and the unmasking in one pass.
  mutating func append(_ source: UnsafeRawPointer, count added: Int, key: UInt32 = 0) {
    guard added > 0 else { return }
    let target = reserve(added) + count
    if key == 0 {
      target.copyMemory(from: source, byteCount: added)
    } else {
      Masking.copy(from: source, to: target, count: added, key: key)
    }
    count += added
  }

  /// Appends bytes.
  mutating func append(_ bytes: UnsafeRawBufferPointer) {
    if let base = bytes.baseAddress { append(base, count: bytes.count) }
  }

  /// Makes room for `room` more bytes and appends those that `body` has written to it; `body` returns their count.
  package mutating func append<Failure: Error>(
    upTo room: Int,
    _ body: (UnsafeMutableRawBufferPointer) throws(Failure) -> Int
  ) throws(Failure) {
    guard room > 0 else { return }
    let target = reserve(room) + count
    let written = try body(UnsafeMutableRawBufferPointer(start: target, count: room))
    precondition(0...room ~= written, "more bytes were written than there was room for")
    count += written
  }

  /// Drops the last `excess` bytes, or all there are.
  package mutating func removeLast(_ excess: Int) { count -= min(max(0, excess), count) }

  /// The first byte of a storage with room for `added` bytes behind those that are in it.
  private mutating func reserve(_ added: Int) -> UnsafeMutableRawPointer {
    // A storage that was handed over is used again once nobody holds it any more.
    if count == 0, storage != nil, !isKnownUniquelyReferenced(&storage) { storage = nil }
    // `count` is bounded by the message limit and `added` by the chunk, so the sums cannot overflow.
    if let storage, storage.byteCapacity - count >= added { return storage.base }
    let made = ByteStorage.make(count + added, wanted: max(count + added, count + count / 2))
    if let storage, count > 0 { made.base.copyMemory(from: storage.base, byteCount: count) }
    ByteStorage.giveBack(&storage)
    storage = made
    return made.base
  }

  /// Forgets the bytes; keeps the storage for the next message.
  package mutating func clear() { count = 0 }

  /// Hands the first `wanted` bytes over, or all there are, and is empty then. They share the storage, or are copied
  /// where they fill little of it.
  package mutating func take(_ wanted: Int = .max) -> Bytes {
    let taken = min(count, wanted)
    defer { count = 0 }
    guard let shared = storage, taken > 0 else { return Bytes() }
    if taken < shared.byteCapacity / 4 {
      return Bytes(copying: UnsafeRawBufferPointer(start: shared.base, count: taken))
    }
    storage = nil
    return Bytes(sharing: shared, offset: 0, count: taken)
  }

  /// Empties it, and gives a storage back that is larger than `retained` bytes.
  mutating func settle(keeping retained: Int) {
    count = 0
    if capacity > retained { ByteStorage.giveBack(&storage) }
  }
}
