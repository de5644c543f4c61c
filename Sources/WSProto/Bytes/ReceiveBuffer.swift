// SPDX-License-Identifier: Apache-2.0

/// Received bytes that have not been read yet, contiguous and writable in place.
///
/// Bytes are appended once and never shifted per frame: reading only moves an offset. Storage is reused while
/// nobody shares it, and replaced when it is full. Replacing it copies the unread bytes, and its size grows
/// geometrically, so feeding byte by byte stays linear.
struct ReceiveBuffer: ~Copyable {
  // 0 <= head <= tail <= capacity; [head, tail) is initialised and unread.
  private var storage: ByteStorage?
  /// The first byte of the storage, kept here so that the hot path does no reference counting. Valid while
  /// `storage` is held.
  private(set) var base: UnsafeMutableRawPointer?
  private var capacity = 0
  /// Where the unread bytes begin. Whoever reads moves it forward, never past ``tail``.
  var head = 0
  private(set) var tail = 0
  /// How many bytes were read from the last storage of which more than a header was read, at most
  /// ``SpareStorage/largest``: a frame may get that much room before it arrives.
  private var proven: UInt32 = 0
  /// The bytes for which the storage has room because of ``proven``; 0 if what has arrived warrants its size.
  private var ahead: UInt32 = 0
  init() {}

  var count: Int { tail - head }
  var isEmpty: Bool { tail == head }
  /// Whether it holds no storage, and so no bytes.
  var hasNoStorage: Bool { base == nil }

  /// Appends a copy of `bytes`. `expected` is how many more bytes of the current frame will follow them.
  mutating func append(_ bytes: UnsafeRawBufferPointer, expected: UInt64 = 0) {
    guard let source = bytes.baseAddress, bytes.count > 0 else { return }
    let target = reserve(bytes.count, expected: expected)
    // `reserve` has made room for bytes.count after the tail.
    (target + tail).copyMemory(from: source, byteCount: bytes.count)
    tail += bytes.count
  }

  /// Makes room for `count` bytes and lets `body` write them; `body` returns how many bytes it wrote.
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

  /// Drops the last `count` bytes, which were just appended.
  mutating func dropLast(_ count: Int) { tail -= min(max(0, count), tail - head) }

  /// Makes room for `additional` bytes after the tail. Returns the first byte of the storage.
  @inline(__always)
  private mutating func reserve(_ additional: Int, expected: UInt64) -> UnsafeMutableRawPointer {
    let unread = tail - head
    if head > 0, let base, isKnownUniquelyReferenced(&storage) {
      // Aligned if there is room for it.
      let start = max(0, min(Self.alignedStart(base, unread), capacity - unread - additional))
      if start + unread <= head {
        // Nobody else sees the bytes before the head, so the unread bytes move there. The ranges don't
        // overlap, and a byte is moved again only after as many bytes have been read.
        if unread > 0 { (base + start).copyMemory(from: base + head, byteCount: unread) }
        rememberWhatWasRead()
        head = start
        tail = start + unread
      }
    }
    if let base {
      return capacity - tail >= additional ? base : grow(additional, expected: expected)
    }
    // Without storage nothing is unread. An idle connection gave its storage back; fetch a new one.
    let made = ByteStorage.make(additional, wanted: additional + Self.alignment)
    return adopt(made, unread: 0, room: additional)
  }

  /// Takes over a block in which `unread` has not been read yet. Must not be called while there is storage.
  mutating func adopt(_ block: SpareStorage.Block, unread: Range<Int>) {
    base = block.base
    capacity = Retention.receiveBuffer
    head = unread.lowerBound
    tail = unread.upperBound
    storage = block.takeStorage()
  }

  /// Switches to another storage; the unread bytes will be moved there.
  @inline(__always)
  private mutating func adopt(_ made: ByteStorage, unread: Int, room: Int) -> UnsafeMutableRawPointer {
    let target = made.base
    head = max(0, min(Self.alignedStart(target, unread), made.byteCapacity - unread - room))
    tail = head + unread
    capacity = made.byteCapacity
    base = target
    storage = made
    ahead = 0
    return target
  }

  @inline(never)
  private mutating func grow(_ additional: Int, expected: UInt64) -> UnsafeMutableRawPointer {
    // The unread bytes are the beginning of one frame. The buffer grows towards the frame's end, but to at
    // most four times what has arrived, or to what the peer has sent before: nothing is allocated just because a
    // header declares it (RFC 6455 §10.4), and each byte is moved a constant number of times. With space for twice the
    // unread bytes plus one read, frames of this size always find room by moving.
    let unread = tail - head
    // Where nothing is kept until the frame is whole, it needs no room ahead.
    let hint = unread == 0 ? 0 : Int(clamping: min(expected, UInt64(max(3 * unread, Int(proven)))))
    var wanted = unread + max(hint, unread) + additional + additional / 4 + Self.alignment
    let needed = unread + additional + Self.alignment
    if needed <= SpareStorage.largestOfThread, expected <= UInt64(SpareStorage.largestOfThread - unread) {
      // All of the frame fits a block of the thread's own, which costs less to take and to give back.
      wanted = min(wanted, SpareStorage.largestOfThread)
    }
    move(unread, to: ByteStorage.make(needed, wanted: wanted))
    ahead = hint > 3 * unread ? UInt32(clamping: hint) : 0
    return base ?? Self.emptyWindow
  }

  /// Moves the unread bytes to another storage and releases this one.
  private mutating func move(_ unread: Int, to made: ByteStorage) {
    let start = Self.alignedStart(made.base, unread)
    if let base, unread > 0 { (made.base + start).copyMemory(from: base + head, byteCount: unread) }
    ByteStorage.giveBack(&storage)
    _ = adopt(made, unread: unread, room: 0)
  }

  /// Reads are written to the start of a cache line, because copying into the buffer is faster that way.
  static let alignment = 64

  /// From this offset on, more was read from a storage than the header of the frame that begins it.
  private static let begun = 2 * alignment

  /// The offset, below ``alignment``, at which `unread` bytes must begin so that what follows them is
  /// aligned.
  @inline(__always)
  static func alignedStart(_ base: UnsafeMutableRawPointer, _ unread: Int) -> Int {
    Int(
      truncatingIfNeeded: (0 &- (UInt(bitPattern: base) &+ UInt(truncatingIfNeeded: unread)))
        & UInt(alignment - 1)
    )
  }

  /// Stands in for ``base`` when there are no bytes. Never read or written.
  nonisolated(unsafe) static let emptyWindow = UnsafeMutableRawPointer.allocate(byteCount: 16, alignment: 16)

  /// The storage that holds the unread bytes, which may be written in place; `nil` if no byte ever arrived.
  var window: ByteStorage? { storage }

  /// Drops all bytes and releases the storage.
  mutating func removeAll() {
    ByteStorage.giveBack(&storage)
    forgetStorage()
  }

  @inline(__always)
  private mutating func forgetStorage() {
    base = nil
    capacity = 0
    head = 0
    tail = 0
    ahead = 0
  }

  /// Called before another frame may begin where this storage does.
  @inline(__always)
  private mutating func rememberWhatWasRead() {
    guard head >= Self.begun else { return }
    proven = UInt32(truncatingIfNeeded: min(head, SpareStorage.largest))
    ahead = 0
  }

  /// Called when the window has been read as far as possible: releases what the unread bytes don't need.
  @inline(__always)
  mutating func settle() {
    if capacity > 0, tail == head || capacity > Retention.receiveBuffer { settleStorage() }
  }

  @inline(never)
  private mutating func settleStorage() {
    let unread = tail - head
    rememberWhatWasRead()
    if unread == 0 {
      // A small one that events share is kept, so that the next reads go into the same block. Otherwise each
      // event of a few bytes that the caller keeps would keep a whole block alive.
      if ByteStorage.giveBackIfUnique(&storage) {
        forgetStorage()
      } else if capacity > Retention.receiveBuffer {
        removeAll()
      }
      return
    }
    // The beginning of a frame must not keep the storage of a whole read alive.
    guard capacity / 8 > max(unread, Int(ahead)) else { return }
    let needed = unread + Self.alignment
    move(unread, to: ByteStorage.make(needed, wanted: needed))
  }
}
