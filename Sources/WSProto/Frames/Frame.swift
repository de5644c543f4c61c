// SPDX-License-Identifier: Apache-2.0

/// A frame, or a part of one, as used by the low-level API: ``FrameDecoder``, ``MessageDecoder``,
/// ``FrameProtocol``.
public struct Frame: Sendable, Hashable {
  /// The payload, depending on how far it has been decoded.
  public enum Payload: Sendable, Hashable {
    /// Bytes, unmasked and processed by the extensions.
    case bytes(Bytes)
    /// Text that a ``MessageDecoder`` has validated.
    case text(String)
    /// The code and the reason of a Close frame (RFC 6455 §5.5.1); the code is 1005 if the frame had none.
    case close(CloseReason, String)
  }

  /// From a ``FrameDecoder``: the opcode on the wire, or `.continuation` for later parts of a frame. From a
  /// ``MessageDecoder``: the type of the message.
  public var opcode: Opcode
  /// The payload, or this part of it.
  public var payload: Payload
  /// Whether this part completes its frame.
  public var frameFinished: Bool
  /// From a ``FrameDecoder``: the FIN bit. From a ``MessageDecoder``: whether this part completes the
  /// message.
  public var messageFinished: Bool

  /// A frame.
  public init(opcode: Opcode, payload: Payload, frameFinished: Bool, messageFinished: Bool) {
    self.opcode = opcode
    self.payload = payload
    self.frameFinished = frameFinished
    self.messageFinished = messageFinished
  }
}
