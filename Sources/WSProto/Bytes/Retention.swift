// SPDX-License-Identifier: Apache-2.0

internal import CWSProtoKernels
internal import Synchronization

/// How much memory a connection keeps, in one place.
///
/// - Idle: no buffer at all, only the compression contexts. While the caller keeps events whose bytes are in the
///   receive buffer, a small one stays, of the size below at most.
/// - While receiving or sending: what the bytes need. Buffers grow with what has arrived, never just because a
///   header declares it: to four times the bytes under way, or to as many as the peer has sent before.
/// - A steady stream would otherwise allocate new storage for every read. So storage that connections give back
///   is kept in ``SpareStorage`` for the next one that asks: once per process, and the small ones per thread too,
///   however many connections there are.
enum Retention {
  /// For received bytes: the largest ``ReceiveBuffer`` that is kept for events that share it, or for the
  /// beginning of a frame from a peer that has sent no more before. Holds a read of 16 KiB, and one of a frame
  /// with 16 KiB of payload.
  static let receiveBuffer = (16 << 10) + 2 * ReceiveBuffer.alignment
  /// For a message being assembled, inflated or compressed: ``AssemblyBuffer``. Allocated when there is such
  /// a message.
  static let assembly = 0
}

/// Storage that connections have given back, kept for the next one that asks: two blocks of each size but
/// only one of the largest, 3 MiB in all. In front of them each thread has a slot of its own for each of the three
/// smallest sizes, until it ends, 53 KiB in all: a read of a small frame costs less than two atomic exchanges.
///
/// Safe to call from any thread: blocks come and go by one atomic exchange, so a block is either in a slot or
/// with one caller, never both. A block's old contents can't leak: ``ReceiveBuffer`` and ``AssemblyBuffer``
/// only give out what they have written.
@usableFromInline
enum SpareStorage {
  /// Slots for two blocks of one size: each holds the bits of a retained ByteStorage, or 0.
  private struct Slots: ~Copyable {
    let first = Atomic<UInt>(0)
    let second = Atomic<UInt>(0)

    func take() -> ByteStorage? {
      var bits = first.exchange(0, ordering: .acquiringAndReleasing)
      if bits == 0 { bits = second.exchange(0, ordering: .acquiringAndReleasing) }
      return UnsafeRawPointer(bitPattern: bits).map {
        Unmanaged<ByteStorage>.fromOpaque($0).takeRetainedValue()
      }
    }

    func keep(_ storage: Unmanaged<ByteStorage>, two: Bool = true) {
      var bits = UInt(bitPattern: storage.toOpaque())
      bits = first.exchange(bits, ordering: .acquiringAndReleasing)
      if two, bits != 0 { bits = second.exchange(bits, ordering: .acquiringAndReleasing) }
      if let third = UnsafeRawPointer(bitPattern: bits) {
        Unmanaged<ByteStorage>.fromOpaque(third).release()
      }
    }
  }

  /// The capacities of the blocks: for the beginning of a frame at the end of a read; for reads of 16, 64,
  /// 128 and 256 KiB plus what ``ReceiveBuffer`` adds; and for a message of 1 MiB. Larger storage is not
  /// kept.
  private static let sizes = (
    4 << 10, Retention.receiveBuffer, 32 << 10, 81 << 10, 161 << 10, 384 << 10, 1664 << 10
  )

  private static let slots0 = Slots()
  private static let slots1 = Slots()
  private static let slots2 = Slots()
  private static let slots3 = Slots()
  private static let slots4 = Slots()
  private static let slots5 = Slots()
  private static let slots6 = Slots()

  /// The largest capacity that a thread keeps for itself.
  static let largestOfThread = sizes.2

  /// The largest capacity that is kept here.
  static let largest = sizes.6

  /// A block of at least `capacity` bytes, which must not exceed ``largest``.
  static func take(_ capacity: Int) -> ByteStorage {
    switch capacity {
    case ...sizes.0: ofThread(0) ?? slots0.take() ?? .allocate(sizes.0)
    case ...sizes.1: ofThread(1) ?? slots1.take() ?? .allocate(sizes.1)
    case ...sizes.2: ofThread(2) ?? slots2.take() ?? .allocate(sizes.2)
    case ...sizes.3: slots3.take() ?? .allocate(sizes.3)
    case ...sizes.4: slots4.take() ?? .allocate(sizes.4)
    case ...sizes.5: slots5.take() ?? .allocate(sizes.5)
    default: slots6.take() ?? .allocate(sizes.6)
    }
  }

  /// Keeps storage that nobody else holds, and its reference. Frees it if no slot has its size.
  static func keep(_ storage: Unmanaged<ByteStorage>) {
    keep(storage, capacity: storage._withUnsafeGuaranteedRef { $0.byteCapacity })
  }

  @inline(__always)
  private static func keep(_ storage: Unmanaged<ByteStorage>, capacity: Int) {
    switch capacity {
    case sizes.0: if !keepForThread(storage, 0) { slots0.keep(storage) }
    case sizes.1: if !keepForThread(storage, 1) { slots1.keep(storage) }
    case sizes.2: if !keepForThread(storage, 2) { slots2.keep(storage) }
    case sizes.3: slots3.keep(storage)
    case sizes.4: slots4.keep(storage)
    case sizes.5: slots5.keep(storage)
    case sizes.6: slots6.keep(storage, two: false)
    default: storage.release()
    }
  }

  /// A block of ``Retention/receiveBuffer`` that nobody else holds.
  @usableFromInline
  struct Block {
    /// Whoever has the block holds one reference, and hands it on once: by ``takeStorage()``, or back by ``keep(_:)``.
    fileprivate let reference: Unmanaged<ByteStorage>
    /// Where a read is written: aligned, with room for the largest.
    @usableFromInline let room: UnsafeMutableRawPointer

    /// The first byte.
    var base: UnsafeMutableRawPointer { reference._withUnsafeGuaranteedRef { $0.base } }

    /// The sizes of the reads that it is for, in bytes: smaller ones fit the next smaller storage.
    static let reads = (sizes.0 - ReceiveBuffer.alignment + 1)...largestRead
    static let largestRead = sizes.1 - ReceiveBuffer.alignment

    /// The storage and the reference.
    func takeStorage() -> ByteStorage { reference.takeRetainedValue() }
  }

  /// The block of the calling thread's slot, for a read of up to `count` bytes; `nil` if there is none, or if it is not
  /// for such reads.
  @inline(__always)
  static func ofThread(upTo count: Int) -> Block? {
    guard Block.reads ~= count, let object = cwsproto_take_spare(1) else { return nil }
    let reference = Unmanaged<ByteStorage>.fromOpaque(object)
    let base = reference._withUnsafeGuaranteedRef { $0.base }
    return Block(reference: reference, room: base + ReceiveBuffer.alignedStart(base, 0))
  }

  /// Keeps a block for the calling thread's next read.
  @inline(__always)
  static func keep(_ block: Block) { keep(block.reference, capacity: Retention.receiveBuffer) }

  /// What is in a slot of the calling thread's.
  @inline(__always)
  private static func ofThread(_ slot: Int32) -> ByteStorage? {
    cwsproto_take_spare(slot).map { Unmanaged<ByteStorage>.fromOpaque($0).takeRetainedValue() }
  }

  /// Puts storage into a slot of the calling thread's, if that is free. Returns whether it was.
  @inline(__always)
  private static func keepForThread(_ storage: Unmanaged<ByteStorage>, _ slot: Int32) -> Bool {
    cwsproto_keep_spare(slot, storage.toOpaque()) { object in
      if let object { Unmanaged<ByteStorage>.fromOpaque(object).release() }
    } != 0
  }

  /// Frees all spare blocks, except those of other threads.
  static func removeAll() {
    for slot in 0..<CWSPROTO_SPARE_SLOTS { _ = ofThread(slot) }
    while slots0.take() != nil {}
    while slots1.take() != nil {}
    while slots2.take() != nil {}
    while slots3.take() != nil {}
    while slots4.take() != nil {}
    while slots5.take() != nil {}
    while slots6.take() != nil {}
  }
}
