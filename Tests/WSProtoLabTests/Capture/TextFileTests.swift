// SPDX-License-Identifier: Apache-2.0

import Testing
import WSProto

@testable import WSProtoLab

/// Hexadecimal dumps and HARs.
@Suite struct TextFileTests {
  @Test(
    "A dump in hexadecimal, as the usual programs write it",
    arguments: [
      "810548656c6c6f\n", "81 05 48 65 6c 6c 6f", "0x81, 0x05, 0x48, 0x65, 0x6C, 0x6C, 0x6F\r\n",
      "# a comment\n\n8105 4865\n6c6c 6f\n", "00000000: 8105 4865 6c6c 6f                        ..Hello\n",
      "00000000  81 05 48 65 6c 6c 6f                              |..Hello|\n00000007\n",
      "000000 81 05 48 65 6c 6c 6f\n000007\n", "00000000: 81 05 48 65 6c  ..Hel\n00000005: 6c 6f  lo\n",
    ]
  )
  func hex(_ text: String) {
    for piece in [0, 1, 5] {
      let inspected = Inspected(Array(text.utf8), piece: piece)
      #expect(inspected.error == nil)
      #expect(inspected.texts(from: .fromServer) == ["Hello"])
    }
  }

  @Test("Lines of a dump may say who has sent them")
  func directions() throws {
    let recording = try TCPStreamTests.recording()
    let lines = recording.steps.map { step in
      (step.sender == .client ? "> " : "< ") + Escaping.hex(step.bytes)
    }
    let inspected = Inspected(Array(lines.joined(separator: "\n").utf8))
    #expect(inspected.texts(from: .fromClient) == TCPStreamTests.requests)
    #expect(inspected.texts(from: .fromServer) == TCPStreamTests.answers)
    #expect(inspected.findings.isEmpty)
  }

  @Test("A mistake in a dump names its line")
  func mistake() {
    let inspected = Inspected(Array("8100\n81 0\n".utf8))
    #expect(inspected.error?.description == "line 2: \"0\" has an odd number of hexadecimal digits")
    #expect(Inspected(Array("8100\n8z\n".utf8)).error?.line == 2)
  }

  static let har = #"""
    {"log": {"version": "1.2", "entries": [
      {"request": {"url": "https://example.com/page"}, "response": {"status": 200}},
      {"_webSocketMessages": [
        {"type": "send", "time": 1700000000.25, "opcode": 1, "data": "{\"a\": \"\u00e9\ud83d\ude00\"}"},
        {"type": "receive", "time": 1700000000.2512345, "opcode": 2, "data": "AQID"}
      ], "request": {"method": "GET", "url": "wss://example.com/chat"}, "response": {"status": 101}}
    ]}}
    """#

  @Test("A browser's HAR gives its messages, with the time to their answers", arguments: [0, 1, 13])
  func har(piece: Int) {
    let inspected = Inspected(Array(Self.har.utf8), piece: piece)
    #expect(inspected.error == nil)
    #expect(inspected.openings.map(\.url) == ["wss://example.com/chat"])
    #expect(inspected.texts(from: .fromClient) == ["{\"a\": \"é😀\"}"])
    #expect(inspected.messages(from: .fromServer).map(\.content) == [[1, 2, 3]])
    #expect(inspected.messages(from: .fromServer).map(\.answerTime) == [1_234_500])
    #expect(inspected.rules == ["messages-only"])
  }

  @Test("A number that ends with its object is read: an opcode that stands last in a HAR's message")
  func opcodeLast() {
    let har = Self.har.replacing(#""opcode": 2, "data": "AQID""#, with: #""data": "AQID", "opcode": 2"#)
    let inspected = Inspected(Array(har.utf8))
    #expect(inspected.messages(from: .fromServer).map(\.content) == [[1, 2, 3]])
  }

  @Test("A HAR that is cut off anywhere says where, and tells the messages before")
  func cutOff() {
    let file = Array(Self.har.utf8)
    for count in 3..<file.count {
      var options = InspectionOptions()
      options.format = .har
      let inspected = Inspected(Array(file.prefix(count)), options: options)
      #expect(inspected.error?.offset == count)
      #expect(inspected.messages().count <= 2)
    }
  }

  @Test(
    "JSON is read as RFC 8259 says: what is not JSON fails at its byte",
    arguments: [
      ("[1,]", 3), ("{\"a\" 1}", 5), ("01", 1), ("-", 1), ("1.", 2), ("1e+", 3), ("\"\u{1}\"", 1),
      ("\"\\x\"", 2),
      ("\"\\u12g4\"", 5), ("tru", 3), ("nul1", 3), ("[1 2]", 3), ("{,}", 1), ("", 0), ("1 2", 2), ("[", 1),
    ] as [(String, Int)]
  )
  func json(_ text: String, _ offset: Int) {
    var tokenizer = JSONTokenizer(maxStringBytes: 100)
    #expect(throws: JSONSyntaxError.self) {
      try tokenizer.read(text.utf8) { _ in }
      try tokenizer.finish { _ in }
    }
    #expect(tokenizer.offset == offset)
  }

  @Test("A HAR's heads are told, and its cookies stand in for a missing Cookie (RFC 6265 §4.2.1)")
  func heads() throws {
    let har =
      #"{"log":{"entries":[{"_webSocketMessages":[{"type":"send","time":1,"opcode":1,"data":"hi"}],"#
      + #""request":{"url":"ws://a/b","headers":[{"name":":method","value":"GET"},{"name":"Origin","value":"https://o"},"#
      + #"{"name":"Sec-WebSocket-Protocol","value":"chat, more"},{"name":"X","value":"a\r\nCookie: evil"}],"#
      + #""cookies":[{"name":"a","value":"1","path":"/"},{"name":"b","value":"2"}]},"response":{"status":101,"#
      + #""headers":[{"name":"sec-websocket-extensions","value":"permessage-deflate"}]}}]}}"#
    for piece in [1, 7, .max] {
      let recorder = ConversationRecorder(connection: nil)
      let inspection = Inspection(options: ConversationRecorder.options) { recorder.take($0) }
      var rest = Array(har.utf8)[...]
      while !rest.isEmpty {
        try inspection.receive(Array(rest.prefix(piece)).span.bytes)
        rest = rest.dropFirst(piece)
      }
      try inspection.finish()
      var conversation = try recorder.finish()
      #expect(
        conversation.headers.map { "\($0.name): \($0.value)" } == ["Origin: https://o", "Cookie: a=1; b=2"]
      )
      #expect(conversation.subprotocols == ["chat", "more"] && conversation.isCompressed)
      #expect(conversation.entries.count == 1)
      conversation.removeCredentials()
      #expect(conversation.headers.map(\.name) == ["Origin"])
    }
  }

  @Test("Heads of a HAR are bounded")
  func boundedHeads() throws {
    let field = #"{"name":"Cookie","value":""# + String(repeating: "x", count: 4000) + #""},"#
    let har =
      #"{"log":{"entries":[{"request":{"url":"ws://a/b","headers":["# + String(repeating: field, count: 1000)
      + #"{"name":"Origin","value":"o"}]},"_webSocketMessages":[{"type":"send","opcode":1,"data":"hi"}]}]}}"#
    var fields = 0
    let inspection = Inspection { observation in
      if case .request(let head) = observation.content { fields = head.fields.count }
    }
    try inspection.receive(Array(har.utf8).span.bytes)
    try inspection.finish()
    #expect(1...16 ~= fields)
  }
}
