// SPDX-License-Identifier: Apache-2.0

import NIOPosix
import ServiceLifecycle
import Synchronization

/// Takes what is published to a channel of Redis.
final class RedisSubscription: Service {
  private let port: Int32
  private let channel: String
  private let take: @Sendable (String) -> Void
  /// `nil` at the end.
  private let connection: Mutex<RedisConnection?>

  /// Subscribes, so that no message is missed from here on.
  init(port: Int32, channel: String, take: @escaping @Sendable (String) -> Void) throws {
    self.port = port
    self.channel = channel
    self.take = take
    connection = Mutex(try Self.subscribe(port, channel))
  }

  private static func subscribe(_ port: Int32, _ channel: String) throws(RedisError) -> RedisConnection {
    let connection = try RedisConnection(port: port)
    try connection.command("SUBSCRIBE", channel)
    return connection
  }

  /// Takes messages until the shutdown. A connection that is lost is opened again; what is published meanwhile is missed.
  func run() async throws {
    let thread = NIOThreadPool(numberOfThreads: 1)
    thread.start()
    try await withGracefulShutdownHandler {
      while let current = connection.withLock({ $0 }) {
        do {
          try await thread.runIfActive { while true { self.take(try current.nextMessage()) } }
        } catch is RedisError {
          try await reconnect()
        }
      }
    } onGracefulShutdown: {
      self.connection.withLock { $0.take() }?.interrupt()
    }
    try await thread.shutdownGracefully()
  }

  private func reconnect() async throws {
    while connection.withLock({ $0 != nil }) {
      if let next = try? Self.subscribe(port, channel) {
        return connection.withLock { if $0 != nil { $0 = next } }
      }
      try await Task.sleep(for: .milliseconds(500))
    }
  }
}
