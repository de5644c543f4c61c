// SPDX-License-Identifier: Apache-2.0

/// A frame, or a part of one, as the low-level API gives it: ``FrameDecoder``, ``MessageDecoder``, ``FrameProtocol``.
public struct Frame: Sendable, Hashable {
  /// What a frame holds at the stage of decoding it has reached.
  public enum Payload: Sendable, Hashable {
    /// Bytes as they were on the wire, unmasked and run through the extensions.
    case bytes(Bytes)
    /// Text, once a ``MessageDecoder`` has validated it.
    case text(String)
    /// The code and the reason of a Close frame (RFC 6455 §5.5.1); the code is 1005 where the frame had none.
    case close(CloseReason, String)
  }

  /// From a ``FrameDecoder``: the opcode on the wire, `.continuation` for later parts of one frame. After the
  /// ``MessageDecoder``: the type of the message.
  public var opcode: Opcode
  /// The payload, or this part of it.
  public var payload: Payload
  /// Whether this part completes its frame.
  public var frameFinished: Bool
  /// The FIN bit; after the ``MessageDecoder``: whether this part completes the message.
  public var messageFinished: Bool

  /// A frame.
  public init(opcode: Opcode, payload: Payload, frameFinished: Bool, messageFinished: Bool) {
    self.opcode = opcode
    self.payload = payload
    self.frameFinished = frameFinished
    self.messageFinished = messageFinished
  }
}
