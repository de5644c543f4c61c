// SPDX-License-Identifier: Apache-2.0

/// Reads a file of tests. Not recursive; what it holds is of the file's size.
package struct ScenarioParser {
  var scanner: ScenarioScanner
  private var file: ScenarioFile
  /// The names of the connections and listeners that the test under way has opened.
  var connections: [String] = []
  private var listeners: Set<String> = []
  private var line = (offset: 0, line: 1)

  typealias Failure = ScenarioScanner.Failure

  /// The largest file.
  package static let maxBytes = 16 << 20
  /// The most connections of a test.
  private static let maxConnections = 1000

  /// The tests in a file.
  ///
  /// - Parameter name: the file's, for messages.
  package static func parse(_ bytes: [UInt8], name: String) throws(ScenarioSyntaxError) -> ScenarioFile {
    var parser = ScenarioParser(bytes, name)
    do throws(Failure) {
      try parser.parse()
    } catch {
      throw parser.scanner.error(error)
    }
    return parser.file
  }

  private init(_ bytes: [UInt8], _ name: String) {
    scanner = ScenarioScanner(file: name, bytes: bytes)
    file = ScenarioFile(name: name)
  }

  private mutating func parse() throws(Failure) {
    guard scanner.bytes.count <= Self.maxBytes else {
      throw scanner.fail("more than \(Self.maxBytes) bytes", at: 0)
    }
    if let offset = Self.firstFault(in: scanner.bytes) {
      throw scanner.fail(
        "expected UTF-8 without control characters, not \(scanner.found(at: offset))",
        at: offset
      )
    }
    if scanner.bytes.starts(with: [0xEF, 0xBB, 0xBF]) { scanner.position = 3 }
    try parseHead()
    while let test = try parseTest() { file.tests.append(test) }
    guard !file.tests.isEmpty else {
      throw scanner.fail("expected a step, such as connect ws://localhost:9001/")
    }
  }

  /// The first byte that is part of no character, or of a control character.
  private static func firstFault(in bytes: [UInt8]) -> Int? {
    if String(validating: bytes, as: UTF8.self) != nil {
      return bytes.firstIndex { $0 < 0x20 && $0 != 0x09 && $0 != 0x0A && $0 != 0x0D || $0 == 0x7F }
    }
    var start = 0
    for line in bytes.split(separator: 0x0A, omittingEmptySubsequences: false) {
      if String(validating: line, as: UTF8.self) == nil {
        return line.firstIndex { $0 >= 0x80 } ?? start
      }
      start = line.endIndex
    }
    return start
  }

  /// What is set before the first test, for all of them.
  private mutating func parseHead() throws(Failure) {
    while scanner.nextContent() != nil {
      switch scanner.peekWord() {
      case "set":
        _ = scanner.word()
        let (name, value) = try assignment()
        file.defaults.append((name, value))
      case "timeout":
        _ = scanner.word()
        file.stepTimeout = try scanner.duration()
      default: return
      }
      try scanner.endLine()
    }
  }

  mutating func assignment() throws(Failure) -> (String, Template) {
    let name = try scanner.name("a variable's name")
    guard !scanner.isAtLineEnd() else { throw scanner.fail("expected a value for \(name)") }
    if scanner.next == UInt8(ascii: "\"") { return (name, try scanner.payload(allowsHex: false).template) }
    return (name, Template(scanning: scanner.rest()))
  }

  private mutating func parseTest() throws(Failure) -> ScenarioTest? {
    guard scanner.nextContent() != nil else { return nil }
    connections = []
    listeners = []
    var test = ScenarioTest(title: "", steps: [])
    let start = scanner.position
    if scanner.take("test") {
      test.title = try title()
      try scanner.endLine()
    } else if !file.tests.isEmpty {
      throw scanner.fail("expected test")
    }
    while let indentation = scanner.nextContent(), scanner.peekWord() != "test" {
      test.steps.append(try parseStep(indentation))
    }
    guard !test.steps.isEmpty else { throw scanner.fail("expected a step of this test", at: start) }
    Self.noteExpectedRefusals(&test.steps)
    return test
  }

  /// Quotes around a title are for those who like them.
  private mutating func title() throws(Failure) -> String {
    guard !scanner.isAtLineEnd() else { throw scanner.fail("expected the test's title") }
    var text = String(decoding: scanner.rest(), as: UTF8.self)
    if text.count >= 2, text.first == "\"", text.last == "\"" { text = String(text.dropFirst().dropLast()) }
    return text
  }

  private mutating func parseStep(_ indentation: Int) throws(Failure) -> ScenarioStep {
    scanner.skipSpace()
    let start = scanner.position
    line = (start, ScenarioScanner.line(of: start, in: scanner.bytes, after: line))
    let (name, prefixStart) = try connectionPrefix()
    var step = ScenarioStep(
      line: line.line,
      source: source(at: start),
      connection: name ?? "",
      action: .disconnect
    )
    step.action = try parseAction(&step, name, indentation, prefixStart)
    return step
  }

  /// `name>` before a step.
  private mutating func connectionPrefix() throws(Failure) -> (String?, Int) {
    let start = scanner.position
    let word = scanner.peekWord()
    guard word.last == ">" else { return (nil, start) }
    let name = String(word.dropLast())
    guard connections.contains(name), !name.isEmpty else {
      let known = connections.filter { !$0.isEmpty }.map { "\($0)>" }
      let hint = known.isEmpty ? "no connection has a name yet" : "there is \(known.joined(separator: ", "))"
      throw scanner.fail("\(scanner.found()) is no connection: \(hint)")
    }
    _ = scanner.word()
    return (name, start)
  }

  private func source(at start: Int) -> String {
    let line = scanner.bytes[start...].prefix { $0 != 0x0A }
    var text = shown(String(decoding: line.prefix(160), as: UTF8.self))
    while text.last == " " || text.last == "\t" { text.removeLast() }
    return line.count > 160 ? text + "…" : text
  }

  /// The connection of a step: the one whose name stands before it, else the only one.
  func connectionName(_ name: String?, at start: Int) throws(Failure) -> String {
    if let name { return name }
    if connections.contains("") { return "" }
    switch connections.count {
    case 0: throw scanner.fail("there is no connection yet: expected connect or listen", at: start)
    case 1: return connections[0]
    default:
      let names = connections.map { "\($0)>" }.joined(separator: " or ")
      throw scanner.fail("which connection? Expected \(names) before this step", at: start)
    }
  }

  /// Remembers a name behind `as`; without one, the connection has none.
  mutating func openConnection() throws(Failure) -> String {
    var name = ""
    if scanner.take("as") { name = try scanner.name("a connection's name") }
    if !connections.contains(name) {
      guard connections.count < Self.maxConnections else {
        throw scanner.fail("more than \(Self.maxConnections) connections in a test")
      }
      connections.append(name)
    }
    return name
  }

  mutating func openListener() throws(Failure) -> String {
    guard scanner.take("as") else { throw scanner.fail("expected as and the listener's name") }
    let start = scanner.position
    let name = try scanner.name("the listener's name")
    guard listeners.insert(name).inserted else { throw scanner.fail("the name \(name) is taken", at: start) }
    return name
  }

  func checkListener(_ name: String, at start: Int) throws(Failure) {
    guard !listeners.contains(name) else { return }
    let known = listeners.sorted().joined(separator: ", ")
    let hint = known.isEmpty ? "expected listen before this step" : "there is \(known)"
    throw scanner.fail("\(shownInQuotes(name)) is no listener: \(hint)", at: start)
  }

  /// A refusal fails a connect, unless the next step of the connection expects one.
  private static func noteExpectedRefusals(_ steps: inout [ScenarioStep]) {
    var expected: Set<String> = []
    for index in steps.indices.reversed() {
      let step = steps[index]
      switch step.action {
      case .set, .listen, .wait: continue
      case .expect(let expect):
        if case .refused = expect.content {
          expected.insert(step.connection)
        } else {
          expected.remove(step.connection)
        }
      case .connect(var connect):
        connect.mayBeRefused = expected.remove(step.connection) != nil
        steps[index].action = .connect(connect)
      default: expected.remove(step.connection)
      }
    }
  }
}
