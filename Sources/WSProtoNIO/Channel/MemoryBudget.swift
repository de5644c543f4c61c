// SPDX-License-Identifier: Apache-2.0

#if NIO
import Synchronization

/// A limit on the memory for the incomplete incoming messages of many connections together.
///
/// ``WebSocketOptions/maxMessageBytes`` limits one connection. A thousand peers that each stop one byte short of it
/// would hold a thousand times as much. A connection that needs more memory than this budget has left is closed with
/// 1013.
public final class MemoryBudget: Sendable {
  /// The maximum number of bytes.
  public let limit: Int
  private let used = Atomic<Int>(0)

  /// Creates a budget of `limit` bytes.
  public init(limit: Int) { self.limit = max(0, limit) }

  /// The number of bytes in use.
  public var usedBytes: Int { used.load(ordering: .relaxed) }

  /// Takes `count` bytes. Returns false if fewer are left.
  func take(_ count: Int) -> Bool {
    let before = used.add(count, ordering: .relaxed).oldValue
    // The sum can't overflow: `before` counts bytes that exist or are about to be refused.
    if before + count <= limit { return true }
    used.subtract(count, ordering: .relaxed)
    return false
  }

  /// Takes `count` bytes for an optional purpose, if more than half of the budget stays free. Returns false if not.
  func takeSpare(_ count: Int) -> Bool {
    guard usedBytes + count <= limit / 2 else { return false }
    return take(count)
  }

  /// Returns `count` bytes to the budget.
  func give(_ count: Int) { used.subtract(count, ordering: .relaxed) }
}
#endif
