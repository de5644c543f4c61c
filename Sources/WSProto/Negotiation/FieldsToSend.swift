// SPDX-License-Identifier: Apache-2.0

import HTTPTypes

extension Headers {
  /// The caller's fields, ready to be sent together with those that the handshake writes itself.
  ///
  /// - Parameters:
  ///   - isUpgrade: whether HTTP/1.1 carries them.
  ///   - head: the received head that the event came from; `nil` if the caller created it.
  /// - Returns: the fields. If the event was received, the handshake's own fields and those for a single hop
  ///   are removed (RFC 9110 §7.6.1).
  /// - Throws: if the caller added one of the handshake's own fields, or a field that must not be sent.
  func checkedToSend(
    inUpgrade isUpgrade: Bool,
    receivedIn head: ReceivedHead?
  ) throws(LocalProtocolError) -> Headers {
    if isEmpty { return self }
    try checkValues()
    for field in self {
      guard field.belongsToHandshake(inUpgrade: isUpgrade) else { continue }
      guard let head, head.extraHeaders.contains(field) else {
        throw LocalProtocolError("the field \(field.name.rawName) is the handshake's own", .head)
      }
    }
    guard let head else { return self }
    let received = head.extraHeaders
    let nominated = Set(received[values: .connection].flatMap(splitCommaHeader).map { $0.lowercased() })
    // A field that the caller has added stays, even if the peer's `Connection` names it.
    return filter { field in
      !field.belongsToHandshake(inUpgrade: isUpgrade)
        && !(nominated.contains(field.name.canonicalName) && received.contains(field))
    }
  }

  /// Checks that all values are legal in a head: swift-http-types accepts some control characters that are
  /// not (RFC 9110 §5.5).
  func checkValues() throws(LocalProtocolError) {
    for field in self where !field.withUnsafeBytesOfValue({ $0.allSatisfy(HTTP1Bytes.isFieldContent) }) {
      throw LocalProtocolError(
        "the value of the field \(field.name.rawName) holds a control character",
        .head
      )
    }
  }

  /// Adds `option` to those in `Connection` (RFC 9110 §7.6.1).
  mutating func addConnectionOption(_ option: String) {
    let options = self[values: .connection].flatMap(splitCommaHeader)
    if options.contains(where: { $0.lowercased() == option.lowercased() }) { return }
    self[.connection] = (options + [option]).joined(separator: ", ")
  }
}

extension HTTPField {
  /// Whether the handshake writes this field itself, or this form of the handshake doesn't allow it.
  fileprivate func belongsToHandshake(inUpgrade isUpgrade: Bool) -> Bool {
    switch name.canonicalName {
    case "host", "upgrade", "connection", "content-length", "transfer-encoding", "sec-websocket-key",
      "sec-websocket-accept", "sec-websocket-version", "sec-websocket-protocol", "sec-websocket-extensions":
      true
    default: !isUpgrade && HandshakeFields.isConnectionSpecific(self)
    }
  }
}
