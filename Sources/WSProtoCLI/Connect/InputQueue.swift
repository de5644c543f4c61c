// SPDX-License-Identifier: Apache-2.0

#if Tool && NIO
import Dispatch
import Synchronization
import WSProtoTool

/// What the user sends, from the thread that reads it to the task that sends it.
final class InputQueue: Sendable {
  enum Next: Sendable {
    case item(InputItem)
    case end
    case failed(ToolFailure)
    /// The task was cancelled; nothing is lost.
    case cancelled
  }

  private struct State {
    var items: [InputItem] = []
    var taken = 0
    var end: Next?
    var reader: CheckedContinuation<Next, Never>?
    var isProducerWaiting = false

    mutating func next() -> Next? {
      guard taken < items.count else { return end }
      defer {
        taken += 1
        if taken == items.count {
          items = []
          taken = 0
        }
      }
      return .item(items[taken])
    }
  }

  private let state = Mutex(State())
  private let room = DispatchSemaphore(value: 0)

  /// Adds items.
  ///
  /// - Parameter waits: returns when all of them are taken, so that input is read no faster than it is sent.
  func put(_ items: [InputItem], waits: Bool) {
    guard !items.isEmpty else { return }
    let (resume, mustWait) = state.withLock { state in
      state.items += items
      var resume: (() -> Void)?
      if let reader = state.reader.take(), let next = state.next() {
        resume = { reader.resume(returning: next) }
      }
      state.isProducerWaiting = waits && !state.items.isEmpty
      return (resume, state.isProducerWaiting)
    }
    resume?()
    if mustWait { room.wait() }
  }

  /// The input is over.
  func finish(_ failure: ToolFailure? = nil) {
    let end = failure.map { Next.failed($0) } ?? .end
    let reader = state.withLock { state in
      state.end = state.end ?? end
      return state.items.isEmpty ? state.reader.take() : nil
    }
    reader?.resume(returning: end)
  }

  /// The next item; for one task.
  func next() async -> Next {
    await withTaskCancellationHandler {
      await withCheckedContinuation { reader in
        let next: Next? = state.withLock { state in
          if let next = state.next() { return next }
          if Task.isCancelled { return .cancelled }
          state.reader = reader
          return nil
        }
        if let next { reader.resume(returning: next) }
        releaseProducer()
      }
    } onCancel: {
      state.withLock { $0.reader.take() }?.resume(returning: .cancelled)
    }
  }

  private func releaseProducer() {
    let isFree = state.withLock { state in
      guard state.isProducerWaiting, state.items.isEmpty else { return false }
      state.isProducerWaiting = false
      return true
    }
    if isFree { room.signal() }
  }
}
#endif
