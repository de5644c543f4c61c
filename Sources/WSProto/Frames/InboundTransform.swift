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

  /// Whether extensions run through their hooks, which must see every frame.
  var hasHooks: Bool {
    if case .hooks = self { true } else { false }
  }

  /// Gives back what the next message can do without; whether no context is held any more.
  func releaseContexts() -> Bool {
    switch self {
    case .none: true
    case .deflate(let deflate): deflate.releaseContext()
    case .hooks(let hooks): hooks.releaseContexts()
    }
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

/// Runs the inbound hooks of a list of extensions, the last extension first: the sender ran the first one
/// first (RFC 6455 §9.1).
final class InboundHooks {
  private let role: ConnectionType
  private var extensions: [any Extension]
  /// The maximum size of the current message, in bytes; `nil` before its first part.
  private var limit: Int?
  /// What each extension has produced of the current message. How much more an extension may produce depends
  /// on its own output only, not on that of the extensions that run before it, so the result doesn't depend
  /// on how the payload was split.
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

  /// Processes a part of a payload, and the end of the frame if `frameFinished`.
  ///
  /// An extension gets all the output of the extensions later in the list, including what they produce at the
  /// end of the frame, before it sees the end of the frame itself.
  ///
  /// - Parameter budget: how much the message may still grow; 125 for a control frame. The caller must check
  ///   that `output` doesn't exceed it; if it does, that error takes precedence over one thrown later.
  /// - Throws: the error of a hook. Output from before the error is still passed through the other hooks and
  ///   stays in `output`. If one of them refuses it, its error takes precedence, because it concerns earlier
  ///   bytes. So what is delivered, and the error of the connection, don't depend on how the payload was
  ///   split.
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
        // After a failure, the end of the frame isn't processed.
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

  /// See ``PerMessageDeflate/releaseContexts(in:)``.
  func releaseContexts() -> Bool { PerMessageDeflate.releaseContexts(in: &extensions) }
}
