// SPDX-License-Identifier: Apache-2.0

import WSProto

// Fragmentation (RFC 6455 §5.4), and the text of messages (§5.6, §8.1).
extension CheckCase {
  private static func joined(
    _ id: String,
    _ title: String,
    _ opcode: Opcode,
    _ payload: String,
    _ frames: @escaping @Sendable () -> [WireFrame]
  ) -> CheckCase {
    CheckCase("fragmentation/\(id)", "RFC 6455 §5.4", title) { peer in
      try await peer.open()
      try await peer.deliver(frames(), opcode, payload.utf8)
    }
  }

  private static func part(_ text: String, fin: Bool = false) -> WireFrame {
    WireFrame(.continuation, text.utf8, fin: fin)
  }

  static let fragmentation: [CheckCase] = [
    joined("two", "A text in two frames is one message.", .text, "one, two") {
      [.text("one, ", fin: false), part("two", fin: true)]
    },
    joined("binary", "A binary message in three frames is one message.", .binary, "one, two, three") {
      [WireFrame(.binary, "one, ".utf8, fin: false), part("two, "), part("three", fin: true)]
    },
    joined("empty-fragments", "Fragments may be empty.", .text, "text") {
      [.text("", fin: false), part(""), part("text"), part(""), part("", fin: true)]
    },
    joined("all-empty", "A message may consist of empty fragments.", .text, "") {
      [.text("", fin: false), part(""), part("", fin: true)]
    },
    joined("unsolicited-pong-between", "A pong may come between two fragments.", .text, "one, two") {
      [.text("one, ", fin: false), WireFrame(.pong, "between".utf8), part("two", fin: true)]
    },
    CheckCase(
      "fragmentation/ping-between",
      "RFC 6455 §5.4",
      "A ping between two fragments is answered before their message ends."
    ) {
      peer in
      try await peer.open()
      await peer.send(.text("one, ", fin: false), WireFrame(.ping, "between".utf8))
      try await peer.expectPong("between".utf8)
      await peer.send(part("two", fin: true))
      try await peer.expectDelivered(.text, "one, two".utf8)
    },
    CheckCase("fragmentation/many", "RFC 6455 §5.4", "A message in 1000 frames of a byte is one message.") {
      peer in
      let text = String(repeating: "0123456789", count: 100)
      try await peer.open()
      var frames = text.map { part(String($0)) }
      frames[0].opcode = Opcode.text.rawValue
      frames[frames.count - 1].fin = true
      try await peer.deliver(frames, .text, text.utf8)
    },
    CheckCase(
      "fragmentation/two-messages",
      "RFC 6455 §5.4",
      "After a message in fragments another may follow."
    ) { peer in
      try await peer.open()
      try await peer.deliver([.text("a", fin: false), part("b", fin: true)], .text, "ab".utf8)
      try await peer.deliver([.text("c", fin: false), part("d", fin: true)], .text, "cd".utf8)
      try await peer.deliver([.text("whole")], .text, "whole".utf8)
    },
    fails(
      "fragmentation/continuation-without-start",
      "RFC 6455 §5.4",
      "A continuation frame without a message before it fails the connection.",
      delivered: Array("lost".utf8)
    ) { [part("lost", fin: true)] },
    fails(
      "fragmentation/continuation-without-start-unfinished",
      "RFC 6455 §5.4",
      "The same, where the frame doesn't end a message.",
      delivered: Array("lost, found".utf8)
    ) { [part("lost, "), part("found", fin: true)] },
    fails(
      "fragmentation/continuation-after-message",
      "RFC 6455 §5.4",
      "A continuation frame after a message that has ended fails the connection.",
      delivered: Array("lost".utf8)
    ) { [.text("a", fin: false), part("b", fin: true), part("lost", fin: true)] },
    fails(
      "fragmentation/text-inside-message",
      "RFC 6455 §5.4",
      "A text that begins before the message under way has ended fails the connection.",
      delivered: Array("inside".utf8)
    ) { [.text("a", fin: false), .text("inside")] },
    fails(
      "fragmentation/binary-inside-message",
      "RFC 6455 §5.4",
      "A binary message that begins before the message under way has ended fails the connection.",
      delivered: Array("inside".utf8)
    ) { [.text("a", fin: false), WireFrame(.binary, "inside".utf8)] },
    fails(
      "fragmentation/start-inside-message",
      "RFC 6455 §5.4",
      "A second first fragment fails the connection.",
      delivered: Array("insideend".utf8)
    ) { [.text("a", fin: false), .text("inside", fin: false), part("end", fin: true)] },
  ]

  // MARK: UTF-8

  /// Valid text, and what is special about it.
  private static let valid: [(id: String, title: String, text: String)] = [
    ("two-bytes", "Characters of two bytes.", "κόσμε \u{80}\u{7FF}"),
    ("three-bytes", "Characters of three bytes.", "\u{800}漢字\u{D7FF}\u{E000}"),
    ("four-bytes", "Characters of four bytes.", "\u{10000}😀"),
    ("last-character", "The last character, U+10FFFF.", "\u{10FFFF}"),
    (
      "non-characters", "Code points that are no characters, such as U+FFFE, are valid.",
      "\u{FFFE}\u{FFFF}\u{1FFFE}"
    ),
    ("zero", "U+0000 is a character.", "a\u{0}b"),
    ("byte-order-mark", "A byte order mark is kept.", "\u{FEFF}text"),
  ]

  /// Bytes that are no text.
  private static let invalid: [(id: String, title: String, bytes: [UInt8])] = [
    ("lone-continuation", "A continuation byte alone", [0x61, 0x80]),
    ("byte-fe", "The byte FE, which UTF-8 doesn't have,", [0xFE]),
    ("byte-ff", "The byte FF, which UTF-8 doesn't have,", [0x61, 0xFF, 0x61]),
    ("latin-1", "A byte of ISO 8859-1", [0x63, 0x61, 0x66, 0xE9, 0x21]),
    ("surrogate-high", "U+D800, a surrogate,", [0xED, 0xA0, 0x80]),
    ("surrogate-low", "U+DFFF, a surrogate,", [0xED, 0xBF, 0xBF]),
    ("surrogate-pair", "A pair of surrogates", [0xED, 0xA0, 0xBD, 0xED, 0xB8, 0x80]),
    ("beyond-last", "U+110000", [0xF4, 0x90, 0x80, 0x80]),
    ("five-bytes", "A sequence of five bytes", [0xF8, 0x88, 0x80, 0x80, 0x80]),
    ("six-bytes", "A sequence of six bytes", [0xFC, 0x84, 0x80, 0x80, 0x80, 0x80]),
    ("overlong-two", "A slash in two bytes", [0xC0, 0xAF]),
    ("overlong-three", "A slash in three bytes", [0xE0, 0x80, 0xAF]),
    ("overlong-four", "A slash in four bytes", [0xF0, 0x80, 0x80, 0xAF]),
    ("overlong-zero", "U+0000 in two bytes", [0xC0, 0x80]),
    ("cut-two", "A character of two bytes that is cut off", [0x61, 0xC3]),
    ("cut-three", "A character of three bytes that is cut off", [0x61, 0xE2, 0x82]),
    ("cut-four", "A character of four bytes that is cut off", [0x61, 0xF0, 0x9F, 0x98]),
    ("cut-inside", "A character that is cut off by another", [0xE2, 0x82, 0x61]),
  ]

  static let utf8: [CheckCase] =
    valid.map { one in
      CheckCase("utf8/\(one.id)", "RFC 6455 §5.6", one.title) { peer in
        try await peer.open()
        try await peer.deliver([.text(one.text)], .text, one.text.utf8)
      }
    }
    + valid.prefix(3).map { one in
      CheckCase(
        "utf8/\(one.id)-split",
        "RFC 6455 §5.6",
        "\(one.title) In fragments of a byte, which split them."
      ) { peer in
        let bytes = Array(one.text.utf8)
        try await peer.open()
        let frames = bytes.indices.map { index in
          WireFrame(index == 0 ? .text : .continuation, [bytes[index]], fin: index == bytes.count - 1)
        }
        try await peer.deliver(frames, .text, bytes)
      }
    }
    + invalid.map { one in
      fails(
        "utf8/\(one.id)",
        "RFC 6455 §8.1",
        "\(one.title) in a text fails the connection.",
        code: .invalidFramePayloadData,
        delivered: one.bytes
      ) { [WireFrame(.text, one.bytes)] }
    }
    + invalid.prefix(12).map { one in
      fails(
        "utf8/\(one.id)-split",
        "RFC 6455 §8.1",
        "\(one.title) in fragments of a byte fails the connection.",
        code: .invalidFramePayloadData,
        delivered: one.bytes
      ) {
        one.bytes.indices.map { index in
          WireFrame(index == 0 ? .text : .continuation, [one.bytes[index]], fin: index == one.bytes.count - 1)
        }
      }
    }
    + [
      CheckCase(
        "utf8/at-once",
        "RFC 6455 §8.1",
        "Text that is invalid already need not be waited for to its end.",
        .may
      ) { peer in
        try await peer.open()
        await peer.send(WireFrame(.text, [0x61, 0xFF], fin: false))
        try await peer.expectFailed(.invalidFramePayloadData)
        peer.note("failed before the message's end")
      },
      CheckCase("utf8/binary-is-not-text", "RFC 6455 §5.6", "A binary message need not be UTF-8.") { peer in
        try await peer.open()
        try await peer.deliver([WireFrame(.binary, [0xFF, 0xFE, 0xC0])], .binary, [0xFF, 0xFE, 0xC0])
      },
    ]
}
