// SPDX-License-Identifier: Apache-2.0

#if Tool
/// Where a message ends in the standard input and output of a command, for `serve --exec`.
///
/// A message that would look like two to the command is changed or refused, never written as it is.
package enum CommandFraming: Equatable, Sendable {
  /// Each line is a message. Line breaks within a text become spaces, which JSON doesn't mind: LF, CR LF, and a CR by
  /// itself, since many languages read lines that end in one.
  case lines
  /// Each message ends in a byte 0. Texts keep their line breaks.
  case null
  /// Bytes in and out. Where a message ends is not kept.
  case stream

  /// A message that has no form here.
  package struct Unframeable: Error, Equatable {
    /// Why, for the reason of a Close.
    package let reason: String
  }

  /// What the command reads for a message.
  package func input(_ message: [UInt8], isText: Bool) throws(Unframeable) -> [UInt8] {
    switch self {
    case .lines:
      guard message.contains(where: { $0 == Self.newline || $0 == Self.carriageReturn }) else {
        return message + [Self.newline]
      }
      guard isText else {
        throw Unframeable(reason: "a binary message with a line break, where lines are messages")
      }
      return Self.withoutLineBreaks(message) + [Self.newline]
    case .null:
      guard !message.contains(0) else {
        throw Unframeable(reason: "a message with a byte 0, where that ends messages")
      }
      return message + [0]
    case .stream: return message
    }
  }

  /// How the command's output is cut into messages.
  package var output: InputSplitter.Mode {
    switch self {
    case .lines: .lines
    case .null: .null
    case .stream: .chunks
    }
  }

  private static let newline = UInt8(ascii: "\n")

  private static let carriageReturn = UInt8(ascii: "\r")

  /// A space for each line break.
  private static func withoutLineBreaks(_ text: [UInt8]) -> [UInt8] {
    var line: [UInt8] = []
    line.reserveCapacity(text.count + 1)
    var previous: UInt8?
    for byte in text {
      // The LF of a CR LF has its space already.
      if byte != newline || previous != carriageReturn {
        line.append(byte == newline || byte == carriageReturn ? UInt8(ascii: " ") : byte)
      }
      previous = byte
    }
    return line
  }
}
#endif
