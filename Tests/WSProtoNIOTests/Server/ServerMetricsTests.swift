// SPDX-License-Identifier: Apache-2.0

#if NIO
import CoreMetrics
import NIOCore
import Synchronization
import Testing
import WSProto

@testable import WSProtoNIO

@Suite("What a server counts", .timeLimit(.minutes(5)))
struct ServerMetricsTests {
  @Test("are connections, refusals by cause, and ends by code and cause; codes of a peer's own are one label")
  func counts() async throws {
    let factory = TestMetrics()
    var options = WebSocketServerOptions()
    options.metrics = factory
    try await withServer(options) { address, _ in
      for request in [handshake("Origin: null"), "GET / HTTP/1.1\n"] {
        try await TestClient.connect(to: address) { client in
          try await client.write(request)
          _ = await client.readToEnd()
        }
      }
      for code in [CloseReason.normalClosure, 4321, 4322] {
        try await TestClient.open(to: address) { client in _ = try await client.close(code) }
      }
    }
    #expect(
      factory.values == [
        "wsproto.server.open": 0, "wsproto.server.opened": 3, "wsproto.server.refused cause=origin": 1,
        "wsproto.server.refused cause=request": 1, "wsproto.server.closed code=1000 cause=peer": 1,
        "wsproto.server.closed code=other cause=peer": 2,
      ]
    )
  }
}

/// Keeps what is counted, by label and dimensions.
private final class TestMetrics: MetricsFactory {
  private let counted = Mutex<[String: Int64]>([:])

  var values: [String: Int64] { counted.withLock { $0 } }

  private final class Value: CounterHandler, MeterHandler {
    let key: String
    unowned let metrics: TestMetrics

    init(_ key: String, _ metrics: TestMetrics) {
      self.key = key
      self.metrics = metrics
    }

    func increment(by amount: Int64) { metrics.counted.withLock { $0[key, default: 0] += amount } }
    func set(_ value: Int64) { metrics.counted.withLock { $0[key] = value } }
    func set(_ value: Double) { set(Int64(value)) }
    func increment(by amount: Double) { increment(by: Int64(amount)) }
    func decrement(by amount: Double) { increment(by: Int64(-amount)) }
    func reset() { set(Int64(0)) }
  }

  private func value(_ label: String, _ dimensions: [(String, String)]) -> Value {
    Value(([label] + dimensions.map { "\($0)=\($1)" }).joined(separator: " "), self)
  }

  func makeCounter(label: String, dimensions: [(String, String)]) -> any CounterHandler {
    value(label, dimensions)
  }

  func makeMeter(label: String, dimensions: [(String, String)]) -> any MeterHandler {
    value(label, dimensions)
  }

  func makeRecorder(label: String, dimensions: [(String, String)], aggregate: Bool) -> any RecorderHandler {
    NOOPMetricsHandler.instance
  }

  func makeTimer(label: String, dimensions: [(String, String)]) -> any TimerHandler {
    NOOPMetricsHandler.instance
  }

  func destroyCounter(_ handler: any CounterHandler) {}
  func destroyMeter(_ handler: any MeterHandler) {}
  func destroyRecorder(_ handler: any RecorderHandler) {}
  func destroyTimer(_ handler: any TimerHandler) {}
}
#endif
