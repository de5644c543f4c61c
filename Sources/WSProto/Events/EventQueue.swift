// SPDX-License-Identifier: Apache-2.0

/// The waiting events of a handshake, first in, first out. One event, which is what most handshakes have,
/// needs no allocation; any number takes linear time.
struct EventQueue {
  /// Later events follow in `rest`, starting at `taken`. `nil` only if there are none.
  private var first: Event?
  private var rest: [Event] = []
  private var taken = 0
  /// How many bytes of refusals' bodies the events hold. Every event adds an overhead, so that many small
  /// ones count too.
  private(set) var heldBytes = 0

  var isEmpty: Bool { first == nil }

  /// A part of the body of a refusal.
  mutating func append(_ part: RejectData) {
    heldBytes += Self.cost(part)
    append(.rejectData(part))
  }

  mutating func append(_ event: Event) {
    if first == nil { first = event } else { rest.append(event) }
  }

  mutating func popFirst() -> Event? {
    guard let event = first else { return nil }
    if heldBytes > 0, case .rejectData(let part) = event { heldBytes -= Self.cost(part) }
    if taken < rest.count {
      first = rest[taken]
      taken += 1
      // Taken events must be removed even if the queue never becomes empty. On average each event is moved at
      // most once.
      if taken > 32, taken > rest.count / 2 {
        rest.removeFirst(taken)
        taken = 0
      }
    } else {
      first = nil
      if !rest.isEmpty { rest = [] }
      taken = 0
    }
    return event
  }

  /// About what an event in the queue and the storage of its bytes take in addition to the bytes.
  private static let overhead = 128

  private static func cost(_ part: RejectData) -> Int { part.data.count + overhead }
}
