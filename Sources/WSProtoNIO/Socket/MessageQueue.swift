// SPDX-License-Identifier: Apache-2.0

#if NIO
import NIOCore

/// Messages that have not begun to go out, the oldest first. Some have a key: a later message with the same key takes
/// their place.
struct MessageQueue {
  private struct Entry {
    let item: Outbox.Item
    let key: String?
  }

  private var entries = CircularBuffer<Entry>(initialCapacity: 2)
  /// The number of the first entry: they are numbered as they come.
  private var first: UInt64 = 0
  /// The numbers of the entries with a key.
  private var numbers: [String: UInt64] = [:]
  /// The bytes of all entries, and those of the entries with a key.
  private(set) var byteCount = 0
  private(set) var replaceableBytes = 0

  var count: Int { entries.count }
  var isEmpty: Bool { entries.isEmpty }

  /// Puts an item behind the others.
  mutating func append(_ item: Outbox.Item, key: String?) {
    byteCount += item.byteCount
    if let key {
      numbers[key] = first + UInt64(entries.count)
      replaceableBytes += item.byteCount
    }
    entries.append(Entry(item: item, key: key))
  }

  /// Puts an item in the place of the one with the same key; false if there is none.
  mutating func replace(_ item: Outbox.Item, key: String) -> Bool {
    guard let number = numbers[key] else { return false }
    let index = entries.index(entries.startIndex, offsetBy: Int(number - first))
    let growth = item.byteCount - entries[index].item.byteCount
    byteCount += growth
    replaceableBytes += growth
    entries[index] = Entry(item: item, key: key)
    return true
  }

  /// Takes the oldest item.
  mutating func popFirst() -> Outbox.Item? {
    guard let entry = entries.popFirst() else { return nil }
    first += 1
    byteCount -= entry.item.byteCount
    if let key = entry.key {
      numbers[key] = nil
      replaceableBytes -= entry.item.byteCount
    }
    // An idle connection holds no memory for messages; a busy one keeps a little.
    if entries.isEmpty, entries.capacity > 16 { entries = CircularBuffer(initialCapacity: 2) }
    return entry.item
  }
}
#endif
