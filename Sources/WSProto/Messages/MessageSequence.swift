// SPDX-License-Identifier: Apache-2.0

/// Checks the order of data frames: a message starts with text or binary, continues with continuations, and
/// ends with FIN (RFC 6455 §5.4).
struct MessageSequence: Sendable {
  /// The type of the current message; `nil` between messages.
  private(set) var opcode: Opcode?

  /// Takes the opcode of the next data frame, as soon as its header is read and before its payload.
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

  /// Called when the message is complete.
  mutating func end() { opcode = nil }
}
