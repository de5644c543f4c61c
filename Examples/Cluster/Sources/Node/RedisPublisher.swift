// SPDX-License-Identifier: Apache-2.0

import NIOPosix

/// Publishes to Redis, from any task, one message after the other.
final class RedisPublisher: Sendable {
  /// Its thread has the connection, so that no task's thread blocks.
  private let thread = NIOThreadPool(numberOfThreads: 1)
  private let line: Line

  /// Of the thread.
  private final class Line: @unchecked Sendable {
    let port: Int32
    var connection: RedisConnection?

    init(port: Int32) { self.port = port }
  }

  init(port: Int32) {
    line = Line(port: port)
    thread.start()
  }

  /// Publishes a text.
  ///
  /// - Throws: ``RedisError``: whether Redis has it is not known then. The next call connects anew.
  func publish(_ text: String, to channel: String) async throws {
    try await thread.runIfActive { [line] in
      do {
        let connection = try line.connection ?? RedisConnection(port: line.port)
        line.connection = connection
        try connection.command("PUBLISH", channel, text)
      } catch {
        line.connection = nil
        throw error
      }
    }
  }
}
