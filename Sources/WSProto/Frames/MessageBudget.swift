// SPDX-License-Identifier: Apache-2.0

/// Limits what one message may cost this end (RFC 6455 §10.4): its frames, its bytes on the wire, its bytes
/// as delivered.
///
/// Each limit is checked before the bytes that would exceed it are taken.
struct MessageBudget {
  private let limits: Limits
  /// The number of frames of the current message.
  private(set) var fragments = 0
  /// Payload bytes on the wire, plus the headers of all frames except the first.
  private(set) var wireBytes: UInt64 = 0
  /// The bytes of the message delivered so far.
  private(set) var bytes = 0

  init(limits: Limits) { self.limits = limits }

  /// Starts over, for the next message.
  mutating func reset() {
    fragments = 0
    wireBytes = 0
    bytes = 0
  }

  /// Checks what the header alone shows: whether such a frame may be part of any message.
  func checkFrame(_ header: Header) throws(ParseFailed) {
    if header.payloadLength > UInt64(clamping: limits.maxFramePayload), !header.opcode.isControl {
      throw ParseFailed(
        "a frame of \(header.payloadLength) bytes, more than the limit of \(limits.maxFramePayload)",
        .messageTooBig
      )
    }
  }

  /// Charges a frame of the message, before any of its payload is read.
  mutating func charge(_ header: Header, headerSize: Int) throws(ParseFailed) {
    // The first frame's header is not counted: every message has one.
    if fragments > 0 { wireBytes &+= UInt64(truncatingIfNeeded: headerSize) }
    fragments += 1
    if fragments > limits.maxMessageFragments {
      throw ParseFailed("a message of more than \(limits.maxMessageFragments) frames", .policyViolation)
    }
    // The sum cannot overflow: it is below the limit so far, and the payload's length is below 2^63.
    wireBytes &+= header.payloadLength
    if wireBytes > UInt64(clamping: limits.maxMessageWireBytes) {
      throw tooBig(limits.maxMessageWireBytes)
    }
  }

  /// How many more bytes of the message may be delivered. Below `Int.max`, so that one more can be requested
  /// to tell "all" from "too many".
  var room: Int { max(0, min(limits.maxMessageBytes, .max - 1) - bytes) }

  /// Whether `count` more bytes would be too many.
  func isExceeded(by count: UInt64) -> Bool { count > UInt64(room) }

  /// Counts bytes of the message as delivered.
  mutating func add(_ count: Int) { bytes += count }

  /// The error for a message that is too long as delivered.
  var messageTooBig: ParseFailed { tooBig(limits.maxMessageBytes) }

  private func tooBig(_ limit: Int) -> ParseFailed {
    ParseFailed("a message of more than \(limit) bytes", .messageTooBig)
  }
}
