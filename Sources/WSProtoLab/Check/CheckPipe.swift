// SPDX-License-Identifier: Apache-2.0

import WSProto

/// The bytes of a connection, as a case needs them.
package protocol CheckPipe: AnyObject, Sendable {
  /// Writes all of it; waits until the peer, or the system, has taken it.
  func write(_ bytes: [UInt8]) async throws
  /// The next bytes.
  func read(within limit: Duration) async -> CheckReading
  /// Ends our direction (FIN).
  func finish() async throws
  /// Closes both directions.
  func close()
}

/// What a read has given.
package enum CheckReading: Sendable, Equatable {
  case bytes([UInt8])
  /// The peer sends nothing any more.
  case end
  /// The connection was reset.
  case reset
  case timedOut
}

/// What cases are told about the peer, and by the user.
package struct CheckSettings: Sendable {
  /// For `Host`.
  package var host = "localhost"
  package var target = "/"
  /// Further fields of each request.
  package var fields: [(name: String, value: String)] = []
  /// The subprotocols of requests that are not about subprotocols.
  package var subprotocols: [String] = []
  /// How long an answer may take.
  package var timeout = Duration.seconds(2)
  /// How long a handshake of one byte a second goes on.
  package var patience = Duration.seconds(10)
  /// Whether the peer sends messages back. Found out by ``CheckRun/probe(_:)``.
  package var echoes = true
  /// Keys of the requests that a client under test has sent: each must be new.
  package let keys = SeenKeys()

  package init() {}
}

/// What has gone both ways, as far as it is kept.
package struct CheckTranscript: Sendable {
  package struct Entry: Sendable, Hashable {
    package var isClients: Bool
    package var bytes: [UInt8]
    /// Bytes that are not kept.
    package var omitted = 0
  }

  package private(set) var entries: [Entry] = []
  /// Bytes that are not kept, after the last entry.
  package private(set) var omitted = 0
  /// How the connection has ended; `nil` if it hasn't.
  package var end: String?

  private static let maxEntries = 40
  private static let maxEntryBytes = 1024

  mutating func add(_ bytes: [UInt8], from sender: ConnectionType) {
    let isClients = sender == .client
    if let last = entries.last, last.isClients == isClients, last.omitted == 0 {
      var merged = last
      let room = Self.maxEntryBytes - last.bytes.count
      merged.bytes += bytes.prefix(room)
      merged.omitted = max(0, bytes.count - room)
      entries[entries.count - 1] = merged
    } else if let last = entries.last, last.isClients == isClients {
      entries[entries.count - 1].omitted += bytes.count
    } else if entries.count < Self.maxEntries {
      let kept = Array(bytes.prefix(Self.maxEntryBytes))
      entries.append(Entry(isClients: isClients, bytes: kept, omitted: bytes.count - kept.count))
    } else {
      omitted += bytes.count
    }
  }
}
