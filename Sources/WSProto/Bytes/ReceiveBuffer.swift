// SPDX-License-Identifier: Apache-2.0

/// The bytes that were received and not yet read, contiguous and writable in place.
///
/// Appended once, never shifted per frame: reading moves an offset. Storage is reused while nobody shares it, and
/// replaced (with the unread bytes copied, geometrically, so byte-wise feeding stays linear) where it is full.
struct ReceiveBuffer: ~Copyable {
  // 0 <= head <= tail <= capacity; [head, tail) is initialised and unread.
  private var storage: ByteStorage?
  /// The first byte of the storage, beside it so that the hot path counts no references; valid as long as it is held.
  private(set) var base: UnsafeMutableRawPointer?
  private var capacity = 0
  /// Where the unread bytes begin. The reader advances it, never past ``tail``.
  var head = 0
  private(set) var tail = 0
  init() {}

  var count: Int { tail - head }
  var isEmpty: Bool { tail == head }

  /// Appends a copy of `bytes`; `expected` more of the frame under way are still to come after them.
  mutating func append(_ bytes: UnsafeRawBufferPointer, expected: UInt64 = 0) {
    guard let source = bytes.baseAddress, bytes.count > 0 else { return }
    let target = reserve(bytes.count, expected: expected)
    // `reserve` has made room for bytes.count after the tail.
    (target + tail).copyMemory(from: source, byteCount: bytes.count)
    tail += bytes.count
  }

  /// Room for `count` bytes to be written by `body`, which returns how many it has written.
  @inline(__always)
  mutating func append<Failure: Error>(
    upTo count: Int,
    expected: UInt64,
    _ body: (UnsafeMutableRawBufferPointer) throws(Failure) -> Int
  ) throws(Failure) -> Int {
    let target = reserve(count, expected: expected)
    let written = try body(UnsafeMutableRawBufferPointer(start: target + tail, count: count))
    precondition(written <= count, "more bytes were read than there was room for")
    tail += max(0, written)
    return written
  }

  /// Forgets the last `count` bytes, which were appended just now.
  mutating func dropLast(_ count: Int) { tail -= min(max(0, count), tail - head) }

  /// The first byte of a storage with room for `additional` bytes after the tail.
  @inline(__always)
  private mutating func reserve(_ additional: Int, expected: UInt64) -> UnsafeMutableRawPointer {
    let unread = tail - head
    if head > 0, let base, isKnownUniquelyReferenced(&storage) {
      // Aligned where there is room for that.
      let start = max(0, min(Self.alignedStart(base, unread), capacity - unread - additional))
      if start + unread <= head {
        // Nobody else sees the bytes before the head: what is unread moves there. It doesn't overlap, and no byte is
        // moved twice before as many were read.
        if unread > 0 { (base + start).copyMemory(from: base + head, byteCount: unread) }
        head = start
        tail = start + unread
      }
    }
    if let base {
      return capacity - tail >= additional ? base : grow(additional, expected: expected)
    }
    // Nothing is unread where there's no storage: what an idle connection has given back is fetched again.
    return adopt(
      ByteStorage.make(
        additional,
        wanted: additional == Retention.receiveBuffer ? additional : additional + Self.alignment
      ),
      unread: 0,
      room: additional
    )
  }

  /// Goes on in another storage, where the unread bytes will be moved to.
  @inline(__always)
  private mutating func adopt(_ made: ByteStorage, unread: Int, room: Int) -> UnsafeMutableRawPointer {
    let target = made.base
    head = max(0, min(Self.alignedStart(target, unread), made.byteCapacity - unread - room))
    tail = head + unread
    capacity = made.byteCapacity
    base = target
    storage = made
    return target
  }

  @inline(never)
  private mutating func grow(_ additional: Int, expected: UInt64) -> UnsafeMutableRawPointer {
    // Unread bytes are the beginning of one frame. The buffer grows towards its end, but to four times what has come
    // at most: nothing is allocated on the word of a header alone (RFC 6455 §10.4), and each byte is moved a constant
    // number of times. With twice the unread bytes and room for a read, frames of this size always find room by moving.
    let unread = tail - head
    let hint = Int(clamping: min(expected, UInt64(3 * unread)))
    let wanted = unread + max(hint, unread) + additional + additional / 4 + Self.alignment
    move(unread, to: ByteStorage.make(unread + additional + Self.alignment, wanted: wanted))
    return base ?? Self.emptyWindow
  }

  /// Moves the unread bytes to another storage, and gives this one back.
  private mutating func move(_ unread: Int, to made: ByteStorage) {
    let start = Self.alignedStart(made.base, unread)
    if let base, unread > 0 { (made.base + start).copyMemory(from: base + head, byteCount: unread) }
    ByteStorage.giveBack(&storage)
    _ = adopt(made, unread: unread, room: 0)
  }

  /// Reads are written to the start of a cache line, which the copy into the buffer is faster for.
  private static let alignment = 64

  /// Where `unread` bytes begin so that what follows them is aligned: below ``alignment``.
  @inline(__always)
  private static func alignedStart(_ base: UnsafeMutableRawPointer, _ unread: Int) -> Int {
    Int(
      truncatingIfNeeded: (0 &- (UInt(bitPattern: base) &+ UInt(truncatingIfNeeded: unread)))
        & UInt(alignment - 1)
    )
  }

  /// Stands in for ``base`` where there are no bytes. Never read or written.
  nonisolated(unsafe) static let emptyWindow = UnsafeMutableRawPointer.allocate(byteCount: 16, alignment: 16)

  /// The storage that holds the unread bytes, which may be written in place; nil when there was never a byte.
  var window: ByteStorage? { storage }

  /// Forgets all bytes and gives the storage back.
  mutating func removeAll() {
    ByteStorage.giveBack(&storage)
    base = nil
    capacity = 0
    head = 0
    tail = 0
  }

  /// The window was read as far as it goes: gives back what the unread bytes don't need.
  @inline(__always)
  mutating func settle() { if capacity > Retention.receiveBuffer { settleLarge() } }

  @inline(never)
  private mutating func settleLarge() {
    let unread = tail - head
    if unread == 0 { return removeAll() }
    // The beginning of a frame must not hold the storage of a whole read.
    guard capacity > 8 * unread else { return }
    let needed = unread + Self.alignment
    move(unread, to: ByteStorage.make(needed, wanted: needed))
  }
}
