// SPDX-License-Identifier: Apache-2.0

/// What the negotiated extensions do to inbound frames.
enum InboundTransform {
  case none
  case deflate(InboundDeflate)
  case hooks(InboundHooks)

  init(role: ConnectionType, _ extensions: ExtensionsInUse, pool: DeflatePool? = nil) {
    switch extensions {
    case .none: self = .none
    case .deflate(let deflate): self = .deflate(deflate.makeInbound(role: role, pool: pool))
    case .hooks(let list): self = .hooks(InboundHooks(role: role, extensions: list, pool: pool))
    }
  }

  /// Whether extensions are run through their hooks, which want to see every frame.
  var hasHooks: Bool {
    if case .hooks = self { true } else { false }
  }

  /// The reserved bits that may be set on this frame (RFC 6455 §5.2).
  func checkReservedBits(_ header: Header) throws(ParseFailed) {
    let allowed: RsvBits
    switch self {
    case .none: allowed = []
    case .deflate: allowed = PerMessageDeflate.reservedBits(on: header.opcode)
    case .hooks(let hooks): allowed = try hooks.header(header)
    }
    try header.rsv.check(allowed: allowed)
  }
}

/// Runs the inbound hooks of a list of extensions, the last one first: the first has worked on what was sent before the
/// others did (RFC 6455 §9.1).
final class InboundHooks {
  private let role: ConnectionType
  private var extensions: [any Extension]
  /// The most bytes that the message under way may have; `nil` before its first part.
  private var limit: Int?
  /// What each extension has given of it. What one may still give follows from its own output, not from that of those
  /// before it in the list: so it doesn't depend on how the payload was cut.
  private var given: [Int]

  init(role: ConnectionType, extensions: [any Extension], pool: DeflatePool? = nil) {
    self.role = role
    self.extensions = PerMessageDeflate.using(pool, in: extensions)
    given = extensions.map { _ in 0 }
  }

  func header(_ header: Header) throws(ParseFailed) -> RsvBits {
    switch header.opcode {
    case .text, .binary: limit = nil
    case .continuation, .close, .ping, .pong: break
    }
    var allowed = RsvBits()
    let context = FrameContext(role: role, opcode: header.opcode)
    for index in extensions.indices {
      allowed.formUnion(
        try extensions[index].frameInboundHeader(
          context,
          opcode: header.opcode,
          rsv: header.rsv,
          payloadLength: header.payloadLength
        )
      )
    }
    return allowed
  }

  /// A part of a payload, and the frame's end if `frameFinished`.
  ///
  /// An extension gets all that those behind it in the list give, what they give at the end of the frame included, before
  /// its own end of the frame.
  /// - Parameter budget: what the message may still grow by, for a control frame 125. That `output` gets no more is for
  ///   the caller to see to: if there is more, that counts, and not what was thrown behind it.
  /// - Throws: what a hook has thrown. What came out before that went through the other hooks and stays in `output`. If
  ///   one of them refuses that, its error counts: it is about bytes that came earlier. So what is delivered, and what
  ///   the connection fails with, is the same however the payload was cut.
  func payload(
    _ data: UnsafeRawBufferPointer,
    opcode: Opcode,
    frameFinished: Bool,
    fin: Bool,
    budget: Int,
    into output: inout AssemblyBuffer
  ) throws(ParseFailed) {
    let isControl = opcode.isControl
    if !isControl, limit == nil {
      limit = budget
      for index in given.indices { given[index] = 0 }
    }
    var context = FrameContext(role: role, opcode: opcode)
    var data = [UInt8](data)
    var failure: ParseFailed?
    for index in extensions.indices.reversed() {
      context.remainingMessageBytes = isControl ? budget : (limit ?? budget) - given[index]
      var out: [UInt8] = []
      do throws(ParseFailed) {
        try extensions[index].frameInboundPayloadData(context, data, into: &out)
        // Behind a failure the frame has no end.
        if frameFinished, failure == nil {
          try extensions[index].frameInboundComplete(context, fin: fin, into: &out)
        }
      } catch {
        failure = error
      }
      if !isControl { given[index] += out.count }
      data = out
    }
    data.withUnsafeBytes { output.append($0) }
    if let failure { throw failure }
  }
}
