// SPDX-License-Identifier: Apache-2.0

// What zlib and ISA-L have in common: raw DEFLATE (RFC 1951), one step at a time. MessageDeflater and
// MessageInflater build the rules of RFC 7692 on these steps.

/// A compressor.
package protocol DeflateBackend: AnyObject {
  /// The parameters must be in zlib's ranges: 9...15, -1...9, 1...9.
  init(_ settings: DeflateSettings) throws(DeflateError)

  /// Compresses `input` and flushes it to a byte boundary with an empty stored block (zlib's Z_SYNC_FLUSH).
  /// If `room` is too small, call it again with the rest of the input, which may be empty.
  ///
  /// - Parameters:
  ///   - input: at most `UInt32.max` bytes.
  ///   - room: not empty, at most `UInt32.max` bytes.
  /// - Returns: `nil` if the library reports its own state as invalid.
  func step(_ input: UnsafeRawBufferPointer, into room: UnsafeMutableRawBufferPointer) -> DeflateStep?

  /// The largest size, in bytes, that one step's `count` bytes can become.
  func bound(_ count: Int) -> Int

  /// The same for any settings.
  static func bound(_ count: Int) -> Int

  /// Clears the history and any unfinished input, and keeps the memory. Returns whether that succeeded.
  func reset() -> Bool

  /// An independent copy with the same history.
  func copy() throws(DeflateError) -> Self
}

/// What one step of a compressor did, in bytes.
package struct DeflateStep {
  var used: Int
  var written: Int
  /// Whether all of the input was taken and all output for it was written.
  var isFlushed: Bool
}

/// A decompressor.
package protocol InflateBackend: AnyObject {
  /// - Parameter windowBits: the largest window, in bits, that the peer may use, 8...15.
  init(windowBits: Int) throws(InflateError)

  /// Decompresses `input` until it is used up, `room` is full, a final block ends or the data is not valid
  /// DEFLATE.
  ///
  /// - Parameters:
  ///   - input: at most `UInt32.max` bytes; empty to continue after ``InflateStep/End/needsRoom``.
  ///   - room: not empty, at most `UInt32.max` bytes.
  func step(_ input: UnsafeRawBufferPointer, into room: UnsafeMutableRawBufferPointer) -> InflateStep

  /// Whether a block has just ended and no bit after it has been read.
  var isBetweenBlocks: Bool { get }

  /// Ends a message whose last bits are the header of an empty stored block, which is what a sender leaves of
  /// its flush. Returns whether that was the case; if not, nothing has changed.
  func endAtStoredHeader() -> Bool

  /// Clears the history and any unfinished input, and keeps the memory. Returns whether that succeeded.
  func reset() -> Bool

  /// An independent copy in the same state.
  func copy() throws(InflateError) -> Self
}

/// What one step of a decompressor did, in bytes, and why it ended.
package struct InflateStep {
  package enum End: Equatable {
    /// All output for the input has been written.
    case needsInput
    /// The room is full; there may be more output.
    case needsRoom
    /// A final block has ended (RFC 1951 §3.2.3, BFINAL). The next step reads another block, starting at the
    /// next octet and with the same history. `more`: whether input already taken can give more output.
    case finalBlock(more: Bool)
    /// What follows is not valid DEFLATE. All output before it has been written.
    case invalid
    case outOfMemory
  }

  var used = 0
  var written = 0
  var end = End.needsInput
}

/// The settings of a compressor.
package struct DeflateSettings: Hashable, Sendable {
  /// The size of the window, in bits: 9...15. 8 is legal on the wire, but zlib can't produce raw DEFLATE with
  /// it.
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

  /// Which setting zlib doesn't support, in words; `nil` if it supports all of them.
  var violation: String? {
    guard 9...15 ~= windowBits else { return "a window of \(windowBits) bits; zlib compresses with 9 to 15" }
    guard -1...9 ~= level else { return "a level of \(level), not -1 to 9" }
    guard 1...9 ~= memoryLevel else { return "a memory level of \(memoryLevel), not 1 to 9" }
    return nil
  }
}

/// Why data could not be compressed.
package enum DeflateError: Error, Hashable, Sendable {
  /// Window bits, level or memory level out of range.
  case unsupportedParameter
  /// There is no memory for the context.
  case outOfMemory
  /// The library reported its own state as invalid. Nothing more can be compressed until a reset.
  case corruptState
}

/// Why data could not be inflated.
package enum InflateError: Error, Hashable, Sendable {
  /// The data is not valid DEFLATE, or the message ends inside a block. Answer with close code 1007.
  case invalid
  /// Window bits outside 8...15.
  case unsupportedParameter
  /// There is no memory for the context or its window.
  case outOfMemory
}

/// Messages compressed by zlib.
package typealias DeflateStream = MessageDeflater<ZlibDeflate>
/// Messages inflated by zlib.
package typealias InflateStream = MessageInflater<ZlibInflate>
