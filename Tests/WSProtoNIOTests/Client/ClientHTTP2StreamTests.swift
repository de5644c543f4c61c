// SPDX-License-Identifier: Apache-2.0

#if NIO
import NIOCore
import NIOHTTP2
import Testing
import WSProto

@testable import WSProtoNIO

@Suite("The streams of a client by HTTP/2 (RFC 9113)", .timeLimit(.minutes(5)))
struct ClientHTTP2StreamTests: HTTP2ClientTests {
  @Test(
    "ends a stream in order after the closing handshake, and resets it where there was none (RFC 8441 §5)"
  )
  func ends() async throws {
    try await HTTP2TestServer.run { server async throws in
      let url = "wss://127.0.0.1:\(server.port)/"
      let options = try options(.required, WebSocketClientPool())
      #expect(try await echoed(url, options) == "hello")
      try await server.log.wait(for: "end of stream")
      #expect(!server.log.all.contains { $0.hasPrefix("reset") })
      try await WebSocketClient.connect(to: url, options: options) { socket in socket.drop(.local) }
      try await server.log.wait(for: "reset 8")
      #expect(server.log.all.filter { $0.hasPrefix("connection") } == ["connection 0"])
    }
  }

  @Test("a stream that nobody reads holds back its sender, and no neighbour (RFC 9113 §5.2)")
  func stalledReader() async throws {
    let sent = Counter()
    try await withServer(serverOptions()) { socket async throws in
      guard socket.request.target == "/flood" else { return try await echo(socket) }
      for number in 0..<64 {
        try await socket.send([UInt8](repeating: UInt8(number), count: 64 << 10))
        sent.add(1)
      }
    } _: { address, _ async throws in
      let url = "wss://127.0.0.1:\(address.port ?? 0)"
      let pool = WebSocketClientPool()
      let options = try options(.required, pool)
      try await WebSocketClient.connect(to: "\(url)/flood", options: options) { stalled async throws in
        try await WebSocketClient.connect(to: "\(url)/", options: options) { busy async throws in
          var answers = busy.messages.makeAsyncIterator()
          for number in 0..<200 {
            try await busy.send("\(number)")
            #expect(try await answers.next()?.text == "\(number)")
          }
        }
        #expect(sent.count < 16 && pool.connectionCount == 1)
        var count = 0
        for try await message in stalled.messages {
          #expect(
            message.bytes.readableBytes == 64 << 10 && message.bytes.readableBytesView.first == UInt8(count)
          )
          count += 1
        }
        #expect(count == 64)
      }
    }
  }

  @Test("a writer waits while the server reads nothing, and its neighbours don't; then it is dropped")
  func stalledWriter() async throws {
    try await withServer(serverOptions()) { socket async throws in
      guard socket.request.target == "/deaf" else { return try await echo(socket) }
      while !socket.hasEnded { try await Task.sleep(for: .milliseconds(10)) }
    } _: { address, _ async throws in
      let url = "wss://127.0.0.1:\(address.port ?? 0)"
      var options = try options(.required, WebSocketClientPool())
      options.socket.slowConsumer = .wait(atMost: .milliseconds(300))
      try await WebSocketClient.connect(to: "\(url)/", options: options) { busy async throws in
        var answers = busy.messages.makeAsyncIterator()
        let closed = await #expect(throws: WebSocketClosed.self) {
          try await WebSocketClient.connect(to: "\(url)/deaf", options: options) { deaf async throws in
            while true {
              try await deaf.send([UInt8](repeating: 0, count: 16 << 10))
              try await busy.send("still")
              _ = try await answers.next()
            }
          }
        }
        guard case .slowConsumer = closed?.cause else { throw TestFailure("\(String(describing: closed))") }
        try await busy.send("here")
        #expect(try await answers.next()?.text == "here")
      }
    }
  }

  @Test("leaves a connection that the server is about to end, and lets its sockets go on (RFC 9113 §6.8)")
  func goAway() async throws {
    try await HTTP2TestServer.run { stream, _ in
      let frame = HTTP2Frame(
        streamID: .rootStream,
        payload: .goAway(lastStreamID: 1, errorCode: .noError, opaqueData: nil)
      )
      stream.parent?.writeAndFlush(frame, promise: nil)
      return true
    } _: { server async throws in
      let url = "wss://127.0.0.1:\(server.port)/"
      let pool = WebSocketClientPool()
      let options = try options(.required, pool)
      try await WebSocketClient.connect(to: url, options: options) { first async throws in
        #expect(pool.connectionCount == 0)
        #expect(try await echoed(url, options) == "hello")
        try await first.send("still here")
        #expect(try await first.messages.first { _ in true }?.text == "still here")
      }
      #expect(server.log.all.filter { $0.hasPrefix("connection") }.count == 2)
    }
  }

  @Test(
    "asks again on another connection for what the server has not looked at, but not for ever (RFC 9113 §8.7)"
  )
  func refusedStreams() async throws {
    @Sendable func refuse(_ stream: any Channel, _ code: NIOHTTP2.HTTP2ErrorCode) {
      stream.pipeline.syncOperations.writeAndFlush(
        NIOAny(HTTP2Frame.FramePayload.rstStream(code)),
        promise: nil
      )
    }
    try await HTTP2TestServer.run { stream, number in
      if number == 0 { refuse(stream, .refusedStream) }
      return number > 0
    } _: { server async throws in
      let url = "wss://127.0.0.1:\(server.port)/"
      #expect(try await echoed(url, options(.required, WebSocketClientPool())) == "hello")
    }
    try await HTTP2TestServer.run { stream, _ in
      refuse(stream, .refusedStream)
      return false
    } _: { server async throws in
      let url = "wss://127.0.0.1:\(server.port)/"
      #expect(try await failure(url, options(.required)) == .streamReset(code: 7))
      #expect(server.log.all.filter { $0.hasPrefix("connection") }.count == 3)
    }
    try await HTTP2TestServer.run { stream, _ in
      refuse(stream, .enhanceYourCalm)
      return false
    } _: { server async throws in
      let url = "wss://127.0.0.1:\(server.port)/"
      let error = try await failure(url, options(.required))
      #expect(error == .streamReset(code: 11) && error?.reconnectCause == .network)
    }
    try await HTTP2TestServer.run { stream, _ in
      refuse(stream, .http11Required)
      return false
    } _: { server async throws in
      let url = "wss://127.0.0.1:\(server.port)/"
      #expect(try await echoed(url, options(.preferred)) == "hello")
      #expect(try await failure(url, options(.required)) == .http2Unavailable(.http1Required))
    }
  }

  @Test("gives up a stream whose task is cancelled or whose answer is late, and keeps the connection")
  func givenUp() async throws {
    var serverOptions = try serverOptions()
    let asked = Promised<Void>()
    serverOptions.decide = { request in
      if request.target == "/late" {
        asked.resume(with: .success(()))
        try await Task.sleep(for: .seconds(60))
      }
      return .accept()
    }
    try await withServer(serverOptions) { address, server async throws in
      let url = "wss://127.0.0.1:\(address.port ?? 0)"
      let pool = WebSocketClientPool()
      let options = try options(.required, pool)
      let task = Task { try await echoed("\(url)/late", options) }
      try await asked.value()
      task.cancel()
      await #expect(throws: CancellationError.self) { try await task.value }
      var hasty = options
      hasty.socket.timeouts.opening = .milliseconds(100)
      let late = WebSocketClientError.timedOut(.handshake, limit: .milliseconds(100))
      #expect(try await failure("\(url)/late", hasty) == late)
      while server.core.limits.counts.open > 1 { try await Task.sleep(for: .milliseconds(1)) }
      #expect(try await echoed("\(url)/", options) == "hello" && pool.connectionCount == 1)
    }
  }
}
#endif
