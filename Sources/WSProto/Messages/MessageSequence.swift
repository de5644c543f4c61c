// SPDX-License-Identifier: Apache-2.0

/// The order of data frames: a message starts with text or binary, goes on with continuations, and ends with FIN
/// (RFC 6455 §5.4).
struct MessageSequence: Sendable {
  /// The type of the message under way; `nil` between messages.
  private(set) var opcode: Opcode?

  /// Takes the opcode of the next data frame, which its header tells: before any of the payload is read.
  ///
  /// - Returns: whether the frame starts a message.
  mutating func begin(_ next: Opcode) throws(ParseFailed) -> Bool {
    switch (opcode, next) {
    case (nil, .text), (nil, .binary):
      opcode = next
      return true
    case (.some, .continuation): return false
    case (nil, .continuation): throw ParseFailed("a continuation frame without a message to continue")
    case (.some, .text), (.some, .binary):
      throw ParseFailed("a new message before the last one was finished")
    case (_, .close), (_, .ping), (_, .pong): throw ParseFailed("a control frame is no part of a message")
    }
  }

  /// The message is complete.
  mutating func end() { opcode = nil }
}
