// SPDX-License-Identifier: Apache-2.0

/// What the negotiated extensions do to outbound frames.
enum OutboundTransform {
  case none
  case deflate(OutboundDeflate)
  case hooks(OutboundHooks)

  init(role: ConnectionType, _ extensions: ExtensionsInUse, pool: DeflatePool? = nil) {
    switch extensions {
    case .none: self = .none
    case .deflate(let deflate):
      self = deflate.makeOutbound(role: role, pool: pool).map { .deflate($0) } ?? .none
    case .hooks(let list): self = .hooks(OutboundHooks(role: role, extensions: list, pool: pool))
    }
  }

  /// Gives back what the next message can do without; whether no context is held any more.
  func releaseContexts() -> Bool {
    switch self {
    case .none: true
    case .deflate(let deflate): deflate.releaseContext()
    case .hooks(let hooks): hooks.releaseContexts()
    }
  }
}

/// Runs the outbound hooks of a list of extensions, in order: the first is closest to the application
/// (RFC 6455 §9.1).
final class OutboundHooks {
  private let role: ConnectionType
  private var extensions: [any Extension]

  init(role: ConnectionType, extensions: [any Extension], pool: DeflatePool? = nil) {
    self.role = role
    self.extensions = PerMessageDeflate.using(pool, in: extensions)
  }

  func frame(
    _ opcode: Opcode,
    _ payload: UnsafeRawBufferPointer,
    fin: Bool,
    compress: Bool
  ) throws(LocalProtocolError) -> (RsvBits, [UInt8]) {
    var rsv = RsvBits()
    var data = [UInt8](payload)
    let context = FrameContext(role: role, opcode: opcode, compress: compress)
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

  /// See ``PerMessageDeflate/releaseContexts(in:)``.
  func releaseContexts() -> Bool { PerMessageDeflate.releaseContexts(in: &extensions) }
}
