// SPDX-License-Identifier: Apache-2.0

import CZlib

/// Why a ``DeflateStream`` could not be made or used.
package enum DeflateError: Error, Hashable, Sendable {
  /// Window bits, level or memory level out of range. zlib can't write raw DEFLATE with a window of 8 bits.
  case unsupportedParameter
  /// zlib could not allocate its state.
  case outOfMemory
  /// zlib refused its own state. The stream gives nothing more until ``DeflateStream/reset()``.
  case corruptState
}

/// A raw DEFLATE (RFC 1951) compressor that cuts its output into the messages of RFC 7692.
///
/// Memory: `(1 << (windowBits + 2)) + (1 << (memoryLevel + 9))` bytes of zlib buffers and about 6 KB of
/// state, 268 KB for 15 and 8. It is allocated by the initialiser and freed by `deinit`: create a stream
/// when the first message to be compressed turns up, not with the connection.
package final class DeflateStream {
  private let stream: ZStream
  /// The most output, in bytes, that input of earlier calls may still have due.
  private let heldOutputBound: Int
  /// Bytes of the current message that went in so far, saturating.
  private var messageLength: Int
  private var isFresh: Bool
  private var hasFailed: Bool

  /// Input goes to zlib in slices of this size, so that its 32-bit counters and the room asked for stay
  /// small.
  private static let sliceSize = 1 << 20
  /// Output room when the bound was too small. Far more than the six bytes below which a flush marker may
  /// repeat.
  private static let extraRoom = 16 << 10

  /// Allocates a compressor.
  ///
  /// - Parameters:
  ///   - windowBits: 9...15. 8 is legal on the wire, but zlib has no raw DEFLATE for it.
  ///   - level: 0...9, or -1 for zlib's default (6).
  ///   - memoryLevel: 1...9; 8 is zlib's default.
  package init(windowBits: Int = 15, level: Int = -1, memoryLevel: Int = 8) throws(DeflateError) {
    guard 9...15 ~= windowBits, -1...9 ~= level, 1...9 ~= memoryLevel else { throw .unsupportedParameter }
    do throws(ZStream.Failure) {
      stream = try ZStream(windowBits: windowBits, level: level, memoryLevel: memoryLevel)
    } catch {
      throw error == .outOfMemory ? .outOfMemory : .unsupportedParameter
    }
    // One block of symbols (it fits zlib's pending buffer by construction) and two windows of look-ahead.
    heldOutputBound = (4 << (memoryLevel + 6)) + (2 << windowBits)
    messageLength = 0
    isFresh = true
    hasFailed = false
  }

  private init(copying other: DeflateStream) throws(DeflateError) {
    do throws(ZStream.Failure) {
      stream = try other.stream.copy()
    } catch {
      throw error == .outOfMemory ? .outOfMemory : .corruptState
    }
    heldOutputBound = other.heldOutputBound
    messageLength = other.messageLength
    isFresh = other.isFresh
    hasFailed = other.hasFailed
  }

  /// An independent stream with the same history, for owners with value semantics.
  package func copy() throws(DeflateError) -> DeflateStream {
    try DeflateStream(copying: self)
  }

  /// Forgets the history (no context takeover, RFC 7692 §7.1.1) and any unfinished message. Keeps the memory.
  package func reset() {
    guard !isFresh || hasFailed else { return }
    hasFailed = !stream.reset()
    messageLength = 0
    isFresh = true
  }

  /// Compresses a part of a message and appends what zlib gives to `output`.
  ///
  /// With `finishMessage` the message is flushed and the trailing 00 00 FF FF removed (RFC 7692 §7.2.1).
  /// Without it nothing is flushed: a part in the middle of a message may append nothing, its bytes come
  /// with a later call.
  /// - Parameter input: any size; must not overlap the storage of `output`.
  /// - Throws: `corruptState`; `output` is then what it was before the call.
  package func compress(
    _ input: UnsafeRawBufferPointer,
    finishMessage: Bool,
    into output: inout [UInt8]
  ) throws(DeflateError) {
    guard !hasFailed else { throw .corruptState }
    let (sum, overflow) = messageLength.addingReportingOverflow(input.count)
    messageLength = overflow ? .max : sum
    guard messageLength > 0 else {
      // zlib doesn't repeat a flush without new input (Z_BUF_ERROR). The stream stands on a byte boundary
      // here, so the header of an empty stored block is this octet (RFC 7692 §7.2.3.6).
      if finishMessage { output.append(0) }
      return
    }
    isFresh = false
    let start = output.count
    var offset = 0
    repeat {
      let end = offset + min(Self.sliceSize, input.count - offset)
      let isLast = finishMessage && end == input.count
      guard
        deflateSlice(
          UnsafeRawBufferPointer(rebasing: input[offset..<end]),
          flush: isLast ? Z_SYNC_FLUSH : Z_NO_FLUSH,
          into: &output
        )
      else { try fail(&output, start) }
      offset = end
    } while offset < input.count
    guard finishMessage else { return }
    messageLength = 0
    // The flush marker is written by the flush alone, so its four octets are always within this call's
    // output.
    let end = output.count
    guard end - start >= 4,
      output[end - 4] == 0, output[end - 3] == 0, output[end - 2] == 0xFF, output[end - 1] == 0xFF
    else { try fail(&output, start) }
    output.removeLast(4)
  }

  /// Runs one slice through zlib until all input is taken and all output due is out.
  private func deflateSlice(_ input: UnsafeRawBufferPointer, flush: Int32, into output: inout [UInt8]) -> Bool
  {
    // A slice has at most `sliceSize` bytes.
    stream.take(input)
    defer { stream.forgetBuffers() }

    var room = stream.bound(input.count) &+ 16
    if flush != Z_NO_FLUSH { room &+= min(messageLength &- input.count, heldOutputBound) }
    repeat {
      let status = stream.run(flush, room: room, into: &output)
      room = Self.extraRoom
      // Z_BUF_ERROR only says that a further call found nothing to do.
      guard status == Z_OK || status == Z_BUF_ERROR else { return false }
    } while stream.roomLeft == 0
    return stream.pendingInput == 0
  }

  private func fail(_ output: inout [UInt8], _ start: Int) throws(DeflateError) -> Never {
    hasFailed = true
    output.removeLast(output.count - start)
    throw .corruptState
  }
}
