// SPDX-License-Identifier: Apache-2.0

import WSProto

/// Applies rules to a complete message.
struct RuleApplication {
  /// The result.
  enum Outcome: Equatable {
    /// The bytes are to be sent. There are none if the message was dropped.
    case send
    /// The message is held.
    case held
    case close(CloseReason, String)
    case reset
  }

  /// The message as changed by the rules applied so far.
  var message: PassingMessage
  /// Whether the receiver needs every compressed message in order to inflate later ones (context takeover).
  let hasHistory: Bool
  /// The delay in nanoseconds.
  private(set) var delay: Int64 = 0
  /// How many bytes are written at a time; `nil` for any.
  private(set) var segmentBytes: Int?
  /// How often to send the message.
  private(set) var copies = 1
  /// Whether the receiver doesn't get this compressed message, so that later ones must not refer to it.
  private(set) var breaksHistory = false
  private(set) var notes: [String] = []
  /// The rules that haven't been applied yet.
  private var rest: ArraySlice<NumberedRule>

  init(_ message: PassingMessage, _ rules: [NumberedRule], hasHistory: Bool) {
    self.message = message
    self.hasHistory = hasHistory
    rest = rules[...]
  }

  /// Applies the rules. After a rule that holds the message, call it again once the user has decided.
  mutating func run(_ random: inout SeededGenerator, _ keys: inout SeededGenerator) -> Outcome {
    while let one = rest.popFirst() {
      guard let isMatching = matches(one.rule) else {
        note(one, "\(message.name) cannot be compared with the pattern, and passes")
        continue
      }
      guard isMatching else { continue }
      if let outcome = apply(one, &random, &keys) { return outcome }
    }
    return .send
  }

  /// Removes the first notes, which have already been shown.
  mutating func forgetNotes(_ count: Int) { notes.removeFirst(count) }

  /// Drops the message.
  mutating func drop() {
    copies = 0
    loseCompressed()
    rest = []
  }

  /// Replaces the content. Returns why that isn't possible; `nil` if it was done.
  mutating func change(to content: [UInt8], _ keys: inout SeededGenerator) -> String? {
    guard message.content != nil else {
      return "\(message.name) cannot be inflated, or belongs to an extension that isn't known here"
    }
    guard !message.isControl || content.count <= Self.maxControlPayload else {
      return
        "\(message.name) would have \(content.count), and a control frame has 125 at most (RFC 6455 §5.5)"
    }
    loseCompressed()
    message.setContent(content, key: Self.key(&keys))
    return nil
  }

  private static let maxControlPayload = 125

  private static func key(_ keys: inout SeededGenerator) -> UInt32 {
    UInt32.random(in: .min ... .max, using: &keys)
  }

  /// The bytes to send.
  var bytes: [UInt8] {
    guard copies > 0 else { return [] }
    let one = message.bytes
    return (1..<copies).reduce(into: one) { all, _ in all += repeated ?? one }
  }

  /// Another copy of a compressed message. It is uncompressed, since the same bytes would inflate to something else after
  /// the first copy.
  private var repeated: [UInt8]? {
    guard message.isCompressed, hasHistory, let content = message.content else { return nil }
    var plain = message
    let key = message.frames.first?.head.maskingKey ?? 0
    plain.setContent(content, key: key)
    return plain.bytes
  }

  private mutating func loseCompressed() {
    if message.isCompressed, hasHistory { breaksHistory = true }
  }

  private mutating func note(_ one: NumberedRule, _ words: String) {
    notes.append("rule \(one.number), \(one.rule.action.name): \(words)")
  }

  /// `nil` if the content isn't known.
  private func matches(_ rule: ProxyRule) -> Bool? {
    guard let pattern = rule.pattern else { return true }
    return message.content.map { pattern.matches($0) }
  }

  // MARK: Actions

  /// Applies one rule. Returns the result if no further rule applies.
  private mutating func apply(
    _ one: NumberedRule,
    _ random: inout SeededGenerator,
    _ keys: inout SeededGenerator
  ) -> Outcome? {
    let name = message.name
    switch one.rule.action {
    case .delay(let time):
      delay += time
      note(one, "\(name), by \(TimeText.duration(time))")
    case .drop:
      note(one, name)
      drop()
      return .send
    case .split(let size):
      guard !message.isControl else { return cannot(one, "a control frame has no fragments (RFC 6455 §5.5)") }
      message.reframe(size: size) { Self.key(&keys) }
      note(one, "\(name), in \(message.frames.count) frames")
    case .coalesce:
      guard message.frames.count > 1 else { return nil }
      note(one, "\(name), \(message.frames.count) frames in one")
      message.reframe(size: .max) { Self.key(&keys) }
    case .segments(let size):
      segmentBytes = size
      note(one, "\(name), \(size) bytes at a time")
    case .corrupt(let corruption):
      guard let place = message.corrupt(corruption, &random) else {
        return cannot(one, "\(name) has no such byte")
      }
      note(one, "\(name), \(place)")
    case .truncate(let size):
      guard message.content.map({ $0.count > size }) != false else { return nil }
      if let why = change(to: Array((message.content ?? []).prefix(size)), &keys) { return cannot(one, why) }
      note(one, "\(name), to \(size) bytes")
    case .duplicate:
      copies += 1
      note(one, name)
    case .close(let code, let reason):
      note(one, "\(name): both ends get a Close with \(code)")
      return .close(code, reason)
    case .reset:
      note(one, "\(name): both connections are reset")
      return .reset
    case .replace(let old, let new):
      let content = message.content ?? []
      // The code of a Close is no text.
      let code = message.opcode == Opcode.close.rawValue ? content.prefix(2) : []
      let changed = Array(content.dropFirst(code.count)).replacing(each: old, with: new)
      guard message.content == nil || changed != nil else { return nil }
      if let why = change(to: code + (changed ?? []), &keys) { return cannot(one, why) }
      note(one, "\(name), now \(message.name)")
    case .hold: return .held
    }
    return nil
  }

  private mutating func cannot(_ one: NumberedRule, _ words: String) -> Outcome? {
    note(one, "not done: \(words)")
    return nil
  }
}
