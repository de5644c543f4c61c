// SPDX-License-Identifier: Apache-2.0

/// A growing buffer for bytes that have to be gathered: the parts of a message that arrived in several chunks
/// or frames, inflated data, compressed data.
///
/// It grows with what has arrived, never with what a header declares.
package struct AssemblyBuffer: ~Copyable {
  // 0 <= count <= storage.byteCapacity; [0, count) is initialised.
  private var storage: ByteStorage?
  package private(set) var count = 0

  package init() {}

  /// The first byte, or `nil` if nothing was ever appended.
  var base: UnsafeMutableRawPointer? { storage?.base }

  /// The size of the storage, in bytes.
  var capacity: Int { storage?.byteCapacity ?? 0 }

  /// The contents. Valid until the buffer next changes.
  var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: storage?.base, count: count) }

  /// How many bytes can be appended without new storage.
  mutating func spareCapacity() -> Int {
    // Storage that was handed over isn't written to while anybody still holds it.
    guard let capacity = storage?.byteCapacity else { return 0 }
    return count > 0 || isKnownUniquelyReferenced(&storage) ? capacity - count : 0
  }

  /// Appends one byte.
  mutating func append(_ byte: UInt8) {
    (reserve(1) + count).storeBytes(of: byte, as: UInt8.self)
    count += 1
  }

  /// Appends `source` XORed with `key` (RFC 6455 §5.3): copies and unmasks in one pass.
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

  /// Makes room for `room` more bytes and lets `body` write into it; `body` returns how many bytes it wrote.
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

  /// Makes room for `added` bytes after the current contents. Returns the first byte of the storage.
  private mutating func reserve(_ added: Int) -> UnsafeMutableRawPointer {
    // Storage that was handed over is reused once nobody else holds it.
    if count == 0, storage != nil, !isKnownUniquelyReferenced(&storage) { storage = nil }
    // `count` is bounded by the message limit and `added` by the chunk, so the sums cannot overflow.
    if let storage, storage.byteCapacity - count >= added { return storage.base }
    let made = ByteStorage.make(count + added, wanted: max(count + added, count + count / 2))
    if let storage, count > 0 { made.base.copyMemory(from: storage.base, byteCount: count) }
    ByteStorage.giveBack(&storage)
    storage = made
    return made.base
  }

  /// Drops the contents and keeps the storage for the next message.
  package mutating func clear() { count = 0 }

  /// Hands over the first `wanted` bytes, or all of them, and leaves the buffer empty. The result shares the
  /// storage, or is copied if it fills only a small part of it.
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

  /// Empties the buffer, and releases its storage if that is larger than `retained` bytes.
  mutating func settle(keeping retained: Int) {
    count = 0
    if capacity > retained { ByteStorage.giveBack(&storage) }
  }
}
