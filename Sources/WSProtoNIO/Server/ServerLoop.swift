// SPDX-License-Identifier: Apache-2.0

#if NIO
import NIOCore
import WSProto

/// What a server's connections on one event loop share: compression contexts, and the sums of their traffic.
final class ServerLoop {
  /// How often the sums are reported.
  static let interval = TimeAmount.seconds(5)

  let pool = DeflatePool()
  let traffic: Traffic
  private let metrics: ServerMetrics
  private let eventLoop: any EventLoop
  private var next: Scheduled<Void>?

  init(_ metrics: ServerMetrics, on eventLoop: any EventLoop) {
    self.metrics = metrics
    self.eventLoop = eventLoop
    traffic = Traffic { metrics.roundTrip($0) }
    schedule()
  }

  private func schedule() {
    next = eventLoop.assumeIsolated().scheduleTask(in: Self.interval) { [weak self] in
      self?.report()
      self?.schedule()
    }
  }

  func report() { metrics.carried(traffic.takeSums()) }

  func end() {
    next?.cancel()
    report()
  }
}
#endif
