// SPDX-License-Identifier: Apache-2.0

#if NIO
// Not Metrics: that stands on Foundation.
import CoreMetrics
import WSProto

/// What a server counts: ``WebSocketServerOptions/metrics``.
struct ServerMetrics: Sendable {
  private let factory: any MetricsFactory
  private let open: Meter
  private let opened: Counter

  init(_ factory: any MetricsFactory) {
    self.factory = factory
    open = Meter(label: "wsproto.server.open", factory: factory)
    opened = Counter(label: "wsproto.server.opened", factory: factory)
  }

  func opened(openCount: Int) {
    opened.increment()
    open.set(openCount)
  }

  func refused(_ cause: RefusalCause) {
    let dimensions = [("cause", cause.rawValue)]
    Counter(label: "wsproto.server.refused", dimensions: dimensions, factory: factory).increment()
  }

  func closed(_ closed: WebSocketClosed, openCount: Int) {
    let isRegistered = 1000...1015 ~= closed.code.rawValue
    let dimensions = [
      ("code", isRegistered ? closed.code.description : "other"), ("cause", closed.cause.label),
    ]
    Counter(label: "wsproto.server.closed", dimensions: dimensions, factory: factory).increment()
    open.set(openCount)
  }
}

extension WebSocketClosed.Cause {
  /// The name of the case.
  fileprivate var label: String {
    switch self {
    case .peer: "peer"
    case .local: "local"
    case .shutdown: "shutdown"
    case .handlerFailed: "handler_failed"
    case .messageUnfinished: "message_unfinished"
    case .violation: "violation"
    case .deadline: "deadline"
    case .slowConsumer: "slow_consumer"
    case .outOfMemory: "out_of_memory"
    case .transport: "transport"
    }
  }
}
#endif
