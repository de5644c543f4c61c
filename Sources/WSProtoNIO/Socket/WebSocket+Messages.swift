// SPDX-License-Identifier: Apache-2.0

#if NIO
import NIOCore

// Receiving whole messages.
extension WebSocket {
  /// The messages, whole, in the order in which they were sent. For one task.
  ///
  /// Ends when the connection ends by this end, or by the peer's Close with 1000, 1001 or no code; when a server shuts
  /// down, after what was received until then. Any other end throws ``WebSocketClosed`` after the messages that came
  /// before it. A loop may be left and another one begun: no message is lost.
  public var messages: Messages { Messages(inbox: inbox) }

  /// The messages of a connection.
  public struct Messages: AsyncSequence, Sendable {
    let inbox: Inbox

    /// The next message, and so on.
    public func makeAsyncIterator() -> Iterator { Iterator(inbox: inbox) }

    /// Takes messages.
    public struct Iterator: AsyncIteratorProtocol {
      let inbox: Inbox

      /// Waits for the next message; `nil` at an orderly end.
      ///
      /// - Throws: ``WebSocketClosed`` for another end; `CancellationError` if the task is cancelled while it waits;
      ///   ``MessagesInUse`` if another task is waiting.
      public mutating func next() async throws -> WebSocketMessage? { try await inbox.next() }

      /// Waits for the next message, without leaving the actor; `nil` at an orderly end.
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
