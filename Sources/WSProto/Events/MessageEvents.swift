// SPDX-License-Identifier: Apache-2.0

/// A data message, or a part of one (RFC 6455 §5.4, §5.6).
///
/// Received parts come as the bytes arrive, unless ``Configuration/delivery`` asks for whole messages: append the parts
/// until `messageFinished`. The parts of one message all have the same type.
public struct Message<Data: Sendable & Hashable>: Sendable, Hashable {
  /// The text, or the bytes. Text never ends inside a character.
  public var data: Data
  /// Whether this part ends its frame. Without meaning for the message; it tells the fragmentation on the wire.
  public var frameFinished: Bool
  /// Whether this part ends the message. When sending: `false` keeps the message open for further parts.
  public var messageFinished: Bool
  /// Sending: whether a negotiated compression may be used for the message; `false` on its first part sends it
  /// uncompressed, as for secrets next to text that an attacker controls (RFC 7692 §8). Receiving: always `true`.
  public var compress: Bool

  /// A message, finished unless stated.
  @inlinable
  public init(
    data: Data,
    frameFinished: Bool = true,
    messageFinished: Bool = true,
    compress: Bool = true
  ) {
    self.data = data
    self.frameFinished = frameFinished
    self.messageFinished = messageFinished
    self.compress = compress
  }
}

/// A text message or a part of one.
public typealias TextMessage = Message<String>

/// A binary message or a part of one.
public typealias BytesMessage = Message<Bytes>

/// What a message can hold: `String` or ``Bytes``.
public protocol MessageData: Sendable, Hashable {
  /// The case for a message of this type.
  static func event(_ message: Message<Self>) -> Event
}

extension String: MessageData {
  /// `.textMessage`
  public static func event(_ message: Message<String>) -> Event { .textMessage(message) }
}

extension Bytes: MessageData {
  /// `.bytesMessage`
  public static func event(_ message: Message<Bytes>) -> Event { .bytesMessage(message) }
}

extension Message where Data == Bytes {
  /// A binary message with a copy of `data`.
  public init(data: [UInt8], messageFinished: Bool = true, compress: Bool = true) {
    self.init(data: Bytes(data), messageFinished: messageFinished, compress: compress)
  }
}
