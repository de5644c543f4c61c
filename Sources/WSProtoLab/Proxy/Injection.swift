// SPDX-License-Identifier: Apache-2.0

import WSProto

/// A frame that the proxy adds to a direction.
package struct Injection: Sendable, Equatable {
  /// What it is.
  package enum Kind: String, Sendable, CaseIterable {
    case text, binary, ping, pong, close

    var opcode: Opcode {
      switch self {
      case .text: .text
      case .binary: .binary
      case .ping: .ping
      case .pong: .pong
      case .close: .close
      }
    }
  }

  package var kind: Kind
  package var payload: [UInt8]
  /// Whether the direction ends with it.
  var endsStream = false

  package init(_ kind: Kind, _ payload: [UInt8]) {
    self.kind = kind
    self.payload = payload
  }

  /// A Close that ends the direction.
  init(closing code: CloseReason, _ reason: String) {
    self.init(.close, [UInt8(code.rawValue >> 8), UInt8(code.rawValue & 0xFF)] + Array(reason.utf8))
    endsStream = true
  }
}

extension FrameRelay {
  /// How many injected frames may wait.
  static let maxInjections = 64

  /// Sends a frame as soon as that is legal. Returns `false` if it never will be, because a Close has passed or the direction
  /// has ended, or if too many are waiting.
  mutating func inject(_ injection: Injection, _ out: inout RelayOutput) -> Bool {
    guard !isClosed, injection.endsStream || !hasPassedClose && injections.count < Self.maxInjections else {
      return false
    }
    if injection.endsStream {
      injections = []
      held = nil
    }
    injections.append(injection)
    inject(&out)
    return true
  }

  /// Sends the waiting frames that may be sent at this point.
  mutating func inject(_ out: inout RelayOutput) {
    while let next = injections.first, !isClosed, isOutputBetweenFrames,
      next.kind.opcode.isControl || hasPassedClose || !isOutputInsideMessage
    {
      injections.removeFirst()
      if next.endsStream { isClosed = true }
      guard !hasPassedClose else { continue }
      let frame = PassingFrame(opcode: next.kind.opcode.rawValue, plain: next.payload, key: maskingKey())
      out.add(frame.bytes)
      if next.kind == .close { hasPassedClose = true }
    }
  }

  /// Whether the output so far ends at the end of a frame.
  private var isOutputBetweenFrames: Bool {
    guard let current else { return true }
    let route = current.head.isControl ? control?.route : message?.route
    return route != .passing
  }

  /// Whether the output so far ends inside a message (RFC 6455 §5.4).
  private var isOutputInsideMessage: Bool {
    switch message?.route {
    case .passing, .inflating(hasBegun: true): true
    case nil, .dropping, .collecting, .inflating(hasBegun: false): false
    }
  }
}
