// SPDX-License-Identifier: Apache-2.0

import BenchSupport
import NIOCore
import NIOEmbedded
import NIOHTTP1
import NIOWebSocket

// NIOWebSocket in an EmbeddedChannel: a ByteBuffer a read, the frame decoder, a handler that takes each frame's
// unmasked data. It does not validate text. Messages in fragments go through NIOWebSocketFrameAggregator.

/// Adds up the frames that reach it.
final class MessageCounter: ChannelInboundHandler {
  typealias InboundIn = WebSocketFrame

  var totals = Totals()

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    let frame = Self.unwrapInboundIn(data)
    let opcode = UInt8(webSocketOpcode: frame.opcode)
    let payload = frame.unmaskedData
    payload.withUnsafeReadableBytes { totals.add($0, opcode: opcode) }
  }
}

/// Takes the encoder's buffers at the end of the pipeline, so that no queue is measured.
final class FrameCounter: ChannelOutboundHandler {
  typealias OutboundIn = ByteBuffer

  var totals = Totals()
  private var header: (length: Int, first: UInt8, second: UInt8, key: [UInt8])?
  /// The payload length of the message that is being written.
  var payload = 0
  private var pieces: [ByteBuffer] = []

  func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
    pieces.append(Self.unwrapOutboundIn(data))
    promise?.succeed(())
  }

  func finish() {
    let length = pieces.reduce(0) { $0 + $1.readableBytes }
    guard let head = pieces.first, let tail = pieces.last else { return }
    head.withUnsafeReadableBytes { head in
      tail.withUnsafeReadableBytes { tail in
        var last: UInt8 = 0
        if payload > 0 {
          last = tail[tail.count - 1]
          if head[1] & 0x80 != 0 { last ^= head[length - payload - 4 + (payload - 1) & 3] }
        }
        totals.addFrame(length: length, payload: payload, first: head[0], second: head[1], last: last)
      }
    }
    pieces.removeAll(keepingCapacity: true)
  }
}

struct Options {
  var operation = ""
  var input = ""
  var chunk = ReadSize.bytes(65536)
  var minSeconds = 0.5
  var isClient = false
  var json = false
  var opcode = WebSocketOpcode.binary

  init(_ arguments: [String]) throws {
    var rest = arguments.dropFirst()
    operation = rest.popFirst() ?? ""
    while let name = rest.popFirst() {
      if name == "--json" {
        json = true
        continue
      }
      guard let value = rest.popFirst() else { throw BenchError("\(name) lacks its value") }
      switch name {
      case "--input": input = value
      case "--chunk": chunk = ReadSize(value) ?? chunk
      case "--min-seconds": minSeconds = Double(value) ?? minSeconds
      case "--role": isClient = value == "client"
      case "--opcode": opcode = value == "text" ? .text : .binary
      default: throw BenchError("unknown option \(name)")
      }
    }
  }
}

func decode(_ options: Options, _ measurement: Measurement) throws {
  let file = try InputFile(path: options.input)
  let reads = try file.reads(options.chunk)
  let aggregates = try file.hasFragments()
  var measurement = measurement
  measurement.chunk = options.chunk
  measurement.expected = try file.expectedTotals()
  try measurement.run { totals in
    let channel = EmbeddedChannel()
    let counter = MessageCounter()
    let pipeline = channel.pipeline.syncOperations
    try pipeline.addHandler(ByteToMessageHandler(WebSocketFrameDecoder(maxFrameSize: 1 << 30)))
    if aggregates {
      try pipeline.addHandler(
        NIOWebSocketFrameAggregator(
          minNonFinalFragmentSize: 0,
          maxAccumulatedFrameCount: .max,
          maxAccumulatedFrameSize: 1 << 30
        )
      )
    }
    try pipeline.addHandler(counter)
    for read in reads {
      var buffer = channel.allocator.buffer(capacity: read.count)
      buffer.writeBytes(read)
      try channel.writeInbound(buffer)
    }
    totals = counter.totals
    _ = try channel.finish(acceptAlreadyClosed: true)
  }
}

func encode(_ options: Options, _ measurement: Measurement) throws {
  let messages = try InputFile(path: options.input).messages().map { ByteBuffer(bytes: $0) }
  try measurement.run { totals in
    let channel = EmbeddedChannel()
    let counter = FrameCounter()
    let pipeline = channel.pipeline.syncOperations
    try pipeline.addHandler(counter)
    try pipeline.addHandler(WebSocketFrameEncoder())
    for message in messages {
      counter.payload = message.readableBytes
      let key = options.isClient ? WebSocketMaskingKey.random() : nil
      channel.write(
        WebSocketFrame(fin: true, opcode: options.opcode, maskKey: key, data: message),
        promise: nil
      )
      counter.finish()
    }
    totals = counter.totals
    _ = try channel.finish(acceptAlreadyClosed: true)
  }
}

func handshake(_ measurement: Measurement) throws {
  let request = ByteBuffer(string: ChromeRequest.text)
  let accept = Array(ChromeRequest.accept.utf8)
  try measurement.run { totals in
    for _ in 0..<100 {
      let channel = EmbeddedChannel()
      let upgrader = NIOWebSocketServerUpgrader(
        shouldUpgrade: { channel, _ in channel.eventLoop.makeSucceededFuture([:]) },
        upgradePipelineHandler: { channel, _ in channel.eventLoop.makeSucceededVoidFuture() }
      )
      try channel.pipeline.syncOperations.configureHTTPServerPipeline(
        withServerUpgrade: (upgraders: [upgrader], completionHandler: { _ in })
      )
      try channel.connect(to: SocketAddress(unixDomainSocketPath: "/in-memory")).wait()
      try channel.writeInbound(request)
      channel.embeddedEventLoop.run()
      var answer = ByteBuffer()
      while var part = try channel.readOutbound(as: ByteBuffer.self) { answer.writeBuffer(&part) }
      guard answer.readableBytesView.firstRange(of: accept) != nil else { throw BenchError("a wrong answer") }
      totals.messages += 1
      totals.payloadBytes += request.readableBytes
      totals.checksum &+= 101
      _ = try channel.finish(acceptAlreadyClosed: true)
    }
  }
}

@main
enum Peer {
  static func main() throws {
    let options = try Options(CommandLine.arguments)
    var measurement = Measurement(
      peer: "NIOWebSocket",
      version: "",
      operation: options.operation,
      api: "channel"
    )
    measurement.minSeconds = options.minSeconds
    measurement.json = options.json
    measurement.role = options.isClient ? "client" : "server"
    switch options.operation {
    case "decode": try decode(options, measurement)
    case "encode": try encode(options, measurement)
    case "handshake": try handshake(measurement)
    default:
      leaveUnsupported("NIOWebSocket has no \(options.operation)")
    }
  }
}
