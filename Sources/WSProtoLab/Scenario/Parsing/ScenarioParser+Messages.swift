// SPDX-License-Identifier: Apache-2.0

import WSProto

// Steps that send or expect something.
extension ScenarioParser {
  // MARK: Sending

  mutating func sendStep() throws(Failure) -> SendStep {
    let kind = try scanner.choice(["text", "binary", "json", "ping", "pong", "close", "frame", "raw"])
    var send: SendStep
    switch kind {
    case "text": send = SendStep(content: .text(try scanner.text()))
    case "binary": send = SendStep(content: .binary(try scanner.payload(allowsHex: true)))
    case "json": send = SendStep(content: .json(try scanner.json()))
    case "ping": send = SendStep(content: .ping(try optionalPayload()))
    case "pong": send = SendStep(content: .pong(try optionalPayload()))
    case "close": send = SendStep(content: .close(try closePayload()))
    case "frame": send = SendStep(content: .frame(try frame()))
    default: send = SendStep(content: .raw(try scanner.payload(allowsHex: true)))
    }
    if kind == "text" || kind == "binary" || kind == "json", scanner.take("in") {
      send.frames = try scanner.number("how many frames", in: 1...10_000)
      guard scanner.take("frames") else { throw scanner.fail("expected frames, not \(scanner.found())") }
    }
    try scanner.endLine()
    return send
  }

  private mutating func optionalPayload() throws(Failure) -> Payload {
    scanner.isAtLineEnd() ? Payload(template: Template()) : try scanner.payload(allowsHex: true)
  }

  private static let opcodes: [String: UInt8] = [
    "continuation": 0, "text": 1, "binary": 2, "close": 8, "ping": 9, "pong": 10,
  ]

  private static let frameKeys = "fin=no, rsv=100, opcode=text, mask=no, length=5 or length-bits=16"

  private mutating func frame() throws(Failure) -> FrameStep {
    var frame = FrameStep(opcode: 0)
    var hasOpcode = false
    while !scanner.isAtLineEnd(), let byte = scanner.next, byte != UInt8(ascii: "\""),
      byte != UInt8(ascii: "{")
    {
      let start = scanner.position
      let word = scanner.peekWord()
      if word.hasPrefix("0x") { break }
      let parts = word.split(separator: "=", maxSplits: 1)
      guard parts.count == 2 else {
        throw scanner.fail("expected \(Self.frameKeys), or a payload, not \(scanner.found())")
      }
      let value = String(parts[1])
      switch (parts[0], value) {
      case ("fin", "yes"), ("fin", "no"): frame.fin = value == "yes"
      case ("mask", "no"): frame.masking = .none
      case ("mask", _) where value.utf8.count == 10 && value.hasPrefix("0x"):
        guard let key = UInt32(value.dropFirst(2), radix: 16) else {
          throw scanner.fail("expected a key such as mask=0x01020304", at: start)
        }
        frame.masking = .key(key.byteSwapped)
      case ("rsv", _) where value.count == 3 && value.allSatisfy({ $0 == "0" || $0 == "1" }):
        frame.rsv = UInt8(value, radix: 2) ?? 0
      case ("opcode", _):
        guard let opcode = Self.opcodes[value] ?? UInt8(value).flatMap({ $0 < 16 ? $0 : nil }) else {
          throw scanner.fail("expected an opcode: text, binary, …, or 0...15", at: start)
        }
        frame.opcode = opcode
        hasOpcode = true
      case ("length", _) where UInt64(value) != nil: frame.declaredLength = UInt64(value)
      case ("length-bits", _):
        guard let form = Int(value).flatMap({ FrameLengthForm(rawValue: $0) }) else {
          throw scanner.fail("expected length-bits=7, 16 or 64", at: start)
        }
        frame.lengthForm = form
      default: throw scanner.fail("expected \(Self.frameKeys), not \(scanner.found())")
      }
      _ = scanner.word()
    }
    guard hasOpcode else { throw scanner.fail("expected opcode=text, or another") }
    frame.payload = try optionalPayload()
    return frame
  }

  // MARK: Expecting

  private static let expectations = [
    "text", "binary", "json", "message", "ping", "pong", "close", "end", "silence", "refused", "violation",
    "subprotocol", "header", "path", "compression",
  ]

  mutating func expectStep(passesOver: Bool, _ indentation: Int) throws(Failure) -> ScenarioStep.Action {
    let kinds = passesOver ? Array(Self.expectations.prefix(8)) : Self.expectations
    let kind = try scanner.choice(kinds)
    var expect = ExpectStep(content: .message, passesOver: passesOver)
    var json: JSONCheck?
    switch kind {
    case "text": expect.content = .text(try payloadCheck(allowsHex: false))
    case "binary": expect.content = .binary(try payloadCheck(allowsHex: true))
    case "json": json = try jsonCheck()
    case "ping": expect.content = .ping(try payloadCheck(allowsHex: true))
    case "pong": expect.content = .pong(try payloadCheck(allowsHex: true))
    case "close": expect.content = .close(try closeCheck())
    case "end": expect.content = .end
    case "violation":
      expect.content = .violation(code: try optionalNumber("a code", in: 1000...4999).map(UInt16.init))
    case "refused":
      let status = try optionalNumber("a status", in: 100...599)
      expect.content = .refused(status: status, body: try payloadCheck(allowsHex: false))
    case "silence":
      let duration = try scanner.duration()
      try scanner.endLine()
      return .silence(duration)
    case "message": break
    default:
      let check = try handshakeCheck(kind)
      try scanner.endLine()
      return .check(check)
    }
    if scanner.take("within") { expect.within = try scanner.duration() }
    try scanner.endLine("within, or the end of the line")
    if let json { expect.content = .json(try withConditions(json, indentation)) }
    return .expect(expect)
  }

  private mutating func optionalNumber(_ expected: String, in range: ClosedRange<Int>) throws(Failure) -> Int?
  {
    guard !scanner.isAtLineEnd(), let byte = scanner.next, 0x30...0x39 ~= byte else { return nil }
    return try scanner.number(expected, in: range)
  }

  /// What a payload must be; `anything` where the line, or what is expected, ends.
  private mutating func payloadCheck(allowsHex: Bool) throws(Failure) -> PayloadCheck {
    if scanner.isAtLineEnd() || scanner.peekWord() == "within" { return .anything }
    if scanner.take("contains") { return .contains(try scanner.payload(allowsHex: allowsHex)) }
    if scanner.take("matches") { return .matches(try scanner.pattern()) }
    if scanner.take("size") {
      let comparison = try comparison()
      return .size(comparison, try scanner.number("a size in bytes", in: 0...Int(Int32.max)))
    }
    _ = scanner.take("==")
    guard let byte = scanner.next,
      byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "{") || allowsHex || isTextAhead()
    else {
      throw scanner.fail(
        "expected a text in quotes, matches, contains, size or within, not \(scanner.found())"
      )
    }
    return .equals(try scanner.payload(allowsHex: allowsHex))
  }

  private func isTextAhead() -> Bool {
    var copy = scanner
    return !copy.isAtLineEnd() && copy.next == UInt8(ascii: "\"")
  }

  private mutating func comparison() throws(Failure) -> Comparison {
    let sign = try scanner.choice(Comparison.allCases.map(\.rawValue))
    return Comparison(rawValue: sign) ?? .equal
  }

  private mutating func closeCheck() throws(Failure) -> CloseCheck {
    if scanner.isAtLineEnd() || scanner.peekWord() == "within" { return CloseCheck() }
    let code = try scanner.number("a code", in: 1000...4999)
    return CloseCheck(code: UInt16(code), reason: try payloadCheck(allowsHex: false))
  }

  private mutating func handshakeCheck(_ kind: String) throws(Failure) -> HandshakeCheck {
    switch kind {
    case "compression": return HandshakeCheck(subject: .compression, test: try presence("on", "off"))
    case "subprotocol":
      if scanner.take("none") { return HandshakeCheck(subject: .subprotocol, test: .absent) }
      return HandshakeCheck(subject: .subprotocol, test: .text(try wordCheck()))
    case "header":
      let name = try scanner.name("a field's name")
      if scanner.isAtLineEnd() { return HandshakeCheck(subject: .header(name), test: .present) }
      if scanner.take("absent") { return HandshakeCheck(subject: .header(name), test: .absent) }
      return HandshakeCheck(subject: .header(name), test: .text(try payloadCheck(allowsHex: false)))
    default: return HandshakeCheck(subject: .path, test: .text(try wordCheck()))
    }
  }

  private mutating func presence(_ present: String, _ absent: String) throws(Failure) -> HandshakeCheck.Test {
    try scanner.choice([present, absent]) == present ? .present : .absent
  }

  /// A word without quotes, or what a payload may be.
  private mutating func wordCheck() throws(Failure) -> PayloadCheck {
    guard !scanner.isAtLineEnd(), let byte = scanner.next else { return try payloadCheck(allowsHex: false) }
    let word = scanner.peekWord()
    if byte == UInt8(ascii: "\"") || ["contains", "matches", "size", "=="].contains(word) {
      return try payloadCheck(allowsHex: false)
    }
    _ = scanner.word()
    return .equals(Payload(template: Template(scanning: word.utf8)))
  }

  // MARK: JSON

  private mutating func jsonCheck() throws(Failure) -> JSONCheck {
    if scanner.isAtLineEnd() || scanner.peekWord() == "within" { return .anything }
    if scanner.next == UInt8(ascii: "$") { return .conditions([try condition()]) }
    if scanner.take("includes") { return .includes(try scanner.json()) }
    _ = scanner.take("==")
    return .equals(try scanner.json())
  }

  /// Conditions on lines of their own, indented.
  private mutating func withConditions(_ check: JSONCheck, _ indentation: Int) throws(Failure) -> JSONCheck {
    var conditions: [JSONCondition] = []
    if case .conditions(let first) = check { conditions = first }
    let before = conditions.count
    try eachDeeperLine(indentation) { (parser) throws(Failure) in
      switch check {
      case .equals, .includes:
        throw parser.scanner.fail("expected the next step: conditions follow expect json without a value")
      case .anything, .conditions: break
      }
      conditions.append(try parser.condition())
      try parser.scanner.endLine()
    }
    return conditions.count == before && before == 0
      ? check : conditions.isEmpty ? check : .conditions(conditions)
  }

  private static let tests = [
    "==", "!=", "<", "<=", ">", ">=", "exists", "absent", "is", "matches", "contains", "includes", "length",
  ]

  private mutating func condition() throws(Failure) -> JSONCondition {
    _ = scanner.isAtLineEnd()
    let start = scanner.position
    let path = try scanner.path()
    let isLength = scanner.take("length")
    let word = try scanner.choice(isLength ? Comparison.allCases.map(\.rawValue) : Self.tests)
    let test: JSONCondition.Test
    switch word {
    case "exists": test = .exists
    case "absent": test = .absent
    case "is":
      let kind = try scanner.choice(JSONValue.Kind.allCases.map(\.rawValue))
      test = .kind(JSONValue.Kind(rawValue: kind) ?? .null)
    case "matches": test = .matches(try scanner.pattern())
    case "contains": test = .contains(try scanner.json())
    case "includes": test = .includes(try scanner.json())
    default: test = .compares(Comparison(rawValue: word) ?? .equal, try scanner.json())
    }
    let source = scanner.bytes[start..<scanner.position].prefix(160).map { $0 == 0x0A ? 0x20 : $0 }
    return JSONCondition(
      path: path,
      isLength: isLength,
      test: test,
      source: shown(String(decoding: source, as: UTF8.self))
    )
  }
}
