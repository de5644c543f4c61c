// SPDX-License-Identifier: Apache-2.0

#if NIO
import HTTPTypes
import NIOCore
import NIOEmbedded
import NIOHTTPTypes
import Synchronization
import Testing
import WSProto

@testable import WSProtoNIO

@Suite("The end of connections by the server", .timeLimit(.minutes(5)))
struct ShutdownTests {
  // MARK: Batches

  @Test("comes in batches of the size that is set, or of more where there is not time enough")
  func batches() {
    var shutdown = WebSocketShutdown()
    func batches(_ count: Int, within limit: Duration = .seconds(10)) -> ShutdownBatches {
      ShutdownBatches(count: count, shutdown, within: limit)
    }
    #expect(batches(0).size == 100)
    #expect(batches(10_000).size > 100)
    #expect(batches(6_600).size == 100)
    for count in [1, 99, 10_000, 1_000_000] {
      for limit in [Duration.zero, .milliseconds(1), .seconds(1), .seconds(10), .seconds(Int64.max)] {
        let batches = batches(count, within: limit)
        let pauses = (count + batches.size - 1) / batches.size - 1
        // With the longest of pauses.
        #expect(batches.pause * Double(pauses) * 1.5 <= limit)
      }
    }
    shutdown.batchSize = 0
    #expect(batches(1).size == 1)
    shutdown.pause = .zero
    #expect(batches(1_000).size == 1_000)
  }

  @Test(
    "closes all with 1001 at a shutdown, one batch after the other, while those of later batches are served"
  )
  func inBatches() async throws {
    var options = WebSocketServerOptions()
    options.shutdown.batchSize = 1
    options.shutdown.pause = .seconds(1)
    let count = 6
    try await withServer(options) { address, server in
      let open = Counter()
      let closed = Counter()
      let late = Counter()
      try await withThrowingTaskGroup(of: Void.self) { group in
        for _ in 0..<count {
          group.addTask {
            try await TestClient.open(to: address) { client in
              open.add(1)
              if open.count == count { server.shutDown() }
              while true {
                try? await client.send(TextMessage(data: "again"))
                if case .closeConnection(let close) = try await client.next() {
                  #expect(close.code == .goingAway)
                  closed.add(1)
                  try? await client.send(close.response())
                  return
                }
                // Answered, though others are gone.
                if closed.count > 0 { late.add(1) }
              }
            }
          }
        }
        try await group.waitForAll()
      }
      #expect(closed.count == count)
      #expect(late.count > 0)
    }
  }

  @Test("answers 300 clients under load for every message that closures have read, and ends in time")
  func underLoad() async throws {
    let count = 300
    var options = WebSocketServerOptions()
    options.shutdown.batchSize = 50
    options.shutdown.pause = .milliseconds(20)
    let read = Counter()
    let sent = Counter()
    let answered = Counter()
    let closed = Counter()
    let open = Counter()
    try await withServer(options) { socket in
      for try await message in socket.messages {
        read.add(1)
        try await socket.send(message)
        sent.add(1)
      }
      // Closures may still send.
      try await socket.send("bye")
    } _: { address, server in
      try await withThrowingTaskGroup(of: Void.self) { group in
        for _ in 0..<count {
          group.addTask {
            try await TestClient.open(to: address) { client in
              open.add(1)
              var last = ""
              while true {
                try? await client.send(TextMessage(data: "again"))
                switch try await client.next() {
                case .textMessage(let message):
                  last = message.data
                  if last == "again" { answered.add(1) }
                  if open.count == count, answered.count > 2 * count { server.shutDown() }
                case .closeConnection(let close):
                  #expect(close.code == .goingAway)
                  #expect(last == "bye")
                  closed.add(1)
                  try? await client.send(close.response())
                  return
                default: throw TestFailure("the transport has ended without a Close")
                }
              }
            }
          }
        }
        try await group.waitForAll()
      }
    }
    #expect(closed.count == count)
    #expect(read.count == sent.count)
    #expect(answered.count == sent.count)
  }

  // MARK: HTTP/2

  @Test(
    "tells clients of HTTP/2 to open no more streams (RFC 9113 §6.8), and ends the connection behind the last one"
  )
  func goAway() async throws {
    var options = WebSocketServerOptions()
    options.tls = try TestCertificate.first.server
    try await withServer(options) { address, server in
      try await HTTP2TestClient.connect(to: address) { client in
        try await client.open { stream in
          #expect(try await stream.status() == 200)
          #expect(try await stream.echo("hello"))
          server.shutDown()
          try await client.goAway.value()
          #expect(try await stream.next() == .closeConnection(CloseConnection(code: .goingAway)))
          try await stream.send(CloseConnection(code: .goingAway))
          guard case .end = await stream.part() else {
            throw TestFailure("the stream has not ended in order")
          }
        }
        try await client.closed()
      }
    }
  }

  // MARK: Lifetimes

  @Test("comes at the end of a connection's lifetime, up to a tenth earlier, with 1001: its messages end")
  func lifetime() throws {
    var options = WebSocketServerOptions()
    options.limits.maxLifetime = .seconds(1000)
    options.socket.timeouts.keepalive = nil
    let server = WebSocketServer(port: 0, options: options, handler: echo)
    let bench = try CoreBench(server)
    try bench.receive(handshake())
    #expect(try bench.sent().starts(with: "HTTP/1.1 101 ".utf8))
    let socket = try #require(bench.socket)
    bench.loop.advanceTime(by: .milliseconds(899_999))
    #expect(try bench.sent() == [])
    bench.loop.advanceTime(by: .milliseconds(100_001))
    // A Close with 1001.
    #expect(try bench.sent() == [0x88, 2, 0x03, 0xe9])
    try bench.receive([0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe9])
    #expect(socket.closed?.cause == .lifetime(limit: .seconds(1000)))
    #expect(socket.closed?.isOrderly == true)
  }

  @Test("leaves nothing behind of connections that have ended before the end of their lifetimes")
  func forgottenLifetimes() async throws {
    var options = WebSocketServerOptions()
    options.limits.maxLifetime = .seconds(1000)
    try await withServer(options) { address, server in
      try await TestClient.open(to: address) { client in
        // The response leaves before the rest is done.
        while server.core.state.withLock({ $0.lifetimes.isEmpty }) {
          try await Task.sleep(for: .milliseconds(5))
        }
        _ = try await client.close()
      }
      while server.core.state.withLock({ $0.sockets.count }) > 0 {
        try await Task.sleep(for: .milliseconds(5))
      }
      #expect(server.core.state.withLock { $0.lifetimes.isEmpty })
    }
  }

  @Test("is up to a tenth earlier, at random, than the lifetime")
  func jitter() {
    let lifetimes = (0..<100).map { _ in Duration.seconds(1000).shortenedAtRandom }
    #expect(lifetimes.allSatisfy { .seconds(900) ... .seconds(1000) ~= $0 })
    #expect(Set(lifetimes).count > 50)
    _ = Duration.seconds(Int64.max).shortenedAtRandom
  }

  @Test("tells a client of HTTP/2 to open no more streams at the end of the connection's lifetime")
  func http2Lifetime() async throws {
    var options = WebSocketServerOptions()
    options.tls = try TestCertificate.first.server
    options.limits.maxLifetime = .milliseconds(300)
    try await withServer(options) { address, _ in
      try await HTTP2TestClient.connect(to: address) { client in
        try await client.goAway.value()
        try await client.closed()
      }
    }
  }
}
#endif
