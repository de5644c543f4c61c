// SPDX-License-Identifier: Apache-2.0

#if NIO
import NIOCore
import Testing
import WSProto

@testable import WSProtoNIO

@Suite("Messages in parts (RFC 6455 §5.4)", .timeLimit(.minutes(10)))
struct MessagesInPartsTests {
  // MARK: Receiving

  @Test("A message beyond every limit of whole messages is streamed, in the memory of what is unread")
  func streaming() async throws {
    var options = WebSocketServerOptions()
    options.socket.delivery = .parts()
    options.socket.maxMessageBytes = 100
    let total = 8 << 20
    try await withServer(options) { socket in
      for try await message in socket.streams {
        var count = 0
        var largest = 0
        for try await part in message.parts {
          count += part.readableBytes
          largest = max(largest, part.readableBytes)
        }
        try await socket.send("\(message.kind) \(count) \(largest <= 64 << 10)")
      }
    } _: { address, _ in
      try await TestClient.open(to: address) { client async throws in
        let part = [UInt8](repeating: 7, count: 512 << 10)
        for index in 0..<(total / (512 << 10)) {
          let isLast = index == total / (512 << 10) - 1
          try await client.send(BytesMessage(data: part, messageFinished: isLast))
        }
        #expect(try await client.nextText() == "binary \(total) true")
        try await client.send(TextMessage(data: "short"))
        #expect(try await client.nextText() == "text 5 true")
        try await client.send(TextMessage(data: ""))
        #expect(try await client.nextText() == "text 0 true")
        #expect(try await client.close().code == .normalClosure)
      }
    }
  }

  @Test(
    "The parts of a text are whole characters, wherever the frames are cut; what is not UTF-8 fails (§8.1)"
  )
  func textParts() async throws {
    var options = WebSocketServerOptions()
    options.socket.delivery = .parts()
    try await withServer(options) { socket in
      for try await message in socket.streams {
        var text = ""
        for try await part in message.parts {
          let part = String(buffer: part)
          #expect(!part.unicodeScalars.contains("\u{FFFD}"))
          text += part
        }
        try await socket.send(text)
      }
    } _: { address, _ in
      let text = "Käse für 3 € 🧀"
      try await TestClient.open(to: address) { client async throws in
        let bytes = Array(text.utf8)
        for (index, byte) in bytes.enumerated() {
          let isLast = index == bytes.count - 1
          try await client.write(frame((isLast ? 0x80 : 0) | (index == 0 ? 1 : 0), [byte]))
        }
        #expect(try await client.nextText() == text)
        try await client.write(frame(0x01, [0x41]))
        try await client.write(frame(0x00, [0xFF]))
        #expect(try await client.nextClose().code == .invalidFramePayloadData)
      }
    }
  }

  /// A short frame with that first byte, masked with zeros.
  private func frame(_ first: UInt8, _ payload: [UInt8]) -> [UInt8] {
    [first, 0x80 | UInt8(payload.count), 0, 0, 0, 0] + payload
  }

  @Test("Parts that nobody takes stop the reads: a message of any length waits with its sender")
  func partsStopReads() async throws {
    var options = WebSocketServerOptions()
    options.socket.delivery = .parts()
    let begin = Promised<Void>()
    let total = 96 << 20
    let written = Counter()
    try await withServer(options) { socket in
      try await begin.value()
      for try await message in socket.streams {
        var count = 0
        for try await part in message.parts { count += part.readableBytes }
        try await socket.send("\(count)")
      }
    } _: { address, _ in
      try await TestClient.open(to: address) { client async throws in
        let part = [UInt8](repeating: 7, count: 512 << 10)
        try await withThrowingTaskGroup(of: Void.self) { group in
          // What the system buffers, up to 36 MiB on Linux, is written, and no more.
          group.addTask {
            let count = try await written.whenAtRest()
            #expect(count < total)
            begin.resume(with: .success(()))
          }
          for index in 0..<(total / (512 << 10)) {
            let isLast = index == total / (512 << 10) - 1
            try await client.send(BytesMessage(data: part, messageFinished: isLast))
            written.add(512 << 10)
          }
          try await group.waitForAll()
        }
        #expect(try await client.nextText() == "\(total)")
      }
    }
  }

  @Test("A limit on messages in parts closes with 1009 (§7.4.1), and so does that of whole ones")
  func limits() async throws {
    for (delivery, usesStreams) in [
      (WebSocketDelivery.parts(maxMessageBytes: 1000), true), (.parts(), false),
    ] {
      var options = WebSocketServerOptions()
      options.socket.delivery = delivery
      options.socket.maxMessageBytes = 1000
      let end = Promised<WebSocketClosed?>()
      try await withServer(options) { socket in
        do {
          if usesStreams {
            for try await message in socket.streams { for try await _ in message.parts {} }
          } else {
            for try await message in socket.messages { try await socket.send(message) }
          }
        } catch let closed as WebSocketClosed {
          end.resume(with: .success(closed))
        }
      } _: { address, _ in
        try await TestClient.open(to: address) { client async throws in
          if !usesStreams {
            try await client.send(TextMessage(data: "put ", messageFinished: false))
            try await client.send(TextMessage(data: "together"))
            #expect(try await client.nextText() == "put together")
          }
          try await client.send(BytesMessage(data: [UInt8](repeating: 7, count: 900), messageFinished: false))
          try await client.send(BytesMessage(data: [UInt8](repeating: 7, count: 101)))
          #expect(try await client.nextClose().code == .messageTooBig)
          #expect(try await end.value()?.code == .messageTooBig)
        }
      }
    }
  }

  @Test("A Close in the middle of a message ends its parts with an error, and the messages in order (§5.4)")
  func closeInTheMiddle() async throws {
    var options = WebSocketServerOptions()
    options.socket.delivery = .parts()
    let end = Promised<WebSocketClosed?>()
    try await withServer(options) { socket in
      for try await message in socket.streams {
        do {
          for try await _ in message.parts {}
          end.resume(with: .success(nil))
        } catch let closed as WebSocketClosed {
          end.resume(with: .success(closed))
        }
      }
    } _: { address, _ in
      try await TestClient.open(to: address) { client async throws in
        try await client.send(TextMessage(data: "half", messageFinished: false))
        #expect(try await client.close().code == .normalClosure)
        #expect(try await end.value() == WebSocketClosed(code: .normalClosure, cause: .peer))
      }
    }
  }

  // MARK: Sending

  /// The frames of messages, with their data.
  private func frames(_ client: TestClient, count: Int) async throws -> [String] {
    var frames: [String] = []
    while frames.count < count {
      switch try await client.next() {
      case .textMessage(let text)? where text.frameFinished:
        frames.append("\(text.data)\(text.messageFinished ? "." : "")")
      case .bytesMessage(let bytes)? where bytes.frameFinished:
        frames.append("\(bytes.data.count)\(bytes.messageFinished ? "." : "")")
      case let event: throw TestFailure("\(String(describing: event)) behind \(frames)")
      }
    }
    return frames
  }

  @Test("A message is sent in parts, by a closure or from a sequence; a text is cut between its characters")
  func sending() async throws {
    try await withServer { socket in
      try await socket.send(.text) { message in
        try await message.write("one ")
        try await message.write([0xF0, 0x9F])
        try await message.write([])
        try await message.write(ByteBuffer(bytes: [0xA7, 0x80, 0x41]))
      }
      let buffers = AsyncStream<ByteBuffer> { continuation in
        for count in 1...3 { continuation.yield(ByteBuffer(bytes: Array(repeating: 0, count: count))) }
        continuation.finish()
      }
      try await socket.send(.binary, parts: buffers)
      try await socket.send(.text) { _ in }
    } _: { address, _ in
      try await TestClient.open(to: address, configuration: Configuration(delivery: .chunks)) {
        client async throws in
        let sent = try await frames(client, count: 8)
        #expect(sent == ["one ", "🧀A", ".", "1", "2", "3", "0.", "."])
        #expect(try await client.nextClose().code == .normalClosure)
      }
    }
  }

  @Test("The parts of two tasks, and whole messages between them, are never mixed")
  func notMixed() async throws {
    let count = 20
    try await withServer { socket in
      try await withThrowingTaskGroup(of: Void.self) { group in
        for index in 0..<count {
          group.addTask {
            let digit = String(index % 10)
            guard index % 3 != 0 else { return try await socket.send(String(repeating: digit, count: 10)) }
            try await socket.send(.text) { message in
              for _ in 0..<10 {
                try await message.write(digit)
                await Task.yield()
                // Control frames go between them.
                if index == 1 { _ = try await socket.ping() }
              }
            }
          }
        }
        try await group.waitForAll()
      }
    } _: { address, _ in
      try await TestClient.open(to: address) { client async throws in
        for _ in 0..<count {
          let text = try await client.nextText()
          #expect(text.count == 10 && Set(text).count == 1, "\(text)")
        }
        #expect(try await client.nextClose().code == .normalClosure)
      }
    }
  }

  @Test("What fails before the first part leaves the connection as it was")
  func failsBefore() async throws {
    struct Failure: Error {}
    try await withServer { socket in
      await #expect(throws: Failure.self) { try await socket.send(.text) { _ in throw Failure() } }
      await #expect(throws: InvalidText.self) {
        try await socket.send(.text) { message in try await message.write([0xFF]) }
      }
      await #expect(throws: InvalidText.self) {
        try await socket.send(.text) { message in try await message.write([0xC3]) }
      }
      try await socket.send("still here")
    } _: { address, _ in
      try await TestClient.open(to: address) { client async throws in
        #expect(try await client.nextText() == "still here")
        #expect(try await client.nextClose().code == .normalClosure)
      }
    }
  }

  @Test("What fails in the middle of a message, or is cancelled there, closes with 1011 (§7.4.1)")
  func failsInTheMiddle() async throws {
    struct Failure: Error {}
    let ways: [@Sendable (WebSocket) async throws -> Void] = [
      { socket in
        try await socket.send(.binary) { message in
          try await message.write([1])
          throw Failure()
        }
      },
      { socket in
        try await socket.send(.text) { message in
          try await message.write("x")
          try await message.write([0xFF])
        }
      },
      { socket in
        let begun = Promised<Void>()
        let sending = Task {
          try await socket.send(.binary) { message in
            try await message.write([1])
            begun.resume(with: .success(()))
            try await Task.sleep(for: .seconds(1000))
          }
        }
        try await begun.value()
        sending.cancel()
        try await sending.value
      },
    ]
    for way in ways {
      try await withServer { socket in
        await #expect(throws: (any Error).self) { try await way(socket) }
        // Nobody can send any more.
        do {
          while true { try await socket.send("behind it") }
        } catch let closed as WebSocketClosed {
          #expect(closed.cause == .messageUnfinished)
        }
      } _: { address, _ in
        try await TestClient.open(to: address, configuration: Configuration(delivery: .chunks)) {
          client async throws in
          guard let event = try await client.next() else { throw TestFailure("nothing came") }
          switch event {
          case .bytesMessage(let bytes): #expect(!bytes.messageFinished)
          case .textMessage(let text): #expect(!text.messageFinished)
          default: throw TestFailure("\(event)")
          }
          #expect(try await client.nextClose().code == .internalError)
        }
      }
    }
  }

  @Test("A compressed message in parts is one message (RFC 7692 §6.1), which the peer sees as it grows")
  func compressed() async throws {
    var options = WebSocketServerOptions()
    options.socket.compression = WebSocketCompression()
    let line = String(repeating: "compressible ", count: 200)
    try await withServer(options) { socket in
      try await socket.send(.text) { message in
        for _ in 0..<3 { try await message.write(line) }
      }
    } _: { address, _ in
      let request = Request(host: "localhost", target: "/", extensions: [PerMessageDeflate()])
      try await TestClient.open(to: address, request) { client async throws in
        #expect(try await client.nextText() == line + line + line)
      }
    }
  }
}
#endif
