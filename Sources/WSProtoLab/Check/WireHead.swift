// SPDX-License-Identifier: Apache-2.0

import WSProto

/// The head of a request or a response, legal or not.
struct WireHead {
  var startLine: String
  private(set) var fields: [(name: String, value: String)]

  /// A request for a WebSocket (RFC 6455 §4.1).
  static func request(_ settings: CheckSettings) -> WireHead {
    var head = WireHead(
      startLine: "GET \(settings.target) HTTP/1.1",
      fields: [
        ("Host", settings.host), ("Upgrade", "websocket"), ("Connection", "Upgrade"),
        ("Sec-WebSocket-Key", generateNonce()), ("Sec-WebSocket-Version", "13"),
      ]
    )
    if !settings.subprotocols.isEmpty {
      head.append("Sec-WebSocket-Protocol", settings.subprotocols.joined(separator: ", "))
    }
    for field in settings.fields { head.append(field.name, field.value) }
    return head
  }

  /// An answer that opens a WebSocket (§4.2.2).
  static func acceptance(of key: String) -> WireHead {
    WireHead(
      startLine: "HTTP/1.1 101 Switching Protocols",
      fields: [
        ("Upgrade", "websocket"), ("Connection", "Upgrade"),
        ("Sec-WebSocket-Accept", generateAcceptToken(key)),
      ]
    )
  }

  func value(_ name: String) -> String? {
    fields.first { $0.name.lowercased() == name.lowercased() }?.value
  }

  /// Gives a field another value, where it stands; adds it if it isn't there.
  mutating func set(_ name: String, _ value: String) {
    if let index = fields.firstIndex(where: { $0.name.lowercased() == name.lowercased() }) {
      fields[index].value = value
    } else {
      append(name, value)
    }
  }

  mutating func remove(_ name: String) { fields.removeAll { $0.name.lowercased() == name.lowercased() } }

  mutating func append(_ name: String, _ value: String) { fields.append((name, value)) }

  /// Writes the names of all fields in another way.
  mutating func rename(_ change: (String) -> String) {
    for index in fields.indices { fields[index].name = change(fields[index].name) }
  }

  var bytes: [UInt8] {
    let lines = [startLine] + fields.map { "\($0.name): \($0.value)" }
    return Array((lines.joined(separator: "\r\n") + "\r\n\r\n").utf8)
  }
}
