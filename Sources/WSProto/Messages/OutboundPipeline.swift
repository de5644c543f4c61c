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
  private var scratch: [UInt8] = []

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
    let compresses = isFirst ? compress : self.compresses
    switch transform {
    case .none:
      try encoder.encode(sent, fin: finished, payload: payload, into: &output)
    case .deflate(let deflate):
      if compresses {
        // Moved out while the encoder works, back for the next message.
        var data = scratch
        scratch = []
        data.removeAll(keepingCapacity: true)
        try deflate.compress(payload, finished: finished, into: &data)
        // RFC 7692 §6.1: RSV1 on the first frame only.
        try encoder.encode(
          sent,
          fin: finished,
          rsv: RsvBits(isFirst, false, false),
          payload: data.span.bytes,
          into: &output
        )
        if data.capacity <= Self.retainedBytes { scratch = data }
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

/// What the negotiated extensions do to outbound frames.
enum OutboundTransform {
  case none
  case deflate(OutboundDeflate)
  case hooks(OutboundHooks)

  init(role: ConnectionType, extensions: [any Extension]) {
    guard !extensions.isEmpty else {
      self = .none
      return
    }
    if extensions.count == 1, let deflate = PerMessageDeflate(extensions[0]), deflate.enabled() {
      self = .deflate(deflate.makeOutbound(role: role))
      return
    }
    let enabled = extensions.filter { $0.enabled() }
    if enabled.isEmpty {
      self = .none
    } else if enabled.count == 1, let deflate = enabled[0] as? PerMessageDeflate {
      self = .deflate(deflate.makeOutbound(role: role))
    } else {
      self = .hooks(OutboundHooks(role: role, extensions: enabled))
    }
  }
}

/// Runs the outbound hooks of a list of extensions, in order: the first is the nearest to the application
/// (RFC 6455 §9.1).
final class OutboundHooks {
  private let role: ConnectionType
  private var extensions: [any Extension]

  init(role: ConnectionType, extensions: [any Extension]) {
    self.role = role
    self.extensions = extensions
  }

  func frame(
    _ opcode: Opcode,
    _ payload: UnsafeRawBufferPointer,
    fin: Bool,
    compress: Bool
  ) throws(LocalProtocolError) -> (RsvBits, [UInt8]) {
    var rsv = RsvBits()
    var data = [UInt8](payload)
    let context = FrameContext(role: role, compress: compress)
    for index in extensions.indices {
      (rsv, data) = try extensions[index].frameOutbound(
        context,
        opcode: opcode,
        rsv: rsv,
        data: data,
        fin: fin
      )
    }
    return (rsv, data)
  }
}
