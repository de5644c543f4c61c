// SPDX-License-Identifier: Apache-2.0

#if NIO
import NIOCore

/// Messages whose transmission hasn't begun, the oldest first. A message may have a key, so that a later message with
/// the same key replaces it.
struct MessageQueue {
  private struct Entry {
    let item: Outbox.Item
    let key: String?
  }

  private var entries = CircularBuffer<Entry>(initialCapacity: 2)
  /// The number of the first entry. Entries are numbered in order.
  private var first: UInt64 = 0
  /// The numbers of the entries that have a key.
  private var numbers: [String: UInt64] = [:]
  /// The bytes of all entries, and of the entries that have a key.
  private(set) var byteCount = 0
  private(set) var replaceableBytes = 0

  var count: Int { entries.count }
  var isEmpty: Bool { entries.isEmpty }

  /// Appends an item.
  mutating func append(_ item: Outbox.Item, key: String?) {
    byteCount += item.byteCount
    if let key {
      numbers[key] = first + UInt64(entries.count)
      replaceableBytes += item.byteCount
    }
    entries.append(Entry(item: item, key: key))
  }

  /// Replaces the item with the same key. Returns false if there is none.
  mutating func replace(_ item: Outbox.Item, key: String) -> Bool {
    guard let number = numbers[key] else { return false }
    let index = entries.index(entries.startIndex, offsetBy: Int(number - first))
    let growth = item.byteCount - entries[index].item.byteCount
    byteCount += growth
    replaceableBytes += growth
    entries[index] = Entry(item: item, key: key)
    return true
  }

  /// Removes the oldest item.
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
