// SPDX-License-Identifier: Apache-2.0

import WSProto

/// What has come from the other end.
package enum ScenarioSeen: Sendable {
  /// The opening handshake has succeeded.
  case opened
  /// The server has answered with another status than 101.
  case refused(status: Int, body: [UInt8])
  /// The opening handshake is not legal, or was cut off.
  case handshakeFailed(String)
  case text([UInt8])
  case binary([UInt8])
  case ping([UInt8])
  case pong([UInt8])
  /// A Close; 1005 without a code.
  case close(UInt16, reason: String)
  /// The other end has broken the protocol, and is answered with this code.
  case violation(UInt16, String)
  /// The stream has ended; the text says more than that.
  case ended(String?)

  /// The bytes that it holds in memory.
  var size: Int {
    switch self {
    case .text(let bytes), .binary(let bytes), .ping(let bytes), .pong(let bytes), .refused(_, let bytes):
      bytes.count + 64
    default: 256
    }
  }

  /// Whether more may come behind it.
  var isPassable: Bool {
    switch self {
    case .text, .binary, .ping, .pong: true
    default: false
    }
  }

  /// In words, escaped and bounded.
  package var description: String {
    switch self {
    case .opened: return "the connection is open"
    case .refused(let status, let body):
      return "refused \(status)" + (body.isEmpty ? "" : " \(Self.quoted(body))")
    case .handshakeFailed(let why): return "no WebSocket handshake: \(shown(why))"
    case .text(let bytes): return "text \(Self.quoted(bytes))"
    case .binary(let bytes): return "binary \(Self.hex(bytes))"
    case .ping(let bytes): return "ping \(Self.quoted(bytes))"
    case .pong(let bytes): return "pong \(Self.quoted(bytes))"
    case .close(let code, let reason):
      return "close \(code)" + (reason.isEmpty ? "" : " \(Self.quoted(Array(reason.utf8)))")
    case .violation(let code, let message):
      return "the protocol is broken: \(shown(message)) (to be closed with \(code))"
    case .ended(let why): return "the connection ends without a Close" + (why.map { ": \(shown($0))" } ?? "")
    }
  }

  /// How much of a payload is shown.
  private static let limit = 200

  static func quoted(_ bytes: [UInt8]) -> String {
    let size = bytes.count > limit ? " (\(bytes.count) bytes)" : ""
    return Escaping.quoted(bytes, limit: limit) + size
  }

  static func hex(_ bytes: [UInt8]) -> String {
    if bytes.isEmpty { return "without bytes" }
    let size = bytes.count > limit / 4 ? " (\(bytes.count) bytes)" : ""
    return "0x" + Escaping.hex(bytes, limit: limit / 4, separator: "") + size
  }
}
