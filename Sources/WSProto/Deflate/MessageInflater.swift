// SPDX-License-Identifier: Apache-2.0

/// A decompressor's context, with the rules by which a receiver inflates messages (RFC 7692 §7.2.2).
///
/// Pass the payload of a message to ``inflate(_:into:atMost:)`` in pieces of any size, then call
/// ``finishMessage()`` once. After an error, every call fails until ``reset()``.
///
/// Memory with zlib: about 7 KB of state, plus a window of `1 << windowBits` bytes that zlib allocates with
/// the first message.
package final class MessageInflater<Backend: InflateBackend> {
  private let backend: Backend
  /// Whether nothing has been fed since a message or a final block ended, or since a reset.
  private var isAtBoundary = true
  private var isFresh = true
  private var hasFailed = false

  /// Whether a call without input may append more output: the input so far gave more than there was room for.
  package private(set) var mayHaveMore = false

  /// The smallest spare room in the caller's buffer that is worth a step. zlib's fast loop needs 258 bytes.
  private static var leastRoom: Int { 512 }
  /// The most input and room for one step, well within 32 bits.
  private static var most: Int { 1 << 30 }

  /// - Parameter windowBits: the largest window, in bits, that the peer may use, 8...15.
  package convenience init(windowBits: Int = 15) throws(InflateError) {
    guard 8...15 ~= windowBits else { throw .unsupportedParameter }
    self.init(try Backend(windowBits: windowBits))
  }

  private init(_ backend: Backend) { self.backend = backend }

  /// An independent copy with the same history, for owners with value semantics.
  package func copy() throws(InflateError) -> MessageInflater {
    let copy = MessageInflater(try backend.copy())
    copy.isAtBoundary = isAtBoundary
    copy.isFresh = isFresh
    copy.hasFailed = hasFailed
    copy.mayHaveMore = mayHaveMore
    return copy
  }

  /// Forgets the history (no context takeover, RFC 7692 §7.1.1), any unfinished message and any error. Keeps the memory.
  ///
  /// - Returns: whether the context can be used.
  @discardableResult
  package func reset() -> Bool {
    guard !isFresh || hasFailed else { return true }
    hasFailed = !backend.reset()
    isAtBoundary = true
    isFresh = true
    mayHaveMore = false
    return !hasFailed
  }

  /// Decompresses a part of a message's payload and appends at most `atMost` bytes to `output`.
  ///
  /// Returns when the input is used up and all output for it is written, or when `atMost` bytes have been
  /// appended. In that case, call it again with the rest of `input`, or without input while ``mayHaveMore``
  /// is `true`.
  ///
  /// - Parameter input: any size; the bytes used are removed from its front. Must not overlap the storage of
  ///   `output`.
  /// - Throws: ``InflateError``. Output from before the error stays in `output`.
  package func inflate(
    _ input: inout UnsafeRawBufferPointer,
    into output: inout AssemblyBuffer,
    atMost: Int
  ) throws(InflateError) {
    guard !hasFailed else { throw .invalid }
    var appended = 0
    while appended < atMost, !input.isEmpty || mayHaveMore {
      let slice = UnsafeRawBufferPointer(rebasing: input.prefix(Self.most))
      let room = room(in: &output, pending: slice.count, appended: appended, atMost: atMost)
      var step = InflateStep()
      output.append(upTo: room) { target in
        step = backend.step(slice, into: target)
        return step.written
      }
      input = UnsafeRawBufferPointer(rebasing: input.dropFirst(step.used))
      appended += step.written
      if step.used > 0 {
        isFresh = false
        isAtBoundary = false
      }
      switch step.end {
      case .needsInput:
        mayHaveMore = false
        // Neither library gets stuck, but the loop must end in any case.
        if step.used == 0, !slice.isEmpty { try fail(.invalid) }
      case .needsRoom:
        mayHaveMore = true
        if step.written == 0 { try fail(.invalid) }
      case .finalBlock(let more):
        // The message may continue after the final block (RFC 7692 §7.2.3.4). This takes constant time,
        // because a peer may send many final blocks of two octets each.
        mayHaveMore = more
        isAtBoundary = !more
      case .invalid: try fail(.invalid)
      case .outOfMemory: try fail(.outOfMemory)
      }
    }
  }

  /// Ends the message: feeds the 00 00 FF FF that the sender removed (RFC 7692 §7.2.2). The history stays.
  /// All output must have been taken before: ``mayHaveMore`` is `false`.
  ///
  /// Produces no output: the four octets are either the length of an empty block, or the message was cut off
  /// inside a block. Two kinds of message are accepted as complete: one that ends exactly with a final block,
  /// without the octet that RFC 7692 §7.2.3.4 shows after it, and one without any payload (zlib's repeated
  /// flush, sent by some peers).
  ///
  /// - Throws: `invalid` if the message ends inside a block.
  package func finishMessage() throws(InflateError) {
    guard !hasFailed else { throw .invalid }
    guard !isAtBoundary else { return }
    if !backend.endAtStoredHeader() {
      var step = InflateStep()
      // One octet of room is enough to tell whether the tail was read as data.
      var octet: UInt8 = 0
      withUnsafeBytes(of: UInt32(0xFFFF_0000).littleEndian) { tail in
        withUnsafeMutableBytes(of: &octet) { step = backend.step(tail, into: $0) }
      }
      let isComplete =
        switch step.end {
        case .needsInput: backend.isBetweenBlocks
        case .finalBlock(let more): !more
        case .needsRoom, .invalid: false
        case .outOfMemory: try fail(.outOfMemory)
        }
      guard isComplete, step.used == 4, step.written == 0 else { try fail(.invalid) }
    }
    mayHaveMore = false
    isAtBoundary = true
  }

  /// The room for the next step: the spare room of the caller's buffer, or else a guess that doubles.
  private func room(in output: inout AssemblyBuffer, pending: Int, appended: Int, atMost: Int) -> Int {
    let allowed = min(atMost - appended, Self.most)
    let spare = output.spareCapacity()
    if spare >= min(allowed, Self.leastRoom) { return min(spare, allowed) }
    let guess =
      appended == 0 ? min(pending, 1 << 18) * 4 + Self.leastRoom : max(appended, 8 * Self.leastRoom)
    return min(guess, allowed)
  }

  private func fail(_ error: InflateError) throws(InflateError) -> Never {
    hasFailed = true
    throw error
  }
}
