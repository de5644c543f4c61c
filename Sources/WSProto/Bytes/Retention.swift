// SPDX-License-Identifier: Apache-2.0

internal import Synchronization

/// What a connection holds on to, in one place.
///
/// - Nothing under way: at most the figures below, 16 KiB in all, beside the contexts of a compression.
/// - Bytes under way: what they need. Buffers grow with what has come, never on the word of a header.
/// - A steady stream of large frames would fetch its storage anew for each read. What connections give back is therefore
///   kept for the next one that asks, by ``SpareStorage``: a process holds that once, however many connections it has.
enum Retention {
  /// Received bytes that were not read yet: ``ReceiveBuffer``.
  static let receiveBuffer = 8 << 10
  /// A message that is put together, or inflated: ``AssemblyBuffer``.
  static let assembly = 4 << 10
  /// A message that is compressed before it is sent.
  static let compressed = 4 << 10
}

/// Storage that connections have given back, for the next one that asks: one block of each size, under 1 MiB in all.
///
/// Safe to call from any thread: a block is in a slot or with one caller, never both, since it comes and goes by one
/// atomic exchange. What such a block held before can't be seen again: a ``ReceiveBuffer`` and an ``AssemblyBuffer`` give
/// out only what they have written.
enum SpareStorage {
  /// The capacities of blocks: for the beginning of a frame that a read ends with, and for reads of 16, 64, 128 and 256
  /// KiB with what ``ReceiveBuffer`` adds to them. Larger ones are not kept.
  private static let sizes = (4 << 10, 32 << 10, 81 << 10, 161 << 10, 384 << 10)

  // Each holds the bits of a retained ByteStorage, or 0.
  private static let slot0 = Atomic<UInt>(0)
  private static let slot1 = Atomic<UInt>(0)
  private static let slot2 = Atomic<UInt>(0)
  private static let slot3 = Atomic<UInt>(0)
  private static let slot4 = Atomic<UInt>(0)

  /// From which capacity on a block is worth asking for: smaller ones are cheap to allocate in the size that is needed.
  static let worthwhile = 16 << 10
  static let largest = sizes.4

  /// A block of at least `capacity` bytes, at most ``largest``.
  static func take(_ capacity: Int) -> ByteStorage {
    let size = roundedUp(capacity)
    let bits = exchange(size, 0)
    guard let pointer = UnsafeRawPointer(bitPattern: bits) else { return ByteStorage.allocate(size) }
    return Unmanaged<ByteStorage>.fromOpaque(pointer).takeRetainedValue()
  }

  /// Takes a block that nobody else holds.
  static func keep(_ storage: consuming ByteStorage) {
    let size = storage.byteCapacity
    guard size <= largest, roundedUp(size) == size else { return }
    let bits = exchange(size, UInt(bitPattern: Unmanaged.passRetained(storage).toOpaque()))
    if let pointer = UnsafeRawPointer(bitPattern: bits) {
      Unmanaged<ByteStorage>.fromOpaque(pointer).release()
    }
  }

  /// Gives all blocks back to the system.
  static func removeAll() {
    for size in [sizes.0, sizes.1, sizes.2, sizes.3, sizes.4] {
      if let pointer = UnsafeRawPointer(bitPattern: exchange(size, 0)) {
        Unmanaged<ByteStorage>.fromOpaque(pointer).release()
      }
    }
  }

  private static func roundedUp(_ capacity: Int) -> Int {
    if capacity <= sizes.0 { return sizes.0 }
    if capacity <= sizes.1 { return sizes.1 }
    if capacity <= sizes.2 { return sizes.2 }
    return capacity <= sizes.3 ? sizes.3 : sizes.4
  }

  private static func exchange(_ size: Int, _ bits: UInt) -> UInt {
    switch size {
    case sizes.0: slot0.exchange(bits, ordering: .acquiringAndReleasing)
    case sizes.1: slot1.exchange(bits, ordering: .acquiringAndReleasing)
    case sizes.2: slot2.exchange(bits, ordering: .acquiringAndReleasing)
    case sizes.3: slot3.exchange(bits, ordering: .acquiringAndReleasing)
    default: slot4.exchange(bits, ordering: .acquiringAndReleasing)
    }
  }
}
