// SPDX-License-Identifier: Apache-2.0

/// STOMP 1.2: a command, headers, a body, and NUL.
struct STOMPDecoder: PayloadDecoder {
  static var name: String { "stomp" }
  static var subprotocols: [String] { ["v10.stomp", "v11.stomp", "v12.stomp", "stomp"] }

  private static let commands: Set = [
    "CONNECT", "STOMP", "CONNECTED", "SEND", "SUBSCRIBE", "UNSUBSCRIBE", "ACK", "NACK", "BEGIN", "COMMIT",
    "ABORT",
    "DISCONNECT", "MESSAGE", "RECEIPT", "ERROR",
  ]

  func lines(_ content: [UInt8], isText: Bool, isCut: Bool) throws(PayloadError) -> [String] {
    if content.allSatisfy({ $0 == 0x0A || $0 == 0x0D }) { return ["stomp heartbeat"] }
    let body = Self.bodyStart(content)
    let head = content[..<(body ?? content.count)]
    let lines = head.split(separator: 0x0A).map { $0.last == 0x0D ? $0.dropLast() : $0 }
    let command = String(decoding: (lines.first ?? []).prefix(32), as: UTF8.self)
    guard Self.commands.contains(command) else {
      throw PayloadError(format: "STOMP", offset: 0, message: "no command of STOMP")
    }
    guard let body else {
      if isCut { return ["stomp \(command), its headers are cut"] }
      throw PayloadError(format: "STOMP", offset: content.count, message: "the headers have no end")
    }
    var result = ["stomp \(command)"]
    for line in lines.dropFirst() {
      guard line.contains(UInt8(ascii: ":")) else {
        throw PayloadError(format: "STOMP", offset: line.startIndex, message: "a header without a colon")
      }
      result.append("  " + Escaping.escaped(Array(line.prefix(256))))
    }
    let end = content[body...].lastIndex(of: 0)
    if end == nil, !isCut {
      throw PayloadError(format: "STOMP", offset: content.count, message: "the frame has no NUL at its end")
    }
    let text = content[body..<(end ?? content.count)]
    if !text.isEmpty { result.append("  body of \(text.count) bytes " + Escaping.quoted(text, limit: 64)) }
    return result
  }

  /// The offset behind the empty line.
  private static func bodyStart(_ content: [UInt8]) -> Int? {
    var lineStart = 0
    for (index, byte) in content.enumerated() where byte == 0x0A {
      let length = index - lineStart
      if lineStart > 0, length == 0 || length == 1 && content[lineStart] == 0x0D { return index + 1 }
      lineStart = index + 1
    }
    return nil
  }
}
