// SPDX-License-Identifier: Apache-2.0

import WSProto

/// What comes out of a ``FrameRelay``.
struct RelayOutput {
  enum Item: Equatable {
    /// Bytes for the receiver, so many nanoseconds behind the arrival of what made them, and so many at a time.
    case bytes([UInt8], delay: Int64, segmentBytes: Int = .max)
    /// What a rule has done, or could not do.
    case note(String)
    /// A message waits for a decision; nothing behind it is read.
    case held(PassingMessage)
    /// The sender's direction has ended with a Close; the other one is to end so, too.
    case close(CloseReason, String)
    /// Both connections are to be reset.
    case reset
  }

  private var items: [Item] = []
  /// Bytes without a delay behind the items: what passes as it came is one write, as far as it came in one.
  private var tail: [UInt8] = []
  /// How many bytes have been added.
  private(set) var byteCount = 0

  mutating func add(_ item: Item) {
    settle()
    if case .bytes(let bytes, _, _) = item { byteCount += bytes.count }
    items.append(item)
  }

  mutating func add(_ bytes: [UInt8], delay: Int64 = 0) {
    guard !bytes.isEmpty else { return }
    guard delay == 0 else { return add(.bytes(bytes, delay: delay)) }
    tail += bytes
    byteCount += bytes.count
  }

  private mutating func settle() {
    guard !tail.isEmpty else { return }
    items.append(.bytes(tail, delay: 0))
    tail = []
  }

  /// All of it, in order.
  mutating func take() -> [Item] {
    settle()
    defer { self = RelayOutput() }
    return items
  }
}
