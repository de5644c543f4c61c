// SPDX-License-Identifier: Apache-2.0

#if NIO
public import NIOCore
import WSProto

// Sending a message in parts.
extension WebSocket {
  /// Sends a message in parts, each as soon as it is written (RFC 6455 §5.4).
  ///
  /// ```swift
  /// import WSProtoNIO
  ///
  /// func sendLines(_ lines: some Sequence<String>, to socket: WebSocket) async throws {
  ///   try await socket.send(.text) { message in
  ///     for line in lines { try await message.write(line + "\n") }
  ///   }
  /// }
  /// ```
  ///
  /// The connection belongs to this message from its first part to the end of `body`: until then, messages of other
  /// tasks wait, or are handled as ``WebSocketOptions/slowConsumer`` says. Control frames go between the parts. Nothing
  /// is sent before the first part is written; if none is written, the message is empty.
  ///
  /// If `body` throws before the first part, nothing was sent and the connection continues. If it throws later, because
  /// of its own error, text that is not UTF-8, or cancellation, the connection is closed with 1011 and the cause
  /// ``WebSocketClosed/Cause/messageUnfinished``: the peer could not tell half a message from a whole one.
  ///
  /// - Parameters:
  ///   - kind: text or binary.
  ///   - compress: whether negotiated compression may be used. Each part is compressed so that the peer can read it at
  ///     once, which costs a few bytes per part.
  ///   - isolation: the actor that `body` runs on; by default the caller's.
  ///   - body: writes the message.
  /// - Throws: the error that `body` throws; ``WebSocketClosed`` if the connection can't send any more; ``InvalidText``
  ///   if a text message ends within a character.
  public func send(
    _ kind: WebSocketMessage.Kind,
    compress: Bool = true,
    isolation: isolated (any Actor)? = #isolation,
    _ body: (inout MessageWriter) async throws -> Void
  ) async throws {
    var writer = MessageWriter(self, kind, compress: compress)
    do {
      try await body(&writer)
      try await writer.finish()
    } catch {
      if writer.hasBegun { abandonMessage() }
      throw error
    }
  }

  /// Sends a message in parts: the buffers of a sequence, each as soon as it comes. See
  /// ``send(_:compress:isolation:_:)``.
  ///
  /// - Parameters:
  ///   - kind: text or binary.
  ///   - parts: the payload.
  ///   - compress: whether negotiated compression may be used.
  ///   - isolation: the actor that iterates over the sequence; by default the caller's.
  /// - Throws: the error that the sequence throws, and the errors of ``send(_:compress:isolation:_:)``.
  public func send<Parts: AsyncSequence>(
    _ kind: WebSocketMessage.Kind,
    parts: Parts,
    compress: Bool = true,
    isolation: isolated (any Actor)? = #isolation
  ) async throws where Parts.Element == ByteBuffer {
    try await send(kind, compress: compress) { message in
      var iterator = parts.makeAsyncIterator()
      while let part = try await iterator.next(isolation: #isolation) { try await message.write(part) }
    }
  }

  /// Writes a message in parts.
  public struct MessageWriter: ~Copyable, Sendable {
    private let socket: WebSocket
    private let kind: WebSocketMessage.Kind
    private let compress: Bool
    private var text = TextCutter()
    /// Whether a part was written.
    private(set) var hasBegun = false

    fileprivate init(_ socket: WebSocket, _ kind: WebSocketMessage.Kind, compress: Bool) {
      self.socket = socket
      self.kind = kind
      self.compress = compress
    }

    /// Writes the next part; an empty one is ignored. Waits while the peer reads too slowly, and, before the first
    /// part, until it is the turn of this message.
    ///
    /// - Throws: ``WebSocketClosed`` if the connection can't send any more; `CancellationError` if the task is
    ///   cancelled while it waits; ``InvalidText`` for text that is not UTF-8. A character may be split between two
    ///   parts.
    public mutating func write(
      _ bytes: ByteBuffer,
      isolation: isolated (any Actor)? = #isolation
    ) async throws {
      let bytes = kind == .text ? try text.cut(bytes) : bytes
      if bytes.readableBytes > 0 { try await put(bytes, isLast: false) }
    }

    /// Writes the next part, like ``write(_:isolation:)-(ByteBuffer,_)``.
    public mutating func write(
      _ bytes: [UInt8],
      isolation: isolated (any Actor)? = #isolation
    ) async throws {
      try await write(ByteBuffer(bytes: bytes))
    }

    /// Writes the next part, like ``write(_:isolation:)-(ByteBuffer,_)``.
    public mutating func write(
      _ text: String,
      isolation: isolated (any Actor)? = #isolation
    ) async throws {
      try await write(ByteBuffer(string: text))
    }

    fileprivate mutating func finish(isolation: isolated (any Actor)? = #isolation) async throws {
      guard text.isComplete else { throw InvalidText() }
      try await put(ByteBuffer(), isLast: true)
    }

    private mutating func put(
      _ bytes: ByteBuffer,
      isLast: Bool,
      isolation: isolated (any Actor)? = #isolation
    ) async throws {
      let part = MessagePart(message: WebSocketMessage(kind, unchecked: bytes), isLast: isLast)
      let item = Outbox.Item.part(part, compress: compress)
      let wait = hasBegun ? Outbox.Wait.part(item) : .firstPart(item)
      switch socket.outbox.offer(wait) {
      case .taken: break
      case .closed(let closed): throw closed
      case .wait, .dropped, .disconnect: try await socket.outbox.wait(wait)
      }
      hasBegun = true
    }
  }
}

/// A text message to be sent is not UTF-8 (RFC 6455 §5.6).
public struct InvalidText: Error, Sendable, Hashable, CustomStringConvertible {
  /// What is wrong.
  public var description: String { "a text message that is not UTF-8 was to be sent" }
}

/// Splits text into parts that end between characters.
struct TextCutter: Sendable {
  private var validator = UTF8Validator()
  /// The beginning of an incomplete character.
  private var rest = ByteBuffer()

  /// Whether the text ends with a complete character.
  var isComplete: Bool { validator.isComplete }

  /// - Returns: the text that wasn't returned before, up to its last complete character.
  mutating func cut(_ bytes: ByteBuffer) throws(InvalidText) -> ByteBuffer {
    let isValid = bytes.withUnsafeReadableBytes { bytes in
      guard let base = bytes.baseAddress else { return true }
      return validator.validate(base, count: bytes.count) == nil
    }
    guard isValid else { throw InvalidText() }
    var whole = bytes
    if rest.readableBytes > 0 {
      whole = rest
      whole.writeImmutableBuffer(bytes)
    }
    let count = whole.readableBytes - validator.pendingCount
    let cut = whole.readSlice(length: count) ?? ByteBuffer()
    // At most three bytes, copied so that they don't keep their original buffer alive.
    rest = whole.readableBytes > 0 ? whole.exactCopy : ByteBuffer()
    return cut
  }
}
#endif
