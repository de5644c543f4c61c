// SPDX-License-Identifier: Apache-2.0

/// Where the connections of tests come from. The laboratory has no sockets of its own.
package protocol ScenarioNetwork: Sendable {
  /// Connects to the host of a URL, without the opening handshake.
  ///
  /// - Throws: ``ScenarioFailure``, also after `limit`.
  func connect(to url: String, insecure: Bool, within limit: Duration) async throws(ScenarioFailure)
    -> ScenarioOpening

  /// Listens at a host and a port; port 0 lets the system choose one.
  func listen(at address: String) async throws(ScenarioFailure) -> any ScenarioListener
}

/// A connection that was opened, and what to ask for on it.
package struct ScenarioOpening: Sendable {
  package var stream: any ScenarioStream
  /// What `Host` holds.
  package var host: String
  /// The request target.
  package var target: String
  /// What `Authorization` holds, where the URL says who asks.
  package var authorization: String?

  package init(stream: any ScenarioStream, host: String, target: String) {
    self.stream = stream
    self.host = host
    self.target = target
  }
}

/// Bytes in both directions.
package protocol ScenarioStream: Sendable {
  /// Writes all of `bytes`; waits where the other end does not read.
  func write(_ bytes: [UInt8]) async throws
  /// The next bytes; `nil` at the end.
  func read() async throws -> [UInt8]?
  /// Ends what is written; what comes is still read.
  func finish() async
  /// Ends both directions by a reset.
  func reset() async
  /// Ends both directions. A read that waits ends.
  func close() async
}

/// A port at which connections are taken.
package protocol ScenarioListener: Sendable {
  /// Host and port.
  var address: String { get }
  /// The next connection; `nil` when it is closed.
  func accept() async -> (any ScenarioStream)?
  func close() async
}
