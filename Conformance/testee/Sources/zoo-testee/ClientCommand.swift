// SPDX-License-Identifier: Apache-2.0

import TesteeSupport
import WSProto

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif

/// Why a command was not carried out, or how it went wrong.
enum Refusal: Error {
  case cannot(String)
  case failed(String)
}

/// One line of the script: a connection, what to do on it, and what came of that.
struct ClientCommand {
  /// Set once, before the first command.
  nonisolated(unsafe) static var defaultOffer = "default"

  private let fields: [String]
  private let port: UInt16
  private let target: String

  /// Fields: the verb, the URL, then the verb's own.
  init(_ fields: [String]) throws(Refusal) {
    guard fields.count > 1, fields[1].hasPrefix("ws://") else {
      throw .failed("not a command: \(fields.joined(separator: " "))")
    }
    let rest = fields[1].dropFirst(5)
    let authority = rest.prefix { $0 != "/" }
    guard let port = authority.split(separator: ":").last.flatMap({ UInt16($0) }) else {
      throw .failed("no port in \(fields[1])")
    }
    self.fields = fields
    self.port = port
    target = String(rest.dropFirst(authority.count))
  }

  /// Returns what to print behind `ok`.
  func run() throws(Refusal) -> [String] {
    do {
      switch fields[0] {
      case "echo":
        let client = try open(offer: fields[2])
        for index in stride(from: 3, to: fields.count - 1, by: 2) {
          let message = try Payload(kind: fields[index], path: fields[index + 1])
          try client.send(message)
          try client.expect(message)
        }
        try client.close()
        return [client.extensions]
      case "burst":
        let client = try open()
        let message = try Payload(kind: fields[2], path: fields[3])
        for _ in 0..<(Int(fields[4]) ?? 0) { try client.send(message) }
        for _ in 0..<(Int(fields[5]) ?? 0) { try client.expect(message) }
        try client.close()
        return []
      case "fragments", "ping":
        let client = try open()
        let message = try Payload(kind: fields[2], path: fields[3])
        try client.send(message, parts: Int(fields[4]) ?? 2, pinging: fields[0] == "ping")
        if fields[0] == "ping" { try client.expectPong() }
        try client.expect(message)
        try client.close()
        return []
      case "close":
        let client = try open()
        let code = CloseReason(UInt16(fields[2]) ?? 0)
        return try client.close(CloseConnection(code: code, reason: fields[3].isEmpty ? nil : fields[3]))
      case "closed", "lost":
        let client = try open()
        try client.send(.text(fields[0] == "lost" ? "zoo" : "\(fields[2]) \(fields[3])"))
        return try client.awaitClose()
      case "reset":
        let client = try open()
        try client.send(.text("zoo"))
        try client.expect(.text("zoo"))
        client.link.drop(withReset: true)
        return []
      case "subprotocols":
        let offered = fields[2].split(separator: ",").map(String.init)
        let client = try open(subprotocols: offered)
        try client.send(.text("zoo"))
        try client.expect(.text("zoo"))
        try client.close()
        return [client.subprotocol]
      default: throw Refusal.cannot("the testee knows no such command")
      }
    } catch let refusal as Refusal {
      throw refusal
    } catch {
      throw .failed("\(error)")
    }
  }

  private func open(offer: String = "default", subprotocols: [String] = []) throws -> Client {
    let extensions = try extensions(offer == "default" ? Self.defaultOffer : offer)
    guard let socket = Socket.connect(port) else { throw Refusal.failed("cannot connect") }
    let client = Client(Link(.client, socket))
    try client.open(
      Request(
        host: "127.0.0.1:\(port)",
        target: target,
        extensions: extensions,
        subprotocols: subprotocols
      )
    )
    return client
  }

  /// `default`, `none`, `bare` for an offer without parameters, or the parameters of an offer.
  private func extensions(_ offer: String) throws -> [any Extension] {
    switch offer {
    case "default": return [PerMessageDeflate()]
    case "none": return []
    default:
      let wanted = offer == "bare" ? [] : offer.split(separator: ";").map { $0.filter { $0 != " " } }
      let deflate: PerMessageDeflate
      do throws(LocalProtocolError) {
        deflate = try PerMessageDeflate(parameters: wanted, clientMaxWindowBits: .absent)
      } catch {
        throw Refusal.cannot(error.message)
      }
      let made = (deflate.offer() ?? []).map { parameter in
        parameter.name + (parameter.value.map { "=" + $0 } ?? "")
      }
      guard Set(made) == Set(wanted) else { throw Refusal.cannot("the offer cannot be expressed") }
      return [deflate]
    }
  }
}

/// A message to send and to expect.
enum Payload: Equatable {
  case text(String)
  case bytes(Bytes)

  init(kind: String, path: String) throws(Refusal) {
    guard let file = fopen(path, "rb") else { throw .failed("cannot read \(path)") }
    defer { fclose(file) }
    var all: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 1 << 16)
    while case let count = fread(&buffer, 1, buffer.count, file), count > 0 { all += buffer[..<count] }
    self = kind == "text" ? .text(String(decoding: all, as: UTF8.self)) : .bytes(Bytes(all))
  }

  var described: String {
    switch self {
    case .text(let text): "a text of \(text.utf8.count) bytes"
    case .bytes(let bytes): "\(bytes.count) bytes"
    }
  }
}

/// The client's side of one connection.
final class Client {
  let link: Link
  private(set) var subprotocol = ""
  private(set) var extensions = ""
  private var messages: [Payload] = []
  private var pongs = 0
  private var isOpen = false
  private var status: Int?
  private var close: CloseConnection?

  init(_ link: Link) { self.link = link }

  // What a failed command has left open.
  deinit { link.drop() }

  private func take(_ event: Event) throws {
    switch event {
    case .acceptConnection(let accept):
      isOpen = true
      subprotocol = accept.subprotocol ?? ""
      extensions = accept.extensions.map { "\($0)" }.joined(separator: ", ")
    case .rejectConnection(let reject): status = reject.statusCode
    case .textMessage(let message): messages.append(.text(message.data))
    case .bytesMessage(let message): messages.append(.bytes(message.data))
    case .ping(let ping): try link.connection.send(ping.response(), into: &link.output)
    case .pong(let pong): pongs += pong.payload == Bytes("zoo") ? 1 : 0
    case .closeConnection(let close):
      if self.close == nil { self.close = close }
      if link.connection.state == .remoteClosing {
        try link.connection.send(close.response(), into: &link.output)
      }
    case .request, .rejectData: break
    }
  }

  /// Turns until `done`, which must come true while the connection lives.
  private func turn(awaiting what: String, until done: () -> Bool) throws {
    while !done() {
      if try link.turn(seconds: 9, take) { continue }
      if done() { return }
      if let status { throw Refusal.failed("refused with \(status)") }
      if let failure = link.failure { throw Refusal.failed(failure) }
      let end = close.map { "closed with \($0.code) \($0.reason ?? "")" } ?? "ended"
      throw Refusal.failed("\(end) instead of \(what)")
    }
  }

  func open(_ request: Request) throws {
    try link.connection.send(request, into: &link.output)
    try turn(awaiting: "an answer to the handshake") { isOpen }
  }

  func send(_ message: Payload) throws {
    switch message {
    case .text(let text): try link.connection.send(TextMessage(data: text), into: &link.output)
    case .bytes(let bytes): try link.connection.send(BytesMessage(data: bytes), into: &link.output)
    }
  }

  /// Sends `message` in `count` frames; with a ping after the first, where that is wished.
  func send(_ message: Payload, parts count: Int, pinging: Bool) throws {
    for number in 0..<count {
      if pinging, number == 1 { try link.connection.send(Ping(payload: Bytes("zoo")), into: &link.output) }
      let isLast = number == count - 1
      switch message {
      case .text(let text):
        let part = cut(text, into: count)[number]
        try link.connection.send(TextMessage(data: part, messageFinished: isLast), into: &link.output)
      case .bytes(let bytes):
        let part = bytes.part(bytes.count * number / count..<bytes.count * (number + 1) / count)
        try link.connection.send(
          BytesMessage(data: part, messageFinished: isLast),
          into: &link.output
        )
      }
    }
  }

  func expect(_ message: Payload) throws {
    try turn(awaiting: message.described) { !messages.isEmpty }
    let got = messages.removeFirst()
    if got != message { throw Refusal.failed("got \(got.described), sent \(message.described)") }
  }

  func expectPong() throws { try turn(awaiting: "a pong") { pongs > 0 } }

  /// Closes in order; returns the code and the reason that the server sent.
  @discardableResult
  func close(_ close: CloseConnection = CloseConnection(code: .normalClosure)) throws -> [String] {
    try link.connection.send(close, into: &link.output)
    return try awaitClose()
  }

  /// Waits for the end; returns its code and reason.
  func awaitClose() throws -> [String] {
    try turn(awaiting: "a close") { close != nil && (link.connection.state != .open) && link.isFlushed }
    link.finish()
    return ["\(close.map { $0.code.rawValue } ?? 1006)", close?.reason ?? ""]
  }
}
