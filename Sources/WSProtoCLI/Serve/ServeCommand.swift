// SPDX-License-Identifier: Apache-2.0

#if Tool && NIO
import ArgumentParser
import Foundation
import HTTPTypes
import Logging
import NIOCore
import NIOSSL
import WSProto
import WSProtoLab
import WSProtoNIO
import WSProtoTool

struct ServeCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "serve",
    abstract: "A server: echoes messages, and shows a page to try it from a browser.",
    usage: "wsproto serve [options]",
    discussion: """
      Examples:
        wsproto serve                      echo, and a page at http://127.0.0.1:9001/
        wsproto serve --exec 'while read l; do date; done'
        wsproto serve --tls --broadcast --host 0.0.0.0
        wsproto serve --tcp localhost:22   the other end of connect --raw
      It prints its address, and a line for each connection that has ended.
      With --exec, a line break within a text reaches the command as a space, so
      that a message is one line; --null keeps it. What the command would still take
      for two messages is refused with 1003.
      More options: --help-hidden.
      """
  )

  @Option(help: ArgumentHelp("Where to listen.", valueName: "name"))
  var host = "127.0.0.1"

  @Option(
    name: .shortAndLong,
    help: ArgumentHelp("The port to listen at; 0 lets the system choose.", valueName: "n")
  )
  var port = 9001

  @Option(help: ArgumentHelp("A Unix socket to listen at, in place of host and port.", valueName: "path"))
  var unix: String?

  @Flag(help: "Send each message to all connections, its sender included.")
  var broadcast = false

  @Option(
    help: ArgumentHelp("Run this for each connection. Lines in and out are messages.", valueName: "command")
  )
  var exec: String?

  @Flag(
    name: [.customShort("0"), .customLong("null")],
    help: "With --exec: messages end in a byte 0, in both directions."
  )
  var null = false

  @Flag(help: "With --exec: bytes in and out, as binary messages.")
  var binary = false

  @Flag(help: "Talk to all connections from this terminal, or from standard input.")
  var interactive = false

  @Option(help: ArgumentHelp("Connect each WebSocket to this HOST:PORT by TCP.", valueName: "address"))
  var tcp: String?

  @Option(help: ArgumentHelp("A folder whose files are served, in place of the page.", valueName: "folder"))
  var directory: String?

  @OptionGroup var certificate: ServerCertificateArguments

  @Option(
    name: [.customShort("s"), .customLong("subprotocol")],
    help: ArgumentHelp("A subprotocol to accept; again for more. (default: any)", valueName: "name")
  )
  var subprotocols: [String] = []

  @Option(
    help: ArgumentHelp("Whose pages may connect; '*': any. (default: this server's)", valueName: "origin")
  )
  var allowOrigin: [String] = []

  @Flag(help: "Do not accept permessage-deflate.")
  var noCompression = false

  @Flag(help: ArgumentHelp("Do not accept HTTP/2, where there is TLS.", visibility: .hidden))
  var noHttp2 = false

  @Option(help: ArgumentHelp("The largest message to take.", valueName: "size"))
  var maxMessage = "64M"

  @Option(
    help: ArgumentHelp(
      "How much may wait for a client that reads late.",
      valueName: "size",
      visibility: .hidden
    )
  )
  var maxBuffer = "64M"

  @Option(help: ArgumentHelp("How many at once; fewer where descriptors are scarce.", valueName: "n"))
  var maxConnections = 10_000

  @Option(help: ArgumentHelp("How long handshakes may take.", valueName: "time", visibility: .hidden))
  var handshakeTimeout = "10s"

  @Option(help: ArgumentHelp("The time between pings; 0 for none.", valueName: "time", visibility: .hidden))
  var pingInterval = "20s"

  @Option(
    help: ArgumentHelp(
      "How long a client may be silent after a ping; 0 for ever.",
      valueName: "time",
      visibility: .hidden
    )
  )
  var pingTimeout = "20s"

  @Option(help: ArgumentHelp("How long stopping may take.", valueName: "time", visibility: .hidden))
  var stopTimeout = "5s"

  @Option(help: ArgumentHelp("Stop after this many connections.", valueName: "n", visibility: .hidden))
  var connections: Int?

  @Flag(help: "A JSON object a line.")
  var json = false

  @Flag(help: "Print nothing but the address.")
  var quiet = false

  @Flag(name: .shortAndLong, help: "Show what was refused, and why.")
  var verbose = false

  func validate() throws {
    guard 0...65535 ~= port else { throw ValidationError("--port must be in 0...65535") }
    if let connections, connections < 1 { throw ValidationError("--connections must be at least 1") }
    guard maxConnections >= 1 else { throw ValidationError("--max-connections must be at least 1") }
    let modes = [broadcast, exec != nil, interactive, tcp != nil]
    guard modes.filter({ $0 }).count <= 1 else {
      throw ValidationError("--broadcast, --exec, --interactive and --tcp exclude each other")
    }
    if let tcp, HostAndPort(tcp).map({ $0.port == 0 }) ?? true {
      throw ValidationError("--tcp needs HOST:PORT, not \(shownInQuotes(tcp))")
    }
    if exec == nil, binary || null {
      throw ValidationError("\(binary ? "--binary" : "--null") needs --exec")
    }
    if binary, null { throw ValidationError("--binary and --null exclude each other") }
    if host.isEmpty { throw ValidationError("--host needs a name or an address") }
    if let directory {
      var isFolder: ObjCBool = false
      guard FileManager.default.fileExists(atPath: directory, isDirectory: &isFolder), isFolder.boolValue
      else {
        throw ValidationError("--directory: there is no folder \(shownInQuotes(directory))")
      }
    }
    for subprotocol in subprotocols where !Self.isToken(subprotocol) {
      throw ValidationError(
        "--subprotocol needs a token (RFC 6455 §4.1), not \(shownInQuotes(subprotocol))"
      )
    }
    _ = try ClientArguments.duration("--stop-timeout", stopTimeout)
    _ = try socketOptions()
    _ = try originPolicy()
  }

  /// Whether it is a token (RFC 9110 §5.6.2), as the names of fields are.
  private static func isToken(_ text: String) -> Bool { HTTPField.Name(text) != nil }

  // MARK: Options

  private func socketOptions() throws -> WebSocketOptions {
    var options = WebSocketOptions()
    options.maxMessageBytes = try ClientArguments.size("--max-message", maxMessage)
    // A client may send all of its messages before it reads the first answer. Taken from the server's memory, so that
    // many that never read don't take all of the machine's.
    options.maxCrossingBytes = try ClientArguments.size("--max-buffer", maxBuffer)
    // Output and commands may block.
    options.runsOnEventLoop = false
    if !noCompression { options.compression = WebSocketCompression() }
    options.timeouts.opening = try ClientArguments.limit("--handshake-timeout", handshakeTimeout)
    options.timeouts.keepalive = try ClientArguments.keepalive(pingInterval, pingTimeout)
    return options
  }

  private func originPolicy() throws -> OriginPolicy {
    if allowOrigin.contains("*") { return .any }
    if allowOrigin.isEmpty { return .sameHost }
    do {
      return try .list(parsing: allowOrigin, missing: .allowed)
    } catch {
      throw ValidationError("--allow-origin: \(error)")
    }
  }

  private func serverOptions(_ log: ServeLog, _ service: any ServedConversation) throws
    -> WebSocketServerOptions
  {
    var options = WebSocketServerOptions()
    options.socket = try socketOptions()
    options.origin = try originPolicy()
    options.subprotocols = subprotocols
    // Any: the first that the client asks for.
    if subprotocols.isEmpty { options.decide = { .accept(subprotocol: $0.subprotocols.first) } }
    options.http2 = !noHttp2
    options.limits.maxConnections = min(
      maxConnections,
      max(1, Descriptors.available() / service.descriptorsPerConnection)
    )
    options.shutdown.timeout = try ClientArguments.duration("--stop-timeout", stopTimeout)
    options.logger = Logger(label: "wsproto.serve") { _ in log.handler }
    // Messages are large here, and answers may wait in memory, too.
    options.limits.maxMessageMemory = 1 << 30
    let site = Site(directory: directory)
    options.answer = { request in await site.answer(request) }
    options.tls = try certificate.configuration(host: host)
    return options
  }

  // MARK: Running

  func run() async throws {
    let log = ServeLog(json: json, quiet: quiet, verbose: verbose)
    let service = try service(log)
    let options = try serverOptions(log, service)
    if let unix { try await UnixSocketPath.checkIsFree(unix) }
    let listener: WebSocketListener = unix.map { .unix(path: $0) } ?? .host(host, port: port)
    let finished = Countdown(connections)
    let server = WebSocketServer([listener], options: options) { socket in
      await log.serve(socket, service) { finished.isStopping }
      finished.count()
    }
    finished.whenDone { server.shutDown() }
    try Signals.handle { number in
      if finished.isStopping { leaveProcess(128 + number) }
      finished.stop()
    }
    async let running: Void = server.run()
    do {
      let addresses = try await server.addresses
      log.listening(url(at: addresses.first, isSecure: options.tls != nil))
      try service.start()
    } catch {
      // What `run` throws says more.
    }
    do {
      try await running
    } catch let error as WebSocketListenError {
      throw ToolFailure(.notConnected, "\(error)")
    }
    service.stop()
  }

  private func url(at address: SocketAddress?, isSecure: Bool) -> String {
    if let unix { return "ws+unix:\(unix)" }
    let name = host.contains(":") ? "[\(host)]" : host
    return "\(isSecure ? "wss" : "ws")://\(name):\(address?.port ?? port)/"
  }

  private func service(_ log: ServeLog) throws -> any ServedConversation {
    if broadcast { return BroadcastService() }
    if interactive { return InteractiveService(log) }
    if let exec {
      return ExecService(
        command: exec,
        framing: binary ? .stream : null ? .null : .lines,
        maxMessage: try ClientArguments.size("--max-message", maxMessage)
      )
    }
    if let tcp, let place = HostAndPort(tcp) { return TCPService(place) }
    return EchoService(log)
  }
}
#endif
