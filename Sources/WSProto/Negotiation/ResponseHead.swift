// SPDX-License-Identifier: Apache-2.0

import HTTPTypes

/// The parts of a response that decide whether it opens a WebSocket, and their rules (RFC 6455 §4.1,
/// RFC 8441 §5).
struct ResponseHead {
  let status: Int
  let minorVersion: Int
  let fields: HandshakeFields
  let source: ReceivedHead.Source

  /// Checks the requirements of RFC 6455 §4.1 for a 101 that answers `key`, one by one.
  func checkUpgrade(key: InlineArray<24, UInt8>) throws(HandshakeFault) {
    // HTTP/1.0 doesn't have Upgrade, so the server can't have meant it (RFC 9110 §7.8).
    guard minorVersion > 0 else {
      throw HandshakeFault("Bad HTTP message", "101 in HTTP/1.0 (RFC 9110 §15.2)")
    }
    try fields.checkConnection("§4.1")
    if case .several = fields.upgrade { throw repeated(fields.upgrade, "Upgrade") }
    guard case .one(let upgrade) = fields.upgrade, upgrade.equals("websocket") else {
      throw HandshakeFault(
        "Missing header, 'Upgrade: WebSocket'",
        "\(fields.upgrade.inWords) (RFC 6455 §4.1)"
      )
    }
    if case .several = fields.accept { throw repeated(fields.accept, "Sec-WebSocket-Accept") }
    var expected: [UInt8] = []
    expected.reserveCapacity(28)
    appendAcceptToken(key: key.span, to: &expected)
    guard case .one(let token) = fields.accept, token.slice.elementsEqual(expected) else {
      throw HandshakeFault("Bad accept token", "\(fields.accept.inWords) (RFC 6455 §4.1)")
    }
  }

  /// Checks what RFC 9113 and RFC 9114 forbid in any response.
  func checkExtendedConnect() throws(HandshakeFault) {
    if status == 101 { throw HandshakeFault("Bad HTTP message", "101 in HTTP/2 or HTTP/3 (RFC 9113 §8.6)") }
    if let field = HandshakeFields.connectionSpecific(in: source.headers()) {
      throw HandshakeFault(
        "Forbidden header, '\(shown(field.name.rawName))'",
        "it belongs to a connection of HTTP/1.1 (RFC 9113 §8.2.2)"
      )
    }
  }

  /// The subprotocol that the server chose among those requested (RFC 6455 §4.1).
  func subprotocol(among requested: [String]) throws(HandshakeFault) -> String? {
    switch fields.subprotocols {
    case .none: return nil
    case .several: throw repeated(fields.subprotocols, "Sec-WebSocket-Protocol")
    case .one(let value):
      if let chosen = requested.first(where: { value.slice.elementsEqual($0.utf8) }) { return chosen }
      var name = ""
      for byte in value.slice { name.unicodeScalars.append(Unicode.Scalar(byte)) }
      throw HandshakeFault("unrecognized subprotocol \(shown(name))", "it was not requested (RFC 6455 §4.1)")
    }
  }

  private func repeated(_ lines: FieldLines, _ name: StaticString) -> HandshakeFault {
    HandshakeFault("Repeated header, '\(name)'", "\(lines.inWords) (RFC 6455 §4.1)")
  }
}
