// SPDX-License-Identifier: Apache-2.0

/// Socket.IO 5 in Engine.IO 4: a digit for the packet of Engine.IO, and for a message another for that of Socket.IO.
struct SocketIODecoder: PayloadDecoder {
  static var name: String { "socket.io" }
  static var subprotocols: [String] { ["socket.io", "engine.io"] }

  private static let engine = ["open", "close", "ping", "pong", "message", "upgrade", "noop"]
  private static let socket = [
    "CONNECT", "DISCONNECT", "EVENT", "ACK", "CONNECT_ERROR", "BINARY_EVENT", "BINARY_ACK",
  ]

  func lines(_ content: [UInt8], isText: Bool, isCut: Bool) throws(PayloadError) -> [String] {
    guard isText else { return ["socket.io attachment of \(content.count) bytes"] }
    let type = try Self.digit(content, 0, Self.engine.count)
    guard type == 4 else { return ["engine.io \(Self.engine[type])" + Self.rest(content[1...])] }
    let packet = try Self.digit(content, 1, Self.socket.count)
    var rest = content[2...]
    var line = "socket.io \(Self.socket[packet])"
    if packet >= 5 {
      let digits = rest.prefix { 0x30...0x39 ~= $0 }
      guard !digits.isEmpty, rest.dropFirst(digits.count).first == UInt8(ascii: "-") else {
        throw PayloadError(format: "Socket.IO", offset: 2, message: "no number of attachments")
      }
      line += ", \(String(decoding: digits.prefix(8), as: UTF8.self)) attachments"
      rest = rest.dropFirst(digits.count + 1)
    }
    if rest.first == UInt8(ascii: "/") {
      let namespace = rest.prefix { $0 != UInt8(ascii: ",") }
      line += " " + Escaping.escaped(Array(namespace.prefix(64)))
      rest = rest.dropFirst(namespace.count + 1)
    }
    let id = rest.prefix { 0x30...0x39 ~= $0 }
    if !id.isEmpty { line += " id \(String(decoding: id.prefix(20), as: UTF8.self))" }
    rest = rest.dropFirst(id.count)
    guard !rest.isEmpty else { return [line] }
    let summary = try JSONSummary(rest, isCut: isCut, format: "Socket.IO", at: rest.startIndex)
    return [line + " " + summary.description]
  }

  private static func digit(_ content: [UInt8], _ offset: Int, _ count: Int) throws(PayloadError) -> Int {
    guard offset < content.count, case let digit = Int(content[offset]) - 0x30, 0..<count ~= digit else {
      throw PayloadError(format: "Socket.IO", offset: offset, message: "no digit of 0 to \(count - 1)")
    }
    return digit
  }

  private static func rest(_ bytes: ArraySlice<UInt8>) -> String {
    bytes.isEmpty ? "" : " " + Escaping.quoted(bytes, limit: 128)
  }
}
