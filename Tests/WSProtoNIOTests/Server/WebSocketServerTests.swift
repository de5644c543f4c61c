// SPDX-License-Identifier: Apache-2.0

#if NIO
import NIOCore
import Logging
import ServiceLifecycle
import Testing
import WSProto

@testable import WSProtoNIO

@Suite("The server", .timeLimit(.minutes(5)))
struct WebSocketServerTests {
  @Test("echoes with nothing but a port: text, bytes, pings, a Close in order")
  func echoes() async throws {
    try await withServer { address, _ in
      #expect(address.ipAddress == "127.0.0.1")
      try await TestClient.open(to: address) { client in
        try await client.send(TextMessage(data: "hello"))
        #expect(try await client.nextText() == "hello")
        try await client.send(BytesMessage(data: [0, 255]))
        #expect(try await client.next() == .bytesMessage(BytesMessage(data: [0, 255])))
        try await client.send(Ping(payload: "p"))
        #expect(try await client.next() == .pong(Pong(payload: "p")))
        #expect(try await client.close() == CloseConnection(code: .normalClosure))
        // The server ends the transport (RFC 6455 §7.1.1).
        #expect(await client.read() == nil)
      }
    }
  }

  @Test("refuses a message of more than 1 MiB with 1009, before a byte of it is read")
  func tooBig() async throws {
    try await withServer { address, _ in
      try await TestClient.open(to: address) { client in
        try await client.write([0x82, 0xff, 0, 0, 0, 0, 0, 0x10, 0, 1, 1, 2, 3, 4])
        #expect(try await client.nextClose().code == .messageTooBig)
      }
    }
  }

  @Test("closes with 1011 where its closure throws, and lives on")
  func throwingClosure() async throws {
    try await withServer { socket in
      for try await message in socket.messages {
        if message.text == "fail" { throw TestFailure("asked for") }
        try await socket.send(message)
      }
    } _: { address, _ async throws in
      try await TestClient.open(to: address) { neighbour in
        try await TestClient.open(to: address) { client in
          try await client.send(TextMessage(data: "fail"))
          #expect(try await client.nextClose() == CloseConnection(code: .internalError))
        }
        try await neighbour.send(TextMessage(data: "still here"))
        #expect(try await neighbour.nextText() == "still here")
      }
    }
  }

  @Test("notices a client that vanishes")
  func vanishing() async throws {
    let end = Promised<WebSocketClosed.Cause?>()
    try await withServer { socket in
      do {
        for try await message in socket.messages { try await socket.send(message) }
      } catch let closed as WebSocketClosed {
        end.resume(with: .success(closed.cause))
      }
    } _: { address, _ async throws in
      try await TestClient.open(to: address) { client in
        try await client.send(TextMessage(data: "hello"))
        _ = try await client.nextText()
      }
      guard case .transport = try await end.value() else { throw TestFailure("another end") }
    }
  }

  @Test("gives a client up that answers no ping")
  func keepalive() async throws {
    var options = WebSocketServerOptions()
    options.socket.timeouts.keepalive = Timeouts.Keepalive(
      pingInterval: .milliseconds(50),
      pongTimeout: .milliseconds(50)
    )
    try await withServer(options) { address, _ in
      try await TestClient.open(to: address) { client in
        client.answersPings = false
        while let event = try await client.next() {
          guard case .closeConnection(let close) = event else { continue }
          #expect(close.code == .internalError)
          return
        }
        Issue.record("no Close has come")
      }
    }
  }

  @Test("listens on Unix sockets, and in several places at once")
  func unixSocket() async throws {
    let path = "/tmp/wsproto-\(UInt64.random(in: 0 ... .max)).sock"
    let server = WebSocketServer([.unix(path: path), .host("127.0.0.1", port: 0)], handler: echo)
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { try await server.run() }
      let addresses = try await server.addresses
      #expect(addresses.count == 2)
      for address in [try SocketAddress(unixDomainSocketPath: path), addresses[1]] {
        try await TestClient.open(to: address) { client in
          try await client.send(TextMessage(data: "hello"))
          #expect(try await client.nextText() == "hello")
        }
      }
      server.shutDown()
      try await group.waitForAll()
    }
  }

  @Test("says where it could not listen, and listens nowhere then")
  func portInUse() async throws {
    try await withServer { address, _ in
      let port = try #require(address.port)
      let second = WebSocketServer(
        [.host("127.0.0.1", port: 0), .host("127.0.0.1", port: port)],
        handler: echo
      )
      do {
        try await second.run()
        Issue.record("listens on a port in use")
      } catch let error as WebSocketListenError {
        #expect(error.listener == .host("127.0.0.1", port: port))
        #expect(error.description.hasPrefix("cannot listen at 127.0.0.1:\(port): "))
      }
      await #expect(throws: WebSocketListenError.self) { try await second.addresses }
      await #expect(throws: WebSocketServerAlreadyRun.self) { try await second.run() }
      #expect(throws: WebSocketServerHasNoTLS.self) { try second.updateTLS(TestCertificate.first.server) }
    }
  }

  // MARK: Limits

  @Test(
    "serves as many connections as it may; further ones wait until one has ended, which is said once",
    .threat(25)
  )
  func connectionLimit() async throws {
    var options = WebSocketServerOptions()
    options.limits.maxConnections = 2
    let log = TestLog()
    try await withServer(options, log: log) { address, server in
      try await TestClient.open(to: address) { first in
        try await TestClient.open(to: address) { second in
          try await TestClient.connect(to: address) { third in
            // In the system's backlog.
            try await third.write(handshake())
            try await second.send(TextMessage(data: "hello"))
            #expect(try await second.nextText() == "hello")
            #expect(server.core.limits.counts == (2, 0))
            #expect(log.lines(from: .warning).count == 1)
            try await first.close()
            #expect(try await third.readResponse().head.hasPrefix("HTTP/1.1 101 "))
          }
        }
      }
    }
  }

  @Test(
    "bounds the connections that have not opened a WebSocket yet, and drops those that take too long",
    .threat(23)
  )
  func pendingLimit() async throws {
    var options = WebSocketServerOptions()
    options.limits.maxPendingConnections = 1
    options.socket.timeouts.opening = .seconds(3)
    try await withServer(options) { address, server in
      try await TestClient.connect(to: address) { slow in
        try await slow.write("GET / HTTP/1.1\r\n")
        // Served when the slow one was dropped.
        try await TestClient.open(to: address) { client in
          try await client.send(TextMessage(data: "hello"))
          #expect(try await client.nextText() == "hello")
          #expect(await slow.read() == nil)
          #expect(server.core.limits.counts == (1, 0))
        }
      }
    }
  }

  @Test("ends a request head that comes byte by byte: bytes don't put the deadline off", .threat(23))
  func drippingHead() async throws {
    var options = WebSocketServerOptions()
    options.socket.timeouts.opening = .milliseconds(200)
    try await withServer(options) { address, _ in
      try await TestClient.connect(to: address) { client in
        for byte in handshake("X-Long: " + String(repeating: "x", count: 10_000)).utf8 {
          do { try await client.write([byte]) } catch { return }
          try await Task.sleep(for: .milliseconds(10))
        }
        Issue.record("the server has waited for 100 s")
      }
    }
  }

  @Test("bounds the memory of messages under way over all connections", .threat(26))
  func messageMemory() async throws {
    var options = WebSocketServerOptions()
    options.limits.maxMessageMemory = 1 << 20
    try await withServer(options) { address, _ in
      // Alone a message of 1 MiB - 1 would be legal.
      let part = BytesMessage(data: Bytes(Array(repeating: 1, count: 900 << 10)), messageFinished: false)
      try await TestClient.open(to: address) { first in
        try await first.send(part)
        try await first.send(Ping())
        #expect(try await first.next() == .pong(Pong()))
        try await TestClient.open(to: address) { second in
          try await second.send(part)
          #expect(try await second.nextClose().code == .tryAgainLater)
        }
        try await first.send(BytesMessage(data: [2]))
        guard case .bytesMessage(let message) = try await first.next() else { throw TestFailure("no echo") }
        #expect(message.data.count == (900 << 10) + 1)
      }
    }
  }

  // MARK: Shutting down

  @Test("shuts down in order: messages end, closures may send on, 1001; new handshakes get 503")
  func gracefulShutdown() async throws {
    let received = Promised<Void>()
    let server = WebSocketServer(port: 0) { socket in
      for try await message in socket.messages {
        try await socket.send(message)
        received.resume(with: .success(()))
      }
      try await socket.send("bye")
    }
    let group = ServiceGroup(configuration: .init(services: [server], logger: .init(label: "test")))
    try await withThrowingTaskGroup(of: Void.self) { tasks in
      tasks.addTask { try await group.run() }
      let address = try await server.addresses[0]
      try await TestClient.open(to: address) { client in
        try await TestClient.connect(to: address) { late in
          try await late.write("GET / HTTP/1.1\r\n")
          try await client.send(TextMessage(data: "hello"))
          #expect(try await client.nextText() == "hello")
          try await received.value()
          await group.triggerGracefulShutdown()
          #expect(try await client.nextText() == "bye")
          #expect(try await client.next() == .closeConnection(CloseConnection(code: .goingAway)))
          // The closing handshake of this one keeps the server for the other one.
          try await late.write(String(handshake().dropFirst("GET / HTTP/1.1\r\n".count)))
          #expect(try await late.readResponse().head.hasPrefix("HTTP/1.1 503 "))
          try await client.send(CloseConnection(code: .goingAway))
        }
      }
      try await tasks.waitForAll()
    }
  }

  @Test("loses no answer while it shuts down under load: what closures have sent arrives, then 1001")
  func shutdownUnderLoad() async throws {
    let sent = Counter()
    let arrived = Counter()
    let open = Counter()
    try await withServer { socket in
      for try await message in socket.messages {
        try await socket.send(message)
        sent.add(1)
      }
    } _: { address, server in
      try await withThrowingTaskGroup(of: Void.self) { group in
        for _ in 0..<20 {
          group.addTask {
            try await TestClient.open(to: address) { client in
              open.add(1)
              while true {
                // Fails once the server has ended the transport.
                try? await client.send(TextMessage(data: "again"))
                if case .closeConnection(let close) = try await client.next() {
                  #expect(close.code == .goingAway)
                  try? await client.send(close.response())
                  return
                }
                arrived.add(1)
                if arrived.count >= 500, open.count == 20 { server.shutDown() }
              }
            }
          }
        }
        try await group.waitForAll()
      }
    }
    #expect(arrived.count == sent.count)
    #expect(arrived.count >= 500)
  }

  @Test("cancels closures that don't return, closes with 1001 all the same, and ends")
  func stubbornClosure() async throws {
    var options = WebSocketServerOptions()
    options.shutdown.timeout = .seconds(6)
    try await withServer(options) { socket in
      try await Task.sleep(for: .seconds(3600))
    } _: { address, server in
      try await TestClient.open(to: address) { client async throws in
        server.shutDown()
        #expect(try await client.nextClose().code == .goingAway)
      }
    }
  }

  @Test("drops peers that don't close in time at the end of a shutdown")
  func stubbornPeer() async throws {
    var options = WebSocketServerOptions()
    options.shutdown.timeout = .seconds(4)
    try await withServer(options) { address, server in
      try await TestClient.open(to: address) { client async throws in
        server.shutDown()
        #expect(try await client.next() == .closeConnection(CloseConnection(code: .goingAway)))
        #expect(await client.read() == nil)
      }
    }
  }

  @Test("ends at once where it was told to shut down before it ran")
  func shutDownBefore() async throws {
    let server = WebSocketServer(port: 0, handler: echo)
    server.shutDown()
    try await server.run()
  }

  @Test("takes any duration for the time that shutting down may take, and for that of a handshake")
  func longTimeouts() async throws {
    var options = WebSocketServerOptions()
    options.shutdown.timeout = .seconds(Int64.max)
    options.socket.timeouts.opening = .seconds(Int64.max)
    options.socket.slowConsumer = .wait(atMost: .seconds(Int64.max))
    try await withServer(options) { address, server in
      try await TestClient.open(to: address) { client async throws in
        try await client.send(TextMessage(data: "hello"))
        #expect(try await client.nextText() == "hello")
        server.shutDown()
        #expect(try await client.nextClose().code == .goingAway)
      }
    }
  }

  @Test("ends where the task that runs it is cancelled, with 1001 to all")
  func cancellation() async throws {
    let server = WebSocketServer(port: 0, handler: echo)
    let running = Task { try await server.run() }
    try await TestClient.open(to: try await server.addresses[0]) { client async throws in
      running.cancel()
      #expect(try await client.nextClose().code == .goingAway)
    }
    try await running.value
  }
}
#endif
