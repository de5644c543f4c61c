// SPDX-License-Identifier: Apache-2.0

#if NIO
import Synchronization
import WSProto

/// A limit on the memory for the incomplete incoming messages of many connections together.
///
/// ``WebSocketOptions/maxMessageBytes`` limits one connection. A thousand peers that each stop one byte short of it
/// would hold a thousand times as much. If a message needs more memory than this budget has left, the messages that
/// began first are given up, once they are older than ``messageTime``: their connections are closed with 1013. If that
/// doesn't free enough, the connection that needs more memory is closed with 1013.
///
/// So a message that arrives within that time is never given up for another one, and peers that don't complete their
/// messages, or send a byte now and then, can't keep others from sending for longer.
public final class MemoryBudget: Sendable {
  /// The maximum number of bytes.
  public let limit: Int
  /// How long an incomplete message keeps its memory when others need it; `nil` for no limit.
  public let messageTime: Duration?

  private struct State {
    var used = 0
    var messages = MessagesUnderWay()
  }

  private let state = Mutex(State())

  /// Creates a budget of `limit` bytes.
  ///
  /// - Parameter messageTime: `nil`: messages are never given up.
  public init(limit: Int, messageTime: Duration? = .seconds(10)) {
    self.limit = max(0, limit)
    self.messageTime = messageTime
  }

  /// The number of bytes in use.
  public var usedBytes: Int { state.withLock { $0.used } }

  // MARK: Messages

  /// Registers a message that begins to arrive.
  ///
  /// - Parameters:
  ///   - now: the event loop's time.
  ///   - giveUp: called with the message, at most once and on any thread, when the message is given up. The budget
  ///     counts its memory as free from then on.
  func beginMessage(
    at now: Duration,
    giveUp: @escaping @Sendable (MessagesUnderWay.ID) -> Void
  ) -> MessagesUnderWay.ID {
    state.withLock { $0.messages.append(began: now, giveUp) }
  }

  /// Takes `count` bytes, and gives up old messages if they are needed for it.
  ///
  /// - Parameters:
  ///   - message: the message that needs the bytes. `nil`: something else, which returns them with ``give(_:)``.
  ///   - now: the event loop's time.
  /// - Returns: false if there is no room, or if `message` itself was given up.
  func take(_ count: Int, for message: MessagesUnderWay.ID? = nil, at now: Duration) -> Bool {
    let (isTaken, givenUp) = state.withLock { state in
      if let message, !state.messages.contains(message) { return (false, [] as [MessagesUnderWay.GivenUp]) }
      var givenUp: [MessagesUnderWay.GivenUp] = []
      // The sum can't overflow: both count bytes that exist or are about to be refused.
      let missing = state.used + count - limit
      if missing > 0 {
        if let messageTime {
          givenUp = state.messages.giveUp(missing, begunBy: now.saturatingSubtract(messageTime), for: message)
        }
        if givenUp.isEmpty { return (false, givenUp) }
        for one in givenUp { state.used -= one.bytes }
      }
      state.used += count
      if let message { state.messages.add(count, to: message) }
      return (true, givenUp)
    }
    for one in givenUp { one.tell() }
    return isTaken
  }

  /// Returns the memory of a message that is complete or no longer wanted.
  func endMessage(_ message: MessagesUnderWay.ID) {
    state.withLock { $0.used -= $0.messages.remove(message) }
  }

  // MARK: Other uses

  /// Takes `count` bytes for an optional purpose, if more than half of the budget stays free. Returns false if not.
  func takeSpare(_ count: Int) -> Bool {
    state.withLock { state in
      guard state.used + count <= limit / 2 else { return false }
      state.used += count
      return true
    }
  }

  /// Returns `count` bytes that were taken for something other than a message.
  func give(_ count: Int) { state.withLock { $0.used -= count } }
}
#endif
