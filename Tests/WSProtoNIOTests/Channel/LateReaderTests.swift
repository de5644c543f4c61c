// SPDX-License-Identifier: Apache-2.0

#if NIO
import NIOCore
import NIOEmbedded
import Testing
import WSProto

@testable import WSProtoNIO

@Suite("The channel handler, with a peer that reads late")
struct LateReaderTests {
  @Test("takes a message of 10 MiB, and echoes it, while the transport takes nothing")
  func lateReader() throws {
    var options = WebSocketOptions()
    options.maxMessageBytes = 10 << 20
    let bench = try Bench(.server, options, echoes: true)
    let data = (0..<(10 << 20)).map { UInt8(truncatingIfNeeded: $0 &* 7) }
    let frame = try bench.peer.sendBytes(data)
    bench.channel.isWritable = false
    bench.channel.pipeline.fireChannelWritabilityChanged()
    for start in stride(from: 0, to: frame.count, by: 64 << 10) {
      try bench.receive(Array(frame[start..<min(start + (64 << 10), frame.count)]))
    }
    #expect(bench.recorder.messages.map(\.bytes.readableBytes) == [10 << 20])
    bench.channel.isWritable = true
    bench.channel.pipeline.fireChannelWritabilityChanged()
    var echo: [UInt8] = []
    for event in try bench.sentEvents() {
      if case .bytesMessage(let part) = event { part.data.withUnsafeBytes { echo += $0 } }
    }
    #expect(echo == data)
    _ = try bench.channel.finish(acceptAlreadyClosed: true)
  }
}
#endif
