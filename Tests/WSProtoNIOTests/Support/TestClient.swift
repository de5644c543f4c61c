// SPDX-License-Identifier: Apache-2.0

#if NIO
import HTTPTypes
import Logging
import NIOCore
import NIOPosix
import NIOSSL
import Synchronization
import Testing
import WSProto

@testable import WSProtoNIO

/// A peer on a TCP or Unix socket: bytes as they are, or a client made of the core.
final class TestClient {
  let connection: WSConnection
  private var inbound: NIOAsyncChannelInboundStream<ByteBuffer>.AsyncIterator
  let outbound: NIOAsyncChannelOutboundWriter<ByteBuffer>
  /// What was read and not used.
  private var unread = ByteBuffer()
  /// Pings of the server are answered.
  var answersPings = true

  fileprivate init(
    _ inbound: NIOAsyncChannelInboundStream<ByteBuffer>,
    _ outbound: NIOAsyncChannelOutboundWriter<ByteBuffer>,
    _ configuration: Configuration
  ) {
    self.inbound = inbound.makeAsyncIterator()
    self.outbound = outbound
    connection = WSConnection(.client, configuration: configuration)
  }

  /// Connects, and closes afterwards.
  ///
  /// - Parameter proxyHeader: sent before the first byte of TLS.
  static func connect<R>(
    to address: SocketAddress,
    configuration: Configuration = Configuration(delivery: .wholeMessages),
    tls: TLSConfiguration? = nil,
    proxyHeader: [UInt8] = [],
    _ body: (TestClient) async throws -> R
  ) async throws -> R {
    let context = try tls.map { try NIOSSLContext(configuration: $0) }
    let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
      .connect(to: address) { channel in
        channel.eventLoop.makeCompletedFuture {
          if !proxyHeader.isEmpty {
            try channel.pipeline.syncOperations.addHandler(Prefix(ByteBuffer(bytes: proxyHeader)))
          }
          if let context {
            let handler = try NIOSSLClientHandler(context: context, serverHostname: "localhost")
            try channel.pipeline.syncOperations.addHandler(handler)
          }
          return try NIOAsyncChannel<ByteBuffer, ByteBuffer>(
            wrappingChannelSynchronously: channel,
            configuration: .init(isOutboundHalfClosureEnabled: true)
          )
        }
      }
    return try await channel.executeThenClose { inbound, outbound in
      try await body(TestClient(inbound, outbound, configuration))
    }
  }

  /// Connects and opens a WebSocket.
  static func open<R>(
    to address: SocketAddress,
    _ request: Request = Request(host: "localhost", target: "/"),
    configuration: Configuration = Configuration(delivery: .wholeMessages),
    _ body: (TestClient) async throws -> R
  ) async throws -> R {
    try await connect(to: address, configuration: configuration) { client in
      guard case .acceptConnection = try await client.open(request) else {
        throw TestFailure("the handshake was refused")
      }
      return try await body(client)
    }
  }

  // MARK: Bytes

  func write(_ text: String) async throws { try await outbound.write(ByteBuffer(string: text)) }

  func write(_ bytes: [UInt8]) async throws { try await outbound.write(ByteBuffer(bytes: bytes)) }

  /// Nothing more is sent; the other direction stays.
  func endOutput() { outbound.finish() }

  /// The next bytes; `nil` at the end of the transport, however it has ended.
  func read() async -> ByteBuffer? {
    if unread.readableBytes > 0 {
      defer { unread = ByteBuffer() }
      return unread
    }
    return try? await inbound.next()
  }

  /// A response of HTTP/1.1 with a Content-Length, or without a body.
  func readResponse(hasBody: Bool = true) async throws -> (head: String, body: String) {
    var bytes: [UInt8] = []
    var end: Range<Int>?
    while end == nil {
      guard let more = await read() else {
        throw TestFailure("the transport has ended behind \(String(decoding: bytes, as: UTF8.self))")
      }
      bytes += more.readableBytesView
      end = bytes.firstRange(of: Array("\r\n\r\n".utf8))
    }
    let head = String(decoding: bytes[..<(end?.lowerBound ?? 0)], as: UTF8.self)
    var rest = Array(bytes[(end?.upperBound ?? 0)...])
    let length = head.split(separator: "\r\n").compactMap { line -> Int? in
      let parts = line.split(separator: ":", maxSplits: 1)
      guard parts.count == 2, parts[0].lowercased() == "content-length" else { return nil }
      return Int(parts[1].drop { $0 == " " })
    }
    let count = hasBody ? length.first ?? 0 : 0
    while rest.count < count {
      guard let more = await read() else { throw TestFailure("the transport has ended inside a body") }
      rest += more.readableBytesView
    }
    // What follows need not be text.
    unread = ByteBuffer(bytes: rest.dropFirst(count))
    return (head, String(decoding: rest.prefix(count), as: UTF8.self))
  }

  /// What is read until the transport ends.
  func readToEnd() async -> String {
    var text = ""
    while let bytes = await read() { text += String(buffer: bytes) }
    return text
  }

  // MARK: WebSocket

  /// Sends the request; gives the first event of the answer.
  func open(_ request: Request) async throws -> Event? {
    try await send(request)
    return try await next()
  }

  func send(_ event: some EventConvertible) async throws { try await write(connection.send(event)) }

  /// The next event but pings; `nil` at the end of the transport.
  func next() async throws -> Event? {
    while true {
      if let event = connection.nextEvent() {
        guard case .ping(let ping) = event, answersPings else { return event }
        try await send(ping.response())
        continue
      }
      guard let bytes = await read() else { return nil }
      try connection.receiveData(bytes.readableBytesView)
    }
  }

  /// The next text.
  func nextText() async throws -> String {
    guard case .textMessage(let message) = try await next() else { throw TestFailure("no text has come") }
    return message.data
  }

  /// The next event, which must be a Close; answered if it has to be.
  func nextClose() async throws -> CloseConnection {
    guard case .closeConnection(let close) = try await next() else { throw TestFailure("no Close has come") }
    // A server that has found a violation has ended the transport already.
    if connection.state == .remoteClosing { try? await send(close.response()) }
    return close
  }

  /// Closes in order; gives what the server's Close says.
  @discardableResult
  func close(_ code: CloseReason = .normalClosure) async throws -> CloseConnection {
    try await send(CloseConnection(code: code))
    while let event = try await next() {
      if case .closeConnection(let close) = event { return close }
    }
    throw TestFailure("no Close has come")
  }
}

/// Sends bytes as soon as there is a connection, before anybody else.
private final class Prefix: ChannelInboundHandler {
  typealias InboundIn = ByteBuffer
  typealias OutboundOut = ByteBuffer

  private let bytes: ByteBuffer

  init(_ bytes: ByteBuffer) { self.bytes = bytes }

  func channelActive(context: ChannelHandlerContext) {
    context.writeAndFlush(Self.wrapOutboundOut(bytes), promise: nil)
    context.fireChannelActive()
  }
}

struct TestFailure: Error, CustomStringConvertible {
  let description: String
  init(_ description: String) { self.description = description }
}

/// Counts from any task.
final class Counter: Sendable {
  private let value = Atomic(0)

  var count: Int { value.load(ordering: .relaxed) }

  func add(_ count: Int) { value.add(count, ordering: .relaxed) }

  /// The count when it has stood still for a while.
  func whenAtRest() async throws -> Int {
    var before = -1
    while count != before {
      before = count
      try await Task.sleep(for: .milliseconds(300))
    }
    return before
  }
}

/// Runs a server on a port of the system's choice for as long as `body` does.
///
/// - Parameter log: gets what the server says; nobody does unless stated.
func withServer<R>(
  _ options: WebSocketServerOptions = WebSocketServerOptions(),
  log: TestLog? = nil,
  handler: @escaping WebSocketServer.Handler = echo,
  _ body: (SocketAddress, WebSocketServer) async throws -> R
) async throws -> R {
  // What the tests bring about is no news for those who run them.
  var options = options
  options.logger = log?.logger() ?? Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
  let server = WebSocketServer(port: 0, options: options, handler: handler)
  return try await withThrowingTaskGroup(of: Void.self) { group in
    group.addTask { try await server.run() }
    let result = try await body(try await server.addresses[0], server)
    server.shutDown()
    try await group.waitForAll()
    return result
  }
}

/// Sends every message back.
@Sendable
func echo(_ socket: WebSocket) async throws {
  for try await message in socket.messages { try await socket.send(message) }
}

/// The head of a request for a WebSocket, with further lines.
func handshake(_ lines: String...) -> String {
  let own = [
    "GET / HTTP/1.1", "Host: localhost", "Upgrade: websocket", "Connection: Upgrade",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Version: 13",
  ]
  return (own + lines).joined(separator: "\r\n") + "\r\n\r\n"
}
#endif
