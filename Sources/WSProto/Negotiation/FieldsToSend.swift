// SPDX-License-Identifier: Apache-2.0

import HTTPTypes

extension Headers {
  /// The fields of a caller as they go out beside those that the handshake writes itself.
  ///
  /// - Parameters:
  ///   - isUpgrade: whether HTTP/1.1 carries them.
  ///   - head: where the event that has them came from; `nil` if the caller has made it.
  /// - Returns: without what a received event has brought of the handshake's own and of one hop only (RFC 9110 §7.6.1).
  /// - Throws: if the caller's own fields are some of the handshake's, or must not be sent.
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
    // A field that the caller has added stays, whatever the peer's `Connection` names.
    return filter { field in
      !field.belongsToHandshake(inUpgrade: isUpgrade)
        && !(nominated.contains(field.name.canonicalName) && received.contains(field))
    }
  }

  /// Whether all values are such as a head may have: swift-http-types lets some control characters pass (RFC 9110 §5.5).
  func checkValues() throws(LocalProtocolError) {
    for field in self where !field.withUnsafeBytesOfValue({ $0.allSatisfy(HTTP1Bytes.isFieldContent) }) {
      throw LocalProtocolError(
        "the value of the field \(field.name.rawName) holds a control character",
        .head
      )
    }
  }

  /// Makes `option` one of those in `Connection`, behind those that are there (RFC 9110 §7.6.1).
  mutating func addConnectionOption(_ option: String) {
    let options = self[values: .connection].flatMap(splitCommaHeader)
    if options.contains(where: { $0.lowercased() == option.lowercased() }) { return }
    self[.connection] = (options + [option]).joined(separator: ", ")
  }
}

extension HTTPField {
  /// Whether the handshake writes this field itself, or its form has no place for it.
  fileprivate func belongsToHandshake(inUpgrade isUpgrade: Bool) -> Bool {
    switch name.canonicalName {
    case "host", "upgrade", "connection", "content-length", "transfer-encoding", "sec-websocket-key",
      "sec-websocket-accept", "sec-websocket-version", "sec-websocket-protocol", "sec-websocket-extensions":
      true
    default: !isUpgrade && HandshakeFields.isConnectionSpecific(self)
    }
  }
}
