// SPDX-License-Identifier: Apache-2.0

/// Makes a test of a recorded conversation: to be written to a file, or to be run at once.
package struct ConversationTest {
  /// How the test deals with time.
  package enum Pace: Sendable {
    /// Each message is sent when it was sent.
    case recorded
    /// Each message is sent when all that came before it has come.
    case asFastAsAnswered
  }

  /// The lines of the file.
  package private(set) var lines: [String] = []
  /// The same as steps.
  package private(set) var test: ScenarioTest

  /// - Parameters:
  ///   - url: whom to talk to.
  ///   - hidesSecrets: whether credentials become variables, so that they are in no file.
  ///   - endsInSilence: whether the test fails if more comes than was recorded.
  package init(
    _ conversation: RecordedConversation,
    url: String,
    title: String,
    pace: Pace,
    hidesSecrets: Bool,
    endsInSilence: Bool
  ) {
    test = ScenarioTest(title: title, steps: [])
    lines.append("test \(shown(title))")
    connect(conversation, url, hidesSecrets)
    // Pongs are sent without being told to; those that answer no ping of the client's are not expected.
    var pings = 0
    for (index, entry) in conversation.entries.enumerated() {
      switch (entry.content, entry.isClients) {
      case (.pong, true), (.ping, false): continue
      case (.pong, false):
        guard pings > 0 else { continue }
        pings -= 1
      case (.ping, true): pings += 1
      case (.close, _):
        let hasAnswer = conversation.entries[index...].contains { other in
          if case .close = other.content { other.isClients != entry.isClients } else { false }
        }
        if endsInSilence, entry.isClients { add("expect silence 200ms", .silence(.milliseconds(200))) }
        close(entry, isAnswered: hasAnswer)
        return
      case (.text, _), (.binary, _): break
      }
      if entry.isClients, pace == .recorded, let time = entry.time { wait(until: time) }
      entry.isClients ? send(entry.content) : expect(entry.content)
    }
    if endsInSilence { add("expect silence 200ms", .silence(.milliseconds(200))) }
  }

  private mutating func add(_ line: String, _ action: ScenarioStep.Action) {
    lines.append(line)
    let source = line.count > 160 ? line.prefix(160) + "…" : line
    test.steps.append(ScenarioStep(line: lines.count, source: source, connection: "", action: action))
  }

  private static let keptFields: Set<String> = ["origin", "authorization", "cookie"]

  private mutating func connect(_ conversation: RecordedConversation, _ url: String, _ hidesSecrets: Bool) {
    var step = ConnectStep(url: Template(bytes: Array(url.utf8)))
    var options: [String] = []
    // Braces in what is written would be a variable; a subprotocol that has them is no token.
    for name in conversation.subprotocols where !name.isEmpty && !name.contains("{{") {
      step.subprotocols.append(Template(bytes: Array(name.utf8)))
      options.append("  subprotocol \(shown(name))")
    }
    for (name, value) in conversation.headers where Self.keptFields.contains(name.lowercased()) {
      step.headers.append(HeaderField(name: name, value: Template(bytes: Array(value.utf8))))
      let isSecret =
        hidesSecrets && RecordedConversation.secretFields.contains(name.lowercased()) || value.contains("{{")
      options.append("  header \(name): \(isSecret ? "{{\(name.lowercased())}}" : shown(value))")
    }
    step.compression = conversation.isCompressed
    if step.compression { options.append("  compression") }
    var written = url
    if hidesSecrets, let credentials = Self.credentials(in: url) {
      written.removeSubrange(credentials)
      options.append("  header Authorization: {{authorization}}")
    }
    add("connect \(shown(written))", .connect(step))
    lines += options
  }

  /// The user and the password of a URL, with the `@` behind them (RFC 3986 §3.2.1).
  private static func credentials(in url: String) -> Range<String.Index>? {
    guard let scheme = url.firstRange(of: "://") else { return nil }
    let authority = url[scheme.upperBound...].prefix { !"/?#".contains($0) }
    return authority.lastIndex(of: "@").map { scheme.upperBound..<url.index(after: $0) }
  }

  private mutating func wait(until time: Duration) {
    let milliseconds = Int64(time / .milliseconds(1))
    guard milliseconds > 0 else { return }
    add("wait until \(milliseconds)ms", .waitUntil(.milliseconds(milliseconds)))
  }

  private mutating func close(_ entry: RecordedConversation.Entry, isAnswered: Bool) {
    guard case .close(let code, let reason) = entry.content else { return }
    let says = code == 1005 ? "" : " \(code)" + (reason.isEmpty ? "" : " \(Self.quoted(Array(reason.utf8)))")
    if entry.isClients {
      let template = reason.isEmpty ? nil : Template(bytes: Array(reason.utf8))
      let payload = ClosePayloadStep(code: code == 1005 ? nil : code, reason: template)
      if isAnswered {
        add("close\(says)", .close(payload))
      } else {
        add("send close\(says)", .send(SendStep(content: .close(payload))))
      }
    } else {
      let check: PayloadCheck =
        reason.isEmpty ? .anything : .equals(Payload(template: Template(bytes: Array(reason.utf8))))
      let expect = ExpectStep(content: .close(CloseCheck(code: code, reason: check)))
      add("expect close\(code == 1005 ? " 1005" : says)", .expect(expect))
    }
  }

  private mutating func send(_ content: RecordedConversation.Content) {
    switch content {
    case .text(let bytes):
      let line = Self.json(bytes).map { "send json \($0.compact)" } ?? "send text \(Self.quoted(bytes))"
      add(line, .send(SendStep(content: .text(Self.payload(bytes)))))
    case .binary(let bytes):
      add("send binary \(Self.hex(bytes))", .send(SendStep(content: .binary(Self.payload(bytes)))))
    case .ping(let bytes):
      add("send ping \(Self.quoted(bytes))", .send(SendStep(content: .ping(Self.payload(bytes)))))
    case .pong, .close: break
    }
  }

  private mutating func expect(_ content: RecordedConversation.Content) {
    switch content {
    case .text(let bytes):
      if let value = Self.json(bytes) {
        let expect = ExpectStep(content: .json(.equals(JSONTemplate(constant: value))))
        add("expect json \(value.compact)", .expect(expect))
      } else {
        let expect = ExpectStep(content: .text(.equals(Self.payload(bytes))))
        add("expect text \(Self.quoted(bytes))", .expect(expect))
      }
    case .binary(let bytes):
      let expect = ExpectStep(content: .binary(.equals(Self.payload(bytes))))
      add("expect binary \(Self.hex(bytes))", .expect(expect))
    case .pong(let bytes):
      let expect = ExpectStep(content: .pong(.equals(Self.payload(bytes))))
      add("expect pong \(Self.quoted(bytes))", .expect(expect))
    case .ping, .close: break
    }
  }

  // MARK: Text

  private static func payload(_ bytes: [UInt8]) -> Payload { Payload(template: Template(bytes: bytes)) }

  /// The value, if the text is an object or an array that stays the same when it is written.
  private static func json(_ bytes: [UInt8]) -> JSONValue? {
    guard bytes.first == UInt8(ascii: "{") || bytes.first == UInt8(ascii: "["),
      bytes.firstRange(of: Array("{{".utf8)) == nil, let value = try? JSONValue(parsing: bytes),
      Array(value.compact.utf8) == bytes
    else { return nil }
    return value
  }

  /// In quotes, with nothing that is a variable.
  private static func quoted(_ bytes: [UInt8]) -> String {
    Escaping.quoted(bytes, limit: .max).replacing("{{", with: "\\{\\{")
  }

  private static func hex(_ bytes: [UInt8]) -> String {
    bytes.isEmpty ? "\"\"" : "0x" + Escaping.hex(bytes, separator: "")
  }
}
