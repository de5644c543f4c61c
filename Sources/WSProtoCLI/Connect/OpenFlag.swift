// SPDX-License-Identifier: Apache-2.0

#if Tool && NIO
import Synchronization

/// Whether a connection is open: set by the task that has it, read by others.
final class OpenFlag: Sendable {
  private let flag = Atomic<Bool>(false)

  var value: Bool { flag.load(ordering: .acquiring) }

  func set(_ value: Bool) { flag.store(value, ordering: .releasing) }
}
#endif
