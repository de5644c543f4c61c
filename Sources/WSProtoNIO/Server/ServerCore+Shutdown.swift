// SPDX-License-Identifier: Apache-2.0

#if NIO
import Logging
import NIOCore
import Synchronization

// How a server shuts down.
extension ServerCore {
  var isShuttingDown: Bool { state.withLock { $0.isShuttingDown } }

  /// Stops accepting. `run` does the rest.
  func beginShutdown() {
    let begun: State? = state.withLock { state in
      if state.isShuttingDown { return nil }
      state.isShuttingDown = true
      return state
    }
    guard let begun else { return }
    logger.info("shutting down", metadata: ["connections": "\(begun.sockets.count)"])
    for listener in begun.listeners { listener.close(promise: nil) }
    // HTTP/2 connections tell their peers (GOAWAY, RFC 9113 §6.8).
    for channel in begun.channels.values {
      channel.pipeline.fireUserInboundEventTriggered(ChannelShouldQuiesceEvent())
    }
    begun.opened?.finish()
    if begun.isIdle { idle.resume(with: .success(())) }
  }

  /// Ends the incoming messages of all sockets, one batch after another, so that their closures can return.
  func stopInBatches(within limit: Duration) async {
    let sockets = state.withLock { Array($0.sockets.values) }
    let batches = ShutdownBatches(count: sockets.count, options.shutdown, within: limit)
    var next = 0
    while next < sockets.count {
      let batch = sockets[next..<min(next + batches.size, sockets.count)]
      for socket in batch { socket.stopReceiving() }
      next += batch.count
      // Returns at once if there is no time left to wait.
      if next < sockets.count { try? await Task.sleep(for: batches.pause * Double.random(in: 0.5...1.5)) }
    }
  }

  /// Closes the remaining connections, and waits until they have ended.
  func dropAll() async {
    let (channels, sockets) = state.withLock { (Array($0.channels.values), $0.sockets.count) }
    if sockets > 0 { logger.warning("connections are dropped", metadata: ["connections": "\(sockets)"]) }
    for channel in channels { channel.close(promise: nil) }
    for channel in channels { try? await channel.closeFuture.get() }
  }
}

/// The batches in which connections end when a server shuts down.
struct ShutdownBatches: Hashable {
  /// The number of connections per batch.
  let size: Int
  /// The average time between two batches.
  let pause: Duration

  /// Makes batches of the configured size, or larger ones if not all would begin in time otherwise.
  init(count: Int, _ options: WebSocketShutdown, within limit: Duration) {
    pause = max(.zero, min(options.pause, limit))
    let least = max(1, options.batchSize)
    guard pause > .zero else {
      size = max(least, count)
      return
    }
    // Jitter may make every pause longer by half.
    let batches = max(1, Int(min(limit / pause / 1.5, 1_000_000)))
    size = max(least, (count + batches - 1) / batches)
  }
}
#endif
