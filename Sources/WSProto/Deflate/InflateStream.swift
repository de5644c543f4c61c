// SPDX-License-Identifier: Apache-2.0

import CZlib

/// Why an ``InflateStream`` gave no bytes.
package enum InflateError: Error, Hashable, Sendable {
  /// The bytes are no DEFLATE stream, or the message ends inside a block. Answer with close code 1007.
  case invalid
  /// The output would be longer than the limit. Answer with close code 1009.
  case tooBig
  /// Window bits out of 8...15.
  case unsupportedParameter
  /// zlib could not allocate its state or its window.
  case outOfMemory
}

/// A raw DEFLATE (RFC 1951) decompressor for the messages of RFC 7692, with a limit inside its loop.
///
/// Feed the payload of a message with ``inflate(_:into:limit:)`` in any chunks, then call
/// ``finishMessage()`` once. After an error the stream refuses everything until ``reset()``.
///
/// Memory: about 7 KB of state, and a window of `1 << windowBits` bytes which zlib allocates with the first
/// message.
package final class InflateStream {
  private let stream: ZStream
  /// Nothing has been fed since a message ended, a final block ended, or the stream was reset.
  private var isAtBoundary: Bool
  private var isFresh: Bool
  private var hasFailed: Bool

  /// Smallest spare capacity of the caller's array that is worth a call. zlib's fast loop needs 258 bytes of
  /// room.
  private static let leastRoom = 512
  /// Most room for one call of zlib, well within its 32-bit counters; input is sliced alike.
  private static let mostRoom = 1 << 30

  /// Allocates a decompressor.
  ///
  /// - Parameter windowBits: the largest window, in bits, that the peer may use, 8...15. 8 takes a window of
  ///   9 bits, which decodes the same streams. A peer that reaches further back than the window gets `invalid` or
  ///   its own data, depending on how the bytes were cut; never anything else.
  package init(windowBits: Int = 15) throws(InflateError) {
    guard 8...15 ~= windowBits else { throw .unsupportedParameter }
    do throws(ZStream.Failure) {
      stream = try ZStream(windowBits: max(windowBits, 9))
    } catch {
      throw error == .outOfMemory ? .outOfMemory : .unsupportedParameter
    }
    isAtBoundary = true
    isFresh = true
    hasFailed = false
  }

  private init(copying other: InflateStream) throws(InflateError) {
    do throws(ZStream.Failure) {
      stream = try other.stream.copy()
    } catch {
      throw error == .outOfMemory ? .outOfMemory : .invalid
    }
    isAtBoundary = other.isAtBoundary
    isFresh = other.isFresh
    hasFailed = other.hasFailed
  }

  /// An independent stream with the same history, for owners with value semantics.
  package func copy() throws(InflateError) -> InflateStream {
    try InflateStream(copying: self)
  }

  /// Forgets the history (no context takeover, RFC 7692 §7.1.1), any unfinished message and any error.
  /// Keeps the memory.
  package func reset() {
    guard !isFresh || hasFailed else { return }
    hasFailed = !stream.reset()
    isAtBoundary = true
    isFresh = true
  }

  /// Decompresses a part of a message's payload and appends all that it gives to `output`.
  ///
  /// - Parameters:
  ///   - input: any size; must not overlap the storage of `output`.
  ///   - limit: the most bytes that this call may append. One byte more is decompressed to see that there is
  ///     more, never a second one. Pass what is left of the message's budget.
  /// - Throws: ``InflateError``; what came out before the error stays in `output`, at most `limit` bytes.
  package func inflate(
    _ input: UnsafeRawBufferPointer,
    into output: inout [UInt8],
    limit: Int
  ) throws(InflateError) {
    guard !hasFailed else { throw .invalid }
    let start = output.count
    do {
      try run(input, into: &output, limit: limit)
    } catch {
      try fail(error, &output, start, limit)
    }
  }

  /// Ends the message: feeds the 00 00 FF FF that the sender removed (RFC 7692 §7.2.2). The history stays.
  ///
  /// Gives no bytes: the four octets are the length of an empty block, or else the message is cut inside a
  /// block. A message that ended exactly with a final block, without the octet that RFC 7692 §7.2.3.4 shows
  /// after it, and one with no payload at all (zlib's repeated flush, sent by some peers) are taken as
  /// complete.
  /// - Throws: `invalid` where the message ends inside a block.
  package func finishMessage() throws(InflateError) {
    guard !hasFailed else { throw .invalid }
    guard !isAtBoundary else { return }
    var status = Z_OK
    // One octet of room shows whether the tail was taken for data.
    var scratch: UInt8 = 0
    withUnsafeBytes(of: UInt32(0xFFFF_0000).littleEndian) { tail in
      stream.take(tail)
      status = withUnsafeMutablePointer(to: &scratch) {
        stream.run(Z_SYNC_FLUSH, into: UnsafeMutableBufferPointer(start: $0, count: 1))
      }
    }
    var isComplete = stream.pendingInput == 0 && stream.roomLeft == 1
    stream.forgetBuffers()
    switch status {
    case Z_OK:
      // 128 is "between two blocks", 64 "inside the last block", the low bits count unread bits.
      isComplete = isComplete && stream.position & 0xFF == 128
    case Z_STREAM_END:
      isComplete = isComplete && stream.resetKeepingHistory()
    default:
      isComplete = false
    }
    guard isComplete else {
      hasFailed = true
      throw status == Z_MEM_ERROR ? .outOfMemory : .invalid
    }
    isAtBoundary = true
  }

  private func run(
    _ input: UnsafeRawBufferPointer,
    into output: inout [UInt8],
    limit: Int
  ) throws(InflateError) {
    // Half of Int leaves room for the arithmetic below.
    let limit = max(0, min(limit, Int.max / 2))
    let start = output.count
    isFresh = isFresh && input.isEmpty
    defer { stream.forgetBuffers() }

    var offset = 0
    while offset < input.count {
      let end = offset + min(Self.mostRoom, input.count - offset)
      stream.take(UnsafeRawBufferPointer(rebasing: input[offset..<end]))
      offset = end

      repeat {
        let produced = output.count - start
        let pending = stream.pendingInput
        let room = room(in: output, produced: produced, limit: limit)
        let status = stream.run(Z_SYNC_FLUSH, room: room, into: &output)
        guard output.count - start <= limit else { throw .tooBig }
        switch status {
        case Z_STREAM_END:
          // A final block, after which the message may go on (RFC 7692 §7.2.3.4). zlib ends its stream
          // there; this reset keeps the window, in constant time: final blocks take two octets each, and a
          // peer may send many of them.
          guard stream.resetKeepingHistory() else { throw .invalid }
          isAtBoundary = true
        case Z_OK, Z_BUF_ERROR:
          if stream.pendingInput != pending { isAtBoundary = false }
          let isStuck = stream.pendingInput == pending && output.count - start == produced
          if isStuck && stream.pendingInput > 0 { throw .invalid }
        case Z_MEM_ERROR:
          throw .outOfMemory
        default:
          throw .invalid
        }
      } while stream.pendingInput > 0 || stream.roomLeft == 0
    }
  }

  /// The output room for the next call of zlib: what the caller's array has spare, else a guess that doubles.
  private func room(in output: [UInt8], produced: Int, limit: Int) -> Int {
    // One byte beyond the limit tells "exactly the limit" from "more".
    let allowed = min(limit - produced + 1, Self.mostRoom)
    let spare = output.capacity - output.count
    if spare >= min(allowed, Self.leastRoom) { return min(spare, allowed) }
    let guess =
      produced == 0
      ? min(stream.pendingInput, 1 << 18) * 4 + Self.leastRoom
      : max(produced, 8 * Self.leastRoom)
    return min(guess, allowed)
  }

  private func fail(
    _ error: InflateError,
    _ output: inout [UInt8],
    _ start: Int,
    _ limit: Int
  ) throws(InflateError) -> Never {
    hasFailed = true
    // A limit below zero, which `run` takes for zero, must not make more of what was appended.
    let excess = output.count - start - max(0, limit)
    if excess > 0 { output.removeLast(excess) }
    throw error
  }
}
