// SPDX-License-Identifier: Apache-2.0

#if NIO
import NIOCore
import Testing
import WSProto

@testable import WSProtoNIO

@Suite("A socket of a server", .timeLimit(.minutes(10)))
struct WebSocketTests {
  @Test("sends what it is given: text, bytes, buffers, prepared messages; and says what it came from")
  func sending() async throws {
    var options = WebSocketServerOptions()
    options.subprotocols = ["b", "a"]
    let prepared = PreparedMessage(text: "to all")
    try await withServer(options) { socket in
      try await socket.send("text")
      try await socket.send([1, 2])
      try await socket.send(ByteBuffer(bytes: [3]))
      try await socket.send(prepared)
      try await socket.send(
        "\(socket.request.target) \(socket.subprotocol ?? "none") \(socket.remoteAddress?.ipAddress ?? "nowhere")"
      )
    } _: { address, _ in
      let request = Request(host: "localhost", target: "/path?q", subprotocols: ["a"])
      try await TestClient.open(to: address, request) { client async throws in
        #expect(try await client.nextText() == "text")
        #expect(try await client.next() == .bytesMessage(BytesMessage(data: [1, 2])))
        #expect(try await client.next() == .bytesMessage(BytesMessage(data: [3])))
        #expect(try await client.nextText() == "to all")
        #expect(try await client.nextText() == "/path?q a 127.0.0.1")
        // The closure has returned.
        #expect(try await client.nextClose() == CloseConnection(code: .normalClosure))
      }
    }
  }

  @Test("waits for a ping's answer, and for that to its Close")
  func pingAndClose() async throws {
    let said = Promised<CloseConnection?>()
    try await withServer { socket in
      #expect(try await socket.ping() >= .zero)
      said.resume(with: .success(try await socket.close(code: 4001, reason: "done")))
      await #expect(throws: WebSocketClosed.self) { try await socket.send("late") }
      await #expect(throws: WebSocketClosed.self) { _ = try await socket.ping() }
      #expect(try await socket.close() == CloseConnection(code: 4002, reason: "me too"))
      // This end has closed: an orderly end.
      for try await message in socket.messages { Issue.record("\(message)") }
    } _: { address, _ in
      try await TestClient.open(to: address) { client in
        #expect(try await client.next() == .closeConnection(CloseConnection(code: 4001, reason: "done")))
        try await client.send(CloseConnection(code: 4002, reason: "me too"))
        #expect(try await said.value() == CloseConnection(code: 4002, reason: "me too"))
      }
    }
  }

  @Test(
    "ends its messages for 1000, 1001 and no code, and throws the code and the reason of others (RFC 6455 §7.4.1)"
  )
  func ends() async throws {
    for close in [
      CloseConnection(code: 1000), CloseConnection(code: 1001), CloseConnection(code: .noStatusRcvd),
      CloseConnection(code: 4000, reason: "so"), CloseConnection(code: 1011),
    ] {
      let end = Promised<WebSocketClosed?>()
      try await withServer { socket in
        do {
          var texts: [WebSocketMessage] = []
          for try await message in socket.messages { texts.append(message) }
          #expect(texts == ["before"])
          end.resume(with: .success(nil))
        } catch let closed as WebSocketClosed {
          end.resume(with: .success(closed))
        }
      } _: { address, _ in
        try await TestClient.open(to: address) { client in
          try await client.send(TextMessage(data: "before"))
          try await client.send(close)
          let found = try await end.value()
          if [1000, 1001, 1005].contains(close.code.rawValue) {
            #expect(found == nil)
          } else {
            #expect(found == WebSocketClosed(code: close.code, reason: close.reason, cause: .peer))
          }
        }
      }
    }
  }

  @Test(
    "serves a peer that sends 10 MiB of small messages before it reads the first answer",
    arguments: [true, false]
  )
  func crossing(runsOnEventLoop: Bool) async throws {
    var options = WebSocketServerOptions()
    options.socket.runsOnEventLoop = runsOnEventLoop
    let payload = [UInt8](repeating: 7, count: 10 << 10)
    let count = 1024
    try await withServer(options) { address, server in
      try await TestClient.open(to: address) { client async throws in
        for _ in 0..<count { try await client.send(BytesMessage(data: Bytes(payload))) }
        var received = 0
        while received < count * payload.count, case .bytesMessage(let part)? = try await client.next() {
          received += part.data.count
        }
        #expect(received == count * payload.count)
      }
      // What was allowed beyond the watermark was given back.
      #expect(server.core.budget?.usedBytes == 0)
    }
  }

  @Test("waits where a peer sends and doesn't read, up to the bound, and drops it then")
  func crossingWithoutEnd() async throws {
    var options = WebSocketServerOptions()
    options.socket.maxCrossingBytes = 0
    options.socket.slowConsumer = .wait(atMost: .milliseconds(300))
    let end = Promised<WebSocketClosed>()
    try await withServer(options) { socket in
      do {
        for try await message in socket.messages { try await socket.send(message) }
      } catch let error as WebSocketClosed {
        end.resume(with: .success(error))
      }
    } _: { address, _ in
      try await TestClient.open(to: address) { client async throws in
        let payload = Bytes([UInt8](repeating: 7, count: 100 << 10))
        // Until the transport has ended.
        for _ in 0..<2000 {
          guard (try? await client.send(BytesMessage(data: payload))) != nil else { break }
        }
      }
    }
    guard case .slowConsumer = try await end.value().cause else {
      Issue.record("another end")
      return
    }
  }

  @Test(
    "answers what comes in one read with the peer's Close, or with a violation, before its own Close (RFC 6455 §5.5.1)"
  )
  func lastMessage() async throws {
    for (last, code) in [
      ([0x88, 0x82, 0, 0, 0, 0, 0x03, 0xE8] as [UInt8], 1000), ([0x83, 0x80, 0, 0, 0, 0], 1002),
    ] {
      try await withServer { address, _ in
        try await TestClient.open(to: address) { client async throws in
          try await client.write([0x81, 0x82, 0, 0, 0, 0] + Array("hi".utf8) + last)
          #expect(try await client.nextText() == "hi")
          #expect(try await client.nextClose().code.rawValue == code)
        }
      }
    }
  }

  @Test("serves a peer that sends a message of 10 MiB and reads late")
  func lateReader() async throws {
    var options = WebSocketServerOptions()
    options.socket.maxMessageBytes = 10 << 20
    let bytes = (0..<(10 << 20)).map { UInt8(truncatingIfNeeded: $0 &* 7) }
    try await withServer(options) { address, _ in
      try await TestClient.open(to: address) { client in
        try await client.send(BytesMessage(data: Bytes(bytes)))
        guard case .bytesMessage(let message) = try await client.next() else { throw TestFailure("no echo") }
        #expect(message.data == Bytes(bytes))
        #expect(try await client.close().code == .normalClosure)
      }
    }
  }

  @Test(
    "lets senders wait for a peer that doesn't read, then drops it: once nothing has gone out for so long"
  )
  func stalledPeer() async throws {
    var options = WebSocketServerOptions()
    options.socket.slowConsumer = .wait(atMost: .milliseconds(200))
    let end = Promised<WebSocketClosed?>()
    try await withServer(options) { socket in
      let message = WebSocketMessage.binary(Array(repeating: 0, count: 64 << 10))
      do {
        while true { try await socket.send(message) }
      } catch let closed as WebSocketClosed {
        end.resume(with: .success(closed))
      }
    } _: { address, _ in
      try await TestClient.open(to: address) { _ in
        guard case .slowConsumer(let unsent) = try await end.value()?.cause else {
          throw TestFailure("no such end")
        }
        #expect(unsent >= 64 << 10)
        #expect(unsent < 256 << 10)
      }
    }
  }

  @Test("drops a peer that doesn't read once so many bytes wait, where the policy says so")
  func disconnectPolicy() async throws {
    var options = WebSocketServerOptions()
    options.socket.slowConsumer = .disconnect
    let end = Promised<WebSocketClosed?>()
    try await withServer(options) { socket in
      let message = WebSocketMessage.binary(Array(repeating: 0, count: 64 << 10))
      do {
        while true {
          try await socket.send(message)
          #expect(socket.queuedBytes < 2 << 20)
        }
      } catch let closed as WebSocketClosed {
        end.resume(with: .success(closed))
      }
    } _: { address, _ in
      try await TestClient.open(to: address) { _ in
        guard case .slowConsumer(let unsent) = try await end.value()?.cause else {
          throw TestFailure("no such end")
        }
        #expect(unsent >= 1 << 20)
      }
    }
  }

  @Test("stops reading while its messages are not taken")
  func slowConsumer() async throws {
    let begin = Promised<Void>()
    let written = Counter()
    let total = 96 << 20
    try await withServer { socket in
      try await begin.value()
      var count = 0
      for try await message in socket.messages {
        count += message.bytes.readableBytes
        if count == total { break }
      }
      try await socket.send("\(count)")
    } _: { address, _ in
      try await TestClient.open(to: address) { client in
        let message = try Connection(.client).sendBytes(Array(repeating: 1, count: 512 << 10))
        try await withThrowingTaskGroup(of: Void.self) { group in
          // What the system buffers, up to 36 MiB on Linux, is written, and no more.
          group.addTask {
            let count = try await written.whenAtRest()
            #expect(count < total)
            begin.resume(with: .success(()))
          }
          for _ in 0..<(total / (512 << 10)) {
            try await client.write(message)
            written.add(512 << 10)
          }
          try await group.waitForAll()
        }
        #expect(try await client.nextText() == "\(total)")
      }
    }
  }

  @Test("compresses where both ends want it, from 1,024 bytes on (RFC 7692)")
  func compression() async throws {
    var options = WebSocketServerOptions()
    options.socket.compression = WebSocketCompression()
    let text = String(repeating: "compressible ", count: 1000)
    try await withServer(options) { socket in
      #expect(socket.compression?.serverNoContextTakeover == true)
      try await echo(socket)
    } _: { address, _ in
      let request = Request(host: "localhost", target: "/", extensions: [PerMessageDeflate()])
      try await TestClient.open(to: address, request) { client in
        for text in [text, "short", text] {
          try await client.send(TextMessage(data: text))
          #expect(try await client.nextText() == text)
        }
      }
    }
  }
}
#endif
