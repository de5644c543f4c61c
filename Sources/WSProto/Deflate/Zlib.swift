// SPDX-License-Identifier: Apache-2.0

import CZlib

/// zlib's compressor.
package final class ZlibDeflate: DeflateBackend {
  private let stream: ZStream

  private init(_ stream: consuming ZStream) { self.stream = stream }

  package convenience init(_ settings: DeflateSettings) throws(DeflateError) {
    do throws(ZStream.Failure) {
      self.init(try ZStream(compressing: settings))
    } catch {
      throw error == .outOfMemory ? .outOfMemory : .unsupportedParameter
    }
  }

  package func step(
    _ input: UnsafeRawBufferPointer,
    into room: UnsafeMutableRawBufferPointer
  ) -> DeflateStep? {
    let (status, used, written) = stream.run(input, into: room)
    // Z_BUF_ERROR only says that there was nothing left to do.
    guard status == Z_OK || status == Z_BUF_ERROR else { return nil }
    // The flush is complete if room is left.
    return DeflateStep(used: used, written: written, isFlushed: used == input.count && written < room.count)
  }

  package func bound(_ count: Int) -> Int { stream.bound(count) }

  package static func bound(_ count: Int) -> Int { Int(clamping: deflateBound(nil, uLong(clamping: count))) }

  package func reset() -> Bool { stream.reset() }

  package func copy() throws(DeflateError) -> ZlibDeflate {
    do throws(ZStream.Failure) {
      return ZlibDeflate(try stream.copy())
    } catch {
      throw error == .outOfMemory ? .outOfMemory : .corruptState
    }
  }
}

/// zlib's decompressor.
///
/// A peer that refers further back than the window gets `invalid` or its own data, depending on how the bytes
/// were split, and never anything else. A window of 8 bits is treated as 9, which decodes the same streams.
package final class ZlibInflate: InflateBackend {
  private let stream: ZStream

  private init(_ stream: consuming ZStream) { self.stream = stream }

  package convenience init(windowBits: Int) throws(InflateError) {
    do throws(ZStream.Failure) {
      self.init(try ZStream(decompressing: max(windowBits, 9)))
    } catch {
      throw error == .outOfMemory ? .outOfMemory : .unsupportedParameter
    }
  }

  package func step(
    _ input: UnsafeRawBufferPointer,
    into room: UnsafeMutableRawBufferPointer
  ) -> InflateStep {
    let (status, used, written) = stream.run(input, into: room)
    let end: InflateStep.End =
      switch status {
      // zlib considers the stream ended here; this reset keeps the window.
      case Z_STREAM_END: stream.resetKeepingHistory() ? .finalBlock(more: false) : .invalid
      case Z_OK, Z_BUF_ERROR: written == room.count ? .needsRoom : .needsInput
      case Z_MEM_ERROR: .outOfMemory
      default: .invalid
      }
    return InflateStep(used: used, written: written, end: end)
  }

  // 128 is "between two blocks", 64 "inside the last block", the low bits count unread bits.
  package var isBetweenBlocks: Bool { stream.position & 0xFF == 128 }

  /// Always `false`: zlib has no way shorter than a step.
  package func endAtStoredHeader() -> Bool { false }

  package func reset() -> Bool { stream.reset() }

  package func copy() throws(InflateError) -> ZlibInflate {
    do throws(ZStream.Failure) {
      return ZlibInflate(try stream.copy())
    } catch {
      throw error == .outOfMemory ? .outOfMemory : .invalid
    }
  }
}

/// Owns a z_stream for raw DEFLATE: opens, copies, resets, runs and frees it.
private struct ZStream: ~Copyable {
  private enum Direction {
    case compress
    case decompress
  }

  /// Why zlib could not make a stream.
  enum Failure: Error {
    case outOfMemory
    case refused
  }

  // zlib keeps a pointer back to the z_stream and compares it, so the struct must never move.
  private let stream: UnsafeMutablePointer<z_stream>
  private let direction: Direction

  private init(_ direction: Direction, open: (UnsafeMutablePointer<z_stream>) -> Int32) throws(Failure) {
    let stream = UnsafeMutablePointer<z_stream>.allocate(capacity: 1)
    stream.initialize(to: z_stream())
    let status = open(stream)
    guard status == Z_OK else {
      stream.deallocate()
      throw status == Z_MEM_ERROR ? .outOfMemory : .refused
    }
    self.stream = stream
    self.direction = direction
  }

  init(compressing settings: DeflateSettings) throws(Failure) {
    try self.init(.compress) {
      deflateInit2_(
        $0,
        Int32(settings.level),
        Z_DEFLATED,
        -Int32(settings.windowBits),
        Int32(settings.memoryLevel),
        Z_DEFAULT_STRATEGY,
        ZLIB_VERSION,
        Int32(MemoryLayout<z_stream>.size)
      )
    }
  }

  init(decompressing windowBits: Int) throws(Failure) {
    try self.init(.decompress) {
      inflateInit2_($0, -Int32(windowBits), ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size))
    }
  }

  deinit {
    switch direction {
    case .compress: _ = deflateEnd(stream)
    case .decompress: _ = inflateEnd(stream)
    }
    stream.deallocate()
  }

  borrowing func copy() throws(Failure) -> ZStream {
    let (source, direction) = (stream, direction)
    return try ZStream(direction) {
      switch direction {
      case .compress: deflateCopy($0, source)
      case .decompress: inflateCopy($0, source)
      }
    }
  }

  borrowing func reset() -> Bool {
    switch direction {
    case .compress: deflateReset(stream) == Z_OK
    case .decompress: inflateReset(stream) == Z_OK
    }
  }

  /// For decompressors: starts a new stream with the old history, in constant time. Returns whether zlib did.
  borrowing func resetKeepingHistory() -> Bool { inflateResetKeep(stream) == Z_OK }

  /// Runs zlib once. Both sizes are at most `UInt32.max`.
  ///
  /// Bounds: zlib gets exactly the input and the room, and keeps neither pointer after the call.
  borrowing func run(
    _ input: UnsafeRawBufferPointer,
    into room: UnsafeMutableRawBufferPointer
  ) -> (status: Int32, used: Int, written: Int) {
    let bytes = input.baseAddress?.assumingMemoryBound(to: UInt8.self)
    stream.pointee.next_in = UnsafeMutablePointer(mutating: bytes)
    stream.pointee.avail_in = UInt32(truncatingIfNeeded: input.count)
    stream.pointee.next_out = room.baseAddress?.assumingMemoryBound(to: UInt8.self)
    stream.pointee.avail_out = UInt32(truncatingIfNeeded: room.count)
    let status =
      switch direction {
      case .compress: deflate(stream, Z_SYNC_FLUSH)
      case .decompress: inflate(stream, Z_SYNC_FLUSH)
      }
    let used = input.count - Int(stream.pointee.avail_in)
    let written = room.count - Int(stream.pointee.avail_out)
    stream.pointee.next_in = nil
    stream.pointee.avail_in = 0
    stream.pointee.next_out = nil
    stream.pointee.avail_out = 0
    return (status, used, written)
  }

  /// zlib's `data_type`: where a decompressor stands.
  var position: Int32 { stream.pointee.data_type }

  /// The largest size, in bytes, that `count` bytes of input can become.
  borrowing func bound(_ count: Int) -> Int { Int(clamping: deflateBound(stream, uLong(clamping: count))) }
}
