// SPDX-License-Identifier: Apache-2.0

#if Tool && NIO
import Synchronization

/// How many of many are done, in one line of a terminal.
final class Progress: Sendable {
  private let total: Int
  private let isShown: Bool
  private let done = Mutex(0)

  init(_ total: Int, isShown: Bool) {
    self.total = total
    self.isShown = isShown
  }

  func count() {
    done.withLock { done in
      done += 1
      if isShown { Terminal.writeError("\r\(done) of \(total)") }
    }
  }

  func clear() {
    if isShown { Terminal.writeError("\r\u{1B}[K") }
  }
}
#endif
