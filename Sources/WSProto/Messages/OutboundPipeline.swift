// SPDX-License-Identifier: Apache-2.0

/// Messages → frames → bytes: everything that happens to what is sent after the handshake.
struct OutboundPipeline: ~Copyable {
  private var encoder: FrameEncoder
  let transform: OutboundTransform
  /// The type of the message under way; `nil` between messages (RFC 6455 §5.4).
  private var opcodeUnderWay: Opcode?
  /// Whether the message under way is compressed; decided by its first part.
  private var compresses = false
  /// Compressed payloads; its capacity is kept.
  private var scratch = AssemblyBuffer()

  init(role: ConnectionType, transform: OutboundTransform, configuration: Configuration) {
    encoder = FrameEncoder(client: role == .client, randomSource: configuration.randomSource)
    self.transform = transform
  }

  /// A data frame: a message, or a part of one.
  @inline(__always)
  mutating func message(
    _ opcode: Opcode,
    _ payload: UnsafeRawBufferPointer,
    finished: Bool,
    compress: Bool,
    into output: inout [UInt8]
  ) throws(LocalProtocolError) {
    if finished, opcodeUnderWay == nil, case .none = transform {
      try encoder.encode(opcode, payload: payload, into: &output)
      return
    }
    try messageInSteps(opcode, payload, finished: finished, compress: compress, into: &output)
  }

  @inline(never)
  private mutating func messageInSteps(
    _ opcode: Opcode,
    _ payload: UnsafeRawBufferPointer,
    finished: Bool,
    compress: Bool,
    into output: inout [UInt8]
  ) throws(LocalProtocolError) {
    if let under = opcodeUnderWay, under != opcode {
      throw LocalProtocolError("text and bytes cannot be mixed in one message", .messageType)
    }
    let isFirst = opcodeUnderWay == nil
    let sent = isFirst ? opcode : .continuation
    // The first part decides for the message.
    var compresses = isFirst ? compress : self.compresses
    if isFirst, compresses, case .deflate(let deflate) = transform {
      compresses = deflate.compresses(payload.count, whole: finished)
    }
    switch transform {
    case .none:
      try encoder.encode(sent, fin: finished, payload: payload, into: &output)
    case .deflate(let deflate):
      if compresses {
        scratch.clear()
        try deflate.compress(payload, finished: finished, into: &scratch)
        // RFC 7692 §6.1: RSV1 on the first frame only.
        try encoder.encode(
          sent,
          fin: finished,
          rsv: RsvBits(isFirst, false, false),
          payload: UnsafeRawBufferPointer(start: scratch.base, count: scratch.count),
          into: &output
        )
        scratch.clear()
        scratch.trim(keeping: Self.retainedBytes)
      } else {
        try encoder.encode(sent, fin: finished, payload: payload, into: &output)
      }
    case .hooks(let hooks):
      let (rsv, data) = try hooks.frame(sent, payload, fin: finished, compress: compresses)
      try encoder.encode(sent, fin: finished, rsv: rsv, payload: data.span.bytes, into: &output)
    }
    opcodeUnderWay = finished ? nil : opcode
    self.compresses = compresses
  }

  /// A ping or a pong (RFC 6455 §5.5).
  mutating func control(
    _ opcode: Opcode,
    _ payload: UnsafeRawBufferPointer,
    into output: inout [UInt8]
  ) throws(LocalProtocolError) {
    if case .hooks(let hooks) = transform {
      let (rsv, data) = try hooks.frame(opcode, payload, fin: true, compress: false)
      try encoder.encode(opcode, rsv: rsv, payload: data.span.bytes, into: &output)
    } else {
      try encoder.encode(opcode, payload: payload, into: &output)
    }
  }

  /// A Close (RFC 6455 §5.5.1).
  mutating func close(
    code: CloseReason?,
    reason: String?,
    into output: inout [UInt8]
  ) throws(LocalProtocolError) {
    let payload = try ClosePayload.make(code: code, reason: reason)
    try payload.span.bytes.withUnsafeBytes { (bytes) throws(LocalProtocolError) in
      try control(.close, bytes, into: &output)
    }
  }

  /// What an idle connection may hold on to, in bytes.
  private static let retainedBytes = 256 << 10
}
