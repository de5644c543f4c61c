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

  /// Appends a copy of `bytes`; `expected` more of the frame under way are still to come after them.
  mutating func append(_ bytes: UnsafeRawBufferPointer, expected: UInt64 = 0) {
    guard let source = bytes.baseAddress, bytes.count > 0 else { return }
    let target = reserve(bytes.count, expected: expected)
    // `reserve` has made room for bytes.count after the tail.
    (target.base + tail).copyMemory(from: source, byteCount: bytes.count)
    tail += bytes.count
  }

  /// Room for `count` bytes to be written by `body`, which returns how many it has written.
  mutating func append<Failure: Error>(
    upTo count: Int,
    expected: UInt64,
    _ body: (UnsafeMutableRawBufferPointer) throws(Failure) -> Int
  ) throws(Failure) -> Int {
    let target = reserve(count, expected: expected)
    let written = try body(UnsafeMutableRawBufferPointer(start: target.base + tail, count: count))
    precondition(written <= count, "more bytes were read than there was room for")
    tail += max(0, written)
    return written
  }

  /// The storage, with room for `additional` bytes after the tail.
  private mutating func reserve(_ additional: Int, expected: UInt64) -> ByteStorage {
    let unread = tail - head
    if head > 0, unread <= head, isKnownUniquelyReferenced(&storage), let storage {
      // Nobody else sees the bytes before the head: what is unread moves there. It doesn't overlap, and no byte is
      // moved twice before as many were read.
      if unread > 0 { storage.base.copyMemory(from: storage.base + head, byteCount: unread) }
      head = 0
      tail = unread
    }
    if let storage, storage.byteCapacity - tail >= additional { return storage }
    // Unread bytes are the beginning of one frame. The buffer grows towards its end, but to four times what has come
    // at most: nothing is allocated on the word of a header alone (RFC 6455 §10.4), and each byte is moved a constant
    // number of times.
    let hint = Int(clamping: min(expected, UInt64(3 * unread)))
    let wanted = unread + max(additional + additional / 4, hint, unread)
    let made = ByteStorage.make(minimumCapacity: max(wanted, Self.minimumCapacity))
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

  /// Gives a large storage back if nothing is left in it, so that an idle connection doesn't hold on to it.
  mutating func releaseIfLarge() {
    if tail == head, let storage, storage.byteCapacity > Self.retainedCapacity { removeAll() }
  }

  /// What an idle connection may hold on to, in bytes.
  private static let retainedCapacity = 16 << 10

  /// The unread bytes, which are then gone from here.
  mutating func takeAll() -> Bytes {
    defer { removeAll() }
    guard let storage, tail > head else { return Bytes() }
    return Bytes(sharing: storage, offset: head, count: tail - head)
  }
}
