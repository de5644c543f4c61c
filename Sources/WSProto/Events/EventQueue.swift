// SPDX-License-Identifier: Apache-2.0

/// The events of a handshake that wait to be taken, first in, first out: the one that most handshakes have without an
/// allocation, any number in linear time.
struct EventQueue {
  /// Behind it in `rest` from `taken` on are the later ones; `nil` only if there are none.
  private var first: Event?
  private var rest: [Event] = []
  private var taken = 0
  /// What the events hold of the bodies of refusals, in bytes; each event counts, so that many small ones count too.
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
      // Those that were taken must not stay where the queue is never empty. Each is moved once at most for one taken.
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

  /// An event in the queue, and the storage of its bytes: about what they take beside the bytes.
  private static let overhead = 128

  private static func cost(_ part: RejectData) -> Int { part.data.count + overhead }
}
