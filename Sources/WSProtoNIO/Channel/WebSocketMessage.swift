// SPDX-License-Identifier: Apache-2.0

#if NIO
public import NIOCore
import WSProto

/// A whole message, text or binary (RFC 6455 §5.6).
///
/// ```swift
/// func greet(_ socket: WebSocket) async throws {
///   try await socket.send("a text")
///   try await socket.send(.binary([1, 2, 3]))
/// }
/// ```
///
/// A message that was received shares the memory of the read that brought it: keep a copy of a small part of it rather
/// than the message, where it is kept for long.
public struct WebSocketMessage: Sendable, Hashable {
  /// What a message says of its bytes.
  public enum Kind: Sendable, Hashable {
    /// UTF-8.
    case text
    /// Anything.
    case binary
  }

  // The buffer first: `kind` stands in its last word, and `NIOAny` holds a message without a box of its own.

  /// The payload; of a text its UTF-8, which is valid.
  public let bytes: ByteBuffer
  /// Text or binary.
  public let kind: Kind

  /// - Parameter bytes: valid UTF-8, if `kind` is `.text`.
  init(_ kind: Kind, unchecked bytes: ByteBuffer) {
    self.kind = kind
    self.bytes = bytes
  }

  /// A text message.
  public static func text(_ text: String) -> WebSocketMessage {
    WebSocketMessage(.text, unchecked: ByteBuffer(string: text))
  }

  /// A binary message of the readable bytes of `buffer`, which is not copied.
  public static func binary(_ buffer: ByteBuffer) -> WebSocketMessage {
    WebSocketMessage(.binary, unchecked: buffer)
  }

  /// A binary message.
  public static func binary(_ bytes: [UInt8]) -> WebSocketMessage {
    WebSocketMessage(.binary, unchecked: ByteBuffer(bytes: bytes))
  }

  /// The text, as a string of its own; `nil` for a binary message.
  public var text: String? { kind == .text ? String(buffer: bytes) : nil }
}

extension WebSocketMessage: ExpressibleByStringLiteral {
  /// A text message.
  public init(stringLiteral text: String) { self = .text(text) }
}

extension WebSocketMessage: CustomStringConvertible {
  /// The text, or how many bytes there are.
  public var description: String { text ?? "binary, \(bytes.readableBytes) bytes" }
}
#endif
