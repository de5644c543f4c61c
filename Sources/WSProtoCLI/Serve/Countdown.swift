// SPDX-License-Identifier: Apache-2.0

#if Tool && NIO
import Synchronization

/// Stops a server once: when it is told to, or when so many connections have ended.
final class Countdown: Sendable {
  private struct State {
    var left: Int?
    var isStopping = false
    var action: (@Sendable () -> Void)?
  }

  private let state: Mutex<State>

  /// - Parameter count: how many connections; `nil` for any number.
  init(_ count: Int?) { state = Mutex(State(left: count)) }

  var isStopping: Bool { state.withLock { $0.isStopping } }

  /// Sets what is done to stop, before anything stops it.
  func whenDone(_ action: @escaping @Sendable () -> Void) { state.withLock { $0.action = action } }

  /// A connection has ended.
  func count() {
    let isLast = state.withLock { state in
      guard let left = state.left else { return false }
      state.left = left - 1
      return left == 1
    }
    if isLast { stop() }
  }

  func stop() {
    let action = state.withLock { state in
      state.isStopping = true
      return state.action.take()
    }
    action?()
  }
}
#endif
