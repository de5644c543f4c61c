// SPDX-License-Identifier: Apache-2.0

// The frame hooks (RFC 7692 §6). A connection that negotiated nothing else goes past them: see `DeflateCodec`.
extension PerMessageDeflate {
  /// Notes whether a message is compressed: RSV1 on its first frame.
  ///
  /// - Throws: `ParseFailed` (1002) for RSV1 on a control frame or a continuation (RFC 7692 §6).
  public mutating func frameInboundHeader(
    _ context: FrameContext,
    opcode: Opcode,
    rsv: RsvBits,
    payloadLength: UInt64
  ) throws(ParseFailed) -> RsvBits {
    switch opcode {
    case .text, .binary:
      hooks.inboundIsControl = false
      // A message inside another is for others to refuse; it must not change how this one is read.
      if hooks.inboundCompressed == nil { hooks.inboundCompressed = rsv.rsv1 }
    case .continuation:
      hooks.inboundIsControl = false
      if rsv.rsv1 { throw ParseFailed("RSV1 on a continuation frame (RFC 7692 §6.1)") }
    case .close, .ping, .pong:
      hooks.inboundIsControl = true
      if rsv.rsv1 { throw ParseFailed("RSV1 on a control frame (RFC 7692 §6)") }
    }
    return RsvBits(true, false, false)
  }

  /// Inflates a part of a compressed message, to at most `context.remainingMessageBytes`.
  ///
  /// - Throws: `ParseFailed`: 1009 for more than that, 1007 for what is no DEFLATE.
  public mutating func frameInboundPayloadData(
    _ context: FrameContext,
    _ data: [UInt8]
  ) throws(ParseFailed) -> [UInt8] {
    guard hooks.inflatesFrame else { return data }
    var output: [UInt8] = []
    do throws(InflateError) {
      let stream = try hooks.inflater(windowBits: direction(from: context.peer).windowBits)
      try data.span.bytes.withUnsafeBytes { (bytes) throws(InflateError) in
        try stream.inflate(bytes, into: &output, limit: context.remainingMessageBytes)
      }
    } catch {
      throw ParseFailed(error, tooBig: "a message of more bytes than the limit")
    }
    return output
  }

  /// Ends a compressed message; it has given all its bytes already.
  ///
  /// - Throws: `ParseFailed` (1007) where the compressed data is not complete.
  public mutating func frameInboundComplete(
    _ context: FrameContext,
    fin: Bool
  ) throws(ParseFailed) -> [UInt8]? {
    // Control frames may come between the frames of a message (RFC 6455 §5.4).
    guard fin, !hooks.inboundIsControl else { return nil }
    let inflates = hooks.inflatesFrame
    hooks.inboundCompressed = nil
    guard inflates else { return nil }
    do throws(InflateError) {
      let direction = direction(from: context.peer)
      let stream = try hooks.inflater(windowBits: direction.windowBits)
      try stream.finishMessage()
      if direction.noContextTakeover { stream.reset() }
    } catch {
      throw ParseFailed(error, tooBig: "a message of more bytes than the limit")
    }
    return []
  }

  /// Compresses data frames, unless the first frame of the message was sent with `context.compress` unset.
  ///
  /// - Throws: `LocalProtocolError` if there is no memory to compress with.
  public mutating func frameOutbound(
    _ context: FrameContext,
    opcode: Opcode,
    rsv: RsvBits,
    data: [UInt8],
    fin: Bool
  ) throws(LocalProtocolError) -> (rsv: RsvBits, data: [UInt8]) {
    guard !opcode.isControl else { return (rsv, data) }
    let isFirst = opcode != .continuation
    if isFirst { hooks.outboundCompressed = context.compress }
    let compresses = hooks.outboundCompressed
    if fin { hooks.outboundCompressed = false }
    guard compresses else { return (rsv, data) }
    var output: [UInt8] = []
    do throws(DeflateError) {
      let direction = direction(from: context.role)
      let stream = try hooks.deflater(
        windowBits: direction.windowBits,
        level: level,
        memoryLevel: memoryLevel
      )
      try data.span.bytes.withUnsafeBytes { (bytes) throws(DeflateError) in
        try stream.compress(bytes, finishMessage: fin, into: &output)
      }
      if fin, direction.noContextTakeover { stream.reset() }
    } catch {
      throw LocalProtocolError("the message cannot be compressed: \(error)", .extension)
    }
    var rsv = rsv
    if isFirst { rsv.insert(.rsv1) }
    return (rsv, output)
  }
}

/// What the frame hooks of ``PerMessageDeflate`` keep between frames, with value semantics: a stream that another copy
/// holds too is copied before it moves.
///
/// `@unchecked`: the streams are classes without locks, but a stream is only changed by its single owner, and a shared
/// one is only read.
struct PerMessageDeflateHooks: @unchecked Sendable {
  /// Whether the frame under way is a control frame.
  var inboundIsControl = false
  /// Whether the message under way is compressed; `nil` between messages.
  var inboundCompressed: Bool?
  /// Whether the message that is being sent is compressed.
  var outboundCompressed = false

  private var inflater: Inflater?
  private var deflater: Deflater?

  var inflatesFrame: Bool { !inboundIsControl && inboundCompressed == true }

  /// Whether contexts exist, for tests: inbound and outbound.
  var contexts: (inbound: Bool, outbound: Bool) { (inflater != nil, deflater != nil) }

  /// The stream to inflate with, owned by this copy alone.
  mutating func inflater(windowBits: Int) throws(InflateError) -> Inflater {
    if isKnownUniquelyReferenced(&inflater), let inflater { return inflater }
    let own: Inflater
    if let inflater { own = try inflater.copy() } else { own = try Inflater(windowBits: windowBits) }
    inflater = own
    return own
  }

  /// The stream to compress with, owned by this copy alone.
  mutating func deflater(
    windowBits: Int,
    level: Int,
    memoryLevel: Int
  ) throws(DeflateError) -> Deflater {
    if isKnownUniquelyReferenced(&deflater), let deflater { return deflater }
    let own: Deflater
    if let deflater {
      own = try deflater.copy()
    } else {
      own = try Deflater(windowBits: windowBits, level: level, memoryLevel: memoryLevel)
    }
    deflater = own
    return own
  }
}

extension ParseFailed {
  /// What inflating has failed with, as the peer is told.
  init(_ error: InflateError, tooBig: @autoclosure () -> String) {
    switch error {
    case .tooBig: self.init(tooBig(), .messageTooBig)
    case .invalid: self.init("compressed data that cannot be inflated", .invalidFramePayloadData)
    case .outOfMemory, .unsupportedParameter: self.init("no memory to inflate with", .internalError)
    }
  }
}
