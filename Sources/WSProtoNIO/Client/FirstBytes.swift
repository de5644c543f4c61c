// SPDX-License-Identifier: Apache-2.0

#if NIO
import NIOCore
import Synchronization

/// The first bytes with which a server has answered the opening handshake: where they are no HTTP, they tell what it speaks.
package final class FirstBytes: Sendable {
  /// How many are kept.
  package static let maxCount = 64

  private let bytes = Mutex<[UInt8]>([])

  package init() {}

  /// What has come so far.
  package var value: [UInt8] { bytes.withLock { $0 } }

  /// Forgets them, before another attempt.
  func reset() { bytes.withLock { $0 = [] } }

  func add(_ read: ByteBuffer) {
    bytes.withLock { $0 += read.readableBytesView.prefix(Self.maxCount - $0.count) }
  }
}
#endif
