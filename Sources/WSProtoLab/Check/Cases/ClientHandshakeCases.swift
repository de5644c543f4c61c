// SPDX-License-Identifier: Apache-2.0

import WSProto

extension CheckCase {
  /// An answer with something wrong does not open the connection (RFC 6455 §4.1).
  private static func notOpened(
    _ id: String,
    _ title: String,
    _ severity: Severity = .must,
    section: String = "RFC 6455 §4.1",
    _ edit: @escaping @Sendable (inout WireHead, HandshakeRecord) -> Void
  ) -> CheckCase {
    handshake(.client, id, section, title, severity) { try await $0.expectNotOpened(edit) }
  }

  /// An answer that is written in another way, and as good.
  private static func opened(
    _ id: String,
    _ title: String,
    section: String = "RFC 6455 §4.1",
    _ edit: @escaping @Sendable (inout WireHead) -> Void
  ) -> CheckCase {
    handshake(.client, id, section, title) { peer in
      try await peer.open(edit)
      try await peer.expectAlive()
    }
  }

  /// A request with a key that the client has not sent before.
  private static func newKey(_ id: String, _ title: String) -> CheckCase {
    handshake(.client, id, "RFC 6455 §4.1", title) { peer in
      try await peer.open()
      guard peer.hasNewKey else {
        throw peer.failure(expected: "a key that was chosen at random", seen: "one that was there before")
      }
      try await peer.expectAlive()
    }
  }

  static let clientHandshake: [CheckCase] = [
    newKey("request", "The request is legal, and its key a new one."),
    newKey("request-key-again", "The next request has another key."),
    opened(
      "answer-names-in-lower-case",
      "Names of fields are compared without case.",
      section: "RFC 9110 §5.1"
    ) {
      $0.rename { $0.lowercased() }
    },
    opened("answer-upgrade-in-mixed-case", "The token websocket of Upgrade is compared without case.") {
      $0.set("Upgrade", "WebSocket")
    },
    opened("answer-connection-list", "Connection may have more tokens than Upgrade.") {
      $0.set("Connection", "keep-alive, upgrade")
    },
    opened("answer-other-phrase", "The reason phrase means nothing.", section: "RFC 9112 §4") {
      $0.startLine = "HTTP/1.1 101 Web Socket Protocol Handshake"
    },
    opened(
      "answer-more-fields",
      "Fields that the client doesn't know are passed over.",
      section: "RFC 9110 §5.1"
    ) {
      $0.append("Server", "wsproto check")
      $0.append("X-Wsproto-Check", "1")
    },
    handshake(
      .client,
      "frames-behind-answer",
      "RFC 6455 §4.1",
      "A frame that comes right behind the answer is not lost."
    ) { peer in
      let (head, judge) = try await peer.readRequest()
      var response = CheckPeer.acceptance(of: head)
      if let offered = judge.request?.subprotocols.first { response.set("Sec-WebSocket-Protocol", offered) }
      await peer.send(response.bytes + WireFrame(.ping, "early".utf8).bytes(from: .server))
      peer.beginFrames()
      try await peer.expectPong("early".utf8)
    },
    handshake(.client, "answer-byte-by-byte", "RFC 6455 §4.1", "An answer may come a byte at a time.") {
      peer in
      let (head, judge) = try await peer.readRequest()
      var response = CheckPeer.acceptance(of: head)
      if let offered = judge.request?.subprotocols.first { response.set("Sec-WebSocket-Protocol", offered) }
      await peer.drip(response.bytes)
      peer.beginFrames()
      try await peer.expectAlive()
    },
    notOpened("accept-wrong", "An answer with a wrong Sec-WebSocket-Accept fails the connection.") {
      head,
      _ in
      head.set("Sec-WebSocket-Accept", generateAcceptToken(generateNonce()))
    },
    notOpened("accept-missing", "An answer without Sec-WebSocket-Accept fails the connection.") { head, _ in
      head.remove("Sec-WebSocket-Accept")
    },
    notOpened("accept-other-case", "Sec-WebSocket-Accept is compared with case.") { head, _ in
      let value = head.value("Sec-WebSocket-Accept") ?? ""
      head.set(
        "Sec-WebSocket-Accept",
        String(value.map { $0.isUppercase ? Character($0.lowercased()) : Character($0.uppercased()) })
      )
    },
    notOpened("answer-no-upgrade", "An answer without Upgrade fails the connection.") { head, _ in
      head.remove("Upgrade")
    },
    notOpened(
      "answer-upgrade-to-other",
      "An answer with another Upgrade than websocket fails the connection."
    ) {
      head,
      _ in head.set("Upgrade", "wsproto-check")
    },
    notOpened("answer-no-connection", "An answer without Connection: Upgrade fails the connection.") {
      head,
      _ in
      head.remove("Connection")
    },
    notOpened(
      "answer-connection-keep-alive",
      "An answer whose Connection doesn't say Upgrade fails the connection."
    ) {
      head,
      _ in head.set("Connection", "keep-alive")
    },
    notOpened("answer-status-200", "An answer with 200 does not open the connection.") { head, _ in
      head.startLine = "HTTP/1.1 200 OK"
      head.append("Content-Length", "0")
    },
    notOpened("answer-status-404", "An answer with 404 does not open the connection.") { head, _ in
      head.startLine = "HTTP/1.1 404 Not Found"
      head.append("Content-Length", "0")
    },
    notOpened(
      "subprotocol-not-offered",
      "A subprotocol that the client has not offered fails the connection."
    ) {
      head,
      _ in head.set("Sec-WebSocket-Protocol", "wsproto-check.unknown")
    },
    notOpened("extension-not-offered", "An extension that the client has not offered fails the connection.") {
      head,
      _ in head.set("Sec-WebSocket-Extensions", "x-wsproto-check")
    },
    notOpened(
      "deflate-unknown-parameter",
      "An answer with an unknown parameter of permessage-deflate fails the connection.",
      section: "RFC 7692 §7.1"
    ) { head, _ in head.set("Sec-WebSocket-Extensions", "permessage-deflate; wsproto_check") },
    notOpened(
      "deflate-window-16",
      "An answer with a window of 16 bits fails the connection.",
      section: "RFC 7692 §7.1.2.1"
    ) { head, _ in head.set("Sec-WebSocket-Extensions", "permessage-deflate; server_max_window_bits=16") },
    notOpened(
      "deflate-parameter-twice",
      "An answer with a parameter twice fails the connection.",
      section: "RFC 7692 §7.1"
    ) { head, _ in
      let twice = "permessage-deflate; server_no_context_takeover; server_no_context_takeover"
      head.set("Sec-WebSocket-Extensions", twice)
    },
  ]
}
