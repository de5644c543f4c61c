// SPDX-License-Identifier: Apache-2.0

/// A data message, or a part of one (RFC 6455 §5.4, §5.6): ``TextMessage`` or ``BytesMessage``.
///
/// Received parts come as the bytes arrive, unless ``Configuration/delivery`` asks for whole messages: append the parts
/// until `messageFinished`. The parts of one message all have the same type.
public protocol Message: EventConvertible, Hashable {
  /// `String` or ``Bytes``.
  associatedtype Data: Sendable & Hashable
  /// The text, or the bytes.
  var data: Data { get set }
  /// Whether this part ends its frame. It tells the fragmentation on the wire, and says nothing of the message.
  var frameFinished: Bool { get set }
  /// Whether this part ends the message. When sending, `false` keeps the message open for further parts.
  var messageFinished: Bool { get set }
  /// Sending: whether a negotiated compression may be used for the message; `false` on its first part sends it
  /// uncompressed, as for secrets next to text that an attacker controls (RFC 7692 §8). Receiving: always `true`.
  var compress: Bool { get set }
}

/// A text message or a part of one.
///
/// A received one holds the UTF-8 bytes as they came, validated, in the storage of the read that brought them:
/// ``utf8`` costs nothing, ``data`` makes a string when it is asked for. Equality and hashing are by the bytes.
public struct TextMessage: Message, Sendable {
  private enum Text: Sendable {
    case string(String)
    /// Valid UTF-8.
    case utf8(Bytes)
  }

  private var text: Text
  /// See ``Message/frameFinished``.
  public var frameFinished: Bool
  /// See ``Message/messageFinished``.
  public var messageFinished: Bool
  /// See ``Message/compress``.
  public var compress: Bool

  /// A message, finished unless stated.
  public init(
    data: String,
    frameFinished: Bool = true,
    messageFinished: Bool = true,
    compress: Bool = true
  ) {
    text = .string(data)
    self.frameFinished = frameFinished
    self.messageFinished = messageFinished
    self.compress = compress
  }

  /// A received message, whose bytes the pipeline has validated.
  @inline(__always)
  init(validated utf8: Bytes, frameFinished: Bool, messageFinished: Bool) {
    text = .utf8(utf8)
    self.frameFinished = frameFinished
    self.messageFinished = messageFinished
    compress = true
  }

  /// The text. Of a received message each call makes the string anew: one allocation, and a copy. It never ends inside
  /// a character.
  public var data: String {
    get {
      switch text {
      case .string(let string): string
      case .utf8(let bytes):
        bytes.withUnsafeBytes { bytes in
          // Validated when it was received: a second pass would cost as much as the first.
          String(copying: UTF8Span(unchecked: bytes.bindMemory(to: UInt8.self).span))
        }
      }
    }
    set { text = .string(newValue) }
  }

  /// The text's UTF-8 bytes: for parsers that take bytes. Of a received message they share the storage of the read.
  public var utf8: Bytes {
    switch text {
    case .string(let string): Bytes(string)
    case .utf8(let bytes): bytes
    }
  }

  /// Calls `body` with the bytes of the text, without a copy where the string allows it.
  func withUTF8<R, Failure: Error>(
    _ body: (UnsafeRawBufferPointer) throws(Failure) -> R
  ) throws(Failure) -> R {
    switch text {
    case .string(let string):
      try string.utf8Span.span.bytes.withUnsafeBytes { (bytes) throws(Failure) in try body(bytes) }
    case .utf8(let bytes): try bytes.withUnsafeBytes(body)
    }
  }

  /// Whether the bytes and the flags are the same.
  public static func == (left: TextMessage, right: TextMessage) -> Bool {
    left.frameFinished == right.frameFinished && left.messageFinished == right.messageFinished
      && left.compress == right.compress
      && left.withUTF8 { l in right.withUTF8 { r in l.elementsEqual(r) } }
  }

  /// Hashes the bytes and the flags.
  public func hash(into hasher: inout Hasher) {
    withUTF8 { hasher.combine(bytes: $0) }
    hasher.combine(frameFinished)
    hasher.combine(messageFinished)
    hasher.combine(compress)
  }

  /// `.textMessage`
  public var event: Event { .textMessage(self) }
}

extension TextMessage: CustomStringConvertible {
  /// As a call of the initialiser.
  public var description: String {
    "TextMessage(data: \(data.debugDescription), frameFinished: \(frameFinished), "
      + "messageFinished: \(messageFinished), compress: \(compress))"
  }
}

/// A binary message or a part of one.
public struct BytesMessage: Message, Sendable {
  /// The bytes. Of a received message they share the storage of the read that brought them.
  public var data: Bytes
  /// See ``Message/frameFinished``.
  public var frameFinished: Bool
  /// See ``Message/messageFinished``.
  public var messageFinished: Bool
  /// See ``Message/compress``.
  public var compress: Bool

  /// A message, finished unless stated.
  @inlinable
  public init(
    data: Bytes,
    frameFinished: Bool = true,
    messageFinished: Bool = true,
    compress: Bool = true
  ) {
    self.data = data
    self.frameFinished = frameFinished
    self.messageFinished = messageFinished
    self.compress = compress
  }

  /// A message with a copy of `data`.
  public init(data: [UInt8], messageFinished: Bool = true, compress: Bool = true) {
    self.init(data: Bytes(data), messageFinished: messageFinished, compress: compress)
  }

  /// `.bytesMessage`
  public var event: Event { .bytesMessage(self) }
}
