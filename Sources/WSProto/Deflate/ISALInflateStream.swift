// SPDX-License-Identifier: Apache-2.0

#if ISAL
  import CISAL

  /// What ``InflateStream`` is, on Intel ISA-L: the same calls, the same bytes, the same errors, several times as fast.
  ///
  /// Three things differ.
  /// - The window is always the 32 KB of DEFLATE: a peer that reaches further back than it negotiated gets its own data,
  ///   however the bytes were cut, and what lies before its first byte is `invalid`.
  /// - ISA-L decodes ahead into its own 64 KB. No more than one byte beyond the limit is taken from there.
  /// - Codes that leave some bit patterns without a symbol, which zlib refuses, are taken as long as none of these
  ///   patterns occurs.
  ///
  /// Memory: about 109 KB, allocated by the initialiser.
  package final class ISALInflateStream {
    private let inflater: OpaquePointer
    /// Nothing has been fed since a message ended, a final block ended, or the stream was reset.
    private var isAtBoundary: Bool
    private var isFresh: Bool
    private var hasFailed: Bool
    /// How many literals were given out already of those that ISA-L holds back.
    private var early: Int

    /// Most input for one step, well within ISA-L's 32-bit counters.
    private static let mostInput = 1 << 30

    /// Allocates a decompressor.
    ///
    /// - Parameter windowBits: the largest window, in bits, that the peer may use, 8...15. All are decoded alike.
    package init(windowBits: Int = 15) throws(InflateError) {
      guard 8...15 ~= windowBits else { throw .unsupportedParameter }
      guard let inflater = cisal_inflater_open() else { throw .outOfMemory }
      self.inflater = inflater
      isAtBoundary = true
      isFresh = true
      hasFailed = false
      early = 0
    }

    private init(copying other: ISALInflateStream) throws(InflateError) {
      guard let inflater = cisal_inflater_copy(other.inflater) else { throw .outOfMemory }
      self.inflater = inflater
      isAtBoundary = other.isAtBoundary
      isFresh = other.isFresh
      hasFailed = other.hasFailed
      early = other.early
    }

    deinit {
      cisal_inflater_close(inflater)
    }

    /// An independent stream with the same history, for owners with value semantics.
    package func copy() throws(InflateError) -> ISALInflateStream {
      try ISALInflateStream(copying: self)
    }

    /// Forgets the history (no context takeover, RFC 7692 §7.1.1), any unfinished message and any error.
    /// Keeps the memory.
    package func reset() {
      guard !isFresh || hasFailed else { return }
      cisal_inflate_reset(inflater)
      hasFailed = false
      isAtBoundary = true
      isFresh = true
      early = 0
    }

    /// Decompresses a part of a message's payload and appends all that it gives to `output`.
    ///
    /// - Parameters:
    ///   - input: any size; must not overlap the storage of `output`.
    ///   - limit: the most bytes that this call may append. Pass what is left of the message's budget.
    /// - Throws: ``InflateError``; what came out before the error stays in `output`, at most `limit` bytes.
    package func inflate(
      _ input: UnsafeRawBufferPointer,
      into output: inout [UInt8],
      limit: Int
    ) throws(InflateError) {
      guard !hasFailed else { throw .invalid }
      let start = output.count
      // Half of Int leaves room for arithmetic.
      let limit = max(0, min(limit, Int.max / 2))
      do {
        try run(input, into: &output, start: start, limit: limit)
        try giveHeldLiterals(into: &output, start: start, limit: limit)
      } catch {
        hasFailed = true
        let excess = output.count - start - limit
        if excess > 0 { output.removeLast(excess) }
        throw error
      }
    }

    /// Ends the message: feeds the 00 00 FF FF that the sender removed (RFC 7692 §7.2.2). The history stays.
    ///
    /// Gives no bytes. What is taken as complete is what ``InflateStream/finishMessage()`` takes.
    /// - Throws: `invalid` where the message ends inside a block.
    package func finishMessage() throws(InflateError) {
      guard !hasFailed else { throw .invalid }
      guard !isAtBoundary else { return }
      guard cisal_inflate_end_at_stored_header(inflater) || endsWithTail() else {
        hasFailed = true
        throw .invalid
      }
      isAtBoundary = true
    }

    /// Whether the four octets of the tail end the message when they are decoded, and give no byte.
    private func endsWithTail() -> Bool {
      cisal_inflate_make_room(inflater)
      var left = 4
      let isValid = withUnsafeBytes(of: UInt32(0xFFFF_0000).littleEndian) { tail in
        cisal_inflate_step(inflater, tail.baseAddress?.assumingMemoryBound(to: UInt8.self), &left)
      }
      guard isValid, left == 0, cisal_inflate_pending(inflater) == early else { return false }
      _ = cisal_inflate_take(inflater, early)
      early = 0
      if cisal_inflate_final_block_ended(inflater) { return !cisal_inflate_continue(inflater) }
      return cisal_inflate_is_between_blocks(inflater)
    }

    private func run(
      _ input: UnsafeRawBufferPointer,
      into output: inout [UInt8],
      start: Int,
      limit: Int
    ) throws(InflateError) {
      guard let bytes = input.baseAddress?.assumingMemoryBound(to: UInt8.self) else { return }
      isFresh = isFresh && input.isEmpty
      let smallStep = Int(cisal_exact_input)
      var offset = 0
      // Up to here in steps so small that they are exact. For little input that costs less than a mark in a block.
      var exactEnd = input.count <= 8 * smallStep && cisal_inflate_is_in_block(inflater) ? input.count : 0
      // Bits behind a final block, of input that ISA-L has taken.
      var hasBits = false
      while offset < input.count || hasBits || cisal_inflate_window_is_full(inflater) {
        cisal_inflate_make_room(inflater)
        let given = min(offset < exactEnd ? smallStep : Self.mostInput, input.count - offset)
        let isExact = given <= smallStep
        if !isExact { cisal_inflate_mark(inflater) }
        var left = given
        // Bounds: `offset` and `given` stay within the input.
        let isValid = cisal_inflate_step(inflater, bytes + offset, &left)
        if !isValid && !isExact {
          // After an error in its fast loop ISA-L counts bytes that it didn't write. Once more, and slowly: what came
          // before the error is exact then.
          cisal_inflate_return(inflater)
          exactEnd = offset + given
          continue
        }
        offset += given - left
        let gives = cisal_inflate_pending(inflater) > 0
        try take(into: &output, start: start, limit: limit)
        guard isValid else { throw .invalid }
        if cisal_inflate_final_block_ended(inflater) {
          // The message may go on (RFC 7692 §7.2.3.4), in constant time: final blocks take two octets each, and a
          // peer may send many of them.
          hasBits = cisal_inflate_continue(inflater)
          isAtBoundary = !hasBits
        } else {
          let advances = left < given || hasBits
          if advances { isAtBoundary = false }
          hasBits = false
          // Never seen; ends the loop whatever ISA-L does.
          if !advances && !gives && given > 0 { throw .invalid }
        }
      }
    }

    /// Appends what has been decoded, as far as the limit goes.
    private func take(into output: inout [UInt8], start: Int, limit: Int) throws(InflateError) {
      var pending = Int(cisal_inflate_pending(inflater))
      let known = min(early, pending)
      _ = cisal_inflate_take(inflater, known)
      early -= known
      pending -= known
      // One byte beyond the limit tells "exactly the limit" from "more".
      let count = min(pending, limit - (output.count - start) + 1)
      if count > 0 {
        // Bounds: as many as are pending, in the window of the state, which lives as long as this stream.
        let bytes = cisal_inflate_take(inflater, count)
        output.append(contentsOf: UnsafeBufferPointer(start: bytes, count: count))
      }
      guard output.count - start <= limit else { throw .tooBig }
    }

    /// Appends the literals that are complete in the input, but that ISA-L holds back until more comes: what a part of
    /// a message gives must not depend on how it was cut. They are skipped when they come again.
    private func giveHeldLiterals(
      into output: inout [UInt8],
      start: Int,
      limit: Int
    ) throws(InflateError) {
      var literals: (UInt8, UInt8, UInt8, UInt8) = (0, 0, 0, 0)
      let count = withUnsafeMutablePointer(to: &literals) { tuple in
        tuple.withMemoryRebound(to: UInt8.self, capacity: 4) { cisal_inflate_peek(inflater, $0) }
      }
      guard count > early else { return }
      withUnsafeBytes(of: literals) { output.append(contentsOf: $0[early..<count]) }
      early = count
      guard output.count - start <= limit else { throw .tooBig }
    }
  }
#endif
