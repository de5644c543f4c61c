// SPDX-License-Identifier: Apache-2.0

#if NIO
import NIOCore
import WSProto

/// Input that was read but isn't processed yet, because the delegate has no room for more messages.
///
/// Needed only if messages are compressed: 64 KiB of input may then inflate to 64 MiB of messages (RFC 7692), too many
/// to produce at once. Without compression, messages take no more memory than the input itself.
struct HeldInput {
  /// The size in bytes from which on a batch of messages is delivered before further input is processed.
  static let maxBatchBytes = 256 << 10

  /// The maximum number of such batches once the transport has ended.
  static let maxBatchesAtEnd = 16

  /// The bytes of the messages that wait for the end of the read loop.
  var batchBytes = 0
  /// Whether the core holds bytes that aren't processed yet.
  var isCoreHolding = false
  /// Reads that came after those bytes.
  var reads: [ByteBuffer] = []
  /// Whether the core is processing bytes. It must not be given more meanwhile.
  var isReceiving = false

  /// Whether nothing is held.
  var isEmpty: Bool { !isCoreHolding && reads.isEmpty }

  /// Discards the remaining input when the connection has ended.
  mutating func drop() {
    isCoreHolding = false
    reads = []
  }

  /// The next input for the core: an empty buffer if the core itself holds bytes, or `nil` if nothing is held.
  mutating func next() -> ByteBuffer? {
    guard isCoreHolding else { return reads.isEmpty ? nil : reads.removeFirst() }
    isCoreHolding = false
    return ByteBuffer()
  }
}

/// Thrown to interrupt the core: the messages so far must be delivered before further ones are produced.
struct BatchFull: Error {}

extension WebSocketChannelHandler {
  /// Whether the messages so far must be delivered before further ones are produced.
  var isBatchFull: Bool {
    held.batchBytes >= HeldInput.maxBatchBytes && closed == nil && !connection.extensions.isEmpty
  }

  /// Receives a read in order, and processes it as far as there is room.
  func receiveInOrder(_ read: ByteBuffer) {
    guard held.isEmpty, !held.isReceiving else { return held.reads.append(read) }
    receive(read)
    runHeld()
  }

  /// Processes held input as far as there is room.
  func runHeld() {
    guard !held.isEmpty, !held.isReceiving, !isPaused else { return }
    // Until now, this end caused the silence, whether the timer has noticed that or not.
    if isHoldingReads { deadlines.receivedBytes(at: now) }
    let wasReading = isReading
    isReading = true
    while !isPaused, let read = held.next() { receive(read) }
    isReading = wasReading
    if !wasReading { endReadLoop() }
  }

  /// Processes held input after the transport has ended: regardless of room, but only a few batches.
  ///
  /// - Returns: whether everything was processed. If not, the connection ends without a Close.
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
