// SPDX-License-Identifier: Apache-2.0

import WSProto

/// A message or a control frame on its way through the proxy.
struct PassingMessage: Equatable {
  /// The opcode of its first frame.
  var opcode: UInt8
  /// Its frames, the first of which has the opcode.
  var frames: [PassingFrame]
  /// The content as the receiver sees it: unmasked, joined and inflated. `nil` if it cannot be inflated, or an unknown
  /// extension is in use.
  var content: [UInt8]?
  /// Whether the frames are compressed (RFC 7692 §6).
  var isCompressed = false

  var isControl: Bool { opcode & 0x8 != 0 }

  /// A description for notes, such as `a text message of 5 bytes "hello"`.
  var name: String {
    let kind =
      switch Opcode(rawValue: opcode) {
      case .text: "a text message"
      case .binary: "a binary message"
      case .close: "a Close"
      case .ping: "a ping"
      case .pong: "a pong"
      case .continuation: "the rest of a message"
      case nil: "a frame with the opcode \(opcode)"
      }
    guard let content else { return kind }
    let size = content.count == 1 ? "1 byte" : "\(content.count) bytes"
    guard opcode != Opcode.close.rawValue, !content.isEmpty else { return "\(kind) of \(size)" }
    return "\(kind) of \(size) \(Escaping.quoted(content, limit: 40))"
  }

  /// Its bytes on the wire.
  var bytes: [UInt8] { frames.flatMap(\.bytes) }

  // MARK: Frames

  /// Replaces the content. The message becomes one uncompressed frame, which receivers must accept even if
  /// permessage-deflate is in use (RFC 7692 §6).
  mutating func setContent(_ new: [UInt8], key: @autoclosure () -> UInt32) {
    let rsv = frames.first.map { $0.head.rsv.subtracting(isCompressed ? .rsv1 : []) } ?? []
    content = new
    isCompressed = false
    let isMasked = frames.first?.head.maskingKey != nil
    frames = [PassingFrame(rsv: rsv, opcode: opcode, plain: new, key: isMasked ? key() : nil)]
  }

  /// Divides the payload into frames of at most `size` bytes each. A compressed message stays compressed.
  mutating func reframe(size: Int, key: () -> UInt32) {
    guard let first = frames.first else { return }
    let isFinished = frames.last?.head.fin ?? true
    let isMasked = first.head.maskingKey != nil
    let payload = frames.flatMap(\.plain)
    var made: [PassingFrame] = []
    var rest = payload[...]
    repeat {
      let part = rest.prefix(size)
      rest = rest.dropFirst(part.count)
      made.append(
        PassingFrame(
          fin: rest.isEmpty && isFinished,
          rsv: made.isEmpty ? first.head.rsv : [],
          opcode: made.isEmpty ? opcode : Opcode.continuation.rawValue,
          plain: part,
          key: isMasked ? key() : nil
        )
      )
    } while !rest.isEmpty
    frames = made
  }

  /// Flips a bit. Returns its position in words, or `nil` if no frame has such a byte.
  mutating func corrupt(_ corruption: ProxyRule.Corruption, _ random: inout SeededGenerator) -> String? {
    let part: WritableKeyPath<PassingFrame, [UInt8]> = corruption.place == .header ? \.header : \.payload
    let least = corruption.byte ?? 0
    guard let index = frames.firstIndex(where: { $0[keyPath: part].count > least }) else { return nil }
    let count = frames[index][keyPath: part].count
    let byte = corruption.byte ?? Int.random(in: 0..<count, using: &random)
    let bit = corruption.bit ?? Int.random(in: 0...7, using: &random)
    frames[index][keyPath: part][byte] ^= 1 << UInt8(bit)
    return "bit \(bit) of byte \(byte) of the \(corruption.place.rawValue)"
  }
}
