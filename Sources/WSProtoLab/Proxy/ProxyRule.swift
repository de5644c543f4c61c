// SPDX-License-Identifier: Apache-2.0

package import WSProto

/// A rule of `wsproto proxy`: which messages and control frames it is about, and what happens to them.
///
/// All rules that are about a message apply to it, in their order, each to what the one before has made of it. A message
/// is the frames from its first to its last; control frames between them are units of their own.
package struct ProxyRule: Sendable, Equatable {
  /// Whose messages.
  package enum Scope: String, Sendable, CaseIterable {
    case toServer = "to-server"
    case toClient = "to-client"
    case both

    func includes(_ sender: Direction) -> Bool {
      switch self {
      case .toServer: sender == .fromClient
      case .toClient: sender == .fromServer
      case .both: true
      }
    }
  }

  /// What kind of message, by the opcode of its first frame.
  package enum Kind: String, Sendable, CaseIterable {
    case text, binary, close, ping, pong, any, control, data

    /// - Parameter opcode: the four bits, reserved values included.
    func includes(_ opcode: UInt8) -> Bool {
      switch self {
      case .text: opcode == Opcode.text.rawValue
      case .binary: opcode == Opcode.binary.rawValue
      case .close: opcode == Opcode.close.rawValue
      case .ping: opcode == Opcode.ping.rawValue
      case .pong: opcode == Opcode.pong.rawValue
      case .any: true
      case .control: opcode & 0x8 != 0
      case .data: opcode & 0x8 == 0
      }
    }
  }

  /// What happens to a message.
  package enum Action: Sendable, Equatable {
    /// It is sent so many nanoseconds after it came. What follows it in its direction waits behind it.
    case delay(Int64)
    /// It is not sent.
    case drop
    /// Its payload is sent in frames of at most so many bytes.
    case split(Int)
    /// Its payload is sent in one frame.
    case coalesce
    /// Its bytes are written so many at a time.
    case segments(Int)
    /// One of its bits is turned.
    case corrupt(Corruption)
    /// It is cut after so many bytes.
    case truncate(Int)
    /// It is sent twice.
    case duplicate
    /// Both ends get a Close in its place.
    case close(CloseReason, String)
    /// Both connections are reset.
    case reset
    /// Each `old` in it becomes `new`.
    case replace([UInt8], [UInt8])
    /// It waits for somebody to decide.
    case hold
  }

  /// Which bit is turned. What isn't said is drawn.
  package struct Corruption: Sendable, Equatable {
    package enum Place: String, Sendable, CaseIterable { case payload, header }

    package var place = Place.payload
    /// The byte of the first frame's payload or header, from 0.
    package var byte: Int?
    /// 7 is the highest: in a header's first byte FIN, then RSV1.
    package var bit: Int?
  }

  package var scope = Scope.both
  package var kind = Kind.any
  /// What the payload must be like; `nil` for any. That of a compressed message is inflated first.
  package var pattern: PayloadPattern?
  /// From 0 to 1.
  package var probability = 1.0
  package var action: Action

  /// Whether the action can be done while the message passes, whatever its size.
  var isForStreams: Bool {
    guard pattern == nil else { return false }
    switch action {
    case .delay, .drop, .close, .reset: return true
    case .split, .coalesce, .segments, .corrupt, .truncate, .duplicate, .replace, .hold: return false
    }
  }
}

/// A rule with its number among the rules of the command line, from 1.
struct NumberedRule: Sendable {
  var number: Int
  var rule: ProxyRule
}

extension ProxyRule.Action {
  /// The word with which the action begins in a rule.
  package var name: String {
    switch self {
    case .delay: "delay"
    case .drop: "drop"
    case .split: "split"
    case .coalesce: "coalesce"
    case .segments: "segments"
    case .corrupt: "corrupt"
    case .truncate: "truncate"
    case .duplicate: "duplicate"
    case .close: "close"
    case .reset: "reset"
    case .replace: "replace"
    case .hold: "hold"
    }
  }

  /// The actions with what they take, as in a rule.
  package static let forms = [
    "delay TIME", "drop", "split BYTES", "coalesce", "segments BYTES",
    "corrupt [payload|header] [BYTE[.BIT]]",
    "truncate BYTES", "duplicate", "close CODE ['REASON']", "reset", "replace 'OLD' 'NEW'", "hold",
  ]
}
