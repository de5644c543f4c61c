// SPDX-License-Identifier: Apache-2.0

#if NIO
import CoreMetrics
import Logging
import NIOCore
import NIOEmbedded
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

extension ServerMetricsTests {
  @Test("are messages and their bytes each way, the ratio of compression, and round trips")
  func traffic() async throws {
    let factory = TestMetrics()
    var options = WebSocketServerOptions()
    options.metrics = factory
    options.socket.compression = WebSocketCompression()
    options.socket.timeouts.keepalive?.pingInterval = .milliseconds(50)
    let text = String(repeating: "again and again ", count: 1000)
    try await withServer(options) { socket in
      for try await message in socket.messages {
        for _ in 0..<2 { try await socket.send(message) }
      }
    } _: { address, _ async throws in
      let request = Request(host: "localhost", target: "/", extensions: [PerMessageDeflate()])
      try await TestClient.open(to: address, request) { client in
        for _ in 0..<3 {
          try await client.send(TextMessage(data: text))
          for _ in 0..<2 { #expect(try await client.nextText() == text) }
        }
        while factory.recorded("wsproto.server.round_trip").isEmpty {
          // Reads a ping, and answers it.
          try await client.send(TextMessage(data: ""))
          for _ in 0..<2 { _ = try await client.nextText() }
        }
        // The server may have ended the transport by then.
        client.answersPings = false
        try await client.close()
      }
    }
    let values = factory.values
    let received = try #require(values["wsproto.server.messages direction=in"])
    #expect(received >= 3)
    #expect(values["wsproto.server.messages direction=out"] == 2 * received)
    #expect(values["wsproto.server.bytes direction=in"] == Int64(3 * text.utf8.count))
    #expect(values["wsproto.server.bytes direction=out"] == Int64(6 * text.utf8.count))
    let ratios = factory.recorded("wsproto.server.compression_ratio")
    #expect(!ratios.isEmpty)
    #expect(ratios.allSatisfy { 0 < $0 && $0 < 0.1 })
    #expect(factory.recorded("wsproto.server.round_trip").allSatisfy { $0 > 0 })
  }

  @Test("are summed up for each event loop, and counted every 5 s and at the end")
  func sums() {
    let factory = TestMetrics()
    let eventLoop = EmbeddedEventLoop()
    let loop = ServerLoop(ServerMetrics(factory), on: eventLoop)
    var counted: Int64 { factory.values["wsproto.server.messages direction=in"] ?? 0 }
    for expected: Int64 in [3, 6] {
      loop.traffic.sums.messagesReceived += 3
      eventLoop.advanceTime(by: .milliseconds(4_999))
      #expect(counted == expected - 3)
      eventLoop.advanceTime(by: .milliseconds(1))
      #expect(counted == expected)
    }
    loop.traffic.sums.messagesReceived += 1
    loop.end()
    #expect(counted == 7)
  }

  @Test("are told to the log too: with the connection, the peer, the code, the cause, and what has failed")
  func log() async throws {
    let log = TestLog()
    try await withServer(log: log) { socket in
      guard socket.request.target == "/fail" else { return try await echo(socket) }
      throw TestFailure("asked for")
    } _: { address, _ async throws in
      try await TestClient.open(to: address) { client in _ = try await client.close(4321) }
      try await TestClient.open(to: address, Request(host: "localhost", target: "/fail")) {
        client async throws in
        #expect(try await client.nextClose().code == .internalError)
      }
      try await TestClient.connect(to: address) { client in
        try await client.write(handshake("Origin: null"))
        _ = await client.readToEnd()
      }
    }
    let opened = try #require(log.line("opened")?.metadata)
    #expect(opened["peer"]?.contains("127.0.0.1") == true)
    let closed = try #require(log.line("closed")?.metadata)
    #expect(closed["connection"] == opened["connection"])
    #expect(closed["code"] == "4321")
    #expect(closed["cause"] == "peer")
    let failed = try #require(log.line("the closure has thrown"))
    #expect(failed.level == .error)
    #expect(failed.metadata["error"] == "asked for")
    #expect(failed.metadata["connection"] != nil)
    #expect(log.line("refused")?.metadata["cause"] == "origin")
  }
}

/// Keeps what is counted, by label and dimensions.
private final class TestMetrics: MetricsFactory {
  private let counted = Mutex<[String: Int64]>([:])

  private let recordings = Mutex<[String: [Double]]>([:])

  var values: [String: Int64] { counted.withLock { $0 } }

  /// What a recorder or a timer has got.
  func recorded(_ label: String) -> [Double] { recordings.withLock { $0[label] ?? [] } }

  private final class Value: CounterHandler, MeterHandler, RecorderHandler, TimerHandler {
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
    func record(_ value: Int64) { record(Double(value)) }
    func record(_ value: Double) { metrics.recordings.withLock { $0[key, default: []].append(value) } }
    func recordNanoseconds(_ duration: Int64) { record(duration) }
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
    value(label, dimensions)
  }

  func makeTimer(label: String, dimensions: [(String, String)]) -> any TimerHandler {
    value(label, dimensions)
  }

  func destroyCounter(_ handler: any CounterHandler) {}
  func destroyMeter(_ handler: any MeterHandler) {}
  func destroyRecorder(_ handler: any RecorderHandler) {}
  func destroyTimer(_ handler: any TimerHandler) {}
}
#endif
