// SPDX-License-Identifier: Apache-2.0

/// Control packets of MQTT 3.1.1 and 5.0 (OASIS, §2, §3). A WebSocket message may hold several packets, or parts of
/// one (§6 of 3.1.1); parts are shown as far as their message goes.
struct MQTTDecoder: PayloadDecoder {
  static var name: String { "mqtt" }
  static var subprotocols: [String] { ["mqtt", "mqttv3.1"] }

  private static let types = [
    "CONNECT", "CONNACK", "PUBLISH", "PUBACK", "PUBREC", "PUBREL", "PUBCOMP", "SUBSCRIBE", "SUBACK",
    "UNSUBSCRIBE",
    "UNSUBACK", "PINGREQ", "PINGRESP", "DISCONNECT", "AUTH",
  ]

  func lines(_ content: [UInt8], isText: Bool, isCut: Bool) throws(PayloadError) -> [String] {
    guard !isText else {
      throw PayloadError(format: "MQTT", offset: 0, message: "a text message; MQTT is binary")
    }
    var lines: [String] = []
    var rest = content[...]
    while !rest.isEmpty, lines.count < 32 {
      let start = rest.startIndex
      let first = rest[start]
      guard first >> 4 > 0 else {
        throw PayloadError(format: "MQTT", offset: start, message: "the packet type 0, which is reserved")
      }
      rest = rest.dropFirst()
      guard let length = try Self.length(&rest, isCut: isCut) else { return lines + ["mqtt packet, cut"] }
      let body = rest.prefix(length)
      rest = rest.dropFirst(length)
      lines.append(Self.line(first, body, length))
    }
    return lines
  }

  /// A variable byte integer of up to four bytes (§2.2.3).
  private static func length(_ rest: inout ArraySlice<UInt8>, isCut: Bool) throws(PayloadError) -> Int? {
    let start = rest.startIndex
    var value = 0
    for shift in [0, 7, 14, 21] {
      guard let byte = rest.popFirst() else {
        if isCut { return nil }
        throw PayloadError(format: "MQTT", offset: rest.endIndex, message: "the length has no end")
      }
      value |= Int(byte & 0x7F) << shift
      if byte & 0x80 == 0 { return value }
    }
    throw PayloadError(format: "MQTT", offset: start, message: "a length of more than four bytes")
  }

  private static func line(_ first: UInt8, _ body: ArraySlice<UInt8>, _ length: Int) -> String {
    let type = Int(first >> 4)
    var line = "mqtt \(types[type - 1])"
    switch type {
    case 1:
      let name = string(body, 0)
      let level = body.byte(2 + (name?.count ?? 0))
      if let name { line += " " + Escaping.quoted(name, limit: 16) }
      if let level { line += " level \(level)" }
    case 3:
      let quality = first >> 1 & 3
      line += " qos \(quality)" + (first & 8 != 0 ? " dup" : "") + (first & 1 != 0 ? " retain" : "")
      if let topic = string(body, 0) {
        line += " " + Escaping.quoted(topic, limit: 64)
        if quality > 0, let id = body.number16(2 + topic.count) { line += " id \(id)" }
      }
    case 2, 14, 15: break
    case 12, 13: break
    default: if let id = body.number16(0) { line += " id \(id)" }
    }
    line += ", \(length) bytes"
    if body.count < length { line += ", of which \(body.count) are in this message" }
    return line
  }

  /// A string with its length in two bytes (§1.5.3).
  private static func string(_ body: ArraySlice<UInt8>, _ offset: Int) -> ArraySlice<UInt8>? {
    guard let length = body.number16(offset), body.count >= offset + 2 + Int(length) else { return nil }
    return body.after(offset + 2).prefix(Int(length))
  }
}
