// SPDX-License-Identifier: Apache-2.0

import WSProto

/// Compares what has come with what a step expects.
struct ExpectMatcher {
  enum Verdict {
    case matches
    /// Something that the step is not about: a ping or a pong that nobody expects.
    case passesOver
    case differs(Difference)
  }

  let expect: ExpectStep
  let variables: ScenarioVariables

  func verdict(_ seen: ScenarioSeen) throws(ScenarioFailure) -> Verdict {
    switch (expect.content, seen) {
    case (.text(let check), .text(let bytes)):
      return try payload(check, bytes, name: "text", isText: true)
    case (.binary(let check), .binary(let bytes)):
      return try payload(check, bytes, name: "binary", isText: false)
    case (.json(let check), .text(let bytes)): return try json(check, bytes)
    case (.message, .text), (.message, .binary): return .matches
    case (.ping(let check), .ping(let bytes)): return try payload(check, bytes, name: "ping", isText: true)
    case (.pong(let check), .pong(let bytes)): return try payload(check, bytes, name: "pong", isText: true)
    case (_, .ping), (_, .pong): return .passesOver
    case (.close(let check), .close(let code, let reason)): return try close(check, code, reason)
    case (.end, .ended): return .matches
    case (.end, .close): return .passesOver
    case (.violation(let wanted), .violation(let code, _)):
      return wanted == nil || wanted == code ? .matches : differs(seen)
    case (.refused(let wanted, let check), .refused(let status, let body)):
      guard wanted == nil || wanted == status else { return differs(seen) }
      return try payload(check, body, name: "refused \(status)", isText: true)
    default: return differs(seen)
    }
  }

  private func differs(_ seen: ScenarioSeen) -> Verdict {
    .differs(Difference("something else came", expected: description, seen: seen.description))
  }

  /// What is expected, in words.
  var description: String {
    switch expect.content {
    case .text(let check): "text" + describe(check, isText: true)
    case .binary(let check): "binary" + describe(check, isText: false)
    case .json(let check): "json" + describe(check)
    case .message: "a message"
    case .ping(let check): "ping" + describe(check, isText: true)
    case .pong(let check): "pong" + describe(check, isText: true)
    case .close(let check):
      "close" + (check.code.map { " \($0)" } ?? "") + describe(check.reason, isText: true)
    case .end: "the end of the connection"
    case .violation(let code): "the protocol is broken" + (code.map { " (to be closed with \($0))" } ?? "")
    case .refused(let status, let check):
      "refused" + (status.map { " \($0)" } ?? "") + describe(check, isText: true)
    }
  }

  // MARK: Payloads

  func payload(
    _ check: PayloadCheck,
    _ bytes: [UInt8],
    name: String,
    isText: Bool
  ) throws(ScenarioFailure) -> Verdict {
    if try holds(check, bytes) { return .matches }
    let shown = isText ? ScenarioSeen.quoted(bytes) : ScenarioSeen.hex(bytes)
    var difference = Difference(
      "the \(name) differs",
      expected: name + describe(check, isText: isText),
      seen: "\(name) \(shown)"
    )
    if case .equals(let payload) = check {
      difference.details += Self.firstDifference(try payload.bytes(variables), bytes, isText: isText)
    } else if case .size = check {
      difference.details[1] = "seen      \(name) of \(bytes.count) bytes"
    }
    return .differs(difference)
  }

  private func holds(_ check: PayloadCheck, _ bytes: [UInt8]) throws(ScenarioFailure) -> Bool {
    switch check {
    case .anything: return true
    case .equals(let payload): return try payload.bytes(variables) == bytes
    case .contains(let payload):
      let wanted = try payload.bytes(variables)
      return wanted.isEmpty || bytes.firstRange(of: wanted) != nil
    case .matches(let pattern):
      return try pattern.firstMatch(in: String(decoding: bytes, as: UTF8.self)) != nil
    case .size(let comparison, let size): return comparison.holds(bytes.count, size)
    }
  }

  private func describe(_ check: PayloadCheck, isText: Bool) -> String {
    func shown(_ payload: Payload) -> String {
      guard let bytes = try? payload.bytes(variables) else { return " with a variable that is not set" }
      return " " + (isText ? ScenarioSeen.quoted(bytes) : ScenarioSeen.hex(bytes))
    }
    switch check {
    case .anything: return ""
    case .equals(let payload): return shown(payload)
    case .contains(let payload): return " contains" + shown(payload)
    case .matches(let pattern): return " matches \(pattern)"
    case .size(let comparison, let size): return " size \(comparison.rawValue) \(size)"
    }
  }

  /// Where long payloads begin to differ.
  private static func firstDifference(_ expected: [UInt8], _ seen: [UInt8], isText: Bool) -> [String] {
    guard max(expected.count, seen.count) > 24 else { return [] }
    let offset = zip(expected, seen).prefix { $0 == $1 }.count
    let start = max(0, offset - 8)
    func part(_ bytes: [UInt8]) -> String {
      let part = bytes[min(start, bytes.count)...]
      return isText ? Escaping.quoted(part, limit: 24) : Escaping.hex(part, limit: 16)
    }
    return ["at byte \(offset): \(part(expected)), and \(part(seen))"]
  }

  private func close(_ check: CloseCheck, _ code: UInt16, _ reason: String) throws(ScenarioFailure) -> Verdict
  {
    let matches = check.code == nil || check.code == code
    if matches, try holds(check.reason, Array(reason.utf8)) { return .matches }
    return .differs(
      Difference(
        "the Close differs",
        expected: description,
        seen: ScenarioSeen.close(code, reason: reason).description
      )
    )
  }

  // MARK: JSON

  private func describe(_ check: JSONCheck) -> String {
    switch check {
    case .anything: return ""
    case .equals(let template), .includes(let template):
      guard let value = try? template.value(variables) else { return " with a variable that is not set" }
      var word = ""
      if case .includes = check { word = " includes" }
      return "\(word) \(Self.cut(value.compact))"
    case .conditions(let conditions): return " " + conditions.map(\.source).joined(separator: ", ")
    }
  }

  private static func cut(_ text: String) -> String { text.count > 200 ? text.prefix(200) + "…" : text }

  private func json(_ check: JSONCheck, _ bytes: [UInt8]) throws(ScenarioFailure) -> Verdict {
    let value: JSONValue
    do throws(JSONSyntaxError) {
      value = try JSONValue(parsing: bytes)
    } catch {
      var difference = Difference(
        "the text is no JSON: \(error.message) at byte \(error.offset)",
        expected: description,
        seen: "text \(ScenarioSeen.quoted(bytes))"
      )
      difference.details.removeAll { $0.isEmpty }
      return .differs(difference)
    }
    switch check {
    case .anything: return .matches
    case .equals(let template):
      let wanted = try template.value(variables)
      if wanted == value { return .matches }
      return .differs(Difference("the JSON differs", expected: wanted.lines, seen: value.lines))
    case .includes(let template):
      let wanted = try template.value(variables)
      if value.includes(wanted) { return .matches }
      return .differs(
        Difference("the JSON does not include what is expected", expected: wanted.lines, seen: value.lines)
      )
    case .conditions(let conditions):
      for condition in conditions {
        if let why = try JSONConditionCheck(condition: condition, variables: variables).failure(in: value) {
          var difference = Difference("the JSON differs", expected: condition.source, seen: why)
          difference.details += Self.within(value)
          return .differs(difference)
        }
      }
      return .matches
    }
  }

  private static func within(_ value: JSONValue) -> [String] {
    let lines = value.lines
    var shown = lines.prefix(20).enumerated().map { index, line in
      (index == 0 ? "in        " : "          ") + cut(line)
    }
    if lines.count > 20 { shown.append("          … \(lines.count - 20) more lines") }
    return shown
  }
}
