// SPDX-License-Identifier: Apache-2.0

import Logging
import NIOSSL
import ServiceLifecycle
import Synchronization
import WSProto
import WSProtoNIO

/// Sends every message back, by the async interface. Prints `listening PORT`, for each connection `closed ID CODE WHY`,
/// and at its end, which SIGTERM begins, `read N answered N`.
enum EchoServer {
  private struct Counts {
    var read = 0
    var answered = 0
  }

  static func run(_ arguments: Arguments) async throws {
    var options = try EchoServerSettings(arguments).options
    let counts = Mutex(Counts())
    options.onListening = { report("listening \($0.first?.port ?? 0)") }
    let host = arguments["host"] ?? "127.0.0.1"
    let server = WebSocketServer(host: host, port: arguments.number("port") ?? 0, options: options) {
      socket in
      report("opened", "\(socket.id)")
      var why = "in order"
      do {
        for try await message in socket.messages {
          counts.withLock { $0.read += 1 }
          try await socket.send(message)
          counts.withLock { $0.answered += 1 }
        }
      } catch let closed as WebSocketClosed {
        why = "\(closed)"
      }
      // Says again what has ended it, or closes for the shutdown.
      let peer = try await socket.close(code: .goingAway)
      report("closed", "\(socket.id)", "\(peer?.code.rawValue ?? 1006)", why)
    }
    let group = ServiceGroup(
      services: [server],
      gracefulShutdownSignals: [.sigterm],
      logger: options.logger
    )
    try await group.run()
    let (read, answered) = counts.withLock { ($0.read, $0.answered) }
    report("read \(read) answered \(answered)")
  }
}

/// The options of the server, by name. What is not given stays as the library has it, but for Autobahn's messages of
/// 16 MiB.
struct EchoServerSettings {
  var options = WebSocketServerOptions()

  init(_ arguments: Arguments) throws {
    options.socket.maxMessageBytes = 64 << 20
    options.socket.compression = WebSocketCompression()
    // All of it is compressed, so that all of it is tested.
    options.socket.compression?.threshold = 0
    options.socket.compression?.keepsContext = true
    options.origin = .any
    // What is read off the process's output are its own lines.
    options.logger = Logger(label: "testee") { StreamLogHandler.standardError(label: $0) }
    if let level = arguments["log"].flatMap({ Logger.Level(rawValue: $0) }) {
      options.logger.logLevel = level
    }
    if let certificate = arguments["certificate"], let key = arguments["key"] {
      options.tls = .makeServerConfiguration(
        certificateChain: try NIOSSLCertificate.fromPEMFile(certificate).map { .certificate($0) },
        privateKey: .privateKey(try NIOSSLPrivateKey(file: key, format: .pem))
      )
    }
    if arguments["compression"] == "none" { options.socket.compression = nil }
    if let interval = arguments.seconds("ping") {
      options.socket.timeouts.keepalive = Timeouts.Keepalive(
        pingInterval: interval,
        pongTimeout: arguments.seconds("pong") ?? interval
      )
    }
    if let limit = arguments.seconds("opening") { options.socket.timeouts.opening = limit }
    if let limit = arguments.seconds("closing") { options.socket.timeouts.closing = limit }
    if let limit = arguments.seconds("stall") { options.socket.slowConsumer = .wait(atMost: limit) }
    if let bytes = arguments.number("disconnect-at") {
      options.socket.slowConsumer = .disconnect(unsentBytes: bytes)
    }
    if let bytes = arguments.number("watermark") { options.socket.sendWatermark = bytes }
    if let limit = arguments.seconds("shutdown") { options.shutdown.timeout = limit }
  }
}
