// SPDX-License-Identifier: Apache-2.0

#if NIO
import NIOCore
import WSProto

/// What was read and is not run yet, since the delegate has no room for more messages.
///
/// Only where messages are compressed: a read of 64 KiB may hold 64 MiB of them then (RFC 7692), so that those of a read
/// loop are too many to be made at once. Without compression they take what the read has taken.
struct HeldInput {
  /// From how many bytes of messages on these are handed on before the next one is made.
  static let maxBatchBytes = 256 << 10

  /// How many such batches are made when the transport has ended.
  static let maxBatchesAtEnd = 16

  /// The bytes of the messages that wait for the end of the read loop.
  var batchBytes = 0
  /// The core has bytes that were not run.
  var isCoreHolding = false
  /// What was read after those.
  var reads: [ByteBuffer] = []
  /// The core runs bytes now; nothing may be given to it.
  var isReceiving = false

  /// Whether there is anything.
  var isEmpty: Bool { !isCoreHolding && reads.isEmpty }

  /// Forgets what is left: the connection has ended.
  mutating func drop() {
    isCoreHolding = false
    reads = []
  }

  /// What to give to the core next, no byte for what it has itself; `nil` if there is nothing.
  mutating func next() -> ByteBuffer? {
    guard isCoreHolding else { return reads.isEmpty ? nil : reads.removeFirst() }
    isCoreHolding = false
    return ByteBuffer()
  }
}

/// The messages of a read loop are to be handed on before further ones are made.
struct BatchFull: Error {}

extension WebSocketChannelHandler {
  /// Whether the messages so far are to be handed on before there are more.
  var isBatchFull: Bool {
    held.batchBytes >= HeldInput.maxBatchBytes && closed == nil && !connection.extensions.isEmpty
  }

  /// Takes a read: runs it, as far as there is room.
  func receiveInOrder(_ read: ByteBuffer) {
    guard held.isEmpty else { return held.reads.append(read) }
    receive(read)
    runHeld()
  }

  /// Runs what was held back, as far as there is room.
  func runHeld() {
    guard !held.isEmpty, !held.isReceiving, !isPaused else { return }
    // Until now, silence was this end's own doing, whether the timer has seen that or not.
    if isHoldingReads { deadlines.receivedBytes(at: now) }
    let wasReading = isReading
    isReading = true
    while !isPaused, let read = held.next() { receive(read) }
    isReading = wasReading
    if !wasReading { endReadLoop() }
  }

  /// The transport has ended: runs what was held back, whether there is room or not, but no more than a few batches.
  ///
  /// - Returns: whether that is all; if not, the connection has ended without a Close.
  func runHeldToEnd() -> Bool {
    // Without them nothing waits; a handler behind has closed the channel while it was handed messages.
    guard delegate != nil || receiver != nil, !held.isReceiving else { return held.isEmpty }
    isReading = true
    for _ in 0..<HeldInput.maxBatchesAtEnd {
      guard let read = held.next() else { break }
      receive(read)
    }
    endReadLoop()
    return held.isEmpty
  }
}
#endif
