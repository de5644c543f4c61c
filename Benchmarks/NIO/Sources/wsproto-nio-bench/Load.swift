// SPDX-License-Identifier: Apache-2.0

import NIOCore
import NIOPosix
import NIOSSL

// The load, the same for every server: frames that were prepared and masked ahead, on connections of one event loop. Of
// the answers only the bytes are counted.

/// What goes out and what is to come back.
struct Traffic: Sendable {
  /// The messages of one write.
  let batch: ByteBuffer
  let messagesABatch: Int
  /// What one message's answer takes.
  let answerBytes: Int
  /// How many batches of a connection may be without their answers.
  let window: Int

  var answersABatch: Int { messagesABatch * answerBytes }

  /// - Parameter isRaw: the server echoes bytes: they are as many as a WebSocket server's answers.
  init(messageBytes: Int, messagesABatch: Int, window: Int, isRaw: Bool) {
    var frame = Self.header(messageBytes, isMasked: false)
    answerBytes = frame.count + messageBytes
    if !isRaw { frame = Self.header(messageBytes, isMasked: true) + [0x37, 0xfa, 0x21, 0x3d] }
    frame += (0..<messageBytes).map { UInt8(truncatingIfNeeded: $0 &* 7) }
    var batch = ByteBuffer()
    batch.reserveCapacity(frame.count * messagesABatch)
    for _ in 0..<messagesABatch { batch.writeBytes(frame) }
    self.batch = batch
    self.messagesABatch = messagesABatch
    self.window = window
  }

  /// A binary frame's first bytes (RFC 6455 §5.2).
  static func header(_ length: Int, isMasked: Bool) -> [UInt8] {
    let mask: UInt8 = isMasked ? 0x80 : 0
    switch length {
    case ..<126: return [0x82, mask | UInt8(length)]
    case ..<65536: return [0x82, mask | 126, UInt8(length >> 8), UInt8(length & 0xff)]
    default: return [0x82, mask | 127] + (0..<8).map { UInt8(length >> (56 - 8 * $0) & 0xff) }
    }
  }
}

/// All connections, on one event loop.
final class Load {
  let traffic: Traffic
  let eventLoop: any EventLoop
  var connections: [LoadConnection] = []
  /// Bytes of answers since the last command.
  var received = 0
  /// How many batches each connection sends; `nil`: until `isStopping`.
  var limit: Int?
  var isStopping = false
  /// Bytes that are still to come, which ends the command.
  var outstanding = 0
  private var ended: EventLoopPromise<Int>?

  init(_ traffic: Traffic, _ eventLoop: any EventLoop) {
    self.traffic = traffic
    self.eventLoop = eventLoop
  }

  /// Begins a command; the future has the bytes that were received until nothing was outstanding.
  func begin(limit: Int?) -> EventLoopFuture<Int> {
    let promise = eventLoop.makePromise(of: Int.self)
    ended = promise
    received = 0
    isStopping = false
    self.limit = limit
    for connection in connections { connection.begin() }
    return promise.futureResult
  }

  /// Waits for bytes that nothing was sent for.
  func expect(_ bytes: Int) -> EventLoopFuture<Int> {
    let promise = eventLoop.makePromise(of: Int.self)
    ended = promise
    isStopping = true
    outstanding += bytes
    check()
    return promise.futureResult
  }

  func took(_ bytes: Int) {
    received += bytes
    outstanding -= bytes
    check()
  }

  private func check() {
    guard outstanding <= 0, isStopping || limit != nil, let ended else { return }
    self.ended = nil
    ended.succeed(received)
    received = 0
  }

  func lost(_ error: any Error) { ended?.fail(error) }
}

/// One connection: its handshake, then batches for answers.
final class LoadConnection: ChannelInboundHandler {
  typealias InboundIn = ByteBuffer
  typealias OutboundOut = ByteBuffer

  private let load: Load
  private var head: ByteBuffer?
  private let opened: EventLoopPromise<Void>
  private var context: ChannelHandlerContext?
  private var outstanding = 0
  private var sent = 0

  init(_ load: Load, isRaw: Bool, opened: EventLoopPromise<Void>) {
    self.load = load
    self.opened = opened
    head = isRaw ? nil : ByteBuffer()
  }

  private static let request = ByteBuffer(
    string: "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
      + "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
  )

  func channelActive(context: ChannelHandlerContext) {
    self.context = context
    if head == nil {
      opened.succeed()
    } else {
      context.writeAndFlush(Self.wrapOutboundOut(Self.request), promise: nil)
    }
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    var bytes = Self.unwrapInboundIn(data)
    if head != nil {
      head?.writeBuffer(&bytes)
      guard let text = head.map({ String(buffer: $0) }), text.hasSuffix("\r\n\r\n") else { return }
      head = nil
      if text.hasPrefix("HTTP/1.1 101") {
        opened.succeed()
      } else {
        opened.fail(BenchError("no 101: \(text.prefix(80))"))
      }
      return
    }
    outstanding -= bytes.readableBytes
    // Before the load looks whether that was all.
    fill(context)
    load.took(bytes.readableBytes)
  }

  func begin() {
    sent = 0
    if let context { fill(context) }
  }

  private func fill(_ context: ChannelHandlerContext) {
    let traffic = load.traffic
    var writes = false
    while !load.isStopping, outstanding <= (traffic.window - 1) * traffic.answersABatch,
      sent < load.limit ?? .max
    {
      outstanding += traffic.answersABatch
      load.outstanding += traffic.answersABatch
      sent += 1
      context.write(Self.wrapOutboundOut(traffic.batch), promise: nil)
      writes = true
    }
    if writes { context.flush() }
  }

  func channelInactive(context: ChannelHandlerContext) {
    let error = BenchError("the server has closed a connection")
    opened.fail(error)
    load.lost(error)
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    opened.fail(error)
    load.lost(error)
    context.close(promise: nil)
  }
}

func runLoad(_ arguments: Arguments) throws {
  let isRaw = arguments["protocol"] == "raw"
  let traffic = Traffic(
    messageBytes: arguments.number("size", default: 1024),
    messagesABatch: arguments.number("batch", default: 1),
    window: arguments.number("window", default: 1),
    isRaw: isRaw
  )
  let port = arguments.number("port", default: 0)
  let count = arguments.number("connections", default: 1)
  let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
  let eventLoop = group.next()
  var configuration = TLSConfiguration.makeClientConfiguration()
  configuration.certificateVerification = .none
  let tls = arguments["tls"] == nil ? nil : try NIOSSLContext(configuration: configuration)
  let load = try eventLoop.submit { NIOLoopBound(Load(traffic, eventLoop), eventLoop: eventLoop) }.wait()
  // In waves, for the backlog of the server.
  for wave in stride(from: 0, to: count, by: 64) {
    try EventLoopFuture.andAllSucceed(
      (wave..<min(count, wave + 64)).map { _ in
        eventLoop.flatSubmit { connect(load.value, port, isRaw, tls) }
      },
      on: eventLoop
    ).wait()
  }
  say("ready")
  while let line = readLine() {
    let words = line.split(separator: " ")
    guard let value = words.last.flatMap({ Double($0) }) else { throw BenchError("what is \(line)?") }
    let clock = ContinuousClock()
    let start = clock.now
    let bytes: Int
    switch words[0] {
    case "run":
      // For so many seconds.
      eventLoop.scheduleTask(in: .nanoseconds(Int64(value * 1e9))) { load.value.isStopping = true }
      bytes = try eventLoop.flatSubmit { load.value.begin(limit: nil) }.wait()
    case "each":
      // So many batches a connection.
      bytes = try eventLoop.flatSubmit { load.value.begin(limit: Int(value)) }.wait()
    case "expect":
      bytes = try eventLoop.flatSubmit { load.value.expect(Int(value)) }.wait()
    default: throw BenchError("what is \(line)?")
    }
    let time = (clock.now - start) / .seconds(1)
    say("done \(bytes / traffic.answerBytes) \(time)")
  }
}

private func connect(_ load: Load, _ port: Int, _ isRaw: Bool, _ tls: NIOSSLContext?) -> EventLoopFuture<Void>
{
  let opened = load.eventLoop.makePromise(of: Void.self)
  let connection = LoadConnection(load, isRaw: isRaw, opened: opened)
  load.connections.append(connection)
  let bound = NIOLoopBound(connection, eventLoop: load.eventLoop)
  ClientBootstrap(group: load.eventLoop)
    .channelOption(.tcpOption(.tcp_nodelay), value: 1)
    .channelOption(.maxMessagesPerRead, value: 4)
    .channelInitializer { channel in
      channel.eventLoop.makeCompletedFuture {
        let pipeline = channel.pipeline.syncOperations
        if let tls { try pipeline.addHandler(NIOSSLClientHandler(context: tls, serverHostname: nil)) }
        try pipeline.addHandler(bound.value)
      }
    }
    .connect(host: "127.0.0.1", port: port)
    .whenFailure { opened.fail($0) }
  return opened.futureResult
}
