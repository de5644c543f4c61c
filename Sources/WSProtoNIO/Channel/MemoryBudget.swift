// SPDX-License-Identifier: Apache-2.0

#if NIO
import Synchronization

/// A bound on the memory for messages under way over many connections: those that have begun to arrive and are not
/// complete.
///
/// ``WebSocketOptions/maxMessageBytes`` bounds one connection; a thousand peers, each of which stops one byte short of it,
/// would hold a thousand times as much. Beyond this bound the connection that asks for more is closed with 1013.
public final class MemoryBudget: Sendable {
  /// The most bytes.
  public let limit: Int
  private let used = Atomic<Int>(0)

  /// A budget of `limit` bytes.
  public init(limit: Int) { self.limit = max(0, limit) }

  /// How many bytes are taken now.
  public var usedBytes: Int { used.load(ordering: .relaxed) }

  /// Takes `count` bytes, if there are so many.
  func take(_ count: Int) -> Bool {
    let before = used.add(count, ordering: .relaxed).oldValue
    // Neither term is near the end of `Int`: the bytes exist, or were refused.
    if before + count <= limit { return true }
    used.subtract(count, ordering: .relaxed)
    return false
  }

  /// Takes `count` bytes if more than half of all is left: for what can do without.
  func takeSpare(_ count: Int) -> Bool {
    guard usedBytes + count <= limit / 2 else { return false }
    return take(count)
  }

  /// Gives back `count` bytes that were taken.
  func give(_ count: Int) { used.subtract(count, ordering: .relaxed) }
}
#endif
