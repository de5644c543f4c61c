// SPDX-License-Identifier: Apache-2.0

/// Reads frame headers, and keeps what is known of the frame under way (RFC 6455 §5.2).
///
/// Works on a window of received bytes. A header that is split between windows is collected here, so a window is always
/// used up and nothing is scanned twice.
struct FrameReader {
  /// The frame under way; meaningful while ``inPayload``.
  private(set) var header = Header(fin: true, opcode: .binary, payloadLength: 0)
  /// Payload bytes of the frame under way that have not been taken.
  private(set) var remaining: UInt64 = 0
  /// The masking key, rotated to the next payload byte; zero where nothing is masked.
  private(set) var key: UInt32 = 0
  /// Whether a header was read whose payload isn't complete.
  private(set) var inPayload = false
  /// The size of the last header on the wire.
  private(set) var headerSize = 0

  /// Servers take masked frames only, clients unmasked ones (§5.1).
  let expectsMask: Bool

  // The first bytes of a header that was split, in wire order; `collected` of them.
  private var collectedBytes: (UInt64, UInt64) = (0, 0)
  private var collected = 0

  init(role: ConnectionType) { expectsMask = role == .server }

  /// Whether the next byte starts a frame.
  var atFrameStart: Bool { !inPayload && collected == 0 }

  /// Reads a header from the window. False when the window ends first. Throws at the first byte pair, or length, that
  /// no legal frame can have: before the rest of the frame is there.
  mutating func readHeader(
    _ base: UnsafeMutableRawPointer,
    _ position: inout Int,
    _ end: Int
  ) throws(ParseFailed) -> Bool {
    if collected == 0 {
      // In bounds: [position, end) is the window.
      let size = try parse(UnsafeRawPointer(base + position), available: end - position)
      if size > 0 {
        position += size
        return true
      }
    }
    // Byte by byte: at most 14 times a frame, and only where a window ends inside a header.
    while position < end {
      let byte = base.load(fromByteOffset: position, as: UInt8.self)
      position += 1
      // `collected` stays below 14: a header is complete at 14 bytes at the latest.
      withUnsafeMutableBytes(of: &collectedBytes) { $0[collected] = byte }
      collected += 1
      let available = collected
      let size = try withUnsafeBytes(of: collectedBytes) { (raw) throws(ParseFailed) -> Int in
        guard let start = raw.baseAddress else { return 0 }
        return try parse(start, available: available)
      }
      if size > 0 {
        collected = 0
        return true
      }
    }
    return false
  }

  /// Parses a header from `available` bytes at `start`; returns its size, or 0 if it is not complete.
  private mutating func parse(_ start: UnsafeRawPointer, available: Int) throws(ParseFailed) -> Int {
    guard available >= 2 else { return 0 }
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
    if length > 125 {
      if opcode.isControl { throw ParseFailed("a control frame's payload is longer than 125 bytes") }
      if length == 126 {
        size = 4
        guard available >= size else { return 0 }
        length = UInt64(UInt16(bigEndian: start.loadUnaligned(fromByteOffset: 2, as: UInt16.self)))
        if length <= 125 { throw ParseFailed("a payload length in 2 bytes where 1 would do") }
      } else {
        size = 10
        guard available >= size else { return 0 }
        length = UInt64(bigEndian: start.loadUnaligned(fromByteOffset: 2, as: UInt64.self))
        if length >> 63 != 0 { throw ParseFailed("a payload length with its highest bit set") }
        if length <= 65535 { throw ParseFailed("a payload length in 8 bytes where 2 would do") }
      }
    }
    var maskingKey: UInt32?
    if masked {
      guard available >= size + 4 else { return 0 }
      maskingKey = UInt32(littleEndian: start.loadUnaligned(fromByteOffset: size, as: UInt32.self))
      size += 4
    }
    header = Header(
      fin: fin,
      rsv: RsvBits(firstByte: first),
      opcode: opcode,
      payloadLength: length,
      maskingKey: maskingKey
    )
    headerSize = size
    remaining = length
    key = maskingKey ?? 0
    inPayload = true
    return size
  }

  /// Takes up to `available` payload bytes: how many, and the key for them.
  mutating func takePayload(available: Int) -> (count: Int, key: UInt32) {
    // `available` is not negative, and the smaller of the two fits Int.
    let count = Int(min(remaining, UInt64(available)))
    let used = key
    remaining -= UInt64(count)
    if remaining == 0 {
      inPayload = false
    } else {
      key = Masking.rotated(key, by: count)
    }
    return (count, used)
  }
}
