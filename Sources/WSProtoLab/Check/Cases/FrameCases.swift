// SPDX-License-Identifier: Apache-2.0

import WSProto

extension CheckCase {
  /// A frame that must fail the connection (RFC 6455 §7.1.7).
  static func fails(
    _ id: String,
    _ section: String,
    _ title: String,
    _ severity: Severity = .must,
    code: CloseReason = .protocolError,
    delivered: [UInt8]? = nil,
    _ frames: @escaping @Sendable () -> [WireFrame]
  ) -> CheckCase {
    CheckCase(id, section, title, severity) { peer in
      try await peer.open()
      await peer.send(frames().flatMap { $0.bytes(from: peer.role) })
      try await peer.expectFailed(code, delivered: delivered)
    }
  }

  /// A frame that is a message as it should be.
  private static func taken(_ id: String, _ title: String, _ opcode: Opcode, _ payload: [UInt8]) -> CheckCase
  {
    CheckCase("frames/\(id)", "RFC 6455 §5.2", title) { peer in
      try await peer.open()
      try await peer.deliver([WireFrame(opcode, payload)], opcode, payload)
    }
  }

  private static let probe = Array("wsproto check".utf8)

  static let frames: [CheckCase] =
    [
      taken("text-empty", "A text without a byte is a message.", .text, []),
      taken("binary-empty", "A binary message without a byte is a message.", .binary, []),
    ]
    + [1, 125, 126, 127, 128, 65535, 65536].map { size in
      taken(
        "binary-\(size)",
        "A binary message of \(size) bytes, whose length is written in the shortest form.",
        .binary,
        pattern(size)
      )
    }
    + [125, 126, 65535, 65536].map { size in
      taken(
        "text-\(size)",
        "A text of \(size) bytes, whose length is written in the shortest form.",
        .text,
        (0..<size).map { UInt8(97 + $0 % 26) }
      )
    }
    + [
      CheckCase("frames/masking", "RFC 6455 §5.3", "All values of bytes come through.") { peer in
        let payload = (0..<1024).map { UInt8(truncatingIfNeeded: $0) }
        try await peer.open()
        try await peer.deliver([WireFrame(.binary, payload)], .binary, payload)
      },
      CheckCase("frames/several-at-once", "RFC 6455 §5.2", "Several frames may come in one segment.") {
        peer in
        try await peer.open()
        await peer.send(.text("one"), WireFrame(.ping, "two".utf8), .text("three"))
        if peer.settings.echoes {
          try await peer.expectMessage(.text, "one".utf8)
          try await peer.expectMessage(.text, "three".utf8)
        } else {
          try await peer.expectPong("two".utf8)
        }
      },
      CheckCase(
        "frames/masked-wrongly",
        "RFC 6455 §5.1",
        "A frame that a client does not mask, or a server masks, fails the connection."
      ) {
        peer in
        try await peer.open()
        await peer.send(WireFrame(.text, probe, masked: peer.role == .server))
        try await peer.expectFailed(.protocolError, delivered: probe)
      },
      CheckCase("frames/ping-masked-wrongly", "RFC 6455 §5.1", "The same holds for control frames.") { peer in
        try await peer.open()
        await peer.send(WireFrame(.ping, probe, masked: peer.role == .server))
        try await peer.expectFailed(.protocolError, delivered: probe)
      },
      fails(
        "frames/length-126-not-minimal",
        "RFC 6455 §5.2",
        "A length below 126 that is written in two bytes, which no sender may do, fails the connection.",
        .should,
        delivered: probe
      ) { [WireFrame(.binary, probe, length: .medium)] },
      fails(
        "frames/length-127-not-minimal",
        "RFC 6455 §5.2",
        "A length below 65536 that is written in eight bytes, which no sender may do, fails the connection.",
        .should,
        delivered: probe
      ) { [WireFrame(.binary, probe, length: .long)] },
      fails(
        "frames/length-2^63",
        "RFC 6455 §5.2",
        "A length whose most significant bit is set, which no sender may write, fails the connection.",
        .should
      ) { [WireFrame(.binary, probe, length: .declared(1 << 63))] },
      fails(
        "frames/length-2^64-1",
        "RFC 6455 §5.2",
        "A length of 2^64-1, which no sender may write, fails the connection.",
        .should
      ) { [WireFrame(.binary, probe, length: .declared(.max))] },
      CheckCase(
        "frames/length-2^62",
        "RFC 6455 §10.4",
        "What a frame leads to that announces 2^62 bytes.",
        .may
      ) { peer in
        try await peer.open()
        await peer.send(WireFrame(.binary, probe, length: .declared(1 << 62)))
        switch try await peer.receive() {
        case .silence: peer.note("the payload is waited for")
        case .end: peer.note("TCP ended without a Close")
        case .frame(let frame): peer.note("answered with \(CheckPeer.describe(frame))")
        case .message(let message): peer.note("answered with \(CheckPeer.describe(message))")
        }
      },
    ]
    + (1...7).map { rsv in
      let name = [1: "3", 2: "2", 3: "2-and-3", 4: "1", 5: "1-and-3", 6: "1-and-2", 7: "1-to-3"][rsv] ?? ""
      return fails(
        "frames/reserved-bit-\(name)",
        "RFC 6455 §5.2",
        "A text with reserved bits that no extension has given a meaning (\(rsv) of 7) fails the connection.",
        delivered: probe
      ) { [WireFrame(.text, probe, rsv: UInt8(rsv))] }
    }
    + [("ping", Opcode.ping), ("binary", .binary), ("pong", .pong)].flatMap { name, opcode in
      [UInt8(4), 2, 1].map { rsv in
        fails(
          "frames/reserved-bit-\([4: "1", 2: "2", 1: "3"][rsv] ?? "")-\(name)",
          "RFC 6455 §5.2",
          "A \(name) frame with a reserved bit (\(rsv) of 7) fails the connection.",
          delivered: probe
        ) { [WireFrame(opcode, probe, rsv: rsv)] }
      }
    }
    + ([3, 4, 5, 6, 7, 11, 12, 13, 14, 15] as [UInt8]).map { opcode in
      fails(
        "frames/reserved-opcode-\(opcode)",
        "RFC 6455 §5.2",
        "A frame with the reserved opcode \(opcode) fails the connection.",
        delivered: probe
      ) { [WireFrame(opcode: opcode, probe)] }
    }

  /// Bytes in which every part is different from its neighbours.
  static func pattern(_ size: Int) -> [UInt8] {
    (0..<size).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 8) }
  }
}
