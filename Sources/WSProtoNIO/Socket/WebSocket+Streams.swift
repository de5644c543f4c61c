// SPDX-License-Identifier: Apache-2.0

#if NIO
public import NIOCore
import WSProto

// Receiving messages in parts.
extension WebSocket {
  /// The received messages as they come: each begins before it is complete. For one task, which uses either
  /// ``messages`` or this sequence.
  ///
  /// ```swift
  /// import WSProtoNIO
  ///
  /// func count(_ socket: WebSocket) async throws {
  ///   for try await message in socket.streams {
  ///     var count = 0
  ///     for try await part in message.parts { count += part.readableBytes }
  ///     try await socket.send("\(count)")
  ///   }
  /// }
  /// ```
  ///
  /// With ``WebSocketDelivery/parts(maxMessageBytes:)``, a message of any length takes no more memory than
  /// ``WebSocketOptions/maxUnreadBytes`` and one read: while nobody takes its parts, the peer has to wait. Otherwise
  /// each message has one part, up to ``WebSocketOptions/maxMessageBytes``.
  ///
  /// Ends and throws as ``messages`` does. If you request the next message, the remaining parts of the current one are
  /// discarded.
  public var streams: Streams { Streams(inbox: inbox) }

  /// A message that has begun.
  public struct IncomingMessage: Sendable {
    /// Text or binary.
    public let kind: WebSocketMessage.Kind
    /// The payload. Each part of a text message holds whole characters of valid UTF-8. Iterate over the parts once, in
    /// one task, before you request the next message. How a message is split into parts depends on the network and has
    /// no meaning.
    public let parts: Parts
  }

  /// The messages of a connection, as they come.
  public struct Streams: AsyncSequence, Sendable {
    let inbox: Inbox

    /// Creates an iterator that continues with the next message.
    public func makeAsyncIterator() -> Iterator { Iterator(inbox: inbox) }

    /// Iterates over the messages of a connection.
    public struct Iterator: AsyncIteratorProtocol {
      let inbox: Inbox

      /// Waits for the next message to begin. Returns `nil` at an orderly end.
      ///
      /// - Throws: ``WebSocketClosed`` at any other end; `CancellationError` if the task is cancelled while it waits;
      ///   ``MessagesInUse`` if another task is waiting.
      public mutating func next() async throws -> IncomingMessage? { try await next(isolation: nil) }

      /// Waits for the next message to begin without leaving the actor. Returns `nil` at an orderly end.
      ///
      /// - Throws: as `next()` does.
      public mutating func next(isolation actor: isolated (any Actor)?) async throws(any Error)
        -> IncomingMessage?
      {
        guard let (kind, number) = try await inbox.nextStream(isolation: actor) else { return nil }
        return IncomingMessage(kind: kind, parts: Parts(inbox: inbox, number: number))
      }
    }
  }

  /// The parts of a message.
  public struct Parts: AsyncSequence, Sendable {
    let inbox: Inbox
    let number: UInt64

    /// Creates an iterator that continues with the next part.
    public func makeAsyncIterator() -> Iterator { Iterator(inbox: inbox, number: number) }

    /// Iterates over the parts of a message.
    public struct Iterator: AsyncIteratorProtocol {
      let inbox: Inbox
      let number: UInt64

      /// Waits for the next part. Returns `nil` when the message is complete.
      ///
      /// - Throws: ``WebSocketClosed`` if the connection ends before the message is complete, even in order;
      ///   ``MessagePassedOver`` if the next message was requested; `CancellationError` if the task is cancelled while
      ///   it waits; ``MessagesInUse`` if another task is waiting.
      public mutating func next() async throws -> ByteBuffer? { try await next(isolation: nil) }

      /// Waits for the next part without leaving the actor. Returns `nil` when the message is complete.
      ///
      /// - Throws: as `next()` does.
      public mutating func next(isolation actor: isolated (any Actor)?) async throws(any Error) -> ByteBuffer?
      {
        try await inbox.nextPart(of: number, isolation: actor)
      }
    }
  }
}
#endif
