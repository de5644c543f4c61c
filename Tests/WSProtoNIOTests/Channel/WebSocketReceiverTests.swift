// SPDX-License-Identifier: Apache-2.0

#if NIO
import NIOCore
import NIOEmbedded
import Testing
import WSProto

@testable import WSProtoNIO

@Suite("A receiver of the channel handler")
struct WebSocketReceiverTests {
  @Test(
    "gets whole messages, however the bytes are cut (RFC 6455 §5.4)",
    arguments: [ConnectionType.server, .client],
    [1, 3, 7, 1000]
  )
  func wholeMessages(role: ConnectionType, size: Int) throws {
    let bench = try ReceiverBench(role)
    let bytes = try bench.threeMessages()
    for start in stride(from: 0, to: bytes.count, by: size) {
      try bench.receive(Array(bytes[start..<min(start + size, bytes.count)]))
    }
    #expect(bench.receiver.messages == ["Grüße", .binary([1, 2, 3]), ""])
    #expect(try bench.sentEvents().contains(.pong(Pong(payload: "between"))))
  }

  @Test("answers with one write a read loop")
  func oneWrite() throws {
    let bench = try ReceiverBench(.server)
    try bench.receive((0..<10).flatMap { try bench.peer.sendText("\($0)") })
    let first = try #require(try bench.channel.readOutbound(as: ByteBuffer.self))
    #expect(try bench.channel.readOutbound(as: ByteBuffer.self) == nil)
    try bench.peer.receiveData(first.readableBytesView)
    #expect(Array(bench.peer.events()) == (0..<10).map { .textMessage(TextMessage(data: "\($0)")) })
    #expect(bench.receiver.readLoops == 1)
  }

  @Test(
    "answers what comes before a Close, or before a violation, ahead of this end's Close (RFC 6455 §5.5.1)"
  )
  func beforeTheEnd() throws {
    // A Close, and a reserved opcode.
    let close = try Connection(.client).send(CloseConnection(code: .normalClosure))
    for end in [close, [0x83, 0x80, 0, 0, 0, 0]] {
      let bench = try ReceiverBench(.server)
      try bench.receive(bench.peer.sendText("last") + end)
      let events = try bench.sentEvents()
      #expect(events.count == 2)
      #expect(events.first == .textMessage(TextMessage(data: "last")))
      #expect(bench.receiver.closed != nil)
      #expect(!bench.channel.isActive)
    }
  }

  @Test(
    "is given nothing more while the peer doesn't read, and loses nothing of compressed messages (RFC 7692)"
  )
  func backpressure() throws {
    let message = [UInt8](repeating: 0, count: 128 << 10)
    let compressing = Connection(.client, extensions: [PerMessageDeflate.negotiated])
    let bytes = try (0..<64).flatMap { _ in try compressing.sendBytes(message) }
    #expect(bytes.count < 64 << 10)
    let bench = try ReceiverBench(.server, extensions: [PerMessageDeflate.negotiated])
    bench.channel.isWritable = false
    try bench.receive(bytes)
    // A batch, and not the 8 MiB of the read.
    #expect(bench.receiver.messages.count <= 3)
    bench.channel.isWritable = true
    bench.channel.pipeline.fireChannelWritabilityChanged()
    #expect(bench.receiver.messages == Array(repeating: .binary(ByteBuffer(bytes: message)), count: 64))
  }

  @Test("doesn't read a peer that takes nothing, until it takes something")
  func heldReads() throws {
    let bench = try ReceiverBench(.server)
    let reads = ReadCounter()
    try bench.channel.pipeline.syncOperations.addHandler(reads, position: .first)
    bench.channel.isWritable = false
    try bench.receive(bench.peer.sendText("one"))
    bench.channel.read()
    #expect(reads.count == 0)
    bench.channel.isWritable = true
    bench.channel.pipeline.fireChannelWritabilityChanged()
    #expect(reads.count == 1)
  }

  @Test("may close the channel while it takes a message, or is told of the end; nothing follows")
  func closesChannel() throws {
    for end in [try Connection(.client).send(CloseConnection(code: .normalClosure)), []] {
      let bench = try ReceiverBench(.server)
      bench.receiver.onMessage = { _ in bench.channel.close(promise: nil) }
      bench.receiver.onClosed = { bench.channel.close(promise: nil) }
      try bench.receive(bench.peer.sendText("one") + bench.peer.sendText("two") + end)
      #expect(bench.receiver.messages == ["one"])
      #expect(bench.receiver.closed != nil)
      bench.receiver.onMessage = nil
      bench.receiver.onClosed = nil
    }
  }

  @Test(
    "a transport that delivers inside of a read request, as a stream of HTTP/2 may, is taken in order, after the call"
  )
  func synchronousReads() throws {
    let bench = try ReceiverBench(.server)
    let transport = SynchronousTransport()
    try bench.channel.pipeline.syncOperations.addHandler(transport, position: .first)
    bench.receiver.onMessage = { message in
      guard message == "one" else { return }
      // Asks for bytes while this end's output waits; then the output goes out, and the bytes may come.
      bench.channel.isWritable = false
      bench.channel.pipeline.fireChannelWritabilityChanged()
      bench.channel.read()
      bench.channel.isWritable = true
      bench.channel.pipeline.fireChannelWritabilityChanged()
    }
    let first = try bench.peer.sendText("one") + bench.peer.sendText("two")
    transport.bytes = ByteBuffer(bytes: try bench.peer.sendText("three"))
    try bench.receive(first)
    bench.channel.read()
    #expect(bench.receiver.messages == ["one", "two", "three"])
    bench.receiver.onMessage = nil
  }

  @Test("sends and closes by itself as well")
  func sending() throws {
    let bench = try ReceiverBench(.server)
    try bench.handler.sendText("hello".utf8Span)
    try bench.handler.sendBytes(([1, 2, 3] as [UInt8]).span.bytes)
    #expect(try bench.sentEvents() == [])
    bench.handler.flush()
    #expect(
      try bench.sentEvents() == [
        .textMessage(TextMessage(data: "hello")), .bytesMessage(BytesMessage(data: [1, 2, 3])),
      ]
    )
    let large = [UInt8](repeating: 7, count: 32 << 10)
    try bench.handler.sendBytes(large.span.bytes)
    bench.handler.flush()
    #expect(try bench.sentEvents() == [.bytesMessage(BytesMessage(data: Bytes(large)))])
    try bench.handler.sendClose(CloseConnection(code: .normalClosure))
    bench.handler.flush()
    #expect(try bench.sentEvents() == [.closeConnection(CloseConnection(code: .normalClosure))])
    #expect(throws: LocalProtocolError.self) { try bench.handler.sendText("late".utf8Span) }
  }
}

@Suite("Large messages go out without a copy")
struct UncopiedMessagesTests {
  private static let payload = ByteBuffer(bytes: (0..<64 << 10).map { UInt8(truncatingIfNeeded: $0) })

  @Test("a server's payload goes out from where it is, behind its header, in order (RFC 6455 §5.2)")
  func server() throws {
    let bench = try Bench(.server)
    for message: WebSocketMessage in ["before", .binary(Self.payload), .binary(Self.payload), "behind"] {
      bench.channel.pipeline.write(WebSocketCommand.send(message), promise: nil)
    }
    bench.channel.pipeline.flush()
    var writes: [ByteBuffer] = []
    while let bytes = try bench.channel.readOutbound(as: ByteBuffer.self) { writes.append(bytes) }
    let address = Self.payload.withUnsafeReadableBytes { $0.baseAddress }
    #expect(writes.filter { $0.withUnsafeReadableBytes { $0.baseAddress } == address }.count == 2)
    for bytes in writes { try bench.peer.receiveData(bytes.readableBytesView) }
    var messages: [WebSocketMessage] = []
    var binary: [UInt8] = []
    for event in bench.peer.events() {
      switch event {
      case .textMessage(let message): messages.append(.text(message.data))
      case .bytesMessage(let message):
        binary += message.data
        guard message.messageFinished else { continue }
        messages.append(.binary(ByteBuffer(bytes: binary)))
        binary = []
      default: Issue.record("\(event)")
      }
    }
    #expect(messages == ["before", .binary(Self.payload), .binary(Self.payload), "behind"])
  }

  @Test("what is masked, compressed, or little of its memory is copied (RFC 6455 §5.3, RFC 7692)")
  func copied() throws {
    var memory = ByteBuffer(repeating: 0, count: 1 << 20)
    let slice = memory.readSlice(length: 64 << 10)
    let little = try #require(slice)
    for (role, payload, extensions) in [
      (ConnectionType.client, Self.payload, []), (.server, little, []),
      (.server, Self.payload, [PerMessageDeflate.negotiated]),
    ] {
      let bench = try Bench(role, extensions: extensions)
      try bench.channel.writeOutbound(WebSocketCommand.send(.binary(payload)))
      let address = payload.withUnsafeReadableBytes { $0.baseAddress }
      let write = try #require(try bench.channel.readOutbound(as: ByteBuffer.self))
      #expect(write.withUnsafeReadableBytes { $0.baseAddress } != address)
      #expect(try bench.channel.readOutbound(as: ByteBuffer.self) == nil)
    }
  }

  @Test(
    "what a handler sends when the channel isn't writable any more comes behind the payload, not before it"
  )
  func unwritable() throws {
    let bench = try Bench(.server)
    // Tells of the writability in the midst of the write of a header, as NIO's channels do.
    try bench.channel.pipeline.syncOperations.addHandler(BlockingWrites(), position: .first)
    try bench.channel.pipeline.syncOperations.addHandler(ClosesWhenUnwritable())
    bench.channel.pipeline.write(WebSocketCommand.send(.binary(Self.payload)), promise: nil)
    bench.channel.pipeline.flush()
    var events = try bench.sentEvents()
    #expect(events.popLast() == .closeConnection(CloseConnection(code: .tryAgainLater)))
    let bytes = events.reduce(into: 0) { count, event in
      if case .bytesMessage(let message) = event { count += message.data.count }
    }
    #expect(bytes == Self.payload.readableBytes)
  }

  @Test("the promise of a large message succeeds with its payload, not with its header")
  func promise() throws {
    let bench = try Bench(.server)
    let promise = bench.loop.makePromise(of: Void.self)
    bench.channel.pipeline.write(WebSocketCommand.send(.binary(Self.payload)), promise: promise)
    nonisolated(unsafe) var isWritten = false
    promise.futureResult.whenSuccess { isWritten = true }
    #expect(!isWritten)
    bench.channel.pipeline.flush()
    bench.loop.run()
    #expect(isWritten)
  }
}

/// A handler with a receiver that echoes.
private final class ReceiverBench: Bench {
  let receiver = Echo()

  init(_ role: ConnectionType, extensions: [any Extension] = []) throws {
    try super.init(role, extensions: extensions)
    handler.receiver = receiver
  }
}

private final class Echo: WebSocketReceiver {
  var messages: [WebSocketMessage] = []
  var readLoops = 0
  var closed: WebSocketClosed?
  var onMessage: ((WebSocketMessage) -> Void)?
  var onClosed: (() -> Void)?

  func receivedText(_ text: UTF8Span, on handler: WebSocketChannelHandler) {
    let message = WebSocketMessage.text(String(copying: text))
    messages.append(message)
    onMessage?(message)
    try? handler.sendText(text)
  }

  func receivedBytes(_ bytes: RawSpan, on handler: WebSocketChannelHandler) {
    messages.append(.binary(bytes.withUnsafeBytes { ByteBuffer(bytes: $0) }))
    try? handler.sendBytes(bytes)
  }

  func readComplete(on handler: WebSocketChannelHandler) { readLoops += messages.isEmpty ? 0 : 1 }

  func received(_ event: WebSocketEvent, on handler: WebSocketChannelHandler) {
    guard case .closed(let closed) = event else { return }
    self.closed = closed
    onClosed?()
  }
}

private final class BlockingWrites: ChannelOutboundHandler {
  typealias OutboundIn = ByteBuffer
  private var isFirst = true

  func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
    context.write(data, promise: promise)
    guard isFirst else { return }
    isFirst = false
    context.fireChannelWritabilityChanged()
  }
}

private final class ClosesWhenUnwritable: ChannelInboundHandler {
  typealias InboundIn = WebSocketMessage
  typealias OutboundOut = WebSocketCommand

  func channelWritabilityChanged(context: ChannelHandlerContext) {
    let close = WebSocketCommand.close(CloseConnection(code: .tryAgainLater))
    context.writeAndFlush(Self.wrapOutboundOut(close), promise: nil)
  }
}

/// Gives its bytes as soon as it is asked.
private final class SynchronousTransport: ChannelOutboundHandler {
  typealias OutboundIn = ByteBuffer
  var bytes: ByteBuffer?

  func read(context: ChannelHandlerContext) {
    guard let bytes else { return }
    self.bytes = nil
    context.fireChannelRead(NIOAny(bytes))
    context.fireChannelReadComplete()
  }
}

private final class ReadCounter: ChannelOutboundHandler {
  typealias OutboundIn = ByteBuffer
  var count = 0

  func read(context: ChannelHandlerContext) { count += 1 }
}
#endif
