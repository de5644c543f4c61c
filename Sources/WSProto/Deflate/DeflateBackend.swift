// SPDX-License-Identifier: Apache-2.0

// What zlib and ISA-L have in common: raw DEFLATE (RFC 1951), one step at a time. What RFC 7692 makes of the steps
// stands above it, once: in MessageDeflater and MessageInflater.

/// A compressor.
package protocol DeflateBackend: AnyObject {
  /// The parameters are in zlib's ranges: 9...15, -1...9, 1...9.
  init(_ settings: DeflateSettings) throws(DeflateError)

  /// Compresses `input` and flushes it to a byte boundary with an empty stored block (zlib's Z_SYNC_FLUSH). Where `room`
  /// is too small for that, further steps go on with what is left of the input, which may be nothing.
  ///
  /// - Parameters:
  ///   - input: at most `UInt32.max` bytes.
  ///   - room: neither empty nor longer than that.
  /// - Returns: `nil` if the library refuses its own state.
  func step(_ input: UnsafeRawBufferPointer, into room: UnsafeMutableRawBufferPointer) -> DeflateStep?

  /// The most that one step's `count` bytes can become, in bytes.
  func bound(_ count: Int) -> Int

  /// The same for any settings.
  static func bound(_ count: Int) -> Int

  /// Forgets the history and what is under way; keeps the memory. Whether it could.
  func reset() -> Bool

  /// An independent one with the same history.
  func copy() throws(DeflateError) -> Self
}

/// What a step of a compressor has done, in bytes.
package struct DeflateStep {
  var used: Int
  var written: Int
  /// Whether all of the input is taken and out.
  var isFlushed: Bool
}

/// A decompressor.
package protocol InflateBackend: AnyObject {
  /// - Parameter windowBits: the largest window, in bits, that the peer may use, 8...15.
  init(windowBits: Int) throws(InflateError)

  /// Decompresses `input` until it is used up, `room` is full, a final block ends or the bytes are no DEFLATE.
  ///
  /// - Parameters:
  ///   - input: at most `UInt32.max` bytes; none at all to go on after ``InflateStep/End/needsRoom``.
  ///   - room: neither empty nor longer than that.
  func step(_ input: UnsafeRawBufferPointer, into room: UnsafeMutableRawBufferPointer) -> InflateStep

  /// Whether a block has ended and no bit behind it was read.
  var isBetweenBlocks: Bool { get }

  /// Ends a message in which the header of an empty stored block was the last that came, which is what a sender leaves
  /// of its flush. Whether it was so; if not, nothing has changed.
  func endAtStoredHeader() -> Bool

  /// Forgets the history and what is under way; keeps the memory. Whether it could.
  func reset() -> Bool

  /// An independent one in the same state.
  func copy() throws(InflateError) -> Self
}

/// What a step of a decompressor has done, in bytes, and why it has ended.
package struct InflateStep {
  package enum End: Equatable {
    /// All that the input gives is out.
    case needsInput
    /// The room is full; there may be more.
    case needsRoom
    /// A final block has ended (RFC 1951 §3.2.3, BFINAL). The next step reads another block, at the next octet and with
    /// the history; `more`: from bits that were taken already.
    case finalBlock(more: Bool)
    /// What comes next is no DEFLATE. All that came before is out.
    case invalid
    case outOfMemory
  }

  var used = 0
  var written = 0
  var end = End.needsInput
}

/// What a compressor is made with.
package struct DeflateSettings: Hashable, Sendable {
  /// The largest distance that it reaches back, in bits: 9...15. 8 is legal on the wire, but zlib has no raw DEFLATE
  /// for it.
  package var windowBits: Int
  /// 0...9, or -1 for zlib's default (6).
  package var level: Int
  /// 1...9; 8 is zlib's default.
  package var memoryLevel: Int

  package init(windowBits: Int = 15, level: Int = -1, memoryLevel: Int = 8) {
    self.windowBits = windowBits
    self.level = level
    self.memoryLevel = memoryLevel
  }

  /// What zlib cannot do of it, in words; `nil` if it can do all.
  var violation: String? {
    guard 9...15 ~= windowBits else { return "a window of \(windowBits) bits; zlib compresses with 9 to 15" }
    guard -1...9 ~= level else { return "a level of \(level), not -1 to 9" }
    guard 1...9 ~= memoryLevel else { return "a memory level of \(memoryLevel), not 1 to 9" }
    return nil
  }
}

/// Why nothing could be compressed.
package enum DeflateError: Error, Hashable, Sendable {
  /// Window bits, level or memory level out of range.
  case unsupportedParameter
  /// There is no memory for the context.
  case outOfMemory
  /// The library refused its own state. Nothing more is compressed until a reset.
  case corruptState
}

/// Why nothing, or nothing more, could be inflated.
package enum InflateError: Error, Hashable, Sendable {
  /// The bytes are no DEFLATE stream, or the message ends inside a block. Answer with close code 1007.
  case invalid
  /// Window bits out of 8...15.
  case unsupportedParameter
  /// There is no memory for the context or its window.
  case outOfMemory
}

/// Messages compressed by zlib.
package typealias DeflateStream = MessageDeflater<ZlibDeflate>
/// Messages inflated by zlib.
package typealias InflateStream = MessageInflater<ZlibInflate>
