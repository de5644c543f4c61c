// SPDX-License-Identifier: Apache-2.0

import TesteeSupport
import WSProto

/// The server's side of one connection: what it does depends on the path.
struct ServerSession {
  private let link: Link
  private var target = ""
  private var isFirst = true
  private var path = Substring()
  private var close: CloseConnection?

  init(_ socket: Socket) { link = Link(.server, socket) }

  /// Talks until the connection is over.
  mutating func run() {
    var isReset = false
    do {
      while try link.turn({ event in if try answer(event) { isReset = true } }) {
        if isReset { break }
      }
    } catch {
      report("error", target, "\(error)")
    }
    if isReset { return link.drop(withReset: true) }
    if let failure = link.failure { report("error", target, failure) }
    link.finish()
    if let close { report("closed", target, "\(close.code.rawValue)", close.reason ?? "") }
  }

  /// Returns whether the connection is to be reset.
  private mutating func answer(_ event: Event) throws -> Bool {
    switch event {
    case .request(let request): try accept(request)
    case .textMessage(let message):
      if path == "/reset" { return true }
      try answer(text: message.data)
    case .bytesMessage(let message):
      if path == "/reset" { return true }
      try answer(bytes: message.data)
    case .ping(let ping): try link.connection.send(ping.response(), into: &link.output)
    case .pong(let pong): report("pong", target, String(decoding: pong.payload, as: UTF8.self))
    case .closeConnection(let close):
      if self.close == nil { self.close = close }
      if link.connection.state == .remoteClosing {
        try link.connection.send(close.response(), into: &link.output)
      }
    case .acceptConnection, .rejectConnection, .rejectData: break
    }
    return false
  }

  private mutating func accept(_ request: Request) throws {
    target = request.target
    path = target.prefix { $0 != "?" }
    var deflate: PerMessageDeflate? = PerMessageDeflate()
    let query = target.dropFirst(path.count + 1).split(separator: "&")
    if let wish = query.first(where: { $0.hasPrefix("deflate=") })?.dropFirst(8) {
      deflate = wish == "none" ? nil : try PerMessageDeflate(parameters: wish.split(separator: ","))
    }
    let before = link.output.count
    let chosen = request.subprotocols.first { $0 == "zoo.v1" }
    let answer = AcceptConnection(subprotocol: chosen, extensions: deflate.map { [$0] } ?? [])
    try link.connection.send(answer, into: &link.output)
    let head = String(decoding: link.output[before...], as: UTF8.self)
    report("opened", target, chosen ?? "", field("sec-websocket-extensions", of: head))
  }

  private mutating func answer(text: String) throws {
    switch path {
    case "/close":
      let parts = text.split(separator: " ", maxSplits: 1)
      let code = parts.first.flatMap { UInt16($0) } ?? 1008
      let close = CloseConnection(
        code: CloseReason(code),
        reason: parts.count > 1 ? String(parts[1]) : nil
      )
      try link.connection.send(close, into: &link.output)
    case "/fragments", "/ping":
      let parts = cut(text, into: path == "/ping" ? 2 : 3)
      for (number, part) in parts.enumerated() {
        if path == "/ping", number > 0 {
          try link.connection.send(Ping(payload: Bytes("zoo")), into: &link.output)
        }
        let message = TextMessage(data: part, messageFinished: number == parts.count - 1)
        try link.connection.send(message, into: &link.output)
      }
    default:
      for _ in 0..<copies() { try link.connection.send(TextMessage(data: text), into: &link.output) }
    }
  }

  /// How often a message goes back.
  private mutating func copies() -> Int {
    defer { isFirst = false }
    return path == "/flood" && isFirst ? 10 : 1
  }

  private mutating func answer(bytes: Bytes) throws {
    guard path == "/fragments" || path == "/ping" else {
      for _ in 0..<copies() {
        try link.connection.send(BytesMessage(data: bytes), into: &link.output)
      }
      return
    }
    let half = bytes.count / 2
    try link.connection.send(
      BytesMessage(data: bytes.part(0..<half), messageFinished: false),
      into: &link.output
    )
    if path == "/ping" { try link.connection.send(Ping(payload: Bytes("zoo")), into: &link.output) }
    try link.connection.send(BytesMessage(data: bytes.part(half..<bytes.count)), into: &link.output)
  }
}

/// The value of a field in a head, or nothing.
func field(_ name: String, of head: String) -> String {
  for line in head.split(separator: "\r\n") {
    let parts = line.split(separator: ":", maxSplits: 1)
    guard parts.count == 2, parts[0].lowercased() == name else { continue }
    return String(parts[1].drop { $0 == " " })
  }
  return ""
}

/// `text` in `count` parts, each of whole characters.
func cut(_ text: String, into count: Int) -> [String] {
  let bytes = Array(text.utf8)
  var parts: [String] = []
  var start = 0
  for number in 1...count {
    var end = bytes.count * number / count
    while end < bytes.count, bytes[end] & 0xC0 == 0x80 { end += 1 }
    parts.append(String(decoding: bytes[start..<max(start, end)], as: UTF8.self))
    start = max(start, end)
  }
  return parts
}

extension PerMessageDeflate {
  /// From parameters as they stand in an offer, such as `client_max_window_bits=10`.
  init(parameters: [some StringProtocol], clientMaxWindowBits absent: ClientWindowBits = .unspecified)
    throws(LocalProtocolError)
  {
    var flags: Set<String> = []
    var bits: [String: Int] = [:]
    for parameter in parameters {
      let parts = parameter.split(separator: "=", maxSplits: 1)
      if parts.count == 2 { bits[String(parts[0])] = Int(parts[1]) } else { flags.insert(String(parameter)) }
    }
    try self.init(
      clientNoContextTakeover: flags.contains("client_no_context_takeover"),
      clientMaxWindowBits: bits["client_max_window_bits"].map { .bits($0) }
        ?? (flags.contains("client_max_window_bits") ? .unspecified : absent),
      serverNoContextTakeover: flags.contains("server_no_context_takeover"),
      serverMaxWindowBits: bits["server_max_window_bits"]
    )
  }
}
