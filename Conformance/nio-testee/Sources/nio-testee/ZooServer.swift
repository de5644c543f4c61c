// SPDX-License-Identifier: Apache-2.0

import Logging
import NIOCore
import WSProto
import WSProtoNIO

/// The server of the zoo: what it does depends on the path. See Conformance/README.md.
enum ZooServer {
  static func run(_ arguments: Arguments) async throws {
    guard let port = arguments.operands.first.flatMap({ Int($0) }) else { fail(usage) }
    var options = try EchoServerSettings(arguments).options
    options.subprotocols = ["zoo.v1"]
    options.logger.logLevel = .error
    // Peers that read nothing while they send 10 MiB: their echo waits here.
    options.socket.sendWatermark = 32 << 20
    let server = WebSocketServer(port: port, options: options) { socket in
      await ZooSession(socket).run()
    }
    try await server.run()
  }
}

/// One connection.
private struct ZooSession {
  private let socket: WebSocket
  private let target: String
  private let path: Substring

  init(_ socket: WebSocket) {
    self.socket = socket
    target = socket.request.target
    path = target.prefix { $0 != "?" }
  }

  func run() async {
    report("opened", target, socket.subprotocol ?? "", socket.compression?.answer ?? "")
    var isReset = false
    do {
      isReset = try await answer()
    } catch let closed as WebSocketClosed {
      if case .violation = closed.cause { report("error", target, "\(closed)") }
    } catch {
      report("error", target, "\(error)")
    }
    // What the peer has closed with, if it has.
    let close = try? await socket.close()
    guard !isReset else { return }
    report("closed", target, "\(close?.code.rawValue ?? 1006)", close?.reason ?? "")
  }

  /// Returns whether the transport was reset.
  private func answer() async throws -> Bool {
    var isFirst = true
    for try await message in socket.messages {
      switch path {
      case "/reset":
        Transport.reset(peerPort: socket.remoteAddress?.port)
        return true
      case "/close":
        guard let text = message.text else { continue }
        let parts = text.split(separator: " ", maxSplits: 1)
        let code = parts.first.flatMap { UInt16($0) } ?? 1008
        try await socket.close(code: CloseReason(code), reason: parts.count > 1 ? String(parts[1]) : nil)
        return false
      case "/fragments": try await socket.send(message, inParts: 3)
      case "/ping":
        try await socket.send(message, inParts: 2, pinging: true)
        // `ping` has returned, so that this is the pong's payload.
        report("pong", target, "zoo")
      case "/flood" where isFirst:
        for _ in 0..<10 { try await socket.send(message) }
      default: try await socket.send(message)
      }
      isFirst = false
    }
    return false
  }
}

extension WebSocket {
  /// Sends a message in so many parts; with a ping behind the first, whose answer is waited for, where that is wished.
  func send(_ message: WebSocketMessage, inParts count: Int, pinging: Bool = false) async throws {
    var rest = message.bytes
    try await send(message.kind) { writer in
      for number in 0..<count {
        let size = rest.readableBytes / (count - number)
        guard let part = rest.readSlice(length: size) else { return }
        try await writer.write(part)
        if pinging, number == 0 { _ = try await ping() }
      }
    }
  }
}

extension PerMessageDeflate {
  /// The parameters that were agreed on, as an answer has them; those that say nothing are left out.
  var answer: String {
    var parts = ["permessage-deflate"]
    if serverNoContextTakeover { parts.append("server_no_context_takeover") }
    if clientNoContextTakeover { parts.append("client_no_context_takeover") }
    if serverMaxWindowBits < 15 { parts.append("server_max_window_bits=\(serverMaxWindowBits)") }
    if clientMaxWindowBits < 15 { parts.append("client_max_window_bits=\(clientMaxWindowBits)") }
    return parts.joined(separator: "; ")
  }
}
