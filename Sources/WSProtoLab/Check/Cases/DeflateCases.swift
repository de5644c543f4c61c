// SPDX-License-Identifier: Apache-2.0

import WSProto

// permessage-deflate (RFC 7692).
extension CheckCase {
  /// Sends three messages, of which the later ones refer to the first one where they may, and expects their echoes. The
  /// decoder of `inspect` inflates the echoes by what was agreed on: it fails where they go beyond it.
  private static func exchange(_ peer: CheckPeer, resets: Bool) async throws {
    guard peer.settings.echoes else {
      peer.note("the peer does not echo: judged by a ping")
      return try await peer.expectAlive()
    }
    // A block that no compressor makes smaller, and the same again, 1000 bytes behind it: beyond a window of 9 bits.
    let block = (0..<400).map { UInt8(truncatingIfNeeded: $0 &* $0 &* 167 &+ $0 &* 13 >> 3) }
    let text = Array("Hello, Hello, Hello: γειά".utf8)
    let far = block + pattern(600) + block
    for (opcode, payload) in [(Opcode.text, text), (.binary, far), (.text, text), (.binary, far)] {
      if resets { peer.forgetHistory() }
      let compressed = peer.compress(payload)
      await peer.send(WireFrame(opcode, compressed, rsv: 4))
      try await peer.expectMessage(opcode, payload)
    }
  }

  /// An offer that is legal is declined, or answered legally, and then used as agreed on.
  private static func offer(_ id: String, _ parameters: String, section: String = "RFC 7692 §7.1")
    -> CheckCase
  {
    CheckCase(
      "deflate/offer-\(id)",
      section,
      "The offer \"\(parameters)\" is declined, or agreed to and kept.",
      testees: [.server]
    ) { peer in
      // A server may refuse any request, though it should decline what it doesn't support.
      peer.refusalSeverity = .should
      let agreed = try await peer.openDeflate(parameters)
      try await exchange(peer, resets: agreed.clientNoContextTakeover)
    }
  }

  /// An offer that is not legal must be declined (§7.1).
  private static func declined(_ id: String, _ parameters: String, _ what: String) -> CheckCase {
    CheckCase(
      "deflate/declines-\(id)",
      "RFC 7692 §7.1",
      "An offer with \(what) is declined.",
      testees: [.server]
    ) { peer in
      let head = {
        var head = WireHead.request(peer.settings)
        head.set("Sec-WebSocket-Extensions", "permessage-deflate; \(parameters)")
        return head
      }()
      await peer.send(head.bytes)
      guard let response = await peer.readHead() else {
        throw peer.failure(
          expected: "an answer without the extension",
          seen: peer.transcript.end ?? "none in time"
        )
      }
      guard WebSocketRequest.status(response) == 101 else {
        return peer.note("refused with \(peer.shownStart(response)), as RFC 6455 §9.1 allows")
      }
      if let agreed = response.value("Sec-WebSocket-Extensions"), !agreed.isEmpty {
        let shown = Escaping.quoted(agreed, limit: 100)
        throw peer.failure(expected: "an answer without the extension", seen: "agreed to \(shown)")
      }
      peer.beginFrames()
      try await peer.expectAlive()
    }
  }

  static let deflateOffers: [CheckCase] =
    [
      offer("plain", "permessage-deflate"),
      offer("browser", "permessage-deflate; client_max_window_bits", section: "RFC 7692 §7.1.2.2"),
      offer(
        "server-no-takeover",
        "permessage-deflate; server_no_context_takeover",
        section: "RFC 7692 §7.1.1.1"
      ),
      offer(
        "client-no-takeover",
        "permessage-deflate; client_no_context_takeover",
        section: "RFC 7692 §7.1.1.2"
      ),
      offer(
        "no-takeover",
        "permessage-deflate; server_no_context_takeover; client_no_context_takeover",
        section: "RFC 7692 §7.1.1"
      ),
      offer("quoted", "permessage-deflate; server_max_window_bits=\"10\"", section: "RFC 6455 §9.1"),
      offer(
        "all",
        "permessage-deflate; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=10; client_max_window_bits=10"
      ),
      offer(
        "two",
        "permessage-deflate; server_max_window_bits=10, permessage-deflate",
        section: "RFC 7692 §5.1"
      ),
      offer("behind-unknown", "x-wsproto-check, permessage-deflate", section: "RFC 6455 §9.1"),
    ]
    + (8...15).map { bits in
      offer(
        "server-window-\(bits)",
        "permessage-deflate; server_max_window_bits=\(bits)",
        section: "RFC 7692 §7.1.2.1"
      )
    }
    + (8...15).map { bits in
      offer(
        "client-window-\(bits)",
        "permessage-deflate; client_max_window_bits=\(bits)",
        section: "RFC 7692 §7.1.2.2"
      )
    }
    + [
      declined("unknown-parameter", "wsproto_check", "an unknown parameter"),
      declined("twice", "server_no_context_takeover; server_no_context_takeover", "a parameter twice"),
      declined("window-twice", "server_max_window_bits=10; server_max_window_bits=11", "two windows"),
      declined("server-window-7", "server_max_window_bits=7", "a server's window of 7 bits"),
      declined("server-window-16", "server_max_window_bits=16", "a server's window of 16 bits"),
      declined("server-window-08", "server_max_window_bits=08", "a window with a leading zero"),
      declined("server-window-none", "server_max_window_bits", "a server's window without a value"),
      declined("server-window-word", "server_max_window_bits=large", "a window that is no number"),
      declined("client-window-7", "client_max_window_bits=7", "a client's window of 7 bits"),
      declined("client-window-16", "client_max_window_bits=16", "a client's window of 16 bits"),
      declined("server-takeover-value", "server_no_context_takeover=1", "a value where none may be"),
      declined("client-takeover-value", "client_no_context_takeover=1", "a value where none may be"),
    ]
    + [
      "server_no_context_takeover", "client_no_context_takeover",
      "server_no_context_takeover; client_no_context_takeover", "server_max_window_bits=15",
      "server_max_window_bits=9", "server_max_window_bits=8", "client_max_window_bits=15",
      "client_max_window_bits=9", "client_max_window_bits=8",
    ].map { parameters in
      CheckCase(
        "deflate/answer-\(parameters.map { $0 == "=" || $0 == ";" || $0 == "_" ? "-" : String($0) }.joined().split(separator: " ").joined())",
        "RFC 7692 §7.1",
        "What the answer \"permessage-deflate; \(parameters)\" agrees to is kept.",
        testees: [.client]
      ) { peer in
        let agreed = try await peer.openDeflate("permessage-deflate; \(parameters)")
        await peer.send(WireFrame(.ping, "agreed".utf8))
        if case .end = try await peer.receive() {
          throw CheckStop.notApplicable(
            "the client does not support it, and fails the connection, as §7.1 says"
          )
        }
        try await exchange(peer, resets: agreed.serverNoContextTakeover)
      }
    }

  // MARK: Compressed messages

  private static let hello = Array("Hello".utf8)
  /// "Hello" in a block with fixed codes (§7.2.3.1).
  private static let fixed: [UInt8] = [0xF2, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00]

  private static func inflated(
    _ id: String,
    _ section: String,
    _ title: String,
    _ payload: [UInt8] = hello,
    _ frames: @escaping @Sendable () -> [WireFrame]
  ) -> CheckCase {
    CheckCase("deflate/\(id)", section, title) { peer in
      try await peer.openDeflate()
      try await peer.deliver(frames(), .text, payload)
    }
  }

  /// What must fail a connection with permessage-deflate.
  private static func refused(
    _ id: String,
    _ section: String,
    _ title: String,
    code: CloseReason = .protocolError,
    delivered: [UInt8]? = nil,
    _ frames: @escaping @Sendable () -> [WireFrame]
  ) -> CheckCase {
    CheckCase("deflate/\(id)", section, title) { peer in
      try await peer.openDeflate()
      await peer.send(frames().flatMap { $0.bytes(from: peer.role) })
      try await peer.expectFailed(code, delivered: delivered)
    }
  }

  static let deflate: [CheckCase] = [
    inflated("fixed", "RFC 7692 §7.2.3.1", "A message in a block with fixed codes.") {
      [WireFrame(.text, fixed, rsv: 4)]
    },
    inflated("fragments", "RFC 7692 §7.2.3.1", "A compressed message in two frames.") {
      [WireFrame(.text, fixed.prefix(3), fin: false, rsv: 4), WireFrame(.continuation, fixed.dropFirst(3))]
    },
    inflated("fragments-of-a-byte", "RFC 7692 §6.1", "A compressed message in frames of a byte.") {
      fixed.indices.map { index in
        WireFrame(
          index == 0 ? .text : .continuation,
          [fixed[index]],
          fin: index == fixed.count - 1,
          rsv: index == 0 ? 4 : 0
        )
      }
    },
    inflated("empty-last-fragment", "RFC 7692 §6.1", "A compressed message whose last frame is empty.") {
      [WireFrame(.text, fixed, fin: false, rsv: 4), WireFrame(.continuation)]
    },
    inflated("stored", "RFC 7692 §7.2.3.3", "A message in a block that is not compressed.") {
      [WireFrame(.text, [0x00, 0x05, 0x00, 0xFA, 0xFF] + hello + [0x00], rsv: 4)]
    },
    inflated("final-block", "RFC 7692 §7.2.3.4", "A message whose block is marked as the last one.") {
      [WireFrame(.text, [0xF3, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00, 0x00], rsv: 4)]
    },
    inflated("two-blocks", "RFC 7692 §7.2.3.5", "A message in two blocks.") {
      [
        WireFrame(
          .text,
          [0xF2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xFF, 0xFF, 0xCA, 0xC9, 0xC9, 0x07, 0x00],
          rsv: 4
        )
      ]
    },
    inflated("empty", "RFC 7692 §7.2.3.6", "A compressed message without a byte.", []) {
      [WireFrame(.text, [0x00], rsv: 4)]
    },
    inflated("not-compressed", "RFC 7692 §6", "A message need not be compressed where it may be.") {
      [WireFrame(.text, hello)]
    },
    inflated(
      "not-compressed-fragments",
      "RFC 7692 §6",
      "A message in two frames need not be compressed either."
    ) {
      [WireFrame(.text, hello.prefix(2), fin: false), WireFrame(.continuation, hello.dropFirst(2))]
    },
    CheckCase(
      "deflate/ping-between",
      "RFC 7692 §6.1",
      "A ping between frames of a compressed message is not compressed."
    ) { peer in
      try await peer.openDeflate()
      await peer.send(WireFrame(.text, fixed.prefix(3), fin: false, rsv: 4), WireFrame(.ping, "between".utf8))
      try await peer.expectPong("between".utf8)
      await peer.send(WireFrame(.continuation, fixed.dropFirst(3)))
      try await peer.expectDelivered(.text, hello)
    },
    CheckCase("deflate/takeover", "RFC 7692 §7.2.3.2", "A message may refer to the one before.") { peer in
      let agreed = try await peer.openDeflate()
      let resets = peer.role == .client ? agreed.clientNoContextTakeover : agreed.serverNoContextTakeover
      if resets { throw CheckStop.notApplicable("the peer does not keep the history of our messages") }
      try await peer.deliver([WireFrame(.text, fixed, rsv: 4)], .text, hello)
      try await peer.deliver([WireFrame(.text, [0xF2, 0x00, 0x11, 0x00, 0x00], rsv: 4)], .text, hello)
    },
    CheckCase("deflate/messages-many", "RFC 7692 §7.2", "A hundred compressed messages, one after the other.")
    { peer in
      try await peer.openDeflate("permessage-deflate")
      guard peer.settings.echoes else { throw CheckStop.notApplicable("the peer does not echo") }
      for number in 0..<100 {
        let text = Array("message \(number) of a hundred".utf8)
        peer.forgetHistory()
        await peer.send(WireFrame(.text, peer.compress(text), rsv: 4))
        try await peer.expectMessage(.text, text)
      }
    },
    refused("rsv1-on-continuation", "RFC 7692 §6.1", "RSV1 on a continuation frame fails the connection.") {
      [
        WireFrame(.text, fixed.prefix(3), fin: false, rsv: 4),
        WireFrame(.continuation, fixed.dropFirst(3), rsv: 4),
      ]
    },
    refused(
      "rsv1-on-ping",
      "RFC 7692 §6.1",
      "RSV1 on a control frame fails the connection.",
      delivered: hello
    ) {
      [WireFrame(.ping, hello, rsv: 4)]
    },
    refused("rsv2", "RFC 6455 §5.2", "RSV2 has no meaning with permessage-deflate either.", delivered: hello)
    {
      [WireFrame(.text, hello, rsv: 2)]
    },
    refused(
      "data-broken",
      "RFC 7692 §7.2.2",
      "Data that cannot be inflated fails the connection.",
      code: .invalidFramePayloadData
    ) { [WireFrame(.text, [0xFF, 0xFF, 0xFF, 0xFF, 0x07, 0x21], rsv: 4)] },
    refused(
      "data-refers-to-nothing",
      "RFC 7692 §7.2.2",
      "A first message that refers to one before it fails the connection.",
      code: .invalidFramePayloadData
    ) { [WireFrame(.text, [0xF2, 0x00, 0x11, 0x00, 0x00], rsv: 4)] },
    refused(
      "text-not-utf8",
      "RFC 6455 §8.1",
      "A compressed text that is not UTF-8 fails the connection.",
      code: .invalidFramePayloadData
    ) { [WireFrame(.text, [0x00, 0x01, 0x00, 0xFE, 0xFF, 0xFF, 0x00], rsv: 4)] },
    CheckCase("deflate/large", "RFC 7692 §7.2", "A message of 1 MiB that is small when compressed.") { peer in
      try await peer.openDeflate()
      let payload = [UInt8](repeating: UInt8(ascii: "a"), count: 1 << 20)
      await peer.send(WireFrame(.binary, peer.compress(payload), rsv: 4))
      try await peer.expectLarge(payload)
    },
  ]

  static let limits: [CheckCase] = [
    CheckCase("limits/frame-byte-by-byte", "RFC 6455 §5.2", "A frame may come a byte at a time.") { peer in
      try await peer.open()
      await peer.drip(WireFrame.text("a byte at a time").bytes(from: peer.role))
      try await peer.expectDelivered(.text, "a byte at a time".utf8)
    },
    CheckCase(
      "limits/long-header-byte-by-byte",
      "RFC 6455 §5.2",
      "A frame with the longest header may come so, too."
    ) { peer in
      let payload = pattern(65536)
      let bytes = WireFrame(.binary, payload).bytes(from: peer.role)
      try await peer.open()
      await peer.drip(Array(bytes.prefix(20)))
      await peer.send(Array(bytes.dropFirst(20)))
      try await peer.expectDelivered(.binary, payload)
    },
    large("64KiB", 64 << 10), large("1MiB", 1 << 20),
    CheckCase("limits/message-1MiB-fragments", "RFC 6455 §5.4", "A message of 1 MiB in frames of 16 KiB.") {
      peer in
      let payload = pattern(1 << 20)
      try await peer.open()
      let step = 16 << 10
      for start in stride(from: 0, to: payload.count, by: step) {
        let frame = WireFrame(
          start == 0 ? .binary : .continuation,
          payload[start..<start + step],
          fin: start + step == payload.count
        )
        await peer.send(frame)
      }
      try await peer.expectLarge(payload)
    },
    CheckCase("limits/messages-many", "RFC 6455 §5", "A thousand messages at once.", echo: true) { peer in
      try await peer.open()
      await peer.send((0..<1000).flatMap { WireFrame.text("message \($0)").bytes(from: peer.role) })
      try await peer.expectMessages(1000) { Array("message \($0)".utf8) }
    },
  ]

  private static func large(_ name: String, _ size: Int) -> CheckCase {
    CheckCase(
      "limits/message-\(name)",
      "RFC 6455 §10.4",
      "A message of \(name) is taken, or refused with 1009."
    ) { peer in
      let payload = pattern(size)
      try await peer.open()
      await peer.send(WireFrame(.binary, payload))
      try await peer.expectLarge(payload)
    }
  }
}
