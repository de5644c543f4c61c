// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import WSProtoLab

@Suite("Recorded conversations become tests")
struct ConversationTestTests {
  static var conversation: RecordedConversation {
    var conversation = RecordedConversation()
    conversation.subprotocols = ["chat"]
    conversation.headers = [("Origin", "http://localhost"), ("Cookie", "secret=1"), ("User-Agent", "x")]
    let entries: [(Bool, RecordedConversation.Content, Duration?)] = [
      (true, .text(Array("hello {{x}}".utf8)), .milliseconds(5)),
      (false, .text(Array(#"{"a":[1]}"#.utf8)), .milliseconds(8)),
      (false, .ping([1]), nil), (true, .pong([1]), nil), (true, .ping([2]), nil), (false, .pong([2]), nil),
      (true, .binary([0, 255]), .milliseconds(1500)), (false, .binary([]), nil),
      (true, .close(1000, reason: "bye"), nil), (false, .close(1000, reason: "bye"), nil),
    ]
    conversation.entries = entries.map {
      RecordedConversation.Entry(isClients: $0.0, content: $0.1, time: $0.2)
    }
    return conversation
  }

  @Test("What was recorded is no variable: braces, also three of them, and those of a field")
  func braces() throws {
    var conversation = RecordedConversation()
    conversation.headers = [("Origin", "http://{{env.HOME}}")]
    let text = "{{{env.HOME}}} {{x}}"
    conversation.entries = [
      RecordedConversation.Entry(isClients: true, content: .text(Array(text.utf8)), time: nil)
    ]
    let made = ConversationTest(
      conversation,
      url: "ws://user:secret@localhost/",
      title: "recorded",
      pace: .asFastAsAnswered,
      hidesSecrets: true,
      endsInSilence: false
    )
    #expect(made.lines.contains("connect ws://localhost/"))
    #expect(made.lines.contains("  header Authorization: {{authorization}}"))
    #expect(made.lines.contains("  header Origin: {{origin}}"))
    let file = try ScenarioParser.parse(Array(made.lines.joined(separator: "\n").utf8), name: "x")
    let sent = file.tests[0].steps.compactMap { step -> Template? in
      guard case .send(let send) = step.action, case .text(let payload) = send.content else { return nil }
      return payload.template
    }
    #expect(sent == [Template(bytes: Array(text.utf8))])
  }

  @Test("The file is one that can be read, and hides credentials")
  func file() throws {
    let made = ConversationTest(
      Self.conversation,
      url: "ws://localhost/",
      title: "recorded",
      pace: .recorded,
      hidesSecrets: true,
      endsInSilence: false
    )
    #expect(
      made.lines == [
        "test recorded", "connect ws://localhost/", "  subprotocol chat", "  header Origin: http://localhost",
        "  header Cookie: {{cookie}}", "wait until 5ms", "send text \"hello \\{\\{x}}\"",
        "expect json {\"a\":[1]}",
        "send ping \"\\u{2}\"", "expect pong \"\\u{2}\"", "wait until 1500ms", "send binary 0x00ff",
        "expect binary \"\"", "close 1000 \"bye\"",
      ]
    )
    let file = try ScenarioParser.parse(Array(made.lines.joined(separator: "\n").utf8), name: "x")
    #expect(file.tests[0].steps.map(\.line) == made.test.steps.map(\.line))
    #expect(file.tests[0].steps.map(\.source) == made.test.steps.map(\.source))
  }

  @Test(
    "A recorded file is read by the laboratory's readers, and repeated against a server that answers otherwise"
  )
  func replay() async throws {
    let dump = """
      > 474554202f20485454502f312e310d0a486f73743a20610d0a557067726164653a20776562736f636b65740d0a436f6e6e656374696f6e3a20557067726164650d0a5365632d576562536f636b65742d4b65793a2064476868495842736147563463326777626d4e6c5a513d3d0d0a5365632d576562536f636b65742d56657273696f6e3a2031330d0a0d0a
      < 818568656c6c6f
      """
    let recorder = ConversationRecorder(connection: nil)
    let inspection = Inspection(options: ConversationRecorder.options) { recorder.take($0) }
    try inspection.receive(Array(dump.utf8).span.bytes)
    try? inspection.finish()
    _ = try? recorder.finish()

    let made = ConversationTest(
      Self.conversation,
      url: "ws://memory/",
      title: "replay",
      pace: .asFastAsAnswered,
      hidesSecrets: false,
      endsInSilence: true
    )
    let server = try ScenarioParser.parse(
      Array(
        """
        listen memory as server
          subprotocol chat
        connect {{server.url}}/ as own
        accept server
        expect text
        send json {"a":[2]}
        expect binary
        send raw 0x820081046d6f7265
        expect close 1000
        """.utf8
      ),
      name: "server"
    )
    let network = MemoryNetwork()
    // No step waits for time to pass: both answers to the binary message come at once.
    let options = {
      var options = ScenarioRunner.Options()
      options.stepTimeout = .seconds(3600)
      return options
    }()
    // `own` is taken by the first accept; the replay is the second connection.
    var serving = server.tests[0]
    serving.steps.remove(at: 1)
    let steps = serving
    async let served = ScenarioRunner.run(steps, of: server, on: network, options)
    while (try? await network.connect(to: "ws://memory/", insecure: false, within: .seconds(1))) == nil {
      try await Task.sleep(for: .milliseconds(1))
    }
    var goingOn = options
    goingOn.goesOn = true
    let replayed = await ScenarioRunner.run(made.test, of: ScenarioFile(name: "replay"), on: network, goingOn)
    #expect(await served.failures.map(\.message) == [])
    #expect(replayed.failures.map(\.message) == ["the JSON differs", "something came"])
  }
}
