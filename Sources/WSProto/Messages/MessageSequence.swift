// SPDX-License-Identifier: Apache-2.0

/// The order of data frames: a message starts with text or binary, goes on with continuations, and ends with FIN
/// (RFC 6455 §5.4). Counts what a message costs as it goes.
struct MessageSequence {
  /// The type of the message under way; `nil` between messages.
  private(set) var opcode: Opcode?
  /// Frames of the message under way.
  private(set) var fragments = 0
  /// Payload on the wire, and the headers of all frames but the first.
  private(set) var wireBytes: UInt64 = 0

  /// Takes the header of a data frame. Throws before any of its payload is read.
  mutating func begin(
    _ header: Header,
    headerSize: Int,
    limits: Limits
  ) throws(ParseFailed) {
    switch (opcode, header.opcode) {
    case (nil, .continuation):
      throw ParseFailed("a continuation frame without a message to continue")
    case (.some, .text), (.some, .binary):
      throw ParseFailed("a new message before the last one was finished")
    case (nil, _):
      opcode = header.opcode
      fragments = 0
      wireBytes = 0
    case (.some, _):
      wireBytes &+= UInt64(truncatingIfNeeded: headerSize)
    }
    fragments += 1
    if fragments > limits.maxMessageFragments {
      throw ParseFailed("a message of more than \(limits.maxMessageFragments) frames", .policyViolation)
    }
    // Neither term is near 2^63: the sum so far is below the limit, a payload's length below 2^63.
    wireBytes &+= header.payloadLength
    if wireBytes > UInt64(clamping: limits.maxMessageWireBytes) {
      throw ParseFailed("a message of more than \(limits.maxMessageWireBytes) bytes", .messageTooBig)
    }
  }

  /// The message is complete.
  mutating func end() { opcode = nil }
}
