// SPDX-License-Identifier: Apache-2.0

/// Writes single frames (RFC 6455 §5.2): the counterpart of ``FrameDecoder``.
///
/// It doesn't track messages, extensions or states: the caller is responsible for the order of frames. A
/// client's frames are masked, each with a fresh key.
public struct FrameEncoder: ~Copyable {
  /// Whether frames are masked, as a client's must be (§5.1).
  public let masks: Bool
  private var keys: RandomBlock

  /// An encoder for one end of a connection.
  public init(client: Bool, randomSource: RandomSource = .system) {
    masks = client
    keys = RandomBlock(randomSource)
  }

  /// Appends a frame to `output`. Doesn't allocate if `output` has room.
  ///
  /// The payload must already have been processed by the extensions. Control frames have at most 125 bytes.
  /// The payload must not share memory with `output`.
  /// - Throws: `LocalProtocolError` for a control frame that is too long or not final (§5.5); nothing is appended.
  public mutating func encode(
    _ opcode: Opcode,
    fin: Bool = true,
    rsv: RsvBits = [],
    payload: RawSpan,
    into output: inout [UInt8]
  ) throws(LocalProtocolError) {
    try payload.withUnsafeBytes { (bytes) throws(LocalProtocolError) in
      try encode(opcode, fin: fin, rsv: rsv, payload: bytes, into: &output)
    }
  }

  /// Appends a frame to `output`; see ``encode(_:fin:rsv:payload:into:)-(_,_,_,RawSpan,[UInt8])``.
  @inline(__always)
  public mutating func encode(
    _ opcode: Opcode,
    fin: Bool = true,
    rsv: RsvBits = [],
    payload: UnsafeRawBufferPointer,
    into output: inout [UInt8]
  ) throws(LocalProtocolError) {
    try frame(opcode, fin: fin, rsv: rsv, payload: payload).write(into: &output)
  }

  /// Writes a frame to memory of the caller. The memory needs room for the payload and
  /// ``FrameHeaderBytes/maxCount`` more bytes; see
  /// ``encode(_:fin:rsv:payload:into:)-(_,_,_,RawSpan,[UInt8])``.
  ///
  /// - Throws: `LocalProtocolError` also if there is less room than the frame needs; nothing is written then.
  public mutating func encode(
    _ opcode: Opcode,
    fin: Bool = true,
    rsv: RsvBits = [],
    payload: RawSpan,
    into output: inout OutputRawSpan
  ) throws(LocalProtocolError) {
    try payload.withUnsafeBytes { (bytes) throws(LocalProtocolError) in
      try frame(opcode, fin: fin, rsv: rsv, payload: bytes).write(into: &output)
    }
  }

  /// Whether making a frame may run code of others: a random source of the caller's.
  var callsOut: Bool { masks && !keys.isSystem }

  /// The size on the wire of a data frame with a payload of `count` bytes, which lies in memory.
  @inline(__always)
  func size(_ count: Int) -> Int { FrameHeaderBytes.size(length: count, masked: masks) &+ count }

  /// Writes the final frame of a message.
  ///
  /// Bounds: `source` has `count` bytes, and `target` has room for ``size(_:)``.
  @inline(__always)
  mutating func write(
    _ opcode: Opcode,
    _ source: UnsafeRawPointer,
    count: Int,
    to target: UnsafeMutableRawPointer
  ) {
    let firstByte = 0x80 | opcode.rawValue
    if masks {
      writeMasked(firstByte, source, count, target)
    } else {
      Self.writeUnmasked(firstByte, source, count, target)
    }
  }

  @inline(never)
  private mutating func writeMasked(
    _ firstByte: UInt8,
    _ source: UnsafeRawPointer,
    _ count: Int,
    _ target: UnsafeMutableRawPointer
  ) {
    FrameHeaderBytes(firstByte: firstByte, length: count, masked: true, key: keys.nextKey())
      .write(source, count: count, to: target)
  }

  @inline(never)
  private static func writeUnmasked(
    _ firstByte: UInt8,
    _ source: UnsafeRawPointer,
    _ count: Int,
    _ target: UnsafeMutableRawPointer
  ) {
    FrameHeaderBytes(firstByte: firstByte, length: count, masked: false, key: 0)
      .write(source, count: count, to: target)
  }

  /// A frame ready to be written. `payload` must not change until it has been written.
  @inline(__always)
  mutating func frame(
    _ opcode: Opcode,
    fin: Bool = true,
    rsv: RsvBits = [],
    payload: UnsafeRawBufferPointer
  ) throws(LocalProtocolError) -> OutboundFrame {
    if opcode.isControl { try Self.checkControl(fin: fin, length: payload.count) }
    return OutboundFrame(header: makeHeader(opcode, fin, rsv, payload.count), payload: payload)
  }

  /// Only the header, for a gather write that leaves the payload in place. `payloadLength` is in bytes and
  /// must not be negative.
  ///
  /// - Throws: `LocalProtocolError` for a control frame that is too long or not final (§5.5).
  public mutating func header(
    _ opcode: Opcode,
    fin: Bool = true,
    rsv: RsvBits = [],
    payloadLength: Int
  ) throws(LocalProtocolError) -> FrameHeaderBytes {
    if opcode.isControl { try Self.checkControl(fin: fin, length: payloadLength) }
    return makeHeader(opcode, fin, rsv, max(0, payloadLength))
  }

  /// Masks or unmasks bytes in place with the key from their frame's header (§5.3). A key of 0 changes
  /// nothing.
  public static func mask(_ bytes: inout MutableRawSpan, key: UInt32) {
    bytes.withUnsafeMutableBytes { buffer in
      if let base = buffer.baseAddress, key != 0 { Masking.apply(key, to: base, count: buffer.count) }
    }
  }

  @inline(__always)
  private mutating func makeHeader(_ opcode: Opcode, _ fin: Bool, _ rsv: RsvBits, _ length: Int)
    -> FrameHeaderBytes
  {
    FrameHeaderBytes(
      firstByte: (fin ? 0x80 : 0) | rsv.rawValue << 4 | opcode.rawValue,
      length: length,
      masked: masks,
      key: masks ? keys.nextKey() : 0
    )
  }

  private static func checkControl(fin: Bool, length: Int) throws(LocalProtocolError) {
    if length > FrameSizes.maxShortPayload {
      throw LocalProtocolError(
        "a control frame's payload of \(length) bytes is longer than 125",
        .controlPayloadTooLong
      )
    }
    if !fin { throw LocalProtocolError("a control frame must not be fragmented", .messageType) }
  }
}
