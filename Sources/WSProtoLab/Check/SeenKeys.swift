// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// The `Sec-WebSocket-Key`s of a client, which must not repeat itself (RFC 6455 §4.1).
package final class SeenKeys: Sendable {
  private let keys = Mutex<Set<[UInt8]>>([])

  package init() {}

  /// - Returns: whether the key is a new one.
  func insert(_ key: [UInt8]) -> Bool { keys.withLock { $0.insert(key).inserted } }
}
