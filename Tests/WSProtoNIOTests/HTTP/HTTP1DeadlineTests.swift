// SPDX-License-Identifier: Apache-2.0

#if NIO
import HTTPTypes
import NIOCore
import NIOEmbedded
import Testing
import WSProto

@testable import WSProtoNIO

@Suite("The deadlines of a server's side of HTTP/1.1, on a clock of the test's")
struct HTTP1DeadlineTests {
  @Test(
    "a head, or a body, that comes byte by byte ends with the deadline, and leaves its place",
    .threat(23, 24),
    arguments: ["GET / HTTP/1.1\r\n", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n"]
  )
  func dripping(start: String) throws {
    let bench = try HTTPBench()
    try bench.receive(start)
    for _ in 0..<9 {
      bench.loop.advanceTime(by: .seconds(1))
      try bench.receive("x")
    }
    #expect(bench.channel.isActive)
    #expect(bench.places.count == 0)
    bench.loop.advanceTime(by: .seconds(1))
    #expect(!bench.channel.isActive)
    #expect(bench.places.count == 1)
  }

  @Test("bytes that never become a TLS handshake end with the deadline", .threat(23))
  func silence() throws {
    let channel = EmbeddedChannel()
    try channel.connect(to: SocketAddress(ipAddress: "127.0.0.1", port: 1)).wait()
    let places = Counter()
    let pending = PendingConnection(channel, limit: .seconds(10)) { places.add(1) }
    channel.embeddedEventLoop.advanceTime(by: .seconds(10))
    #expect(!channel.isActive)
    #expect(places.count == 1)
    pending.end()
    #expect(places.count == 1)
    channel.end()
  }

  @Test("a connection that is kept alive ends where no further request comes in time", .threat(24))
  func keepAlive() throws {
    let bench = try HTTPBench()
    for _ in 0..<3 {
      try bench.receive("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
      #expect(try bench.sent().hasPrefix("HTTP/1.1 200 "))
      bench.loop.advanceTime(by: .seconds(9))
      #expect(bench.channel.isActive)
    }
    bench.loop.advanceTime(by: .seconds(1))
    #expect(!bench.channel.isActive)
  }

  @Test("a peer that doesn't end the transport after the last response is not waited for beyond the deadline")
  func lastResponse() throws {
    let bench = try HTTPBench()
    try bench.receive("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    #expect(try bench.sent().hasPrefix("HTTP/1.1 200 "))
    for _ in 0..<10 {
      try bench.receive("more")
      bench.loop.advanceTime(by: .seconds(1))
    }
    #expect(!bench.channel.isActive)
  }
}

/// The handler of HTTP/1.1 in an embedded channel.
private final class HTTPBench {
  let loop = EmbeddedEventLoop()
  let channel: EmbeddedChannel
  /// How many places of pending connections were given back.
  let places = Counter()

  init() throws {
    channel = EmbeddedChannel(loop: loop)
    try channel.connect(to: SocketAddress(ipAddress: "127.0.0.1", port: 1)).wait()
    let pending = PendingConnection(channel, limit: .seconds(10)) { [places] in places.add(1) }
    let handler = HTTP1ServerHandler(Pages(), pending, peer: nil)
    try channel.pipeline.syncOperations.addHandler(handler)
  }

  deinit { channel.end() }

  /// Nothing, once the channel has ended.
  func receive(_ text: String) throws {
    guard channel.isActive else { return }
    try channel.writeInbound(ByteBuffer(string: text))
  }

  func sent() throws -> String {
    var text = ""
    while let bytes = try channel.readOutbound(as: ByteBuffer.self) { text += String(buffer: bytes) }
    return text
  }
}

/// Answers every request with an empty page.
private final class Pages: HandshakeResponder {
  let socketOptions = WebSocketOptions()
  let maxBodyBytes = 64 << 10
  let maxRequestsPerConnection = 100
  let budget: MemoryBudget? = nil
  let answersRequests = true

  let maxLifetime: Duration? = nil

  func client(of peer: SocketAddress?, _ fields: HTTPFields) -> SocketAddress? { peer }
  func decide(_ request: Request, _ origin: HandshakeOrigin) -> Eventual<WebSocketDecision> {
    .now(.refuse(.notFound))
  }
  func answer(_ request: HTTPServerRequest) -> Eventual<HTTPServerResponse>? { .now(HTTPServerResponse()) }
  func deflatePool(on eventLoop: any EventLoop) -> DeflatePool? { nil }
  func traffic(on eventLoop: any EventLoop) -> Traffic? { nil }
  func opened(_ socket: WebSocket) {}
  func refused(_ cause: RefusalCause, _ details: String, from address: SocketAddress?) {}
}
#endif
