// SPDX-License-Identifier: Apache-2.0

import CAllocationCounter
import CCopyCounter
import EchoHandlers
import NIOCore
import NIOEmbedded
import NIOWebSocket
import WSProto
import WSProtoNIO

/// What an echo server's pipeline allocates and copies for a read of 64 KiB, apart from the transport: an embedded channel
/// takes the place of the socket, and its own costs are those of the bare echo.
///
/// One line a case: contender, size, messages a read, allocations a read, bytes copied a read.
@main enum Counts {
  static func main() throws {
    guard wsb_allocations_are_counted() else { fatalError("this platform's allocations aren't counted") }
    for size in [16, 1024, 65_000] {
      for contender in Contender.allCases { try measure(contender, size) }
    }
  }

  private static func measure(_ contender: Contender, _ size: Int) throws {
    let frame = try maskedFrame(size)
    let messages = max(1, 65_536 / frame.count)
    let rounds = 100
    let channel = EmbeddedChannel()
    try channel.connect(to: SocketAddress(ipAddress: "127.0.0.1", port: 1)).wait()
    try contender.build(channel)
    let read = Array(repeatElement(frame, count: messages).joined())
    // A buffer a read, and a second reference to it: a channel of NIO keeps one, too.
    let reads = (0..<(rounds + 20)).map { _ in ByteBuffer(bytes: read) }
    var before = (allocations: UInt64(0), copied: UInt64(0))
    for (number, bytes) in reads.enumerated() {
      // Buffers and inline storage have their sizes by then.
      if number == 20 { before = (wsb_allocations(), wsb_bytes_copied()) }
      channel.pipeline.fireChannelRead(bytes)
      channel.pipeline.fireChannelReadComplete()
      var answered = 0
      while let written = try channel.readOutbound(as: ByteBuffer.self) { answered += written.readableBytes }
      guard answered >= messages * size else { fatalError("\(contender): \(answered) bytes came back") }
    }
    let allocations = Double(wsb_allocations() - before.allocations) / Double(rounds)
    let copied = Double(wsb_bytes_copied() - before.copied) / Double(rounds)
    print(contender.rawValue, size, messages, allocations, Int(copied))
  }

  private static func maskedFrame(_ size: Int) throws -> [UInt8] {
    let client = Connection(.client)
    return try client.send(BytesMessage(data: Bytes((0..<size).map { UInt8(truncatingIfNeeded: $0 &* 7) })))
  }
}

private enum Contender: String, CaseIterable {
  case raw, nio, receiver, handler

  func build(_ channel: EmbeddedChannel) throws {
    let pipeline = channel.pipeline.syncOperations
    switch self {
    case .raw: try pipeline.addHandler(RawEcho())
    case .nio:
      try pipeline.addHandlers([
        WebSocketFrameEncoder(), ByteToMessageHandler(WebSocketFrameDecoder(maxFrameSize: 1 << 20)),
      ])
      try pipeline.addHandlers(frameEcho())
    case .receiver:
      let handler = WebSocketChannelHandler(Connection(.server))
      handler.receiver = SpanEcho()
      try pipeline.addHandler(handler)
    case .handler:
      try pipeline.addHandlers([WebSocketChannelHandler(Connection(.server)), MessageEcho()])
    }
  }
}
