// SPDX-License-Identifier: Apache-2.0

/// What the negotiated extensions do to inbound frames: nothing, permessage-deflate on a path of its own, or any
/// list of extensions through their hooks.
enum InboundTransform {
  case none
  case deflate(InboundDeflate)
  case hooks(InboundHooks)

  init(role: ConnectionType, extensions: [any Extension]) {
    guard !extensions.isEmpty else {
      self = .none
      return
    }
    if extensions.count == 1, let deflate = PerMessageDeflate(extensions[0]), deflate.enabled() {
      self = .deflate(deflate.makeInbound(role: role))
      return
    }
    let enabled = extensions.filter { $0.enabled() }
    if enabled.isEmpty {
      self = .none
    } else if enabled.count == 1, let deflate = enabled[0] as? PerMessageDeflate {
      self = .deflate(deflate.makeInbound(role: role))
    } else {
      self = .hooks(InboundHooks(role: role, extensions: enabled))
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
    case .deflate:
      // RFC 7692 §6: RSV1 on the first frame of a data message only.
      switch header.opcode {
      case .text, .binary: allowed = RsvBits(true, false, false)
      case .continuation, .close, .ping, .pong: allowed = []
      }
    case .hooks(let hooks): allowed = try hooks.header(header)
    }
    if !header.rsv.isSubset(of: allowed) {
      throw ParseFailed("a reserved bit is set that no extension uses here")
    }
  }
}

/// Runs the inbound hooks of a list of extensions, the last one first: the first has worked on what was sent before the
/// others did (RFC 6455 §9.1).
final class InboundHooks {
  private let role: ConnectionType
  private var extensions: [any Extension]

  init(role: ConnectionType, extensions: [any Extension]) {
    self.role = role
    self.extensions = extensions
  }

  func header(_ header: Header) throws(ParseFailed) -> RsvBits {
    var allowed = RsvBits()
    let context = FrameContext(role: role)
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

  /// A part of a payload, and the frame's end if `frameFinished`; `budget` is what the message may still grow by.
  func payload(
    _ data: UnsafeRawBufferPointer,
    frameFinished: Bool,
    fin: Bool,
    budget: Int
  ) throws(ParseFailed) -> [UInt8] {
    let context = FrameContext(role: role, remainingMessageBytes: budget)
    var data = [UInt8](data)
    for index in extensions.indices.reversed() {
      data = try extensions[index].frameInboundPayloadData(context, data)
    }
    if frameFinished {
      var tail: [UInt8] = []
      for index in extensions.indices.reversed() {
        if let more = try extensions[index].frameInboundComplete(context, fin: fin) { tail += more }
      }
      data += tail
    }
    return data
  }
}
