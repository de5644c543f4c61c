// SPDX-License-Identifier: Apache-2.0

#if NIO
public import NIOCore
import WSProto

// Receiving messages in parts.
extension WebSocket {
  /// The messages as they come: each begins before all of it is there. For one task, which takes ``messages`` or these.
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
  /// ``WebSocketOptions/maxUnreadBytes`` and one read: as long as nobody takes its parts, the peer has to wait. Otherwise
  /// each message has one part, and ``WebSocketOptions/maxMessageBytes`` bounds it.
  ///
  /// Ends and throws as ``messages`` does. What is left of a message when the next one is asked for is passed over.
  public var streams: Streams { Streams(inbox: inbox) }

  /// A message that has begun.
  public struct IncomingMessage: Sendable {
    /// Text or binary.
    public let kind: WebSocketMessage.Kind
    /// Its payload; of a text, each part holds whole characters of valid UTF-8. For one task, once, and before the next
    /// message is asked for. The cuts say nothing: they depend on the network.
    public let parts: Parts
  }

  /// The messages of a connection, as they come.
  public struct Streams: AsyncSequence, Sendable {
    let inbox: Inbox

    /// The next message, and so on.
    public func makeAsyncIterator() -> Iterator { Iterator(inbox: inbox) }

    /// Takes messages.
    public struct Iterator: AsyncIteratorProtocol {
      let inbox: Inbox

      /// Waits for the next message to begin; `nil` at an orderly end.
      ///
      /// - Throws: ``WebSocketClosed`` for another end; `CancellationError` if the task is cancelled while it waits;
      ///   ``MessagesInUse`` if another task is waiting.
      public mutating func next() async throws -> IncomingMessage? { try await next(isolation: nil) }

      /// Waits for the next message to begin, without leaving the actor; `nil` at an orderly end.
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

    /// The next part, and so on.
    public func makeAsyncIterator() -> Iterator { Iterator(inbox: inbox, number: number) }

    /// Takes parts.
    public struct Iterator: AsyncIteratorProtocol {
      let inbox: Inbox
      let number: UInt64

      /// Waits for the next part; `nil` when the message is complete.
      ///
      /// - Throws: ``WebSocketClosed`` if the connection ends before that, however orderly; ``MessagePassedOver`` if the
      ///   next message was asked for; `CancellationError` if the task is cancelled while it waits; ``MessagesInUse`` if
      ///   another task is waiting.
      public mutating func next() async throws -> ByteBuffer? { try await next(isolation: nil) }

      /// Waits for the next part, without leaving the actor; `nil` when the message is complete.
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
