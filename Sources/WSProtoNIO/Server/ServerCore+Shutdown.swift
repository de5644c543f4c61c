// SPDX-License-Identifier: Apache-2.0

#if NIO
import Logging
import NIOCore
import Synchronization

// The end of a server.
extension ServerCore {
  var isShuttingDown: Bool { state.withLock { $0.isShuttingDown } }

  /// Stops accepting; `run` does the rest.
  func beginShutdown() {
    let begun: State? = state.withLock { state in
      if state.isShuttingDown { return nil }
      state.isShuttingDown = true
      return state
    }
    guard let begun else { return }
    logger.info("shutting down", metadata: ["connections": "\(begun.sockets.count)"])
    for listener in begun.listeners { listener.close(promise: nil) }
    // Those of HTTP/2 tell their peers (GOAWAY, RFC 9113 §6.8).
    for channel in begun.channels.values {
      channel.pipeline.fireUserInboundEventTriggered(ChannelShouldQuiesceEvent())
    }
    begun.opened?.finish()
    if begun.isIdle { idle.resume(with: .success(())) }
  }

  /// Stops reading, batch after batch: their closures see the end of the messages.
  func stopInBatches(within limit: Duration) async {
    let sockets = state.withLock { Array($0.sockets.values) }
    let batches = ShutdownBatches(count: sockets.count, options.shutdown, within: limit)
    var next = 0
    while next < sockets.count {
      let batch = sockets[next..<min(next + batches.size, sockets.count)]
      for socket in batch { socket.stopReceiving() }
      next += batch.count
      // Ends at once if there is no time left for waiting.
      if next < sockets.count { try? await Task.sleep(for: batches.pause * Double.random(in: 0.5...1.5)) }
    }
  }

  /// Ends what is left, and waits until it has ended.
  func dropAll() async {
    let (channels, sockets) = state.withLock { (Array($0.channels.values), $0.sockets.count) }
    if sockets > 0 { logger.warning("connections are dropped", metadata: ["connections": "\(sockets)"]) }
    for channel in channels { channel.close(promise: nil) }
    for channel in channels { try? await channel.closeFuture.get() }
  }
}

/// In which batches connections end when a server shuts down.
struct ShutdownBatches: Hashable {
  /// How many connections end at once.
  let size: Int
  /// From one batch to the next, on average.
  let pause: Duration

  /// Batches of the size that is set, or of more so that all of them have begun in time.
  init(count: Int, _ options: WebSocketShutdown, within limit: Duration) {
    pause = max(.zero, min(options.pause, limit))
    let least = max(1, options.batchSize)
    guard pause > .zero else {
      size = max(least, count)
      return
    }
    // The jitter may make all pauses longer by a half.
    let batches = max(1, Int(min(limit / pause / 1.5, 1_000_000)))
    size = max(least, (count + batches - 1) / batches)
  }
}
#endif
