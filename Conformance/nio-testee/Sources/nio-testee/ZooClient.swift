// SPDX-License-Identifier: Apache-2.0

import NIOCore
import WSProto
import WSProtoNIO

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif

/// Why a command was not carried out, or how it went wrong.
private enum Refusal: Error {
  case cannot(String)
  case failed(String)
}

/// The client of the zoo: carries out the lines of standard input. See Conformance/README.md.
enum ZooClient {
  /// The options of all connections that the command line has.
  private static func options(_ arguments: Arguments) -> WebSocketClientOptions {
    var options = WebSocketClientOptions()
    options.socket.maxMessageBytes = 16 << 20
    switch arguments["http2"] {
    case "required": options.http2 = .required
    case "preferred": options.http2 = .preferred
    default: break
    }
    if let file = arguments["roots"] { options.tls.roots = .file(file) }
    return options
  }

  static func run(_ arguments: Arguments) async {
    let options = options(arguments)
    while let line = readLine() {
      let fields = line.split(separator: "\t", omittingEmptySubsequences: false).map(String.init)
      do {
        report(["ok"] + (try await run(fields, options)))
      } catch Refusal.cannot(let why) {
        report("cannot", why)
      } catch Refusal.failed(let why) {
        report("failed", why)
      } catch {
        report("failed", "\(error)")
      }
    }
  }

  /// Returns what to print behind `ok`.
  private static func run(_ fields: [String], _ options: WebSocketClientOptions) async throws -> [String] {
    guard fields.count > 1 else { throw Refusal.failed("not a command: \(fields)") }
    let url = fields[1]
    switch fields[0] {
    case "echo":
      return try await connect(url, options, offer: fields[2]) { talk in
        for index in stride(from: 3, to: fields.count - 1, by: 2) {
          let message = try message(kind: fields[index], path: fields[index + 1])
          try await talk.socket.send(message)
          try await talk.expect(message)
        }
        return [talk.socket.compression?.answer ?? ""]
      }
    case "burst":
      let message = try message(kind: fields[2], path: fields[3])
      let (count, total) = (Int(fields[4]) ?? 0, Int(fields[5]) ?? 0)
      return try await connect(url, options) { talk in
        let socket = talk.socket
        async let sending: Void = { for _ in 0..<count { try await socket.send(message) } }()
        for _ in 0..<total { try await talk.expect(message) }
        try await sending
        return []
      }
    case "fragments", "ping":
      let message = try message(kind: fields[2], path: fields[3])
      let count = Int(fields[4]) ?? 2
      return try await connect(url, options) { talk in
        // A ping that is answered returns.
        try await talk.socket.send(message, inParts: count, pinging: fields[0] == "ping")
        try await talk.expect(message)
        return []
      }
    case "close":
      return try await connect(url, options) { talk in
        let code = CloseReason(UInt16(fields[2]) ?? 0)
        return told(try await talk.socket.close(code: code, reason: fields[3].isEmpty ? nil : fields[3]))
      }
    case "closed", "lost":
      return try await connect(url, options) { talk in
        try await talk.socket.send(fields[0] == "lost" ? "zoo" : "\(fields[2]) \(fields[3])")
        try await talk.readToEnd()
        // Says again what the peer has closed with.
        return told(try await talk.socket.close())
      }
    case "reset":
      return try await connect(url, options) { talk in
        try await talk.socket.send("zoo")
        try await talk.expect("zoo")
        Transport.reset(peerPort: talk.socket.remoteAddress?.port)
        return []
      }
    case "subprotocols":
      let offered = fields[2].split(separator: ",").map(String.init)
      return try await connect(url, options, subprotocols: offered) { talk in
        try await talk.socket.send("zoo")
        try await talk.expect("zoo")
        return [talk.socket.subprotocol ?? ""]
      }
    default: throw Refusal.cannot("WSProtoNIO has no call for it")
    }
  }

  private static func told(_ close: CloseConnection?) -> [String] {
    ["\(close?.code.rawValue ?? 1006)", close?.reason ?? ""]
  }

  private static func connect(
    _ url: String,
    _ options: WebSocketClientOptions,
    offer: String = "default",
    subprotocols: [String] = [],
    _ body: (Talk) async throws -> [String]
  ) async throws -> [String] {
    var options = options
    options.socket.compression = try compression(offer)
    options.subprotocols = subprotocols
    return try await WebSocketClient.connect(to: url, options: options) { try await body(Talk($0)) }
  }

  /// `default`, `none`, or the parameters of an offer, of which this interface can make two sets.
  private static func compression(_ offer: String) throws -> WebSocketCompression? {
    if offer == "none" { return nil }
    var compression = WebSocketCompression()
    compression.threshold = 0
    compression.keepsContext = true
    if offer == "default" { return compression }
    let wanted = Set(offer.split(separator: ";").map { $0.filter { $0 != " " } })
    for keepsContext in [true, false] {
      let deflate = try PerMessageDeflate(
        clientNoContextTakeover: !keepsContext,
        serverNoContextTakeover: !keepsContext
      )
      let made = (deflate.offer() ?? []).map { $0.name + ($0.value.map { "=" + $0 } ?? "") }
      if Set(made) == wanted {
        compression.keepsContext = keepsContext
        return compression
      }
    }
    throw Refusal.cannot("WebSocketCompression makes no such offer")
  }

  private static func message(kind: String, path: String) throws(Refusal) -> WebSocketMessage {
    guard let file = fopen(path, "rb") else { throw .failed("cannot read \(path)") }
    defer { fclose(file) }
    var all: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 1 << 16)
    while case let count = fread(&buffer, 1, buffer.count, file), count > 0 { all += buffer[..<count] }
    return kind == "text" ? .text(String(decoding: all, as: UTF8.self)) : .binary(all)
  }
}

/// One connection, whose messages are expected one by one.
private final class Talk {
  let socket: WebSocket
  private var messages: WebSocket.Messages.Iterator

  init(_ socket: WebSocket) {
    self.socket = socket
    messages = socket.messages.makeAsyncIterator()
  }

  func expect(_ message: WebSocketMessage) async throws {
    let size = message.bytes.readableBytes
    guard let got = try await messages.next() else {
      throw Refusal.failed("closed instead of a message of \(size) bytes")
    }
    if got != message {
      throw Refusal.failed("got \(got.kind), \(got.bytes.readableBytes) bytes; sent \(size)")
    }
  }

  /// Reads until the end, whatever it is.
  func readToEnd() async throws {
    do {
      while try await messages.next() != nil {}
    } catch is WebSocketClosed {}
  }
}
