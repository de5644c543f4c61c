// SPDX-License-Identifier: Apache-2.0

import WSProto

/// The violations that WSProto's decoders report, with their sections. The rules themselves stand in WSProto.
struct Rule {
  var name: String
  var section: String
  /// The byte of the frame's header that breaks it.
  var headerByte = 0

  /// The rule that a decoder's error is about.
  init(_ error: ParseFailed) {
    for (beginning, rule) in Self.rules where error.message.hasPrefix(beginning) {
      self = rule
      return
    }
    self = Rule("protocol-error", "RFC 6455 §7.1.7")
  }

  init(_ name: String, _ section: String, byte: Int = 0) {
    self.name = name
    self.section = section
    headerByte = byte
  }

  /// By the beginning of the error's message. A test compares them with what the decoders say.
  private static let rules: [(String, Rule)] = [
    ("invalid opcode", Rule("reserved-opcode", "RFC 6455 §5.2")),
    ("a reserved bit", Rule("reserved-bit", "RFC 6455 §5.2")),
    ("a control frame must not be fragmented", Rule("fragmented-control-frame", "RFC 6455 §5.5")),
    ("a control frame's payload", Rule("long-control-frame", "RFC 6455 §5.5", byte: 1)),
    ("a frame from a client", Rule("unmasked-client-frame", "RFC 6455 §5.1", byte: 1)),
    ("a frame from a server", Rule("masked-server-frame", "RFC 6455 §5.1", byte: 1)),
    ("a payload length in", Rule("length-not-minimal", "RFC 6455 §5.2", byte: 2)),
    ("a payload length with", Rule("length-too-large", "RFC 6455 §5.2", byte: 2)),
    ("a continuation frame without", Rule("continuation-without-message", "RFC 6455 §5.4")),
    ("a new message before", Rule("message-inside-message", "RFC 6455 §5.4")),
    ("a text message", Rule("text-not-utf8", "RFC 6455 §8.1")),
    ("a close frame with a payload", Rule("close-of-one-byte", "RFC 6455 §5.5.1")),
    ("a close frame with the invalid", Rule("close-code", "RFC 6455 §7.4.1")),
    ("the reason of a close", Rule("close-reason-not-utf8", "RFC 6455 §5.5.1")),
    ("compressed data that cannot", Rule("deflate-data", "RFC 7692 §7.2.2")),
  ]
}

extension Finding {
  /// A violation that a decoder reports for the frame, or the part of one, at `offset`.
  init(_ error: ParseFailed, at offset: Int, stops: Bool) {
    let rule = Rule(error)
    self.init(
      severity: .violation,
      rule: rule.name,
      section: rule.section,
      offset: offset,
      message: error.message,
      closeCode: error.code,
      stops: stops
    )
  }

  static func oddity(_ rule: String, _ section: String?, at offset: Int, _ message: String) -> Finding {
    Finding(severity: .oddity, rule: rule, section: section, offset: offset, message: message)
  }

  static func note(_ rule: String, at offset: Int, _ message: String, stops: Bool = false) -> Finding {
    Finding(severity: .note, rule: rule, offset: offset, message: message, stops: stops)
  }

  static func violation(_ rule: String, _ section: String?, at offset: Int, _ message: String) -> Finding {
    Finding(severity: .violation, rule: rule, section: section, offset: offset, message: message)
  }
}
