// SPDX-License-Identifier: Apache-2.0

#if NIO
import NIOCore
import Synchronization

/// Counts a server's connections, and stops its listeners while there are too many: what comes then waits in the
/// system's backlog.
final class ConnectionLimits: Sendable {
  private struct State {
    var open = 0
    var pending = 0
    /// Those that have stopped.
    var stopped: [NIOLoopBound<AcceptGate>] = []
  }

  private let maxOpen: Int
  private let maxPending: Int
  /// Called when accepting stops, once until it goes on.
  private let onStop: @Sendable (_ open: Int, _ pending: Int) -> Void
  private let state = Mutex(State())

  init(maxOpen: Int, maxPending: Int, onStop: @escaping @Sendable (_ open: Int, _ pending: Int) -> Void) {
    self.maxOpen = max(1, maxOpen)
    self.maxPending = max(1, maxPending)
    self.onStop = onStop
  }

  /// How many connections there are, and how many of them are not WebSockets.
  var counts: (open: Int, pending: Int) { state.withLock { ($0.open, $0.pending) } }

  /// A connection was accepted.
  fileprivate func accepted() {
    state.withLock {
      $0.open += 1
      $0.pending += 1
    }
  }

  /// Takes a place for a WebSocket on a stream, if there is one.
  func admitStream() -> Bool {
    state.withLock { state in
      guard state.open < maxOpen else { return false }
      state.open += 1
      return true
    }
  }

  /// A connection is a WebSocket now, or has ended.
  func pendingEnded() { release { $0.pending -= 1 } }

  /// A connection has ended.
  func ended() { release { $0.open -= 1 } }

  private func release(_ change: (inout State) -> Void) {
    let gates = state.withLock { state in
      change(&state)
      guard state.open < maxOpen, state.pending < maxPending, !state.stopped.isEmpty else {
        return [] as [NIOLoopBound<AcceptGate>]
      }
      defer { state.stopped = [] }
      return state.stopped
    }
    for gate in gates { gate.eventLoop.execute { gate.value.goOn() } }
  }

  /// Whether a listener may accept one more; if not, it is told when it may.
  fileprivate func mayAccept(_ gate: NIOLoopBound<AcceptGate>) -> Bool {
    let stopsAt = state.withLock { state in
      if state.open < maxOpen, state.pending < maxPending { return nil as (Int, Int)? }
      state.stopped.append(gate)
      return (state.open, state.pending)
    }
    guard let stopsAt else { return true }
    onStop(stopsAt.0, stopsAt.1)
    return false
  }
}

/// In a listener's pipeline: lets it accept, one connection a read, while there is room.
final class AcceptGate: ChannelDuplexHandler {
  typealias InboundIn = any Channel
  typealias InboundOut = any Channel
  typealias OutboundIn = Never
  typealias OutboundOut = Never

  private let limits: ConnectionLimits
  private var context: ChannelHandlerContext?
  private var isStopped = false

  init(_ limits: ConnectionLimits) { self.limits = limits }

  func handlerAdded(context: ChannelHandlerContext) { self.context = context }

  func handlerRemoved(context: ChannelHandlerContext) { self.context = nil }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    limits.accepted()
    context.fireChannelRead(data)
  }

  func read(context: ChannelHandlerContext) {
    guard !isStopped else { return }
    if limits.mayAccept(NIOLoopBound(self, eventLoop: context.eventLoop)) {
      context.read()
    } else {
      isStopped = true
    }
  }

  /// There is room again.
  fileprivate func goOn() {
    isStopped = false
    context?.channel.read()
  }
}
#endif
