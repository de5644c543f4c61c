// SPDX-License-Identifier: Apache-2.0

import WSProto

/// Finds where a head ends. Never looks at a byte twice, however small the pieces are in which the head arrives.
struct HeadEnd {
  private var searched = 0
  private var lineStart = 0

  /// The offset after the empty line that ends a head; with LF alone too, which the verdict is about. Beyond the limit of
  /// WSProto, a head is judged as far as it goes.
  ///
  /// - Parameter bytes: those of the last call, and what has arrived since.
  mutating func find(in bytes: [UInt8]) -> Int? {
    while searched < bytes.count {
      defer { searched += 1 }
      guard bytes[searched] == 0x0A else { continue }
      let length = searched - lineStart
      if lineStart > 0, length == 0 || length == 1 && bytes[lineStart] == 0x0D { return searched + 1 }
      lineStart = searched + 1
    }
    return bytes.count > 16 << 10 ? bytes.count : nil
  }
}

/// What is read of heads besides WSProto's verdict.
enum WebSocketRequest {
  /// Whether a head is meant to open a WebSocket, well or badly.
  static func isLikely(_ head: ArraySlice<UInt8>) -> Bool {
    let text = head.prefix(16 << 10).map { 0x41...0x5A ~= $0 ? $0 | 0x20 : $0 }
    return text.firstRange(of: Array("sec-websocket-".utf8)) != nil
      || text.firstRange(of: Array("upgrade: websocket".utf8)) != nil
  }

  /// The three digits of a status line.
  static func status(_ record: HandshakeRecord) -> Int? {
    let parts = record.startLine.split(separator: UInt8(ascii: " "), maxSplits: 2)
    return parts.count > 1 ? Int(String(decoding: parts[1], as: UTF8.self)) : nil
  }

  /// The names of the extensions in a response.
  static func extensions(_ record: HandshakeRecord) -> [String] {
    guard let value = record.value("Sec-WebSocket-Extensions"),
      let list = try? ExtensionHeader.parseList(String(decoding: value, as: UTF8.self))
    else { return [] }
    return list.map(\.description)
  }

  /// A violation in a head, at the field that the error names; else at the beginning.
  static func finding(_ error: RemoteProtocolError, in head: [UInt8]) -> Finding {
    Finding(
      severity: .violation,
      rule: "handshake",
      section: section(in: error.description),
      offset: field(named: error.message, in: head) ?? 0,
      message: error.description
    )
  }

  /// The first section that an error cites.
  private static func section(in text: String) -> String? {
    guard let start = text.firstRange(of: "RFC ") else { return nil }
    let end = text[start.lowerBound...].firstIndex { $0 == ")" || $0 == "," || $0 == ";" || $0 == ":" }
    return String(text[start.lowerBound..<(end ?? text.endIndex)])
  }

  private static func field(named message: String, in head: [UInt8]) -> Int? {
    let name: String
    if message.contains("accept token") {
      name = "sec-websocket-accept"
    } else {
      let parts = message.split(separator: "'")
      guard parts.count > 1, let first = parts[1].split(separator: ":").first else { return nil }
      name = first.lowercased()
    }
    let lowered = head.map { 0x41...0x5A ~= $0 ? $0 | 0x20 : $0 }
    return lowered.firstRange(of: Array("\n\(name):".utf8)).map { $0.lowerBound + 1 }
  }
}
