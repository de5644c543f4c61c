// SPDX-License-Identifier: Apache-2.0

#if NIO
import HTTPTypes
import NIOCore
import NIOPosix
import NIOSSL
import Synchronization
import WSProto

extension Channel {
  /// Runs `body`, and closes the channel behind it.
  func whileOpen<Value>(_ body: () async throws -> Value) async throws -> Value {
    do {
      let value = try await body()
      try await close()
      return value
    } catch {
      try? await close()
      throw error
    }
  }
}

/// A server on the loopback interface whose answers a test writes; it stands for proxies, too, which go on as the server
/// behind them.
struct ScriptedServer {
  /// What becomes of a request.
  enum Reply: Sendable {
    /// The WebSocket is opened by the core; see ``ScriptHandler/take(_:)`` for what it says then.
    case open(subprotocol: String? = nil)
    /// These bytes; then nothing more is read.
    case bytes(String)
    /// These bytes, and the end of the transport.
    case last(String)
    /// These bytes; then another request is waited for.
    case tunnel(String)
    /// These bytes; then another request is waited for, over TLS.
    case tunnelToTLS(String)
  }

  let port: Int
  /// The heads of requests, `close 1000` for a Close, `end` for the end of a transport, in order.
  let log: Log

  final class Log: Sendable {
    private let lines = Mutex<[String]>([])

    func append(_ line: String) { lines.withLock { $0.append(line) } }
    var all: [String] { lines.withLock { $0 } }
    /// Without the ends of transports, which come when they come.
    var told: [String] { all.filter { $0 != "end" } }

    /// Waits for a line.
    func wait(for line: String) async throws {
      while !all.contains(line) { try await Task.sleep(for: .milliseconds(1)) }
    }
  }

  /// Runs a server while `body` runs.
  ///
  /// - Parameters:
  ///   - tls: its side of TLS; `nil` for none.
  ///   - first: answers to the first reads, whatever they are.
  ///   - reply: the answer to a request: the connection's number, from 0 on, and the head.
  static func run<Value>(
    tls: NIOSSLContext? = nil,
    first: [[UInt8]] = [],
    reply: @escaping @Sendable (Int, String) -> Reply = { _, _ in .open() },
    _ body: (ScriptedServer) async throws -> Value
  ) async throws -> Value {
    let log = Log()
    let count = Atomic<Int>(0)
    let number = { @Sendable in count.add(1, ordering: .relaxed).oldValue }
    let listener = try await ServerBootstrap(group: .singletonMultiThreadedEventLoopGroup)
      .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
      .childChannelInitializer { channel in
        channel.eventLoop.makeCompletedFuture {
          if let tls { try channel.pipeline.syncOperations.addHandler(NIOSSLServerHandler(context: tls)) }
          let number = number()
          let handler = ScriptHandler(first: first, log: log) { reply(number, $0) }
          try channel.pipeline.syncOperations.addHandler(handler)
        }
      }
      .bind(host: "127.0.0.1", port: 0).get()
    return try await listener.whileOpen {
      try await body(ScriptedServer(port: listener.localAddress?.port ?? 0, log: log))
    }
  }

  /// A port where nobody listens: the system gives out none below 32768, and programs of note have lower ones.
  ///
  /// It isn't tried out. A process that another test starts at that moment would inherit the socket, and listen on.
  static func unusedPort() -> Int { Int.random(in: 20_000..<32_768) }
}

/// One connection of a ``ScriptedServer``.
final class ScriptHandler: ChannelInboundHandler {
  typealias InboundIn = ByteBuffer
  typealias OutboundOut = ByteBuffer

  private var first: [[UInt8]]
  private let log: ScriptedServer.Log
  private let reply: (String) -> ScriptedServer.Reply
  private var unread = ByteBuffer()
  private var connection: WSConnection?
  private var isDeaf = false

  init(first: [[UInt8]], log: ScriptedServer.Log, reply: @escaping (String) -> ScriptedServer.Reply) {
    self.first = first
    self.log = log
    self.reply = reply
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    let bytes = Self.unwrapInboundIn(data)
    if isDeaf { return }
    if let connection { return receive(bytes, connection, context) }
    if !first.isEmpty {
      log.append("\(Array(bytes.readableBytesView))")
      return write(ByteBuffer(bytes: first.removeFirst()), context)
    }
    unread.writeImmutableBuffer(bytes)
    let head = String(buffer: unread)
    guard head.hasSuffix("\r\n\r\n") else { return }
    log.append(head)
    let request = unread
    unread.clear()
    switch reply(head) {
    case .open(let subprotocol):
      let connection = WSConnection(.server)
      self.connection = connection
      receive(request, connection, context, subprotocol: subprotocol)
    case .bytes(let text):
      isDeaf = true
      write(ByteBuffer(string: text), context)
    case .last(let text):
      isDeaf = true
      write(ByteBuffer(string: text), context)
      context.close(promise: nil)
    case .tunnel(let text): write(ByteBuffer(string: text), context)
    case .tunnelToTLS(let text):
      write(ByteBuffer(string: text), context)
      do {
        let tls = NIOSSLServerHandler(context: try TestCertificates.serverContext())
        try context.pipeline.syncOperations.addHandler(tls, position: .before(self))
      } catch {
        log.append("\(error)")
      }
    }
  }

  private func write(_ bytes: ByteBuffer, _ context: ChannelHandlerContext) {
    context.writeAndFlush(Self.wrapOutboundOut(bytes), promise: nil)
  }

  private func receive(
    _ bytes: ByteBuffer,
    _ connection: WSConnection,
    _ context: ChannelHandlerContext,
    subprotocol: String? = nil
  ) {
    do {
      try connection.receiveData(bytes.readableBytesView)
      var output: [UInt8] = []
      while let event = connection.nextEvent() {
        switch event {
        case .request(let request):
          let accept = AcceptConnection(subprotocol: subprotocol, extensions: [PerMessageDeflate()])
          try connection.send(accept, into: &output)
          // In one write with the answer.
          if request.target == "/greet" { try connection.send(TextMessage(data: "welcome"), into: &output) }
        case .textMessage(let message): try take(message, connection, &output, context)
        case .bytesMessage(let message): try connection.send(message, into: &output)
        case .ping(let ping): try connection.send(ping.response(), into: &output)
        case .closeConnection(let close):
          log.append("close \(close.code)")
          if connection.state == .remoteClosing { try connection.send(close.response(), into: &output) }
        default: break
        }
      }
      write(ByteBuffer(bytes: output), context)
      if connection.state == .closed { context.close(promise: nil) }
    } catch {
      log.append("\(error)")
      context.close(promise: nil)
    }
  }

  /// A text is sent back, but for `drop`, which ends the transport, and `close` with a code.
  private func take(
    _ message: TextMessage,
    _ connection: WSConnection,
    _ output: inout [UInt8],
    _ context: ChannelHandlerContext
  ) throws {
    let words = message.data.split(separator: " ")
    switch words.first {
    case "drop": context.close(promise: nil)
    case "close":
      let code = words.last.flatMap { UInt16($0) } ?? 1000
      try connection.send(CloseConnection(code: CloseReason(code), reason: "as asked"), into: &output)
    default: try connection.send(message, into: &output)
    }
  }

  func channelInactive(context: ChannelHandlerContext) {
    log.append("end")
    context.fireChannelInactive()
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
}
#endif
