// SPDX-License-Identifier: Apache-2.0

/// Turns messages into frames: all processing of what is sent after the handshake.
///
/// Each call makes one ``OutboundFrame``, which must be written before the next call.
struct OutboundPipeline: ~Copyable {
  /// A message whose last part has not been sent yet (RFC 6455 §5.4).
  private struct MessageUnderWay {
    let opcode: Opcode
    /// Decided by the first part.
    let compresses: Bool
  }

  private var encoder: FrameEncoder
  let transform: OutboundTransform
  private var underWay: MessageUnderWay? {
    didSet { isPlain = underWay == nil && Self.canBePlain(transform, encoder) }
  }
  /// Whether a whole message is now its header and its payload and nothing else, and making it runs no code of others.
  /// Kept, because it is asked for every message.
  private(set) var isPlain: Bool
  /// The output of the extensions for the last payload.
  private var transformed = AssemblyBuffer()
  private let isServer: Bool

  init(role: ConnectionType, transform: OutboundTransform, configuration: Configuration) {
    encoder = FrameEncoder(client: role == .client, randomSource: configuration.randomSource)
    self.transform = transform
    isServer = role == .server
    isPlain = Self.canBePlain(transform, encoder)
  }

  private static func canBePlain(_ transform: OutboundTransform, _ encoder: borrowing FrameEncoder) -> Bool {
    if case .none = transform { !encoder.callsOut } else { false }
  }

  // MARK: Messages

  /// Appends a whole message, where ``isPlain`` and there is room for it.
  @inline(__always)
  mutating func appendPlain<Sink: FrameSink & ~Copyable & ~Escapable>(
    _ opcode: Opcode,
    _ payload: RawSpan,
    to output: inout Sink
  ) {
    payload.withUnsafeBytes { bytes in
      output.append(exactly: encoder.size(payload.byteCount)) {
        encoder.write(opcode, bytes.baseAddress ?? UnsafeRawPointer($0), count: payload.byteCount, to: $0)
      }
    }
  }

  /// A data frame: a message, or a part of one.
  mutating func message(
    _ opcode: Opcode,
    _ payload: UnsafeRawBufferPointer,
    finished: Bool,
    compress: Bool
  ) throws(LocalProtocolError) -> OutboundFrame {
    let isFirst = underWay == nil
    if let underWay, underWay.opcode != opcode {
      throw LocalProtocolError("text and bytes cannot be mixed in one message", .messageType)
    }
    let compresses = underWay?.compresses ?? compresses(payload.count, whole: finished, asked: compress)
    let sent = isFirst ? opcode : .continuation
    let frame: OutboundFrame
    switch transform {
    case .deflate(let deflate) where compresses:
      transformed.clear()
      try deflate.compress(payload, finished: finished, into: &transformed)
      // RFC 7692 §6.1: RSV1 on the first frame only.
      frame = try encoder.frame(
        sent,
        fin: finished,
        rsv: isFirst ? .rsv1 : [],
        payload: transformed.bytes
      )
    case .none, .deflate:
      frame = try encoder.frame(sent, fin: finished, payload: payload)
    case .hooks(let hooks):
      frame = try run(hooks, sent, payload, fin: finished, compress: compresses)
    }
    underWay = finished ? nil : MessageUnderWay(opcode: opcode, compresses: compresses)
    return frame
  }

  /// The header of a whole message that nothing changes; `nil` if there is something, or if it belongs to another message.
  mutating func header(
    _ opcode: Opcode,
    payloadCount: Int,
    compress: Bool
  ) throws(LocalProtocolError) -> FrameHeaderBytes? {
    guard isServer, underWay == nil else { return nil }
    switch transform {
    case .none: break
    case .deflate: if compresses(payloadCount, whole: true, asked: compress) { return nil }
    case .hooks: return nil
    }
    return try encoder.header(opcode, payloadLength: payloadCount)
  }

  /// Whether to compress a message that begins with `count` bytes.
  private func compresses(_ count: Int, whole: Bool, asked: Bool) -> Bool {
    guard asked, case .deflate(let deflate) = transform else { return asked }
    return deflate.compresses(count, whole: whole)
  }

  /// The frame of a prepared message.
  mutating func prepared(_ message: PreparedMessage) throws(LocalProtocolError) -> OutboundFrame {
    guard underWay == nil else {
      throw LocalProtocolError("a prepared message cannot go between the parts of another", .messageType)
    }
    switch transform {
    case .hooks(let hooks):
      return try message.payload.withUnsafeBytes { (bytes) throws(LocalProtocolError) in
        try run(hooks, message.opcode, bytes, fin: true, compress: message.compress)
      }
    case .none:
      return try encoder.frame(message.opcode, payload: message.payload.lasting)
    case .deflate(let deflate):
      guard deflate.compresses(message.payload.count, whole: true) && message.compress else {
        return try encoder.frame(message.opcode, payload: message.payload.lasting)
      }
      let payload = try message.compressed(deflate.settings)
      let frame = try encoder.frame(message.opcode, rsv: .rsv1, payload: payload.lasting)
      // The peer's window now holds data that this compressor has not seen, so later messages must not refer
      // to the history.
      deflate.restart()
      return frame
    }
  }

  // MARK: Control frames, RFC 6455 §5.5

  /// A ping or a pong, or a Close with its payload.
  mutating func control(
    _ opcode: Opcode,
    _ payload: UnsafeRawBufferPointer
  ) throws(LocalProtocolError) -> OutboundFrame {
    if case .hooks(let hooks) = transform {
      return try run(hooks, opcode, payload, fin: true, compress: false)
    }
    return try encoder.frame(opcode, payload: payload)
  }

  /// Runs a frame through custom extensions.
  private mutating func run(
    _ hooks: OutboundHooks,
    _ opcode: Opcode,
    _ payload: UnsafeRawBufferPointer,
    fin: Bool,
    compress: Bool
  ) throws(LocalProtocolError) -> OutboundFrame {
    let (rsv, data) = try hooks.frame(opcode, payload, fin: fin, compress: compress)
    transformed.clear()
    data.span.bytes.withUnsafeBytes { transformed.append($0) }
    return try encoder.frame(opcode, fin: fin, rsv: rsv, payload: transformed.bytes)
  }

  // MARK: Sizes and buffers

  /// The maximum size on the wire of a frame with a payload of `count` bytes. With custom extensions this is
  /// an estimate, because their output is unknown. `Int.max` if it is more: the caller may ask about any size.
  func bound(_ count: Int) -> Int {
    switch transform {
    case .none: Self.sum(count, FrameSizes.maxHeader)
    case .deflate(let deflate): Self.sum(max(count, deflate.bound(max(0, count))), FrameSizes.maxHeader)
    case .hooks: Self.sum(Self.sum(count, count), 4096)
    }
  }

  static func sum(_ left: Int, _ right: Int) -> Int {
    let (sum, overflow) = left.addingReportingOverflow(right)
    return overflow ? .max : sum
  }

  /// The same for a control frame; exact without custom extensions.
  func controlBound(_ count: Int) -> Int {
    if case .hooks = transform { bound(count) } else { count + (isServer ? 2 : 6) }
  }

  /// Called when the last frame has been written: releases what an idle connection may not hold.
  @inline(__always)
  mutating func settle() { if transformed.capacity > 0 { transformed.settle(keeping: Retention.assembly) } }
}
