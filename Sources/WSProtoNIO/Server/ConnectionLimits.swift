// SPDX-License-Identifier: Apache-2.0

#if NIO
import NIOCore
import Synchronization

/// Counts a server's connections, and stops its listeners while there are too many. Further connections wait in the
/// system's backlog.
final class ConnectionLimits: Sendable {
  fileprivate struct State {
    var open = 0
    var pending = 0
    /// The listeners that stopped.
    var stopped: [NIOLoopBound<AcceptGate>] = []
    /// Whether `onFull` was called and there has been little room since.
    var isFull = false
  }

  private let maxOpen: Int
  private let maxPending: Int
  /// Called when a limit is reached, and again only after a tenth of the places became free in between.
  private let onFull: @Sendable (_ open: Int, _ pending: Int) -> Void
  private let state = Mutex(State())

  init(maxOpen: Int, maxPending: Int, onFull: @escaping @Sendable (_ open: Int, _ pending: Int) -> Void) {
    self.maxOpen = max(1, maxOpen)
    self.maxPending = max(1, maxPending)
    self.onFull = onFull
  }

  /// The number of connections, and how many of them aren't WebSockets (yet).
  var counts: (open: Int, pending: Int) { state.withLock { ($0.open, $0.pending) } }

  /// Counts an accepted connection.
  func accepted() {
    state.withLock {
      $0.open += 1
      $0.pending += 1
    }
  }

  /// Takes a place for a WebSocket on an HTTP/2 stream, if there is one.
  func admitStream() -> Bool {
    let (isAdmitted, isNews, open, pending) = state.withLock { state in
      guard state.open < maxOpen else { return (false, state.becomesFull(), state.open, state.pending) }
      state.open += 1
      return (true, false, state.open, state.pending)
    }
    if isNews { onFull(open, pending) }
    return isAdmitted
  }

  /// Counts a connection as no longer pending: it became a WebSocket, or ended.
  func pendingEnded() { release { $0.pending -= 1 } }

  /// Counts a connection as ended.
  func ended() { release { $0.open -= 1 } }

  private func release(_ change: (inout State) -> Void) {
    let gates = state.withLock { state in
      change(&state)
      if state.open <= maxOpen - max(1, maxOpen / 10), state.pending <= maxPending - max(1, maxPending / 10) {
        state.isFull = false
      }
      guard state.open < maxOpen, state.pending < maxPending, !state.stopped.isEmpty else {
        return [] as [NIOLoopBound<AcceptGate>]
      }
      defer { state.stopped = [] }
      return state.stopped
    }
    for gate in gates { gate.eventLoop.execute { gate.value.goOn() } }
  }

  /// Whether a listener may accept another connection. If not, it is resumed when there is room.
  func mayAccept(_ gate: NIOLoopBound<AcceptGate>) -> Bool {
    let (mayAccept, isNews, open, pending) = state.withLock { state in
      if state.open < maxOpen, state.pending < maxPending { return (true, false, state.open, state.pending) }
      state.stopped.append(gate)
      return (false, state.becomesFull(), state.open, state.pending)
    }
    if isNews { onFull(open, pending) }
    return mayAccept
  }
}

extension ConnectionLimits.State {
  /// Records that a limit is reached, and returns whether that is news.
  fileprivate mutating func becomesFull() -> Bool {
    defer { isFull = true }
    return !isFull
  }
}
#endif
