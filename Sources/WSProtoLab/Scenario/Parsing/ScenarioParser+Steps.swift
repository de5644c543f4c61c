// SPDX-License-Identifier: Apache-2.0

// Steps, but for those that send or expect something.
extension ScenarioParser {
  private static let verbs = [
    "connect", "listen", "accept", "send", "expect", "await", "capture", "close", "disconnect", "reset",
    "wait",
    "set",
  ]

  /// - Parameters:
  ///   - name: the connection that stands before the step.
  ///   - indentation: that of the step; lines that belong to it have more.
  ///   - start: where the step begins.
  mutating func parseAction(
    _ step: inout ScenarioStep,
    _ name: String?,
    _ indentation: Int,
    _ start: Int
  ) throws(Failure) -> ScenarioStep.Action {
    let verbStart = scanner.position
    let verb = try scanner.choice(Self.verbs)
    switch verb {
    case "connect", "listen", "accept", "set":
      guard name == nil else {
        throw scanner.fail("\(verb) has no connection before it: a name stands behind as", at: start)
      }
    case "wait": break
    default: step.connection = try connectionName(name, at: verbStart)
    }
    switch verb {
    case "connect": return try connect(&step, indentation)
    case "listen": return .listen(try listen(indentation))
    case "accept": return try accept(&step)
    case "send": return .send(try sendStep())
    case "expect", "await": return try expectStep(passesOver: verb == "await", indentation)
    case "capture": return .capture(try capture())
    case "close":
      let close = try closePayload()
      try scanner.endLine("a reason in quotes or the end of the line")
      return .close(close)
    case "wait":
      let isAbsolute = scanner.take("until")
      if isAbsolute { step.connection = try connectionName(name, at: verbStart) }
      let duration = try scanner.duration()
      try scanner.endLine()
      return isAbsolute ? .waitUntil(duration) : .wait(duration)
    case "set":
      let (name, value) = try assignment()
      try scanner.endLine()
      return .set(name, value)
    default:
      try scanner.endLine()
      return verb == "reset" ? .reset : .disconnect
    }
  }

  // MARK: Opening

  private mutating func connect(
    _ step: inout ScenarioStep,
    _ indentation: Int
  ) throws(Failure) -> ScenarioStep.Action {
    let url = try scanner.word("a URL such as ws://localhost:9001/")
    var connect = ConnectStep(url: Template(scanning: url.utf8))
    step.connection = try openConnection()
    try scanner.endLine("as, or the end of the line")
    let options = ["subprotocol", "header", "compression", "insecure", "no-replies"]
    try eachOption(indentation, options) { (parser, option) throws(Failure) in
      switch option {
      case "subprotocol":
        connect.subprotocols.append(Template(scanning: try parser.scanner.word("a subprotocol's name").utf8))
      case "header": connect.headers.append(try parser.header())
      case "compression": connect.compression = true
      case "insecure": connect.insecure = true
      default: connect.replies = false
      }
    }
    return .connect(connect)
  }

  private mutating func listen(_ indentation: Int) throws(Failure) -> ListenStep {
    let address = try scanner.word("an address such as 127.0.0.1:0")
    var listen = ListenStep(address: Template(scanning: address.utf8), name: "")
    listen.name = try openListener()
    try scanner.endLine()
    let options = ["subprotocol", "header", "compression", "no-replies", "refuse"]
    try eachOption(indentation, options) { (parser, option) throws(Failure) in
      switch option {
      case "subprotocol":
        listen.subprotocol = Template(scanning: try parser.scanner.word("a subprotocol's name").utf8)
      case "header": listen.headers.append(try parser.header())
      case "compression": listen.compression = true
      case "no-replies": listen.replies = false
      default:
        let status = try parser.scanner.number("a status", in: 300...599)
        listen.refusal = (status, parser.scanner.isAtLineEnd() ? nil : try parser.scanner.text().template)
      }
    }
    return listen
  }

  private mutating func accept(_ step: inout ScenarioStep) throws(Failure) -> ScenarioStep.Action {
    _ = scanner.isAtLineEnd()
    let start = scanner.position
    let listener = try scanner.name("a listener's name")
    try checkListener(listener, at: start)
    step.connection = try openConnection()
    try scanner.endLine("as, or the end of the line")
    return .accept(listener: listener)
  }

  /// Lines of their own that belong to a step: they are indented deeper.
  private mutating func eachOption(
    _ indentation: Int,
    _ options: [String],
    _ body: (inout Self, String) throws(Failure) -> Void
  ) throws(Failure) {
    try eachDeeperLine(indentation) { (parser) throws(Failure) in
      let option = try parser.scanner.choice(options)
      try body(&parser, option)
      try parser.scanner.endLine()
    }
  }

  mutating func eachDeeperLine(
    _ indentation: Int,
    _ body: (inout Self) throws(Failure) -> Void
  ) throws(Failure) {
    while let deeper = scanner.nextContent(), deeper > indentation {
      scanner.skipSpace()
      try body(&self)
    }
  }

  /// `Name: value`, to the end of the line.
  private mutating func header() throws(Failure) -> HeaderField {
    _ = scanner.isAtLineEnd()
    let start = scanner.position
    let line = scanner.rest()
    guard let colon = line.firstIndex(of: UInt8(ascii: ":")), colon > line.startIndex,
      line[..<colon].allSatisfy({ Template.isNameByte($0) })
    else { throw scanner.fail("expected a field such as Origin: http://localhost", at: start) }
    let value = line[(colon + 1)...].drop(while: ScenarioScanner.isSpace)
    return HeaderField(
      name: String(decoding: line[..<colon], as: UTF8.self),
      value: Template(scanning: value)
    )
  }

  // MARK: Others

  private mutating func capture() throws(Failure) -> CaptureStep {
    let part: CaptureStep.Part
    guard !scanner.isAtLineEnd() else {
      throw scanner.fail("expected a place such as $.id, a pattern or message")
    }
    switch scanner.next {
    case UInt8(ascii: "$"): part = .path(try scanner.path())
    case UInt8(ascii: "/"): part = .pattern(try scanner.pattern())
    default:
      guard scanner.take("message") else {
        throw scanner.fail("expected a place such as $.id, a pattern or message, not \(scanner.found())")
      }
      part = .whole
    }
    guard scanner.take("as") else { throw scanner.fail("expected as and a variable's name") }
    let name = try scanner.name("a variable's name")
    try scanner.endLine()
    return CaptureStep(part: part, variable: name)
  }

  /// `1000 "reason"`, both of them optional.
  mutating func closePayload() throws(Failure) -> ClosePayloadStep {
    guard !scanner.isAtLineEnd() else { return ClosePayloadStep(code: nil, reason: nil) }
    let code = try scanner.number("a code", in: 1000...4999)
    let reason = scanner.isAtLineEnd() ? nil : try scanner.text().template
    return ClosePayloadStep(code: UInt16(code), reason: reason)
  }
}
