// SPDX-License-Identifier: Apache-2.0

#if NIO
import NIOCore
import Synchronization

/// The first bytes of a server's answer to the opening handshake. If they aren't HTTP, they may show which protocol the
/// server speaks.
package final class FirstBytes: Sendable {
  /// The maximum number of bytes kept.
  package static let maxCount = 64

  private let bytes = Mutex<[UInt8]>([])

  package init() {}

  /// The bytes received so far.
  package var value: [UInt8] { bytes.withLock { $0 } }

  /// Removes the bytes before another attempt.
  func reset() { bytes.withLock { $0 = [] } }

  func add(_ read: ByteBuffer) {
    bytes.withLock { $0 += read.readableBytesView.prefix(Self.maxCount - $0.count) }
  }
}
#endif
