// SPDX-License-Identifier: Apache-2.0

#if NIO
import NIOCore
import NIOEmbedded
import Testing
import WSProto

@testable import WSProtoNIO

/// What comes before the first message, on a clock of the test's.
@Suite struct ClientSetupHandlerTests {
  private final class Results {
    var all: [Result<ClientTransport, any Error>] = []

    var error: WebSocketClientError? {
      guard all.count == 1, case .failure(let error) = all[0] else { return nil }
      return error as? WebSocketClientError
    }
  }

  /// A channel whose client has begun, and what it has come to.
  private func begin(
    _ url: String,
    through proxy: String? = nil
  ) throws -> (channel: EmbeddedChannel, results: Results) {
    var options = WebSocketClientOptions()
    if let proxy { options.proxy = .through(try ProxyAddress(proxy)) }
    let address = try WebSocketAddress(url)
    let planner = ClientPlanner(options)
    let results = Results()
    let handler = ClientSetupHandler(try planner.plan(for: address, firstAsked: address)) {
      results.all.append($0)
    }
    let channel = EmbeddedChannel(handler: handler)
    try channel.connect(to: try SocketAddress(ipAddress: "127.0.0.1", port: 1)).wait()
    handler.begin()
    return (channel, results)
  }

  @Test(
    "no byte of the peer's puts the deadline off: an answer of a byte a second ends after 10 s",
    arguments: [nil, "http://p", "socks5://p"]
  )
  func drip(proxy: String?) throws {
    let (channel, results) = try begin("ws://h/", through: proxy)
    defer { channel.end() }
    let answer: [UInt8] = proxy == "socks5://p" ? [5, 0, 5, 0, 0, 3, 255] : Array("HTTP/1.1 2".utf8)
    for second in 0..<9 {
      channel.embeddedEventLoop.advanceTime(by: .seconds(1))
      if second < answer.count { try channel.writeInbound(ByteBuffer(bytes: [answer[second]])) }
      #expect(results.all.isEmpty && channel.isActive)
    }
    channel.embeddedEventLoop.advanceTime(by: .seconds(1))
    #expect(results.error == .timedOut(proxy == nil ? .handshake : .proxy, limit: .seconds(10)))
    #expect(!channel.isActive)
  }

  @Test("a refusal whose body does not end is told at the deadline, with what has come of it")
  func stalledBodies() throws {
    for proxy in [nil, "http://p"] {
      let (channel, results) = try begin("ws://h/", through: proxy)
      defer { channel.end() }
      try channel.writeInbound(ByteBuffer(string: "HTTP/1.1 404 Not Found\r\nContent-Length: 9\r\n\r\nabc"))
      channel.embeddedEventLoop.advanceTime(by: .seconds(9))
      #expect(results.all.isEmpty)
      channel.embeddedEventLoop.advanceTime(by: .seconds(1))
      switch results.error {
      case .refusal(let refusal) where proxy == nil: #expect(refusal.text == "abc" && refusal.isBodyCut)
      case .proxyRefused(_, let refusal) where proxy != nil:
        #expect(refusal.text == "abc" && refusal.isBodyCut)
      default: Issue.record("\(results.all)")
      }
    }
  }

  @Test("an answer in pieces of a byte opens the connection, once, and the deadline is over")
  func pieces() throws {
    let (channel, results) = try begin("ws://h/", through: "http://p")
    defer { channel.end() }
    _ = try channel.readOutbound(as: ByteBuffer.self)
    for byte in "HTTP/1.1 200 OK\r\n\r\n".utf8 { try channel.writeInbound(ByteBuffer(bytes: [byte])) }
    let request = try #require(try channel.readOutbound(as: ByteBuffer.self))
    let server = WSConnection(.server)
    try server.receiveData(request.readableBytesView)
    for event in server.events() {
      guard case .request = event else { continue }
      var answer: [UInt8] = []
      try server.send(AcceptConnection(), into: &answer)
      try server.send(TextMessage(data: "hi"), into: &answer)
      for byte in answer { try channel.writeInbound(ByteBuffer(bytes: [byte])) }
    }
    guard results.all.count == 1, case .success(.socket(let socket)) = results.all[0] else {
      Issue.record("\(results.all)")
      return
    }
    #expect(socket.response != nil)
    #expect(throws: (any Error).self) {
      try channel.pipeline.syncOperations.handler(type: ClientSetupHandler.self)
    }
    channel.embeddedEventLoop.advanceTime(by: .seconds(11))
    #expect(results.all.count == 1 && channel.isActive)
    _ = try? channel.finish(acceptAlreadyClosed: true)
  }

  @Test("the end of the transport, and an error of it, are told once")
  func ends() throws {
    for proxy in [nil, "http://p", "socks5://p"] {
      let stage = proxy == nil ? WebSocketClientError.Stage.handshake : .proxy
      let (ended, results) = try begin("ws://h/", through: proxy)
      defer { ended.end() }
      ended.pipeline.fireChannelInactive()
      ended.pipeline.fireChannelInactive()
      #expect(results.error == .disconnected(stage, nil))
      let (failed, failures) = try begin("ws://h/", through: proxy)
      defer { failed.end() }
      failed.pipeline.fireErrorCaught(ChannelError.ioOnClosedChannel)
      failed.pipeline.fireChannelInactive()
      #expect(failures.error == .disconnected(stage, "\(ChannelError.ioOnClosedChannel)"))
    }
  }
}
#endif
