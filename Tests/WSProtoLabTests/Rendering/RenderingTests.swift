// SPDX-License-Identifier: Apache-2.0

import Testing
import WSProto

@testable import WSProtoLab

@Suite struct RenderingTests {
  @Test(
    "What a peer has sent is escaped: controls, directions of text, invisible characters, bytes that are not UTF-8"
  )
  func escaping() {
    #expect(
      Escaping.escaped(Array("a\u{1B}[31m\"\\\n\u{7F}\u{9B}é".utf8))
        == "a\\u{1b}[31m\\\"\\\\\\n\\u{7f}\\u{9b}é"
    )
    #expect(Escaping.escaped(Array("\u{202E}x\u{200B}\u{2028}".utf8)) == "\\u{202e}x\\u{200b}\\u{2028}")
    #expect(Escaping.escaped([0x61, 0xFF, 0xC3, 0x62, 0xE2, 0x82]) == "a\\xff\\xc3b\\xe2\\x82")
    #expect(Escaping.quoted(Array("abcdef".utf8), limit: 3) == "\"abc\"…")
    #expect(JSONLine.quoted("\u{1B}\"\\\n\u{9B}\u{202E}é") == "\"\\u001b\\\"\\\\\\n\\u009b\\u202eé\"")
  }

  private func run(_ recording: Recording, _ change: (inout InspectRun.Arguments) -> Void = { _ in }) -> (
    [String], InspectRun.Outcome
  ) {
    var arguments = InspectRun.Arguments()
    change(&arguments)
    var lines: [String] = []
    let run = InspectRun(arguments) { lines.append($0) }
    run.receive(CaptureBuilder(recording).pcap().span.bytes)
    let outcome = run.finish()
    return (lines, outcome)
  }

  private func example() -> Recording {
    var recording = ConversationTests.heads()
    recording.append(masked(0x89, [0x21]), from: .client)
    recording.append([0x8A, 1, 0x21], from: .server)
    recording.append(masked(0x81, [0x1B, 0xC0]), from: .client)
    recording.append([0x88, 2, 0x03, 0xEF], from: .server)
    return recording
  }

  @Test("The text of a conversation, with a violation")
  func text() {
    let (lines, outcome) = run(example())
    guard case .violations = outcome else {
      Issue.record("\(outcome)")
      return
    }
    let expected = [
      "#1 WebSocket, 127.0.0.1:50000 → 127.0.0.2:80",
      "#1     0.000000  client          request  GET / HTTP/1.1",
      "                                          Host: a",
      "                                          Upgrade: websocket",
      "                                          Connection: Upgrade",
      "                                          Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
      "                                          Sec-WebSocket-Version: 13",
      "#1     0.001000  server          response HTTP/1.1 101 Switching Protocols",
      "                                          Upgrade: websocket",
      "                                          Connection: Upgrade",
      "                                          Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
      "#1     0.002000  server @129     frame    text fin 2 bytes  \"hi\"",
      "#1     0.002000  server @129     message  text 2 bytes  \"hi\"",
      "#1     0.003000  client @140     frame    ping fin masked 1 byte  \"!\"",
      "#1     0.004000  server @133     frame    pong fin 1 byte  \"!\"  round trip 1.0 ms",
      "#1     0.005000  client @147     oddity   the masking key of the frame before (RFC 6455 §5.3) [repeated-mask]",
      "#1     0.005000  client @154     VIOLATION a text message that is not UTF-8 (RFC 6455 §8.1) [text-not-utf8], to be closed with 1007",
      "#1     0.005000  client @147     frame    text fin masked 2 bytes  \"\\u{1b}\\xc0\"",
      "#1     0.005000  client @147     message  text 2 bytes  \"\\u{1b}\\xc0\"  after 3.0 ms",
      "#1     0.006000  server @136     frame    close fin 2 bytes  1007",
      "#1     0.008000  server @136     oddity   a Close that the other end does not answer (RFC 6455 §5.5.1) [unanswered-close]",
      "#1 closed by both ends; 155 bytes of the client, 140 of the server; violations: 1, oddities: 2",
    ]
    #expect(lines == expected)
  }

  @Test("The statistics of a conversation, as text and as JSON")
  func statistics() {
    let (lines, _) = run(example()) { $0.stats = true }
    #expect(lines.contains("  frames            2 (1 ping, 1 text)"))
    #expect(lines.contains("  ping to pong: 1, 1.0 ms to 1.0 ms, half below 1.0 ms, 99 % below 1.0 ms"))
    #expect(lines.contains("1 × text-not-utf8"))
    let (json, _) = run(example()) {
      $0.stats = true
      $0.json = true
    }
    #expect(json.count == 1)
    #expect(json[0].contains(#""pings":{"count":1,"sum":1000000,"least":1000000,"most":1000000"#))
  }

  @Test("Every line of JSON is JSON (RFC 8259)")
  func json() throws {
    let (lines, _) = run(example()) { $0.json = true }
    #expect(lines.count == 14)
    for line in lines {
      var tokenizer = JSONTokenizer(maxStringBytes: 1000)
      try tokenizer.read(line.utf8) { _ in }
      try tokenizer.finish { _ in }
    }
    #expect(
      lines[3].contains(
        #""type":"frame","connection":1,"direction":"server","time":1700000000.004000000,"number":1,"offset":129"#
      )
    )
  }

  @Test("A histogram counts by powers of two and knows its ends")
  func histogram() {
    var histogram = Statistics.Histogram()
    for value: UInt64 in [0, 1, 5, 7, .max] { histogram.add(value) }
    #expect(
      histogram.buckets[0] == 1 && histogram.buckets[1] == 1 && histogram.buckets[3] == 2
        && histogram.buckets[64] == 1
    )
    #expect(histogram.least == 0 && histogram.most == .max && histogram.sum == .max)
    #expect(histogram.bound(at: 0.5) == 8)
  }
}
