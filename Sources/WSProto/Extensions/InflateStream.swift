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
  // zlib keeps a pointer back to the z_stream and compares it, so the struct must never move.
  private let stream: UnsafeMutablePointer<z_stream>
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
    let stream = UnsafeMutablePointer<z_stream>.allocate(capacity: 1)
    stream.initialize(to: z_stream())
    let status = inflateInit2_(
      stream,
      -Int32(max(windowBits, 9)),
      ZLIB_VERSION,
      Int32(MemoryLayout<z_stream>.size)
    )
    guard status == Z_OK else {
      stream.deallocate()
      throw status == Z_MEM_ERROR ? .outOfMemory : .unsupportedParameter
    }
    self.stream = stream
    isAtBoundary = true
    isFresh = true
    hasFailed = false
  }

  private init(copying other: InflateStream) throws(InflateError) {
    let stream = UnsafeMutablePointer<z_stream>.allocate(capacity: 1)
    stream.initialize(to: z_stream())
    let status = inflateCopy(stream, other.stream)
    guard status == Z_OK else {
      stream.deallocate()
      throw status == Z_MEM_ERROR ? .outOfMemory : .invalid
    }
    self.stream = stream
    isAtBoundary = other.isAtBoundary
    isFresh = other.isFresh
    hasFailed = other.hasFailed
  }

  deinit {
    _ = inflateEnd(stream)
    stream.deallocate()
  }

  /// An independent stream with the same history, for owners with value semantics.
  package func copy() throws(InflateError) -> InflateStream {
    try InflateStream(copying: self)
  }

  /// Forgets the history (no context takeover, RFC 7692 §7.1.1), any unfinished message and any error.
  /// Keeps the memory.
  package func reset() {
    guard !isFresh || hasFailed else { return }
    hasFailed = inflateReset(stream) != Z_OK
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
    withUnsafeMutableBytes(of: &scratch) { room in
      withUnsafeBytes(of: UInt32(0xFFFF_0000).littleEndian) { tail in
        stream.pointee.next_in = UnsafeMutablePointer(
          mutating: tail.baseAddress?.assumingMemoryBound(to: UInt8.self)
        )
        stream.pointee.avail_in = 4
        stream.pointee.next_out = room.baseAddress?.assumingMemoryBound(to: UInt8.self)
        stream.pointee.avail_out = 1
        status = CZlib.inflate(stream, Z_SYNC_FLUSH)
      }
    }
    var isComplete = stream.pointee.avail_in == 0 && stream.pointee.avail_out == 1
    stream.pointee.forgetBuffers()
    switch status {
    case Z_OK:
      // 128 is "between two blocks", 64 "inside the last block", the low bits count unread bits.
      isComplete = isComplete && stream.pointee.data_type & 0xFF == 128
    case Z_STREAM_END:
      isComplete = isComplete && inflateResetKeep(stream) == Z_OK
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
    let stream = stream
    // Half of Int leaves room for the arithmetic below.
    let limit = max(0, min(limit, Int.max / 2))
    let start = output.count
    isFresh = isFresh && input.isEmpty
    defer { stream.pointee.forgetBuffers() }

    var offset = 0
    while offset < input.count {
      let end = offset + min(Self.mostRoom, input.count - offset)
      let slice = UnsafeRawBufferPointer(rebasing: input[offset..<end])
      stream.pointee.next_in = UnsafeMutablePointer(
        mutating: slice.baseAddress?.assumingMemoryBound(to: UInt8.self)
      )
      stream.pointee.avail_in = UInt32(truncatingIfNeeded: slice.count)
      offset = end

      repeat {
        let produced = output.count - start
        let pending = stream.pointee.avail_in
        let status = step(into: &output, room: room(in: output, produced: produced, limit: limit))
        guard output.count - start <= limit else { throw .tooBig }
        switch status {
        case Z_STREAM_END:
          // A final block, after which the message may go on (RFC 7692 §7.2.3.4). zlib ends its stream
          // there; this reset keeps the window, in constant time: final blocks take two octets each, and a
          // peer may send many of them.
          guard inflateResetKeep(stream) == Z_OK else { throw .invalid }
          isAtBoundary = true
        case Z_OK, Z_BUF_ERROR:
          if stream.pointee.avail_in != pending { isAtBoundary = false }
          let isStuck = stream.pointee.avail_in == pending && output.count - start == produced
          if isStuck && stream.pointee.avail_in > 0 { throw .invalid }
        case Z_MEM_ERROR:
          throw .outOfMemory
        default:
          throw .invalid
        }
      } while stream.pointee.avail_in > 0 || stream.pointee.avail_out == 0
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
      ? min(Int(stream.pointee.avail_in), 1 << 18) * 4 + Self.leastRoom
      : max(produced, 8 * Self.leastRoom)
    return min(guess, allowed)
  }

  private func step(into output: inout [UInt8], room: Int) -> Int32 {
    let stream = stream
    var status = Z_OK
    // Bounds: zlib gets exactly the added capacity, and what it says it wrote is what becomes visible.
    output.append(addingCapacity: room) { span in
      span.withUnsafeMutableBufferPointer { buffer, initializedCount in
        stream.pointee.next_out = buffer.baseAddress
        stream.pointee.avail_out = UInt32(truncatingIfNeeded: buffer.count)
        status = CZlib.inflate(stream, Z_SYNC_FLUSH)
        initializedCount = buffer.count - Int(stream.pointee.avail_out)
      }
    }
    return status
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
