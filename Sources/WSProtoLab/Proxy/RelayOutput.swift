// SPDX-License-Identifier: Apache-2.0

import WSProto

/// The output of a ``FrameRelay``.
struct RelayOutput {
  enum Item: Equatable {
    /// Bytes for the receiver, to be sent after a delay in nanoseconds, and at most `segmentBytes` at a time.
    case bytes([UInt8], delay: Int64, segmentBytes: Int = .max)
    /// A note about what a rule did or couldn't do.
    case note(String)
    /// A message is held. Nothing after it is read until it is decided on.
    case held(PassingMessage)
    /// This direction has ended with a Close. The other one must end with the same.
    case close(CloseReason, String)
    /// Both connections must be reset.
    case reset
  }

  private var items: [Item] = []
  /// Bytes without a delay that follow the items. They are joined, so that they are sent in one write.
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
