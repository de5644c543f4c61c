// SPDX-License-Identifier: Apache-2.0

import CHeap
import NIOCore
import NIOPosix
import NIOSSL

/// A server that echoes, and sends to all on demand.
protocol BenchServer: Sendable {
  /// Listens on a port of the system's choice, and gives its number.
  func start(_ group: MultiThreadedEventLoopGroup, _ tls: TLSConfiguration?) throws -> Int
  /// Sends 1 KiB to all connections; returns when that is handed to the system or queued.
  func broadcast() throws
}

func serve(_ arguments: Arguments) throws {
  let kind = arguments["kind"] ?? ""
  let server: any BenchServer
  switch kind {
  case "raw": server = RawServer()
  case "nio": server = NIOWebSocketServer()
  case "handler": server = HandlerServer(receiver: false)
  case "receiver": server = HandlerServer(receiver: true)
  case "async": server = AsyncServer(subscribes: false)
  case "topics": server = AsyncServer(subscribes: true)
  case "raw-streams": server = RawStreamServer()
  default: throw BenchError("no server is called \(kind)")
  }
  let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
  let tls = try arguments["certificate"].map { try serverTLS(certificate: $0, key: arguments["key"] ?? "") }
  say("port \(try server.start(group, tls))")
  while let line = readLine() {
    let words = line.split(separator: " ")
    switch words.first {
    case "memory": say("memory \(wsb_heap_bytes())")
    case "broadcast":
      for _ in 0..<(words.last.flatMap { Int($0) } ?? 1) {
        try server.broadcast()
        // Until the event loop has nothing else to do.
        try group.next().submit {}.wait()
      }
      say("sent")
    default: throw BenchError("what is \(line)?")
    }
  }
}

private func serverTLS(certificate: String, key: String) throws -> TLSConfiguration {
  TLSConfiguration.makeServerConfiguration(
    certificateChain: try NIOSSLCertificate.fromPEMFile(certificate).map { .certificate($0) },
    privateKey: .privateKey(try NIOSSLPrivateKey(file: key, format: .pem))
  )
}

/// Binds a server whose connections get their handlers from `configure`, behind those of TLS.
func bind(
  _ group: MultiThreadedEventLoopGroup,
  _ tls: TLSConfiguration?,
  _ configure: @escaping @Sendable (any Channel) throws -> Void
) throws -> Int {
  let context = try tls.map { try NIOSSLContext(configuration: $0) }
  let channel = try ServerBootstrap(group: group)
    .serverChannelOption(.backlog, value: 1024)
    .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
    .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
    .childChannelInitializer { channel in
      channel.eventLoop.makeCompletedFuture {
        if let context {
          try channel.pipeline.syncOperations.addHandler(NIOSSLServerHandler(context: context))
        }
        try configure(channel)
      }
    }
    .bind(host: "127.0.0.1", port: 0).wait()
  return channel.localAddress?.port ?? 0
}

/// The channels of one event loop.
final class OpenChannels {
  private(set) var all: [ObjectIdentifier: any Channel] = [:]

  func add(_ channel: any Channel) {
    let id = ObjectIdentifier(channel)
    all[id] = channel
    channel.closeFuture.assumeIsolated().whenComplete { _ in self.all[id] = nil }
  }
}

/// ``OpenChannels``, from any thread.
final class Audience: Sendable {
  private let channels: NIOLoopBoundBox<OpenChannels?>
  let eventLoop: any EventLoop

  init(_ eventLoop: any EventLoop) {
    self.eventLoop = eventLoop
    channels = .makeBoxSendingValue(nil, eventLoop: eventLoop)
  }

  func add(_ channel: any Channel) {
    if channels.value == nil { channels.value = OpenChannels() }
    channels.value?.add(channel)
  }

  /// On the event loop, for each.
  func forEach(_ body: @escaping @Sendable (any Channel) -> Void) throws {
    try eventLoop.submit { self.channels.value?.all.values.forEach(body) }.wait()
  }
}
