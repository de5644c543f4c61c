// SPDX-License-Identifier: Apache-2.0

/// A data message, or a part of one (RFC 6455 §5.4, §5.6): ``TextMessage`` or ``BytesMessage``.
///
/// Received parts arrive as their bytes do, unless ``Configuration/delivery`` asks for whole messages: append
/// the parts until `messageFinished`. All parts of one message have the same type.
public protocol Message: EventConvertible, Hashable {
  /// `String` or ``Bytes``.
  associatedtype Data: Sendable & Hashable
  /// The text, or the bytes.
  var data: Data { get set }
  /// Whether this part ends its frame. This describes the fragmentation on the wire and has no meaning for
  /// the message.
  var frameFinished: Bool { get set }
  /// Whether this part ends the message. When sending, `false` keeps the message open for further parts.
  var messageFinished: Bool { get set }
  /// Sending: whether the message may be compressed, if compression was negotiated. `false` on the first part
  /// sends it uncompressed, for example when it contains secrets next to text that an attacker controls
  /// (RFC 7692 §8). Receiving: always `true`.
  var compress: Bool { get set }
}

/// A text message or a part of one.
///
/// A received message holds its validated UTF-8 bytes as they arrived, in the storage of the read that
/// brought them: ``utf8`` costs nothing, ``data`` creates a string on each access. Equality and hashing use
/// the bytes.
public struct TextMessage: Message, Sendable {
  @usableFromInline
  enum Text: Sendable {
    case string(String)
    /// Valid UTF-8.
    case utf8(Bytes)
  }

  @usableFromInline var text: Text
  /// See ``Message/frameFinished``.
  public var frameFinished: Bool
  /// See ``Message/messageFinished``.
  public var messageFinished: Bool
  /// See ``Message/compress``.
  public var compress: Bool

  /// Creates a message, finished by default.
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

  /// A received message, whose bytes the pipeline has already validated.
  @inline(__always)
  init(validated utf8: Bytes, frameFinished: Bool, messageFinished: Bool) {
    text = .utf8(utf8)
    self.frameFinished = frameFinished
    self.messageFinished = messageFinished
    compress = true
  }

  /// The text. For a received message, each access creates the string: one allocation and one copy. A part
  /// never ends inside a character.
  public var data: String {
    get {
      switch text {
      case .string(let string): string
      case .utf8(let bytes):
        bytes.withUnsafeBytes { bytes in
          // It was validated on receipt; a second pass would cost as much as the first.
          String(copying: UTF8Span(unchecked: bytes.bindMemory(to: UInt8.self).span))
        }
      }
    }
    set { text = .string(newValue) }
  }

  /// The text's UTF-8 bytes, for parsers that take bytes. For a received message they share the storage of
  /// the read. To look at them only, ``withUTF8(_:)`` costs less.
  @inlinable
  public var utf8: Bytes {
    switch text {
    case .string(let string): Bytes(string)
    case .utf8(let bytes): bytes
    }
  }

  /// Calls `body` with the text's UTF-8 bytes, where they lie. The pointer is valid only during the call.
  @inlinable
  public func withUTF8<R, Failure: Error>(
    _ body: (UnsafeRawBufferPointer) throws(Failure) -> R
  ) throws(Failure) -> R {
    switch text {
    case .string(let string):
      try string.utf8Span.span.bytes.withUnsafeBytes { (bytes) throws(Failure) in try body(bytes) }
    case .utf8(let bytes): try bytes.withUnsafeBytes(body)
    }
  }

  /// Whether the bytes and the flags are equal.
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
  /// Formatted like a call of the initialiser.
  public var description: String {
    "TextMessage(data: \(data.debugDescription), frameFinished: \(frameFinished), "
      + "messageFinished: \(messageFinished), compress: \(compress))"
  }
}

/// A binary message or a part of one.
public struct BytesMessage: Message, Sendable {
  /// The bytes. For a received message they share the storage of the read that brought them.
  public var data: Bytes
  /// See ``Message/frameFinished``.
  public var frameFinished: Bool
  /// See ``Message/messageFinished``.
  public var messageFinished: Bool
  /// See ``Message/compress``.
  public var compress: Bool

  /// Creates a message, finished by default.
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
