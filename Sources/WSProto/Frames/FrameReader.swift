// SPDX-License-Identifier: Apache-2.0

/// Reads frame headers, and tracks the payload of the current frame, which is unmasked in place
/// (RFC 6455 §5.2, §5.3).
///
/// It works on a writable window of received bytes. A header that is split between windows is collected here,
/// so nothing is scanned twice.
struct FrameReader {
  /// A frame whose header has been read and whose payload has not been fully taken.
  struct Frame {
    let header: Header
    /// The size of the header on the wire.
    let headerSize: Int
    /// Payload bytes that are still masked.
    fileprivate(set) var remaining: UInt64
    /// The masking key, rotated for the next of them; zero if the frame is unmasked.
    fileprivate(set) var key: UInt32
    /// Payload bytes at the window's position that are unmasked but not taken yet.
    fileprivate(set) var ready = 0

    /// Whether all of the payload is unmasked.
    var isComplete: Bool { remaining == 0 }
  }

  /// The frame under way; `nil` between frames.
  private(set) var frame: Frame?

  /// Servers accept only masked frames, clients only unmasked ones (§5.1).
  private let expectsMask: Bool

  // The first bytes of a split header, in wire order; `collected` of them.
  private var collectedBytes: (UInt64, UInt64) = (0, 0)
  private var collected = 0

  init(role: ConnectionType) { expectsMask = role == .server }

  /// Whether the next byte starts a frame.
  var atFrameStart: Bool { frame == nil && collected == 0 }

  // MARK: Headers, §5.2

  /// Reads the header of the next frame from the window; `nil` if the window ends first. Throws as early as
  /// the first two bytes, or the length, show that the frame is not legal, before the rest has arrived.
  ///
  /// Must not be called within a frame. Bounds: [position, end) is the window at `base`.
  mutating func readHeader(
    _ base: UnsafeMutableRawPointer,
    _ position: inout Int,
    _ end: Int
  ) throws(ParseFailed) -> Header? {
    if collected == 0, let found = try parse(UnsafeRawPointer(base + position), available: end - position) {
      position += found.headerSize
      frame = found
      return found.header
    }
    // Byte by byte: at most 14 times per frame, and only if a window ends inside a header.
    while position < end {
      let byte = base.load(fromByteOffset: position, as: UInt8.self)
      position += 1
      // `collected` stays below 14, because a header has at most 14 bytes.
      withUnsafeMutableBytes(of: &collectedBytes) { $0[collected] = byte }
      collected += 1
      let available = collected
      let found = try withUnsafeBytes(of: collectedBytes) { (raw) throws(ParseFailed) -> Frame? in
        guard let start = raw.baseAddress else { return nil }
        return try parse(start, available: available)
      }
      if let found {
        collected = 0
        frame = found
        return found.header
      }
    }
    return nil
  }

  /// Parses a header from `available` bytes at `start`; `nil` if it is incomplete.
  private func parse(_ start: UnsafeRawPointer, available: Int) throws(ParseFailed) -> Frame? {
    guard available >= 2 else { return nil }
    let first = start.load(as: UInt8.self)
    let second = start.load(fromByteOffset: 1, as: UInt8.self)
    guard let opcode = Opcode(rawValue: first & 0x0F) else {
      throw ParseFailed("invalid opcode \(first & 0x0F)")
    }
    let fin = first & 0x80 != 0
    let masked = second & 0x80 != 0
    if opcode.isControl && !fin { throw ParseFailed("a control frame must not be fragmented") }
    if masked != expectsMask {
      throw ParseFailed(
        expectsMask ? "a frame from a client must be masked" : "a frame from a server must not be masked"
      )
    }
    var length = UInt64(second & 0x7F)
    var size = 2
    if length > FrameSizes.maxShortPayload {
      if opcode.isControl { throw ParseFailed("a control frame's payload is longer than 125 bytes") }
      if length == 126 {
        size = 4
        guard available >= size else { return nil }
        length = UInt64(UInt16(bigEndian: start.loadUnaligned(fromByteOffset: 2, as: UInt16.self)))
        if length <= FrameSizes.maxShortPayload {
          throw ParseFailed("a payload length in 2 bytes where 1 would do")
        }
      } else {
        size = 10
        guard available >= size else { return nil }
        length = UInt64(bigEndian: start.loadUnaligned(fromByteOffset: 2, as: UInt64.self))
        if length >> 63 != 0 { throw ParseFailed("a payload length with its highest bit set") }
        if length <= FrameSizes.maxMediumPayload {
          throw ParseFailed("a payload length in 8 bytes where 2 would do")
        }
      }
    }
    var maskingKey: UInt32?
    if masked {
      guard available >= size + 4 else { return nil }
      maskingKey = UInt32(littleEndian: start.loadUnaligned(fromByteOffset: size, as: UInt32.self))
      size += 4
    }
    let header = Header(
      fin: fin,
      rsv: RsvBits(firstByte: first),
      opcode: opcode,
      payloadLength: length,
      maskingKey: maskingKey
    )
    return Frame(header: header, headerSize: size, remaining: length, key: maskingKey ?? 0)
  }

  // MARK: Payloads, §5.3

  /// The payload bytes in the window that are still masked: their number and key. From now on they count as
  /// unmasked and `ready`: the caller unmasks them in place, after those that were ready before.
  ///
  /// Bounds: no more than what lies between `position` and `end`.
  mutating func unmaskNext(_ position: Int, _ end: Int) -> (count: Int, key: UInt32) {
    guard var frame else { return (0, 0) }
    // Not negative, because the ready bytes are within the window. The smaller value fits Int.
    let count = Int(min(frame.remaining, UInt64(max(0, end - position - frame.ready))))
    let key = frame.key
    frame.remaining -= UInt64(count)
    frame.ready += count
    frame.key = Masking.rotated(key, by: count)
    self.frame = frame
    return (count, key)
  }

  /// The first `count` ready bytes were taken; the caller moves the position past them.
  mutating func take(_ count: Int) { frame?.ready -= count }

  /// The payload has been fully taken: the next byte starts a frame.
  mutating func endFrame() { frame = nil }

  /// How many bytes of the current frame its header still announces. Used to size buffers, within limits.
  var expectedBytes: UInt64 { frame?.remaining ?? 0 }
}
