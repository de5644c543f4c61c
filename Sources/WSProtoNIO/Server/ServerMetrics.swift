// SPDX-License-Identifier: Apache-2.0

#if NIO
// Not Metrics, which depends on Foundation.
import CoreMetrics
import NIOCore
import WSProto

/// The metrics of a server. Their names are public: Observability.md lists them.
struct ServerMetrics: Sendable {
  private let factory: any MetricsFactory
  private let open: Meter
  private let opened: Counter
  private let acceptFailures: Counter
  private let messages: Directions
  private let bytes: Directions
  private let compressionRatio: Recorder
  private let roundTrips: CoreMetrics.Timer

  private struct Directions: Sendable {
    let received: Counter
    let sent: Counter

    init(_ label: String, _ factory: any MetricsFactory) {
      received = Counter(label: label, dimensions: [("direction", "in")], factory: factory)
      sent = Counter(label: label, dimensions: [("direction", "out")], factory: factory)
    }

    func increment(_ received: Int, _ sent: Int) {
      if received > 0 { self.received.increment(by: received) }
      if sent > 0 { self.sent.increment(by: sent) }
    }
  }

  init(_ factory: any MetricsFactory) {
    self.factory = factory
    open = Meter(label: "wsproto.server.open", factory: factory)
    opened = Counter(label: "wsproto.server.opened", factory: factory)
    acceptFailures = Counter(label: "wsproto.server.accept_failures", factory: factory)
    messages = Directions("wsproto.server.messages", factory)
    bytes = Directions("wsproto.server.bytes", factory)
    compressionRatio = Recorder(label: "wsproto.server.compression_ratio", factory: factory)
    roundTrips = CoreMetrics.Timer(label: "wsproto.server.round_trip", factory: factory)
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

  func acceptFailed() { acceptFailures.increment() }

  /// Reports what the connections of an event loop have carried since the last call.
  func carried(_ sums: Traffic.Sums) {
    messages.increment(sums.messagesReceived, sums.messagesSent)
    bytes.increment(sums.bytesReceived, sums.bytesSent)
    if sums.compressiblePayload > 0 {
      compressionRatio.record(Double(sums.compressibleWire) / Double(sums.compressiblePayload))
    }
  }

  func roundTrip(_ time: Duration) { roundTrips.recordNanoseconds(TimeAmount(clamped: time).nanoseconds) }
}

extension WebSocketClosed.Cause {
  /// The name of the case, as a metric label.
  var label: String {
    switch self {
    case .peer: "peer"
    case .local: "local"
    case .shutdown: "shutdown"
    case .handlerFailed: "handler_failed"
    case .messageUnfinished: "message_unfinished"
    case .violation: "violation"
    case .deadline: "deadline"
    case .slowConsumer: "slow_consumer"
    case .rateLimit: "rate_limit"
    case .lifetime: "lifetime"
    case .outOfMemory: "out_of_memory"
    case .transport: "transport"
    }
  }
}
#endif
