// SPDX-License-Identifier: Apache-2.0

// The frame hooks (RFC 7692 §6), for connections that negotiated other extensions too. If permessage-deflate
// is the only one, ExtensionsInUse runs the same two directions without the hooks.
extension PerMessageDeflate {
  /// The bits that this extension uses: RSV1 on the first frame of a data message (RFC 7692 §6).
  static func reservedBits(on opcode: Opcode) -> RsvBits {
    switch opcode {
    case .text, .binary: .rsv1
    case .continuation, .close, .ping, .pong: []
    }
  }

  /// Notes whether a message is compressed: RSV1 on its first frame says so.
  ///
  /// - Throws: `ParseFailed` (1002) for RSV1 on a control frame or a continuation (RFC 7692 §6).
  public mutating func frameInboundHeader(
    _ context: FrameContext,
    opcode: Opcode,
    rsv: RsvBits,
    payloadLength: UInt64
  ) throws(ParseFailed) -> RsvBits {
    let allowed = Self.reservedBits(on: opcode)
    // Other extensions may claim the other bits.
    try rsv.intersection(.rsv1).check(allowed: allowed)
    // A new message inside another one is refused elsewhere; it must not change how the current one is read.
    if allowed.rsv1, hooks.inboundCompressed == nil { hooks.inboundCompressed = rsv.rsv1 }
    return .rsv1
  }

  /// Inflates a part of a compressed message, up to one byte more than `context.remainingMessageBytes`.
  ///
  /// - Throws: `ParseFailed`: 1009 for that extra byte, 1007 for data that is not valid DEFLATE.
  public mutating func frameInboundPayloadData(
    _ context: FrameContext,
    _ data: [UInt8],
    into output: inout [UInt8]
  ) throws(ParseFailed) {
    guard hooks.inflates(context.opcode) else {
      output += data
      return
    }
    var slice = AssemblyBuffer()
    var left = max(0, context.remainingMessageBytes)
    var failure: InflateError?
    do throws(InflateError) {
      let inbound = try inbound(context.role)
      try data.span.bytes.withUnsafeBytes { (bytes) throws(InflateError) in
        var input = bytes
        repeat {
          defer {
            output.append(contentsOf: UnsafeRawBufferPointer(start: slice.base, count: slice.count))
            left -= slice.count
            slice.clear()
          }
          try inbound.inflate(&input, into: &slice, atMost: min(left, Self.sliceSize - 1) + 1)
        } while left >= 0 && (!input.isEmpty || inbound.mayHaveMore)
      }
    } catch {
      failure = error
    }
    // The excess byte comes before the invalid data.
    if left < 0 {
      throw ParseFailed("a message that is inflated to more bytes than the limit", .messageTooBig)
    }
    if let failure { throw ParseFailed(failure) }
  }

  /// How much is inflated in one go.
  private static let sliceSize = 64 << 10

  /// Ends a compressed message; all its bytes have been output already.
  ///
  /// - Throws: `ParseFailed` (1007) if the compressed data is incomplete.
  public mutating func frameInboundComplete(
    _ context: FrameContext,
    fin: Bool,
    into output: inout [UInt8]
  ) throws(ParseFailed) {
    // Control frames may come between the frames of a message (RFC 6455 §5.4).
    guard fin, !context.opcode.isControl else { return }
    let inflates = hooks.inflates(context.opcode)
    hooks.inboundCompressed = nil
    guard inflates else { return }
    do throws(InflateError) {
      try inbound(context.role).finishMessage()
    } catch {
      throw ParseFailed(error)
    }
  }

  /// Compresses data frames, unless `context.compress` was `false` for the first frame of the message.
  ///
  /// - Throws: `LocalProtocolError` if there is no memory for a context.
  public mutating func frameOutbound(
    _ context: FrameContext,
    opcode: Opcode,
    rsv: RsvBits,
    data: [UInt8],
    fin: Bool
  ) throws(LocalProtocolError) -> (rsv: RsvBits, data: [UInt8]) {
    guard !opcode.isControl else { return (rsv, data) }
    let isFirst = opcode != .continuation
    var outbound: OutboundDeflate?
    if isFirst ? context.compress : hooks.outboundCompressed {
      outbound = try self.outbound(context.role)
      if isFirst, outbound?.compresses(data.count, whole: fin) == false { outbound = nil }
    }
    hooks.outboundCompressed = outbound != nil && !fin
    guard let outbound else { return (rsv, data) }
    var output = AssemblyBuffer()
    try data.span.bytes.withUnsafeBytes { (bytes) throws(LocalProtocolError) in
      try outbound.compress(bytes, finished: fin, into: &output)
    }
    let compressed = [UInt8](UnsafeRawBufferPointer(start: output.base, count: output.count))
    return (isFirst ? rsv.union(.rsv1) : rsv, compressed)
  }

  /// The inbound direction, owned by this copy alone.
  private mutating func inbound(_ role: ConnectionType) throws(InflateError) -> InboundDeflate {
    if isKnownUniquelyReferenced(&hooks.inbound), let inbound = hooks.inbound { return inbound }
    let own = try hooks.inbound?.copy() ?? makeInbound(role: role, pool: hooks.pool)
    hooks.inbound = own
    return own
  }

  /// The outbound direction, owned by this copy alone; `nil` if this end doesn't compress.
  private mutating func outbound(_ role: ConnectionType) throws(LocalProtocolError) -> OutboundDeflate? {
    if isKnownUniquelyReferenced(&hooks.outbound), let outbound = hooks.outbound { return outbound }
    let own = try hooks.outbound?.copy() ?? makeOutbound(role: role, pool: hooks.pool)
    hooks.outbound = own
    return own
  }

  /// Whether a frame's payload is inflated, for the C interface.
  package func inflates(_ opcode: Opcode) -> Bool { hooks.inflates(opcode) }
}

/// The state that the frame hooks of ``PerMessageDeflate`` keep between frames. It has value semantics: a
/// direction that another copy also holds is copied before it changes.
///
/// `@unchecked`: the directions are classes without locks, but each is only changed by its single owner, and
/// a shared one is only read. A pool is present only in copies that a connection has made for itself.
struct PerMessageDeflateHooks: @unchecked Sendable {
  /// Whether the message under way is compressed; `nil` between messages.
  var inboundCompressed: Bool?
  /// Whether the message that is being sent is compressed.
  var outboundCompressed = false
  var inbound: InboundDeflate?
  var outbound: OutboundDeflate?
  /// Where contexts come from.
  var pool: DeflatePool?

  func inflates(_ opcode: Opcode) -> Bool { inboundCompressed == true && !opcode.isControl }
}

extension ParseFailed {
  /// Translates an inflate error into the error reported to the peer.
  init(_ error: InflateError) {
    switch error {
    case .invalid: self.init("compressed data that cannot be inflated", .invalidFramePayloadData)
    case .outOfMemory, .unsupportedParameter: self.init("no memory to inflate with", .internalError)
    }
  }
}
