// SPDX-License-Identifier: Apache-2.0

public import WSProto

/// A frame that has been seen.
public struct FrameRecord: Sendable, Hashable {
  /// The number of the frame in its direction, from 1.
  public var number: Int
  /// The offset of its first byte in the direction's stream, counted from the first byte that was seen.
  public var offset: Int
  /// Its header.
  public var head: FrameHead
  /// The beginning of the payload, unmasked, as the extensions left it: compressed where the message is. All of a control
  /// frame's.
  public var payload: [UInt8]
  /// How many bytes of the payload the capture doesn't have.
  public var missing: UInt64 = 0
  /// A Close frame's code: 1005 without one. `nil` for other frames, and where the payload is not legal.
  public var closeCode: CloseReason?
  /// A Close frame's reason.
  public var closeReason: String?
  /// For a pong: nanoseconds since the ping that it answers.
  public var roundTrip: Int64?
}

/// A message that has been seen to its end.
public struct MessageRecord: Sendable, Hashable {
  /// The number of the message in its direction, from 1.
  public var number: Int
  /// Text or binary; `nil` if the message began before the capture.
  public var opcode: Opcode?
  /// The offset of its first frame.
  public var offset: Int
  /// The number of its frames.
  public var frames = 0
  /// The bytes of its payloads on the wire.
  public var wireBytes: UInt64 = 0
  /// Its size in bytes as the receiver sees it.
  public var size: UInt64 = 0
  /// Whether it is compressed (RFC 7692 §6).
  public var isCompressed = false
  /// Its beginning, inflated.
  public var content: [UInt8] = []
  /// How many bytes cannot be known: they refer to what was sent before the capture began, or are missing. The former are
  /// shown as `?`.
  public var unknownBytes: UInt64 = 0
  /// Whether a part could not be read, so that size and content are not those that the receiver saw.
  public var isDamaged = false
  /// Nanoseconds since the last message of the other end, if that one had not been answered.
  public var answerTime: Int64?
}
