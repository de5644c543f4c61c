// SPDX-License-Identifier: Apache-2.0

#if Tool
import Testing
import WSProtoLab
import WSProtoTool

@Suite("What the command line and the input mean")
struct ValuesTests {
  @Test(
    "Addresses as people type them",
    arguments: [
      ("ws://a/b", "ws://a/b", nil),
      ("https://a", "https://a", nil),
      ("localhost:9001", "ws://localhost:9001", nil),
      (":9001/chat", "ws://localhost:9001/chat", nil),
      ("example.com/feed?x=1", "ws://example.com/feed?x=1", nil),
      ("example.com:443", "wss://example.com:443", nil),
      ("[::1]:9001", "ws://[::1]:9001", nil),
      ("unix:/run/a.sock", "ws://localhost/", "/run/a.sock"),
      ("ws+unix:/run/a.sock:/chat?x", "ws://localhost/chat?x", "/run/a.sock"),
      ("mailto:x", "mailto:x", nil),
    ] as [(String, String, String?)]
  )
  func addresses(typed: String, url: String, path: String?) {
    #expect(TypedAddress(typed).url == url)
    #expect(TypedAddress(typed).unixSocketPath == path)
  }

  @Test("A host and a port; without a port it is none")
  func hostAndPort() {
    #expect(HostAndPort("localhost:22") == HostAndPort(":22", defaultHost: "localhost"))
    #expect(HostAndPort("[::1]:80")?.host == "::1")
    #expect(HostAndPort("8022")?.port == 8022)
    for text in ["", "localhost", "localhost:", ":70000", "a:b"] { #expect(HostAndPort(text) == nil) }
  }

  @Test("Input is cut into lines, into what ends in a byte 0, or not at all; the last one needs no end")
  func splitting() {
    var lines = InputSplitter(.lines)
    #expect(lines.add([97, 10, 10, 98][...]) == [[97], []])
    #expect(lines.add([99, 10][...]) == [[98, 99]])
    #expect(lines.end() == nil)
    var null = InputSplitter(.null)
    #expect(null.add([97, 10, 0, 98][...]) == [[97, 10]])
    #expect(null.end() == [98])
    var whole = InputSplitter(.whole)
    #expect(whole.add([97, 10][...]) == [])
    #expect(whole.end() == [97, 10])
    var empty = InputSplitter(.whole)
    #expect(empty.end() == [])
    var chunks = InputSplitter(.chunks)
    #expect(chunks.add([1, 0, 10][...]) == [[1, 0, 10]])
    #expect(chunks.end() == nil)
  }

  @Test("A text is one line for a command, whatever is in it; binary messages are not changed, but refused")
  func lineFraming() throws {
    func input(_ text: String) throws -> String {
      String(decoding: try CommandFraming.lines.input(Array(text.utf8), isText: true), as: UTF8.self)
    }
    #expect(try input("") == "\n")
    #expect(try input("hello") == "hello\n")
    #expect(try input("a\nb\r\n\r\nc\n") == "a b  c \n")
    #expect(try input("a\rb\r") == "a b \n")
    #expect(try input("a\r\r\nb\n\r") == "a  b  \n")
    #expect(try CommandFraming.lines.input([0, 255], isText: false) == [0, 255, 10])
    for lineBreak: UInt8 in [10, 13] {
      #expect(throws: CommandFraming.Unframeable.self) {
        try CommandFraming.lines.input([1, lineBreak, 2], isText: false)
      }
    }
  }

  @Test("Before a byte 0 there may be anything but that byte; a stream has no borders")
  func nullFraming() throws {
    #expect(try CommandFraming.null.input(Array("a\nb".utf8), isText: true) == Array("a\nb\0".utf8))
    #expect(try CommandFraming.null.input([], isText: false) == [0])
    for isText in [true, false] {
      #expect(throws: CommandFraming.Unframeable.self) {
        try CommandFraming.null.input([97, 0, 98], isText: isText)
      }
    }
    #expect(try CommandFraming.stream.input([10, 0], isText: false) == [10, 0])
  }

  @Test(
    "What was written for a command is cut into the same messages",
    arguments: [CommandFraming.lines, .null]
  )
  func framingRoundTrip(framing: CommandFraming) throws {
    let messages = ["one", "", " two ", "drei ß"].map { Array($0.utf8) }
    var splitter = InputSplitter(framing.output)
    let written = try messages.flatMap { try framing.input($0, isText: true) }
    #expect(splitter.add(written[...]) == messages)
    #expect(splitter.unfinished == 0 && splitter.end() == nil)
  }

  @Test("A message under way is counted, so that it can be bounded")
  func unfinished() {
    var lines = InputSplitter(.lines)
    #expect(lines.add([97, 97][...]) == [] && lines.unfinished == 2)
    #expect(lines.add([97, 10, 98][...]) == [[97, 97, 97]] && lines.unfinished == 1)
    var whole = InputSplitter(.whole)
    #expect(whole.add([10, 10][...]) == [] && whole.unfinished == 2)
  }

  @Test(
    "A member of another type is named, and so is a code that no Close has",
    arguments: [
      (#"{"event":"textMessage","text":5}"#, #""text" is not a string"#),
      (#"{"event":"bytesMessage","hex":[]}"#, #""hex" is not a string"#),
      (#"{"event":"closeConnection","code":"1000"}"#, #""code" is not a number"#),
      (#"{"event":"closeConnection","code":1.5}"#, "a Close cannot have the code 1.5"),
      (#"{"event":"closeConnection","code":99999}"#, "a Close cannot have the code 99999"),
      (#"{"event":"closeConnection","code":-1}"#, "a Close cannot have the code -1"),
      (#"{"event":5}"#, "not a JSON object with a member"),
      ("5", "not a JSON object with a member"),
    ]
  )
  func jsonFaults(line: String, words: String) {
    let failure = #expect(throws: InvalidInput.self) { try InputItem(json: Array(line.utf8)) }
    #expect(failure?.description.contains(words) == true, "\(failure?.description ?? "")")
  }

  @Test("What is typed: commands behind a slash, two slashes for one")
  func typed() throws {
    #expect(try InputItem(typed: "hello /ping") == .text("hello /ping"))
    #expect(try InputItem(typed: "//path") == .text("/path"))
    #expect(try InputItem(typed: "/ping") == .ping)
    #expect(try InputItem(typed: "/pong x") == .pong([120]))
    #expect(try InputItem(typed: "/binary 01 fF") == .binary([1, 255]))
    #expect(try InputItem(typed: "/file a b") == .file("a b"))
    #expect(try InputItem(typed: "/close") == .close(code: 1000, reason: nil))
    #expect(try InputItem(typed: "/close 4000 good bye") == .close(code: 4000, reason: "good bye"))
    for line in ["/nonsense", "/", "/binary 0", "/close 1006", "/close x", "/file", "/close 1005 x"] {
      #expect(throws: InvalidInput.self) { try InputItem(typed: line) }
    }
  }

  @Test("Lines of JSON, as they are printed")
  func json() throws {
    func item(_ text: String) throws(InvalidInput) -> InputItem { try InputItem(json: Array(text.utf8)) }
    #expect(try item(#"{"event":"textMessage","size":2,"text":"hi"}"#) == .text("hi"))
    #expect(try item(#"{"event":"bytesMessage","hex":"01ff"}"#) == .binary([1, 255]))
    #expect(
      try item(#"{"event":"closeConnection","code":1001,"reason":"x"}"#) == .close(code: 1001, reason: "x")
    )
    for text in [
      #"{"event":"textMessage"}"#, #"{"event":"acceptConnection"}"#, "{", "[]",
      #"{"event":"pong","hex":"0"}"#,
    ] {
      #expect(throws: InvalidInput.self) { try item(text) }
    }
  }

  @Test("Times and sizes")
  func quantities() {
    #expect(DurationText.parse("1.5s") == .milliseconds(1500))
    #expect(DurationText.parse("250ms") == .milliseconds(250))
    #expect(DurationText.parse("2m") == .seconds(120))
    #expect(DurationText.parse("3") == .seconds(3))
    for text in ["", "x", "-1s", "s", "nan", "inf"] { #expect(DurationText.parse(text) == nil) }
    #expect(SizeText.parse("64K") == 65536)
    #expect(SizeText.parse("1MiB") == 1 << 20)
    #expect(SizeText.parse("7") == 7)
    for text in ["", "K", "-1", "1.5K", "99999999999999999999"] { #expect(SizeText.parse(text) == nil) }
    #expect(DurationText.format(.microseconds(12_345)) == "12.3 ms")
  }

  @Test("What answers in place of a WebSocket server, by its first bytes")
  func guesses() {
    #expect(PeerGuess(firstBytes: [0x15, 3, 1, 0, 2, 2, 70]) == .tls)
    #expect(PeerGuess(firstBytes: Array("SSH-2.0-x\r\n".utf8)) == .ssh)
    #expect(PeerGuess(firstBytes: Array("220 mail ESMTP\r\n".utf8)) == .smtpOrFTP)
    #expect(PeerGuess(firstBytes: [0, 0, 18, 4, 0]) == .http2)
    #expect(PeerGuess(firstBytes: Array("HTTP/1.1 200 OK".utf8)) == nil)
    #expect(PeerGuess(firstBytes: []) == nil)
    #expect(PeerGuess(firstBytes: Array("-ERR".utf8)) == .other)
  }

  @Test("Colours: NO_COLOR, FORCE_COLOR, then the terminal")
  func colours() {
    #expect(Style(isTerminal: true, environment: [:]).hasColour)
    #expect(!Style(isTerminal: true, environment: ["NO_COLOR": "1"]).hasColour)
    #expect(Style(isTerminal: true, environment: ["NO_COLOR": ""]).hasColour)
    #expect(!Style(isTerminal: false, environment: [:]).hasColour)
    #expect(Style(isTerminal: false, environment: ["FORCE_COLOR": "1"]).hasColour)
    #expect(!Style(isTerminal: true, environment: ["FORCE_COLOR": "0"]).hasColour)
    #expect(!Style(isTerminal: true, environment: ["TERM": "dumb"]).hasColour)
  }

  @Test("The exit statuses are told apart, each with its meaning")
  func statuses() {
    #expect(Set(ExitStatus.allCases.map(\.meaning)).count == ExitStatus.allCases.count)
    #expect(ExitStatus.table.split(separator: "\n").count == ExitStatus.allCases.count)
  }
}
#endif
