// SPDX-License-Identifier: Apache-2.0

import WSProto

// Control frames (RFC 6455 §5.5), and the end of a connection (§7).
extension CheckCase {
  /// A code that only an answer to ours would have.
  private static let code4321: [UInt8] = [0x10, 0xE1]

  static let control: [CheckCase] =
    [0, 1, 64, 124, 125].map { size in
      CheckCase(
        "control/ping-\(size)",
        "RFC 6455 §5.5.3",
        "A ping with \(size) bytes is answered by a pong with the same."
      ) {
        peer in
        try await peer.open()
        await peer.send(WireFrame(.ping, pattern(size)))
        try await peer.expectPong(pattern(size))
      }
    }
    + [
      CheckCase(
        "control/pings-many",
        "RFC 6455 §5.5.3",
        "Of many pings at once, the last one is answered at least."
      ) { peer in
        try await peer.open()
        await peer.send((0..<50).flatMap { WireFrame(.ping, "ping \($0)".utf8).bytes(from: peer.role) })
        try await peer.expectPong("ping 49".utf8)
      },
      CheckCase("control/pong-unsolicited", "RFC 6455 §5.5.3", "A pong that answers nothing is passed over.")
      { peer in
        try await peer.open()
        await peer.send(WireFrame(.pong, "unsolicited".utf8), WireFrame(.pong))
        try await peer.expectAlive()
      },
      CheckCase("control/ping-byte-by-byte", "RFC 6455 §5.5.2", "A ping may come a byte at a time.") { peer in
        try await peer.open()
        await peer.drip(WireFrame(.ping, "slowly".utf8).bytes(from: peer.role))
        try await peer.expectPong("slowly".utf8)
      },
      CheckCase(
        "control/ping-before-message",
        "RFC 6455 §5.5.2",
        "A ping inside a message is answered while it is under way."
      ) { peer in
        try await peer.open()
        let message = WireFrame(.binary, pattern(5000))
        var first = message
        first.payload = Array(message.payload.prefix(2000))
        first.fin = false
        await peer.send(first, WireFrame(.ping, "inside".utf8))
        try await peer.expectPong("inside".utf8)
        await peer.send(WireFrame(.continuation, message.payload.dropFirst(2000)))
        try await peer.expectDelivered(.binary, message.payload)
      },
      fails(
        "control/ping-126",
        "RFC 6455 §5.5",
        "A ping with more than 125 bytes fails the connection.",
        delivered: pattern(126)
      ) {
        [WireFrame(.ping, pattern(126))]
      },
      fails("control/pong-126", "RFC 6455 §5.5", "A pong with more than 125 bytes fails the connection.") {
        [WireFrame(.pong, pattern(126))]
      },
      fails(
        "control/close-126",
        "RFC 6455 §5.5",
        "A Close with more than 125 bytes fails the connection.",
        delivered: code4321
      ) {
        [.close(4321, (0..<124).map { _ in UInt8(ascii: "a") })]
      },
      fails(
        "control/ping-fragmented",
        "RFC 6455 §5.4",
        "A ping that is a fragment fails the connection.",
        delivered: [1, 2]
      ) {
        [WireFrame(.ping, [1], fin: false), WireFrame(.continuation, [2])]
      },
      fails("control/pong-fragmented", "RFC 6455 §5.4", "A pong that is a fragment fails the connection.") {
        [WireFrame(.pong, [1], fin: false)]
      },
      fails(
        "control/close-fragmented",
        "RFC 6455 §5.4",
        "A Close that is a fragment fails the connection.",
        delivered: code4321
      ) {
        [WireFrame(.close, code4321, fin: false)]
      },
      fails(
        "control/ping-continued-inside-message",
        "RFC 6455 §5.4",
        "A ping that is a fragment fails the connection inside a message, too.",
        delivered: Array("ab".utf8)
      ) {
        [.text("a", fin: false), WireFrame(.ping, "p".utf8, fin: false), WireFrame(.continuation, "b".utf8)]
      },
    ]

  // MARK: The end of a connection

  /// A Close that is legal is answered, with its code as a rule (§5.5.1).
  private static func answered(
    _ id: String,
    _ title: String,
    _ severity: Severity = .must,
    _ frame: @escaping @Sendable () -> WireFrame
  ) -> CheckCase {
    CheckCase("close/\(id)", "RFC 6455 §5.5.1", title, severity) { peer in
      try await peer.open()
      let frame = frame()
      await peer.send(frame)
      peer.endOurs()
      try await peer.expectAnswer(to: frame)
    }
  }

  /// A Close that is not legal is not answered as if it were.
  private static func refusedClose(
    _ id: String,
    _ title: String,
    _ severity: Severity = .must,
    code: CloseReason = .protocolError,
    _ frame: @escaping @Sendable () -> WireFrame
  ) -> CheckCase {
    CheckCase("close/\(id)", "RFC 6455 §7.4", title, severity) { peer in
      // Who sends such a code back breaks the rule, too.
      peer.violationSeverity = severity
      try await peer.open()
      await peer.send(frame())
      peer.endOurs()
      try await peer.expectFailed(code, delivered: code4321)
    }
  }

  static let close: [CheckCase] =
    [
      answered("empty", "A Close without a code is answered.") { WireFrame(.close) },
      answered("reason", "A Close with a reason is answered.") { .close(1000, "goodbye".utf8) },
      answered("reason-longest", "A Close with a reason of 123 bytes is answered.") {
        .close(1000, String(repeating: "é", count: 61).utf8 + [UInt8(ascii: "!")])
      },
    ]
    + ([1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999]
    as [UInt16]).map { code in
      // Those from 1012 on were registered after the RFC.
      answered(
        "code-\(code)",
        "A Close with the legal code \(code) is answered.",
        1012...1014 ~= code ? .should : .must
      ) { .close(code) }
    }
    + ([0, 999, 1004, 1005, 1006, 1015] as [UInt16]).map { code in
      refusedClose("code-\(code)", "A Close with \(code), which no Close may have, is not sent back.") {
        .close(code)
      }
    }
    + ([1016, 1100, 2000, 2999, 5000, 65535] as [UInt16]).map { code in
      refusedClose(
        "code-\(code)",
        "A Close with \(code), which means nothing yet, is not sent back.",
        .should
      ) { .close(code) }
    }
    + [
      refusedClose("one-byte", "A Close with a payload of one byte fails the connection.") {
        WireFrame(.close, [3])
      },
      refusedClose(
        "reason-not-utf8",
        "A Close whose reason is not UTF-8 fails the connection.",
        code: .invalidFramePayloadData
      ) { .close(4321, [0x61, 0xFF]) },
      CheckCase("close/tcp-end", "RFC 6455 §7.1.1", "After the Close frames, TCP is ended.") { peer in
        try await peer.open()
        await peer.send(WireFrame.close(1000))
        peer.endOurs()
        try await peer.expectClose("a Close in answer")
        // A client may leave the first step to the server (§7.1.1).
        if peer.role == .server { await peer.finish() }
        try await peer.expectEnd()
      },
      CheckCase("close/data-behind", "RFC 6455 §5.5.1", "Data behind a Close is not taken.") { peer in
        try await peer.open()
        await peer.send(.close(1000), .text("too late"))
        peer.endOurs()
        try await peer.expectClose("a Close in answer")
        if peer.role == .server { await peer.finish() }
        try await peer.expectEnd()
      },
      CheckCase("close/ping-behind", "RFC 6455 §5.5.1", "A ping behind a Close is not a message.", .may) {
        peer in
        try await peer.open()
        await peer.send(.close(1000), WireFrame(.ping, "too late".utf8))
        peer.endOurs()
        try await peer.expectClose("a Close in answer")
        if peer.role == .server { await peer.finish() }
        try await peer.expectEnd()
      },
      CheckCase(
        "close/inside-message",
        "RFC 6455 §5.4",
        "A Close may come inside a message, which is dropped."
      ) { peer in
        try await peer.open()
        await peer.send(.text("unfinished", fin: false), .close(1000))
        peer.endOurs()
        try await peer.expectAnswer(to: .close(1000))
      },
      CheckCase(
        "close/data-before",
        "RFC 6455 §7.1.2",
        "A message before the Close is handled first.",
        .may,
        echo: true
      ) { peer in
        try await peer.open()
        await peer.send(.text("first"), .close(1000))
        peer.endOurs()
        try await peer.expectMessage(.text, "first".utf8)
        try await peer.expectClose("a Close in answer")
      },
      CheckCase(
        "close/tcp-end-without-close",
        "RFC 6455 §7.1.1",
        "The end of TCP without a Close is answered by its end.",
        .should
      ) {
        peer in
        try await peer.open()
        try await peer.expectAlive()
        await peer.finish()
        peer.endOurs()
        try await peer.expectClose(orEnd: true, "the end of TCP")
      },
      CheckCase("close/twice", "RFC 6455 §5.5.1", "A second Close is not answered.") { peer in
        try await peer.open()
        await peer.send(.close(1000), .close(1001))
        peer.endOurs()
        try await peer.expectClose("a Close in answer")
        if peer.role == .server { await peer.finish() }
        switch try await peer.receive() {
        case .frame(let frame):
          throw peer.failure(expected: "nothing more", seen: CheckPeer.describe(frame))
        case .message, .end, .silence: break
        }
      },
    ]
}
