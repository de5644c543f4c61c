// SPDX-License-Identifier: Apache-2.0

package import WSProto

/// A rule of `wsproto proxy`: which messages and control frames it applies to, and what it does to them.
///
/// Every rule that matches a message is applied, in order, to the result of the rule before it. A message consists of all
/// its frames. Control frames between them are handled separately.
package struct ProxyRule: Sendable, Equatable {
  /// The direction of the messages.
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

  /// The kind of message, according to the opcode of its first frame.
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
    /// Sends the message this many nanoseconds after its arrival. Everything behind it in the same direction waits.
    case delay(Int64)
    /// Does not send the message.
    case drop
    /// Sends the payload in frames of at most this many bytes.
    case split(Int)
    /// Sends the payload in one frame.
    case coalesce
    /// Writes the message this many bytes at a time.
    case segments(Int)
    /// Flips one bit.
    case corrupt(Corruption)
    /// Cuts the content off after this many bytes.
    case truncate(Int)
    /// Sends the message once more.
    case duplicate
    /// Sends a Close to both ends instead of the message.
    case close(CloseReason, String)
    /// Resets both connections.
    case reset
    /// Replaces each occurrence of the first text by the second.
    case replace([UInt8], [UInt8])
    /// Holds the message until the user decides about it.
    case hold
  }

  /// The bit to flip. Unspecified parts are chosen at random.
  package struct Corruption: Sendable, Equatable {
    package enum Place: String, Sendable, CaseIterable { case payload, header }

    package var place = Place.payload
    /// The byte in the payload or header of the first frame that has it, counted from 0.
    package var byte: Int?
    /// The bit; 7 is the highest. In the first byte of a header, 7 is FIN and 6 is RSV1.
    package var bit: Int?
  }

  package var scope = Scope.both
  package var kind = Kind.any
  /// The pattern that the payload, once inflated, must match; `nil` if every payload matches.
  package var pattern: PayloadPattern?
  /// The probability that the rule applies to a message, 0...1.
  package var probability = 1.0
  package var action: Action

  /// Whether the action can be applied while the message passes through, without collecting it.
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
  /// The word for the action in a rule.
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

  /// The syntax of each action.
  package static let forms = [
    "delay TIME", "drop", "split BYTES", "coalesce", "segments BYTES",
    "corrupt [payload|header] [BYTE[.BIT]]",
    "truncate BYTES", "duplicate", "close CODE ['REASON']", "reset", "replace 'OLD' 'NEW'", "hold",
  ]
}
