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
/// A received message shares the memory of the read that brought it. To keep a small part of it for long, copy that
/// part rather than keep the message.
public struct WebSocketMessage: Sendable, Hashable {
  /// The type of a message.
  public enum Kind: Sendable, Hashable {
    /// UTF-8 text.
    case text
    /// Arbitrary bytes.
    case binary
  }

  // `bytes` comes first so that `kind` fits into its last word, and `NIOAny` holds a message without a box.

  /// The payload. The payload of a text message is valid UTF-8.
  public let bytes: ByteBuffer
  /// Whether the message is text or binary.
  public let kind: Kind

  /// - Parameter bytes: valid UTF-8 if `kind` is `.text`.
  init(_ kind: Kind, unchecked bytes: ByteBuffer) {
    self.kind = kind
    self.bytes = bytes
  }

  /// Creates a text message.
  public static func text(_ text: String) -> WebSocketMessage {
    WebSocketMessage(.text, unchecked: ByteBuffer(string: text))
  }

  /// Creates a binary message from the readable bytes of `buffer`, without copying them.
  public static func binary(_ buffer: ByteBuffer) -> WebSocketMessage {
    WebSocketMessage(.binary, unchecked: buffer)
  }

  /// Creates a binary message.
  public static func binary(_ bytes: [UInt8]) -> WebSocketMessage {
    WebSocketMessage(.binary, unchecked: ByteBuffer(bytes: bytes))
  }

  /// The text as a string; `nil` for a binary message.
  public var text: String? { kind == .text ? String(buffer: bytes) : nil }
}

extension WebSocketMessage: ExpressibleByStringLiteral {
  /// Creates a text message.
  public init(stringLiteral text: String) { self = .text(text) }
}

extension WebSocketMessage: CustomStringConvertible {
  /// The text, or the number of bytes.
  public var description: String { text ?? "binary, \(bytes.readableBytes) bytes" }
}
#endif
