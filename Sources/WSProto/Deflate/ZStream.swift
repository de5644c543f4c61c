// SPDX-License-Identifier: Apache-2.0

import CZlib

/// The owner of a z_stream for raw DEFLATE (RFC 1951): opens, copies, resets, runs and frees it.
struct ZStream: ~Copyable {
  enum Direction {
    case compress
    case decompress
  }

  /// Why zlib gave no stream.
  enum Failure: Error {
    case outOfMemory
    case refused

    fileprivate init(_ status: Int32) { self = status == Z_MEM_ERROR ? .outOfMemory : .refused }
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
      throw Failure(status)
    }
    self.stream = stream
    self.direction = direction
  }

  /// A compressor; the parameters are in zlib's ranges.
  init(windowBits: Int, level: Int, memoryLevel: Int) throws(Failure) {
    try self.init(.compress) {
      deflateInit2_(
        $0,
        Int32(level),
        Z_DEFLATED,
        -Int32(windowBits),
        Int32(memoryLevel),
        Z_DEFAULT_STRATEGY,
        ZLIB_VERSION,
        Int32(MemoryLayout<z_stream>.size)
      )
    }
  }

  /// A decompressor; the window is in zlib's range.
  init(windowBits: Int) throws(Failure) {
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

  /// An independent stream in the same state.
  borrowing func copy() throws(Failure) -> ZStream {
    let (source, direction) = (stream, direction)
    return try ZStream(direction) {
      switch direction {
      case .compress: deflateCopy($0, source)
      case .decompress: inflateCopy($0, source)
      }
    }
  }

  /// Forgets everything but the parameters, and keeps the memory. Whether zlib did it.
  borrowing func reset() -> Bool {
    switch direction {
    case .compress: deflateReset(stream) == Z_OK
    case .decompress: inflateReset(stream) == Z_OK
    }
  }

  /// Decompressors: starts a new stream with the history of the old one. Whether zlib did it.
  borrowing func resetKeepingHistory() -> Bool { inflateResetKeep(stream) == Z_OK }

  /// Hands `input` to the next runs. It must stay valid until ``forgetBuffers()``, and have at most `UInt32.max` bytes.
  borrowing func take(_ input: UnsafeRawBufferPointer) {
    stream.pointee.next_in = UnsafeMutablePointer(
      mutating: input.baseAddress?.assumingMemoryBound(to: UInt8.self)
    )
    stream.pointee.avail_in = UInt32(truncatingIfNeeded: input.count)
  }

  /// Runs zlib once and appends what it gives, at most `room` bytes. The status.
  borrowing func run(_ flush: Int32, room: Int, into output: inout [UInt8]) -> Int32 {
    var status = Z_OK
    // Bounds: zlib gets exactly the added capacity, and what it says it wrote is what becomes visible.
    output.append(addingCapacity: room) { span in
      span.withUnsafeMutableBufferPointer { buffer, initializedCount in
        status = run(flush, into: buffer)
        initializedCount = buffer.count - Int(stream.pointee.avail_out)
      }
    }
    return status
  }

  /// Runs zlib once, with all of `room` to write to: at most `UInt32.max` bytes. The status.
  borrowing func run(_ flush: Int32, into room: UnsafeMutableBufferPointer<UInt8>) -> Int32 {
    stream.pointee.next_out = room.baseAddress
    stream.pointee.avail_out = UInt32(truncatingIfNeeded: room.count)
    return switch direction {
    case .compress: deflate(stream, flush)
    case .decompress: inflate(stream, flush)
    }
  }

  /// Input that no run has taken yet, in bytes.
  var pendingInput: Int { Int(stream.pointee.avail_in) }

  /// Room that the last run left, in bytes. After 0 there may be more to give.
  var roomLeft: Int { Int(stream.pointee.avail_out) }

  /// zlib's `data_type`: where a decompressor stands.
  var position: Int32 { stream.pointee.data_type }

  /// The most that `count` bytes of input can become, in bytes, without what earlier calls hold back.
  borrowing func bound(_ count: Int) -> Int { Int(clamping: deflateBound(stream, uLong(clamping: count))) }

  /// Drops the pointers into the caller's memory, so that none outlives a call.
  borrowing func forgetBuffers() {
    stream.pointee.next_in = nil
    stream.pointee.avail_in = 0
    stream.pointee.next_out = nil
    stream.pointee.avail_out = 0
  }
}
