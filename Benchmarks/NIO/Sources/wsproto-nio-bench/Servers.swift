// SPDX-License-Identifier: Apache-2.0

import EchoHandlers
import Logging
import NIOConcurrencyHelpers
import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL
import NIOWebSocket
import WSProto
import WSProtoNIO

private let broadcastBytes = [UInt8](repeating: 0x61, count: 1024)

// MARK: Bytes as they come

/// The floor: what was read is written.
final class RawServer: BenchServer {
  private let audience = NIOLockedValueBox<Audience?>(nil)
  /// As long as a frame.
  private let message = ByteBuffer(bytes: Traffic.header(1024, isMasked: false) + broadcastBytes)

  func start(_ group: MultiThreadedEventLoopGroup, _ tls: TLSConfiguration?) throws -> Int {
    let audience = Audience(group.next())
    self.audience.withLockedValue { $0 = audience }
    return try bind(group, tls) { channel in
      try channel.pipeline.syncOperations.addHandler(RawEcho())
      audience.add(channel)
    }
  }

  func broadcast() throws {
    let message = message
    try audience.withLockedValue { $0 }?.forEach { $0.writeAndFlush(message, promise: nil) }
  }
}

// MARK: NIOWebSocket

/// NIO's upgrader, aggregator and frames, flushed once a read loop.
final class NIOWebSocketServer: BenchServer {
  private let audience = NIOLockedValueBox<Audience?>(nil)

  func start(_ group: MultiThreadedEventLoopGroup, _ tls: TLSConfiguration?) throws -> Int {
    let audience = Audience(group.next())
    self.audience.withLockedValue { $0 = audience }
    return try bind(group, tls) { channel in
      let upgrader = NIOTypedWebSocketServerUpgrader<Void>(
        maxFrameSize: 1 << 20,
        shouldUpgrade: { channel, _ in channel.eventLoop.makeSucceededFuture([:]) },
        upgradePipelineHandler: { channel, _ in
          channel.eventLoop.makeCompletedFuture {
            try channel.pipeline.syncOperations.addHandlers(frameEcho())
            audience.add(channel)
          }
        }
      )
      _ = try channel.pipeline.syncOperations.configureUpgradableHTTPServerPipeline(
        configuration: .init(upgradeConfiguration: .init(upgraders: [upgrader]) { $0.close() })
      )
    }
  }

  func broadcast() throws {
    let frame = WebSocketFrame(fin: true, opcode: .binary, data: ByteBuffer(bytes: broadcastBytes))
    try audience.withLockedValue { $0 }?.forEach { $0.writeAndFlush(frame, promise: nil) }
  }
}

// MARK: WSProtoNIO

extension WebSocketOptions {
  /// The defaults, except that the load answers no pings: they come when the run is over.
  static var bench: WebSocketOptions {
    var options = WebSocketOptions()
    options.timeouts.keepalive = Timeouts.Keepalive(pingInterval: .seconds(3600))
    return options
  }
}

/// The channel handler, by the upgrader: with a handler behind it, or with a receiver.
final class HandlerServer: BenchServer {
  private let audience = NIOLockedValueBox<Audience?>(nil)
  private let hasReceiver: Bool

  init(receiver: Bool) { hasReceiver = receiver }

  func start(_ group: MultiThreadedEventLoopGroup, _ tls: TLSConfiguration?) throws -> Int {
    let audience = Audience(group.next())
    self.audience.withLockedValue { $0 = audience }
    var options = WebSocketUpgradeOptions()
    options.socket = .bench
    let hasReceiver = hasReceiver
    let upgrader = WebSocketServerUpgrader<Void>(options: options) { channel, _ in
      let pipeline = channel.pipeline.syncOperations
      if hasReceiver {
        try pipeline.handler(type: WebSocketChannelHandler.self).receiver = SpanEcho()
      } else {
        try pipeline.addHandler(MessageEcho())
      }
      audience.add(channel)
    }
    return try bind(group, tls) { channel in
      _ = try channel.pipeline.syncOperations.configureUpgradableHTTPServerPipeline(
        configuration: .init(upgradeConfiguration: .init(upgraders: [upgrader]) { $0.close() })
      )
    }
  }

  func broadcast() throws {
    let command = WebSocketCommand.sendPrepared(PreparedMessage(bytes: Bytes(broadcastBytes)))
    try audience.withLockedValue { $0 }?.forEach { $0.writeAndFlush(command, promise: nil) }
  }
}

/// The server, with a task a connection; it speaks HTTP/2 as well, where there is TLS.
final class AsyncServer: BenchServer {
  private let topics = WebSocketTopics()
  private let subscribes: Bool

  /// - Parameter subscribes: each socket gets what is sent to all; it takes memory.
  init(subscribes: Bool) { self.subscribes = subscribes }

  func start(_ group: MultiThreadedEventLoopGroup, _ tls: TLSConfiguration?) throws -> Int {
    var options = WebSocketServerOptions()
    options.socket = .bench
    options.tls = tls
    options.eventLoopGroup = group
    options.logger.logLevel = .error
    options.limits.maxConnections = 20_000
    let port = group.next().makePromise(of: Int.self)
    options.onListening = { port.succeed($0.first?.port ?? 0) }
    let topics = topics
    let subscribes = subscribes
    let server = WebSocketServer(port: 0, options: options) { socket in
      if subscribes { topics.subscribe(socket, to: "all") }
      for try await message in socket.messages { try await socket.send(message) }
    }
    Task {
      do { try await server.run() } catch { port.fail(error) }
    }
    return try port.futureResult.wait()
  }

  func broadcast() throws {
    topics.publish(PreparedMessage(bytes: Bytes(broadcastBytes)), to: "all")
  }
}
