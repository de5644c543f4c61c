// SPDX-License-Identifier: Apache-2.0

/// The events of a handshake that wait to be taken, first in, first out: the one that most handshakes have without an
/// allocation, any number in linear time.
struct EventQueue {
  /// Behind it in `rest` from `taken` on are the later ones; `nil` only if there are none.
  private var first: Event?
  private var rest: [Event] = []
  private var taken = 0

  var isEmpty: Bool { first == nil }

  mutating func append(_ event: Event) {
    if first == nil { first = event } else { rest.append(event) }
  }

  mutating func popFirst() -> Event? {
    guard let event = first else { return nil }
    if taken < rest.count {
      first = rest[taken]
      taken += 1
    } else {
      first = nil
      if !rest.isEmpty { rest = [] }
      taken = 0
    }
    return event
  }
}
