// SPDX-License-Identifier: Apache-2.0

#if NIO

/// The incomplete messages of all connections that share a ``MemoryBudget``, in the order in which they began, with the
/// bytes that each has taken.
///
/// Every operation takes constant time on average, so that many messages don't slow each other down.
struct MessagesUnderWay {
  /// Identifies a message. IDs are not reused.
  struct ID: Hashable, Sendable {
    fileprivate let slot: Int
    fileprivate let number: UInt64
  }

  private struct Slot {
    var number: UInt64 = 0
    var began = Duration.zero
    var bytes = 0
    var isOld = false
    /// Called when the message is given up. `nil` in an empty slot.
    var giveUp: (@Sendable (ID) -> Void)?
    /// The neighbours in order of beginning. In an empty slot, `next` is the next empty one.
    var previous: Int?
    var next: Int?
  }

  private var slots: [Slot] = []
  private var empty: Int?
  private var first: Int?
  private var last: Int?
  /// The first message that isn't old.
  private var firstYoung: Int?
  private var lastNumber: UInt64 = 0
  /// The number of messages.
  private(set) var count = 0
  /// The bytes of the old messages.
  private(set) var oldBytes = 0

  /// A message that was given up.
  struct GivenUp {
    fileprivate let id: ID
    fileprivate let giveUp: @Sendable (ID) -> Void
    /// The bytes that it had taken.
    let bytes: Int

    /// Tells the message's connection.
    func tell() { giveUp(id) }
  }

  /// Adds a message at the end. Times must not go back.
  mutating func append(began: Duration, _ giveUp: @escaping @Sendable (ID) -> Void) -> ID {
    lastNumber += 1
    let slot = empty ?? slots.count
    if slot == slots.count { slots.append(Slot()) } else { empty = slots[slot].next }
    slots[slot] = Slot(number: lastNumber, began: began, giveUp: giveUp, previous: last)
    if let last { slots[last].next = slot } else { first = slot }
    last = slot
    if firstYoung == nil { firstYoung = slot }
    count += 1
    return ID(slot: slot, number: lastNumber)
  }

  /// Whether a message has neither ended nor been given up.
  func contains(_ id: ID) -> Bool { id.slot < slots.count && slots[id.slot].number == id.number }

  /// Whether a message was found to be old.
  func isOld(_ id: ID) -> Bool { contains(id) && slots[id.slot].isOld }

  /// Counts further bytes of a message.
  mutating func add(_ bytes: Int, to id: ID) {
    guard contains(id) else { return }
    slots[id.slot].bytes += bytes
    if slots[id.slot].isOld { oldBytes += bytes }
  }

  /// Removes a message that has ended.
  ///
  /// - Returns: the bytes that it had taken; 0 if it was given up.
  mutating func remove(_ id: ID) -> Int { contains(id) ? remove(id.slot)?.bytes ?? 0 : 0 }

  private mutating func remove(_ index: Int) -> GivenUp? {
    let slot = slots[index]
    guard let giveUp = slot.giveUp else { return nil }
    if let previous = slot.previous { slots[previous].next = slot.next } else { first = slot.next }
    if let next = slot.next { slots[next].previous = slot.previous } else { last = slot.previous }
    if firstYoung == index { firstYoung = slot.next }
    if slot.isOld { oldBytes -= slot.bytes }
    slots[index] = Slot(next: empty)
    empty = index
    count -= 1
    // Free the slots of a burst.
    if count == 0, slots.count > 64 {
      slots = []
      empty = nil
    }
    return GivenUp(id: ID(slot: index, number: slot.number), giveUp: giveUp, bytes: slot.bytes)
  }

  /// Removes the oldest messages, of those that began at `time` or before, until `bytes` are free. Removes none if all of
  /// them together wouldn't free enough.
  ///
  /// - Parameter asking: the message that needs the bytes, which is kept.
  mutating func giveUp(_ bytes: Int, begunBy time: Duration, for asking: ID?) -> [GivenUp] {
    while let index = firstYoung, slots[index].began <= time {
      slots[index].isOld = true
      oldBytes += slots[index].bytes
      firstYoung = slots[index].next
    }
    var own = 0
    if let asking, contains(asking), slots[asking.slot].isOld { own = slots[asking.slot].bytes }
    guard bytes <= oldBytes - own else { return [] }
    var givenUp: [GivenUp] = []
    var free = 0
    var next = first
    while free < bytes, let index = next {
      next = slots[index].next
      if index == asking?.slot { continue }
      guard let one = remove(index) else { break }
      free += one.bytes
      givenUp.append(one)
    }
    return givenUp
  }
}
#endif
