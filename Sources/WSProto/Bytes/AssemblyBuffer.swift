// SPDX-License-Identifier: Apache-2.0

/// The parts of a message that arrived in several chunks or frames, put together by one copy each.
///
/// Grows with what has arrived, never with what a header declares. The storage is kept between messages, unless a
/// ``Bytes`` took it over.
package struct AssemblyBuffer: ~Copyable {
  // 0 <= count <= storage.byteCapacity; [0, count) is initialised.
  private var storage: ByteStorage?
  package private(set) var count = 0

  package init() {}

  /// The first byte; `nil` when nothing was ever appended.
  var base: UnsafeMutableRawPointer? { storage?.base }

  /// Of the storage, in bytes.
  var capacity: Int { storage?.byteCapacity ?? 0 }

  /// What can be appended without new storage, in bytes.
  mutating func spareCapacity() -> Int {
    // A storage that was handed over is not written to as long as somebody holds it.
    guard let capacity = storage?.byteCapacity else { return 0 }
    return count > 0 || isKnownUniquelyReferenced(&storage) ? capacity - count : 0
  }

  /// Appends one byte.
  mutating func append(_ byte: UInt8) {
    (reserve(1).base + count).storeBytes(of: byte, as: UInt8.self)
    count += 1
  }

  /// Appends `source` XORed with `key` (RFC 6455 §5.3): the copy and the unmasking in one pass.
  mutating func append(_ source: UnsafeRawPointer, count added: Int, key: UInt32) {
    guard added > 0 else { return }
    let target = reserve(added).base + count
    if key == 0 {
      target.copyMemory(from: source, byteCount: added)
    } else {
      Masking.copy(from: source, to: target, count: added, key: key)
    }
    count += added
  }

  /// Makes room for `room` more bytes and appends those that `body` has written to it; `body` returns their count.
  package mutating func append<Failure: Error>(
    upTo room: Int,
    _ body: (UnsafeMutableRawBufferPointer) throws(Failure) -> Int
  ) throws(Failure) {
    guard room > 0 else { return }
    let target = reserve(room).base + count
    let written = try body(UnsafeMutableRawBufferPointer(start: target, count: room))
    precondition(0...room ~= written, "more bytes were written than there was room for")
    count += written
  }

  /// Drops the last `excess` bytes, or all there are.
  package mutating func removeLast(_ excess: Int) { count -= min(max(0, excess), count) }

  private mutating func reserve(_ added: Int) -> ByteStorage {
    // A storage that was handed over is used again once nobody holds it any more.
    if count == 0, !isKnownUniquelyReferenced(&storage) { storage = nil }
    // `count` is bounded by the message limit and `added` by the chunk, so the sums cannot overflow.
    if let storage, storage.byteCapacity - count >= added { return storage }
    let made = ByteStorage.make(minimumCapacity: max(count + added, 2 * count, 1024))
    if let storage, count > 0 { made.base.copyMemory(from: storage.base, byteCount: count) }
    storage = made
    return made
  }

  /// Forgets the bytes; keeps the storage for the next message.
  package mutating func clear() { count = 0 }

  /// Hands the bytes over; the storage is shared with them from now on.
  package mutating func take() -> Bytes {
    defer { count = 0 }
    guard let storage, count > 0 else { return Bytes() }
    return Bytes(sharing: storage, offset: 0, count: count)
  }

  /// Gives a large storage back while nothing is in it, so that an idle connection doesn't hold on to it.
  mutating func trim(keeping retained: Int) {
    if count == 0, let storage, storage.byteCapacity > retained { self.storage = nil }
  }
}
