// SPDX-License-Identifier: Apache-2.0

/// What one message may cost this end (RFC 6455 §10.4): its frames, its bytes on the wire, its bytes as delivered.
///
/// Each bound is checked before the bytes that would exceed it are taken.
struct MessageBudget {
  private let limits: Limits
  /// Frames of the message under way.
  private(set) var fragments = 0
  /// Payload on the wire, and the headers of all frames but the first.
  private(set) var wireBytes: UInt64 = 0
  /// What the message has given so far, in bytes as delivered.
  private(set) var bytes = 0

  init(limits: Limits) { self.limits = limits }

  /// Starts anew, for the next message.
  mutating func reset() {
    fragments = 0
    wireBytes = 0
    bytes = 0
  }

  /// Whether a frame with this header may be part of any message, which the header alone decides.
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
    // The first frame's header is no overhead: every message has one.
    if fragments > 0 { wireBytes &+= UInt64(truncatingIfNeeded: headerSize) }
    fragments += 1
    if fragments > limits.maxMessageFragments {
      throw ParseFailed("a message of more than \(limits.maxMessageFragments) frames", .policyViolation)
    }
    // Neither term is near 2^63: the sum so far is below the limit, a payload's length below 2^63.
    wireBytes &+= header.payloadLength
    if wireBytes > UInt64(clamping: limits.maxMessageWireBytes) {
      throw tooBig(limits.maxMessageWireBytes)
    }
  }

  /// How many bytes more the message may be delivered with. Below `Int.max`: one more can be asked for, to tell "all" from
  /// "too many".
  var room: Int { max(0, min(limits.maxMessageBytes, .max - 1) - bytes) }

  /// Whether so many more bytes are too many.
  func isExceeded(by count: UInt64) -> Bool { count > UInt64(room) }

  /// Counts bytes of the message as delivered.
  mutating func add(_ count: Int) { bytes += count }

  /// The failure of a message that is too long as delivered.
  var messageTooBig: ParseFailed { tooBig(limits.maxMessageBytes) }

  private func tooBig(_ limit: Int) -> ParseFailed {
    ParseFailed("a message of more than \(limit) bytes", .messageTooBig)
  }
}
