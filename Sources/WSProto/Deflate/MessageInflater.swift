// SPDX-License-Identifier: Apache-2.0

/// A decompressor's context, and the rules by which a receiver reads the payloads of messages with it
/// (RFC 7692 §7.2.2).
///
/// Feed it the payload of a message with ``inflate(_:into:atMost:)`` in any pieces, then call ``finishMessage()`` once.
/// After an error it refuses everything until ``reset()``.
///
/// Memory with zlib: about 7 KB of state, and a window of `1 << windowBits` bytes which zlib allocates with the first
/// message.
package final class MessageInflater<Backend: InflateBackend> {
  private let backend: Backend
  /// Nothing has been fed since a message ended, a final block ended, or the context was reset.
  private var isAtBoundary = true
  private var isFresh = true
  private var hasFailed = false

  /// Whether a call without input may append something: what the input so far gives, and there was no room for.
  package private(set) var mayHaveMore = false

  /// Smallest spare room of the caller's buffer that is worth a step. zlib's fast loop needs 258 bytes.
  private static var leastRoom: Int { 512 }
  /// Most input and most room for one step, well within 32-bit counters.
  private static var most: Int { 1 << 30 }

  /// - Parameter windowBits: the largest window, in bits, that the peer may use, 8...15.
  package convenience init(windowBits: Int = 15) throws(InflateError) {
    guard 8...15 ~= windowBits else { throw .unsupportedParameter }
    self.init(try Backend(windowBits: windowBits))
  }

  private init(_ backend: Backend) { self.backend = backend }

  /// An independent one with the same history, for owners with value semantics.
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
  /// - Returns: whether it can be used.
  @discardableResult
  package func reset() -> Bool {
    guard !isFresh || hasFailed else { return true }
    hasFailed = !backend.reset()
    isAtBoundary = true
    isFresh = true
    mayHaveMore = false
    return !hasFailed
  }

  /// Decompresses a part of a message's payload and appends what it gives to `output`, at most `atMost` bytes.
  ///
  /// It returns when the input is used up and all that it gives is out, or when `atMost` bytes were appended. Then a
  /// later call goes on with what is left in `input`, or with none while ``mayHaveMore`` says so.
  ///
  /// - Parameter input: any size; what was used is taken from its front. Must not overlap the storage of `output`.
  /// - Throws: ``InflateError``; what came out before the error stays in `output`.
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
        // Neither library does so; the loop ends whatever they do.
        if step.used == 0, !slice.isEmpty { try fail(.invalid) }
      case .needsRoom:
        mayHaveMore = true
        if step.written == 0 { try fail(.invalid) }
      case .finalBlock(let more):
        // The message may go on behind it (RFC 7692 §7.2.3.4). This takes constant time: a peer may send many final
        // blocks, of two octets each.
        mayHaveMore = more
        isAtBoundary = !more
      case .invalid: try fail(.invalid)
      case .outOfMemory: try fail(.outOfMemory)
      }
    }
  }

  /// Ends the message: feeds the 00 00 FF FF that the sender removed (RFC 7692 §7.2.2). The history stays. All that the
  /// message gives must have been taken: ``mayHaveMore`` is `false`.
  ///
  /// Gives no bytes: the four octets are the length of an empty block, or else the message is cut inside a block. A
  /// message that ended exactly with a final block, without the octet that RFC 7692 §7.2.3.4 shows after it, and one
  /// with no payload at all (zlib's repeated flush, sent by some peers) are taken as complete.
  /// - Throws: `invalid` where the message ends inside a block.
  package func finishMessage() throws(InflateError) {
    guard !hasFailed else { throw .invalid }
    guard !isAtBoundary else { return }
    if !backend.endAtStoredHeader() {
      var step = InflateStep()
      // One octet of room shows whether the tail was taken for data.
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

  /// The room for the next step: what the caller's buffer has spare, else a guess that doubles.
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
