// SPDX-License-Identifier: Apache-2.0

import WSProto

extension CheckCase {
  /// A request with something wrong must be refused (RFC 6455 §4.2.1).
  private static func refused(
    _ id: String,
    _ title: String,
    _ severity: Severity = .must,
    section: String = "RFC 6455 §4.2.1",
    _ edit: @escaping @Sendable (inout WireHead) -> Void
  ) -> CheckCase {
    handshake(.server, id, section, title, severity) { peer in
      var head = WireHead.request(peer.settings)
      edit(&head)
      await peer.send(head.bytes)
      try await peer.expectRefusal()
    }
  }

  /// A request that is written in another way, and as good.
  private static func accepted(
    _ id: String,
    _ title: String,
    section: String = "RFC 6455 §4.2.1",
    _ edit: @escaping @Sendable (inout WireHead) -> Void
  ) -> CheckCase {
    handshake(.server, id, section, title) { peer in
      try await peer.open(edit)
      try await peer.expectAlive()
    }
  }

  static let serverHandshake: [CheckCase] = [
    accepted("plain", "A request without anything special opens the connection.", section: "RFC 6455 §4.2.2")
    { _ in
    },
    accepted(
      "field-names-in-lower-case",
      "Names of fields are compared without case.",
      section: "RFC 9110 §5.1"
    ) {
      $0.rename { $0.lowercased() }
    },
    accepted(
      "field-names-in-upper-case",
      "Names of fields are compared without case.",
      section: "RFC 9110 §5.1"
    ) {
      $0.rename { $0.uppercased() }
    },
    accepted("upgrade-in-mixed-case", "The token websocket of Upgrade is compared without case.") {
      $0.set("Upgrade", "WebSocket")
    },
    accepted("connection-in-lower-case", "The token Upgrade of Connection is compared without case.") {
      $0.set("Connection", "upgrade")
    },
    accepted("connection-list", "Connection may have more tokens than Upgrade, as Firefox sends it.") {
      $0.set("Connection", "keep-alive, Upgrade")
    },
    accepted("many-fields", "Fields that the server doesn't know are passed over.", section: "RFC 9110 §5.1")
    { head in
      for number in 1...20 { head.append("X-WSProto-Check-\(number)", "value \(number)") }
    },
    accepted(
      "spaces-around-values",
      "White space around values does not belong to them.",
      section: "RFC 9110 §5.5"
    ) {
      head in
      for field in head.fields { head.set(field.name, " \t\(field.value)  ") }
    },
    refused("method-post", "A request that is not GET does not open a WebSocket.") {
      $0.startLine = $0.startLine.replacingFirst("GET", "POST")
      $0.append("Content-Length", "0")
    },
    refused("http-1.0", "A request of HTTP/1.0 does not open a WebSocket.") {
      $0.startLine = $0.startLine.replacingFirst("HTTP/1.1", "HTTP/1.0")
    },
    refused("no-host", "A request without Host is refused.") { $0.remove("Host") },
    refused("no-upgrade", "A request without Upgrade does not open a WebSocket.") { $0.remove("Upgrade") },
    refused("upgrade-to-other", "A request to upgrade to something else does not open a WebSocket.") {
      $0.set("Upgrade", "wsproto-check")
    },
    refused("no-connection", "A request without Connection: Upgrade does not open a WebSocket.") {
      $0.remove("Connection")
    },
    refused(
      "connection-keep-alive",
      "A request whose Connection doesn't say Upgrade does not open a WebSocket."
    ) {
      $0.set("Connection", "keep-alive")
    },
    refused("no-key", "A request without Sec-WebSocket-Key is refused.") { $0.remove("Sec-WebSocket-Key") },
    refused("key-empty", "A Sec-WebSocket-Key without a value is refused.") {
      $0.set("Sec-WebSocket-Key", "")
    },
    refused("key-short", "A Sec-WebSocket-Key of fewer than 16 bytes is refused.") {
      $0.set("Sec-WebSocket-Key", "AAECAwQFBgcICQ==")
    },
    refused("key-long", "A Sec-WebSocket-Key of more than 16 bytes is refused.") {
      $0.set("Sec-WebSocket-Key", "AAECAwQFBgcICQoLDA0ODxAR")
    },
    refused("key-not-base64", "A Sec-WebSocket-Key that is not base64 is refused.") {
      $0.set("Sec-WebSocket-Key", "!!!!!!!!!!!!!!!!!!!!!!==")
    },
    refused(
      "key-twice",
      "A request with two Sec-WebSocket-Key fields, which must not be, is refused.",
      .should,
      section: "RFC 6455 §11.3.1"
    ) { $0.append("Sec-WebSocket-Key", generateNonce()) },
    refused("no-version", "A request without Sec-WebSocket-Version is refused.") {
      $0.remove("Sec-WebSocket-Version")
    },
    refused("version-malformed", "A Sec-WebSocket-Version that is no number is refused.") {
      $0.set("Sec-WebSocket-Version", "13x")
    },
    handshake(
      .server,
      "version-8",
      "RFC 6455 §4.4",
      "Whether the server speaks version 8, that of a draft, too.",
      .may
    ) { peer in
      var head = WireHead.request(peer.settings)
      head.set("Sec-WebSocket-Version", "8")
      await peer.send(head.bytes)
      try await peer.expectRefusal("a refusal, or not")
    },
    refused(
      "version-twice",
      "A request with two Sec-WebSocket-Version fields, which must not be, is refused.",
      .should,
      section: "RFC 6455 §11.3.5"
    ) { $0.append("Sec-WebSocket-Version", "13") },
    otherVersion("0"), otherVersion("14"), otherVersion("255"),
    handshake(
      .server,
      "extensions-malformed",
      "RFC 6455 §9.1",
      "A request with a list of extensions that is not one is not agreed to.",
      .should
    ) { peer in
      var head = WireHead.request(peer.settings)
      head.set("Sec-WebSocket-Extensions", "permessage-deflate; =, ;;")
      await peer.send(head.bytes)
      guard let response = await peer.readHead() else {
        throw peer.failure(expected: "an answer", seen: peer.transcript.end ?? "none in time")
      }
      if let agreed = response.value("Sec-WebSocket-Extensions") {
        let shown = Escaping.quoted(agreed, limit: 100)
        throw peer.failure(expected: "a refusal, or no extension", seen: "agreed to \(shown)")
      }
      peer.note("answered with \(peer.shownStart(response))")
    },
  ]

  private static func otherVersion(_ version: String) -> CheckCase {
    handshake(
      .server,
      "version-\(version)",
      "RFC 6455 §4.2.2",
      "A request for version \(version) is refused, and told the versions that the server knows."
    ) { peer in
      var head = WireHead.request(peer.settings)
      head.set("Sec-WebSocket-Version", version)
      await peer.send(head.bytes)
      try await peer.expectRefusal("an HTTP error with Sec-WebSocket-Version: 13, such as 426")
      let refusal = HandshakeRecord(peer.rawHead[...])
      let versions = refusal.value("Sec-WebSocket-Version").map { String(decoding: $0, as: UTF8.self) } ?? ""
      let known = versions.split { $0 == "," || $0 == " " || $0 == "\t" }
      guard known.contains("13") else {
        throw peer.failure(
          expected: "the field Sec-WebSocket-Version: 13 in the answer",
          seen: versions.isEmpty ? "\(peer.shownStart(refusal)), without it" : shownInQuotes(versions)
        )
      }
    }
  }

  // MARK: What the answer agrees to

  static let serverAnswers: [CheckCase] = [
    handshake(
      .server,
      "subprotocol-unknown",
      "RFC 6455 §4.2.2",
      "A subprotocol that the server hardly speaks is not agreed to, or it alone."
    ) { peer in
      // An answer with another one is illegal to any client.
      try await peer.open { $0.set("Sec-WebSocket-Protocol", "wsproto-check.unknown") }
      if let agreed = peer.subprotocol {
        peer.note("the server agrees to any subprotocol: \(shownInQuotes(agreed))")
      }
      try await peer.expectAlive()
    },
    handshake(
      .server,
      "subprotocol-one-of-two",
      "RFC 6455 §4.2.2",
      "Of two subprotocols at most one is agreed to."
    ) {
      peer in
      try await peer.open { $0.set("Sec-WebSocket-Protocol", "wsproto-check.one, wsproto-check.two") }
      if let agreed = peer.subprotocol { peer.note("the server agrees to \(shownInQuotes(agreed))") }
      try await peer.expectAlive()
    },
    handshake(
      .server,
      "subprotocol-none",
      "RFC 6455 §4.2.2",
      "Without a subprotocol in the request, there is none in the answer."
    ) {
      peer in
      try await peer.open { $0.remove("Sec-WebSocket-Protocol") }
      try await peer.expectAlive()
    },
    handshake(
      .server,
      "extension-none",
      "RFC 6455 §4.2.2",
      "Without an extension in the request, there is none in the answer."
    ) {
      peer in
      let response = try await peer.open()
      if let agreed = response.value("Sec-WebSocket-Extensions"), !agreed.isEmpty {
        throw peer.failure(expected: "no extension", seen: "agreed to \(Escaping.quoted(agreed, limit: 100))")
      }
      try await peer.expectAlive()
    },
    handshake(
      .server,
      "extension-unknown",
      "RFC 6455 §9.1",
      "An extension that nobody knows is not agreed to."
    ) {
      peer in
      let offer = "x-wsproto-check; level=9; mode=\"quoted\""
      let response = try await peer.open(extensions: offer)
      if let agreed = response.value("Sec-WebSocket-Extensions"), !agreed.isEmpty {
        throw peer.failure(expected: "no extension", seen: "agreed to \(Escaping.quoted(agreed, limit: 100))")
      }
      try await peer.expectAlive()
    },
    handshake(
      .server,
      "frames-behind-request",
      "RFC 6455 §4.1",
      "A frame that comes right behind the request is kept, or not.",
      .may
    ) {
      peer in
      // No client may send so: what a server does then is of its own choice, but must stay legal.
      let head = WireHead.request(peer.settings)
      await peer.send(head.bytes + WireFrame(.ping, "early".utf8).bytes(from: .client))
      try await peer.expectAcceptance(of: head)
      try await peer.expectPong("early".utf8)
      peer.note("the frame was kept, and answered")
    },
    handshake(
      .server,
      "body-behind-refusal",
      "RFC 6455 §4.2.2",
      "A request with a body that is announced is answered.",
      .may
    ) {
      peer in
      var head = WireHead.request(peer.settings)
      head.append("Content-Length", "5")
      await peer.send(head.bytes + Array("hello".utf8))
      guard let response = await peer.readHead() else {
        throw peer.failure(expected: "an answer", seen: peer.transcript.end ?? "none in time")
      }
      peer.note("answered with \(peer.shownStart(response))")
    },
    CheckCase(
      "limits/handshake-byte-by-byte",
      "RFC 6455 §4.2.1",
      "A request may come a byte at a time.",
      testees: [.server]
    ) {
      peer in
      let head = WireHead.request(peer.settings)
      await peer.drip(head.bytes)
      try await peer.expectAcceptance(of: head)
      try await peer.expectAlive()
    },
    CheckCase(
      "limits/handshake-patience",
      "RFC 6455 §10",
      "How long a request of one byte a second is waited for.",
      .may,
      testees: [.server]
    ) { peer in
      let bytes = WireHead.request(peer.settings).bytes
      let seconds = Int(peer.settings.patience.components.seconds)
      for (index, byte) in bytes.prefix(seconds).enumerated() {
        await peer.send([byte])
        guard await peer.wait(.seconds(1)) else {
          peer.note("the server has given up after \(index + 1) s")
          return
        }
      }
      peer.note("the server has waited for \(seconds) s, and still does")
    },
  ]
}

extension String {
  /// The first place where `old` stands, as `new`.
  fileprivate func replacingFirst(_ old: String, _ new: String) -> String {
    guard let range = firstRange(of: old) else { return self }
    return String(self[..<range.lowerBound]) + new + String(self[range.upperBound...])
  }
}
