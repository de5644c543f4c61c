// SPDX-License-Identifier: Apache-2.0

// The package trait ISAL selects, at build time, which library permessage-deflate uses. Tools that generate
// documentation turn on all traits, so the trait is ignored where ISA-L isn't installed.
#if ISAL && (canImport(CISALInUsr) || canImport(CISALInUsrLocal))
import CISAL

/// What compresses messages.
package typealias Deflater = ISALDeflateStream
/// What inflates messages.
package typealias Inflater = ISALInflateStream

/// Messages compressed by ISA-L.
package typealias ISALDeflateStream = MessageDeflater<ISALDeflate>
/// Messages inflated by ISA-L.
package typealias ISALInflateStream = MessageInflater<ISALInflate>

/// Intel ISA-L's compressor, several times as fast as zlib's.
///
/// Memory: about 168 KB; 218 KB at levels 7 and 8; 234 KB at level 9. The memory level is ignored.
package final class ISALDeflate: DeflateBackend {
  private enum Library {
    case isal(OpaquePointer)
    /// For level 0, because no level of ISA-L only stores.
    case zlib(ZlibDeflate)
  }

  private let library: Library

  private init(_ library: Library) { self.library = library }

  package convenience init(_ settings: DeflateSettings) throws(DeflateError) {
    try self.init(settings, restartsAfter: 1 << 30)
  }

  /// - Parameter restartsAfter: the number of input bytes after which the history is dropped.
  package convenience init(_ settings: DeflateSettings, restartsAfter: UInt32) throws(DeflateError) {
    if settings.level == 0 {
      self.init(.zlib(try ZlibDeflate(settings)))
      return
    }
    // ISA-L's level 0 is not used: 125 bytes of JSON become 154.
    let level: UInt32 =
      switch settings.level {
      case 9: 3
      case 7, 8: 2
      default: 1
      }
    guard let deflater = cisal_deflater_open(level, UInt16(clamping: settings.windowBits), restartsAfter)
    else { throw .outOfMemory }
    self.init(.isal(deflater))
  }

  deinit {
    if case .isal(let deflater) = library { cisal_deflater_close(deflater) }
  }

  package func step(
    _ input: UnsafeRawBufferPointer,
    into room: UnsafeMutableRawBufferPointer
  ) -> DeflateStep? {
    switch library {
    case .zlib(let zlib): return zlib.step(input, into: room)
    case .isal(let deflater):
      var left = input.count
      var roomLeft = room.count
      // Bounds: ISA-L gets exactly the input and the room, and keeps neither pointer after the call.
      let flush = cisal_deflate(
        deflater,
        input.baseAddress?.assumingMemoryBound(to: UInt8.self),
        &left,
        room.baseAddress?.assumingMemoryBound(to: UInt8.self),
        &roomLeft
      )
      if flush == CISAL_FAILED { return nil }
      return DeflateStep(
        used: input.count - left,
        written: room.count - roomLeft,
        isFlushed: flush == CISAL_FLUSHED
      )
    }
  }

  package func bound(_ count: Int) -> Int {
    switch library {
    case .zlib(let zlib): zlib.bound(count)
    case .isal: Self.isalBound(count)
    }
  }

  package static func bound(_ count: Int) -> Int { max(isalBound(count), ZlibDeflate.bound(count)) }

  /// Stored blocks add five octets per several thousand bytes.
  private static func isalBound(_ count: Int) -> Int {
    let (sum, overflow) = count.addingReportingOverflow(count >> 8 + 512)
    return overflow ? .max : sum
  }

  package func reset() -> Bool {
    switch library {
    case .zlib(let zlib): return zlib.reset()
    case .isal(let deflater):
      cisal_deflater_reset(deflater)
      return true
    }
  }

  package func copy() throws(DeflateError) -> ISALDeflate {
    switch library {
    case .zlib(let zlib): return ISALDeflate(.zlib(try zlib.copy()))
    case .isal(let deflater):
      guard let copy = cisal_deflater_copy(deflater) else { throw .outOfMemory }
      return ISALDeflate(.isal(copy))
    }
  }
}

/// Intel ISA-L's decompressor. It gives the same bytes and errors as zlib's and is twice as fast for long
/// messages, with three differences:
///
/// - The window is always DEFLATE's full 32 KB. A peer that refers further back than it negotiated gets its
///   own data, however the bytes were split; a reference before its first byte is `invalid`.
/// - ISA-L decodes ahead into its own buffer of 64 KB, which the message limit doesn't count.
/// - Incomplete codes, which leave some bit patterns without a symbol, are accepted as long as none of these
///   patterns occurs. zlib refuses them.
///
/// Memory: about 109 KB, whatever the window.
package final class ISALInflate: InflateBackend {
  private let inflater: OpaquePointer

  private init(_ inflater: OpaquePointer) { self.inflater = inflater }

  package convenience init(windowBits: Int) throws(InflateError) {
    guard let inflater = cisal_inflater_open() else { throw .outOfMemory }
    self.init(inflater)
  }

  deinit { cisal_inflater_close(inflater) }

  package func step(
    _ input: UnsafeRawBufferPointer,
    into room: UnsafeMutableRawBufferPointer
  ) -> InflateStep {
    var left = input.count
    var roomLeft = room.count
    // Bounds: exactly the input and the room; neither pointer is kept after the call.
    let status = cisal_inflate(
      inflater,
      input.baseAddress?.assumingMemoryBound(to: UInt8.self),
      &left,
      room.baseAddress?.assumingMemoryBound(to: UInt8.self),
      &roomLeft
    )
    let end: InflateStep.End =
      switch status {
      case CISAL_NEEDS_INPUT: .needsInput
      case CISAL_NEEDS_ROOM: .needsRoom
      case CISAL_FINAL_BLOCK: .finalBlock(more: false)
      case CISAL_FINAL_BLOCK_AND_MORE: .finalBlock(more: true)
      default: .invalid
      }
    return InflateStep(used: input.count - left, written: room.count - roomLeft, end: end)
  }

  package var isBetweenBlocks: Bool { cisal_inflater_is_between_blocks(inflater) }

  package func endAtStoredHeader() -> Bool { cisal_inflater_end_at_stored_header(inflater) }

  package func reset() -> Bool {
    cisal_inflater_reset(inflater)
    return true
  }

  package func copy() throws(InflateError) -> ISALInflate {
    guard let copy = cisal_inflater_copy(inflater) else { throw .outOfMemory }
    return ISALInflate(copy)
  }
}
#else
/// What compresses messages.
package typealias Deflater = DeflateStream
/// What inflates messages.
package typealias Inflater = InflateStream
#endif
