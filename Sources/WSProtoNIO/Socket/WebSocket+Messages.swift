// SPDX-License-Identifier: Apache-2.0

#if NIO
import NIOCore

// Receiving whole messages.
extension WebSocket {
  /// The received messages, whole and in order. For one task at a time.
  ///
  /// The sequence ends when this end closes the connection, or when the peer closes it with 1000, 1001 or no code. When
  /// a server shuts down, the sequence ends after the messages received so far. After any other end, it throws
  /// ``WebSocketClosed`` once the messages before it are taken. You can leave a loop and begin another one without
  /// losing messages.
  ///
  /// After the peer's Close, or its violation of the protocol, the messages before it can still be answered: this end's
  /// Close waits until they are all taken and the next one is asked for (RFC 6455 §5.5.1). It stops waiting when none is
  /// taken for 100 ms, and after half of the closing handshake's deadline, 5 s at most.
  public var messages: Messages { Messages(inbox: inbox) }

  /// The messages of a connection.
  public struct Messages: AsyncSequence, Sendable {
    let inbox: Inbox

    /// Creates an iterator that continues with the next message.
    public func makeAsyncIterator() -> Iterator { Iterator(inbox: inbox) }

    /// Iterates over the messages of a connection.
    public struct Iterator: AsyncIteratorProtocol {
      let inbox: Inbox

      /// Waits for the next message. Returns `nil` at an orderly end.
      ///
      /// - Throws: ``WebSocketClosed`` at any other end; `CancellationError` if the task is cancelled while it waits;
      ///   ``MessagesInUse`` if another task is waiting.
      public mutating func next() async throws -> WebSocketMessage? { try await inbox.next() }

      /// Waits for the next message without leaving the actor. Returns `nil` at an orderly end.
      ///
      /// - Throws: as `next()` does.
      public mutating func next(isolation actor: isolated (any Actor)?) async throws(any Error)
        -> WebSocketMessage?
      {
        try await inbox.next(isolation: actor)
      }
    }
  }
}
#endif
