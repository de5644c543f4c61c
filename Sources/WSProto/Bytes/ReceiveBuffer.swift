// SPDX-License-Identifier: Apache-2.0

/// The bytes that were received and not yet read, contiguous and writable in place.
///
/// Appended once, never shifted per frame: reading moves an offset. Storage is reused while nobody shares it, and
/// replaced (with the unread bytes copied, geometrically, so byte-wise feeding stays linear) where it is full.
struct ReceiveBuffer: ~Copyable {
  // 0 <= head <= tail <= storage.byteCapacity; [head, tail) is initialised and unread.
  private var storage: ByteStorage?
  /// Where the unread bytes begin; who reads advances it, never past ``tail``.
  var head = 0
  private(set) var tail = 0

  /// The least that is allocated, so that small chunks share one storage.
  private static let minimumCapacity = 2048

  init() {}

  var count: Int { tail - head }
  var isEmpty: Bool { tail == head }

  /// Appends a copy of `bytes`.
  mutating func append(_ bytes: UnsafeRawBufferPointer) {
    guard let source = bytes.baseAddress, bytes.count > 0 else { return }
    let target = reserve(bytes.count)
    // `reserve` has made room for bytes.count after the tail.
    (target.base + tail).copyMemory(from: source, byteCount: bytes.count)
    tail += bytes.count
  }

  /// The storage with room for `additional` bytes after the tail.
  private mutating func reserve(_ additional: Int) -> ByteStorage {
    let unread = tail - head
    if unread == 0, head > 0, isKnownUniquelyReferenced(&storage) {
      head = 0
      tail = 0
    }
    if let storage, storage.byteCapacity - tail >= additional { return storage }
    // A grown buffer that holds unread bytes doubles, so that each byte is moved a constant number of times.
    let wanted = Swift.max(unread == 0 ? additional : 2 * unread, unread + additional, Self.minimumCapacity)
    let made = ByteStorage.make(minimumCapacity: wanted)
    if let storage, unread > 0 {
      made.base.copyMemory(from: storage.base + head, byteCount: unread)
    }
    storage = made
    head = 0
    tail = unread
    return made
  }

  /// The storage that holds the unread bytes, which may be written in place; nil when there was never a byte.
  var window: ByteStorage? { storage }

  /// Forgets all bytes and gives the storage back.
  mutating func removeAll() {
    storage = nil
    head = 0
    tail = 0
  }

  /// Gives the storage back if nothing is left in it.
  mutating func releaseIfEmpty() {
    if isEmpty { removeAll() }
  }

  /// The unread bytes, which are then gone from here.
  mutating func takeAll() -> Bytes {
    defer { removeAll() }
    guard let storage, tail > head else { return Bytes() }
    return Bytes(sharing: storage, offset: head, count: tail - head)
  }
}
