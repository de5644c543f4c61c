// SPDX-License-Identifier: Apache-2.0

import Testing
import WSProto

@testable import WSProtoLab

@Suite("What rules of a proxy do, as the far end sees it")
struct ProxyActionTests {
  /// What the server gets of the client's texts.
  private func sent(_ texts: [String], _ rules: [String], seed: UInt64 = 1) throws -> Proxied {
    let proxied = try Proxied(rules, seed: seed)
    try proxied.open()
    for text in texts { try proxied.send(TextMessage(data: text), from: .client) }
    return proxied
  }

  @Test("delay: what follows waits behind it, the other direction does not, and delays add up")
  func delay() throws {
    let proxied = try sent(["a", "slow", "b"], ["to-server /slow/ delay 200ms", "to-server /low/ delay 1s"])
    #expect(proxied.received[.server] == ["text a", "text slow", "text b"])
    #expect(proxied.times[.fromClient] == [0, 1200, 1200])
    try proxied.send(TextMessage(data: "slow"), from: .server)
    #expect(proxied.times[.fromServer] == [0])
  }

  @Test("A delay without a pattern needs not see the message: each piece of it passes, later")
  func delayedStream() throws {
    let proxied = try Proxied(["to-client data delay 10ms"], maxHeldBytes: 10)
    try proxied.open()
    proxied.pass([0x82, 20, 1, 2], from: .fromServer)
    proxied.wait(milliseconds: 3)
    proxied.pass([UInt8](repeating: 3, count: 18), from: .fromServer)
    #expect(proxied.times[.fromServer]?.last == 10)
    #expect(proxied.received[.client]?.last == "binary 18")
  }

  @Test("drop: by direction, kind and pattern; a message of several frames goes as a whole (RFC 6455 §5.4)")
  func drop() throws {
    let proxied = try Proxied(["to-server text 'b*' drop", "to-client ping drop", "to-client text /ll/ drop"])
    try proxied.open()
    for text in ["a", "b", "cb", "bb"] { try proxied.send(TextMessage(data: text), from: .client) }
    #expect(proxied.received[.server] == ["text a", "text cb"])
    proxied.pass(
      [0x89, 0] + [0x01, 2] + Array("he".utf8) + [0x8A, 0, 0x80, 3] + Array("llo".utf8),
      from: .fromServer
    )
    proxied.pass([0x81, 1, 0x78], from: .fromServer)
    #expect(proxied.received[.client] == ["pong 0", "text x"])
  }

  @Test("What was collected of a message goes before a Close, and no data behind it (RFC 6455 §5.5.1)")
  func closeInside() throws {
    let proxied = try Proxied(["text /zzz/ drop"])
    try proxied.open()
    let bytes: [UInt8] =
      [0x01, 0x83, 0, 0, 0, 0, 0x61, 0x62, 0x63] + [0x88, 0x82, 0, 0, 0, 0, 0x03, 0xE8]
      + [0x80, 0x81, 0, 0, 0, 0, 0x64]
    proxied.pass(bytes, from: .fromClient)
    #expect(proxied.delivered[.fromClient].map { Array($0.suffix(bytes.count)) } == bytes)
  }

  @Test("split and coalesce change frames, and not the message; a control frame cannot be split (§5.5)")
  func frames() throws {
    let proxied = try Proxied(["to-server any split 2", "to-client text coalesce"])
    try proxied.open()
    try proxied.send(TextMessage(data: "hello"), from: .client)
    try proxied.send(Ping(payload: Bytes([1, 2, 3])), from: .client)
    let wire = proxied.delivered[.fromClient] ?? []
    #expect(wire.count == 3 * 6 + 5 + 9)
    #expect(
      [wire[0], wire[1], wire[8], wire[9], wire[16], wire[17]] == [0x01, 0x82, 0x00, 0x82, 0x80, 0x81]
    )
    #expect(proxied.received[.server]?.contains("ping 3") == true)
    #expect(proxied.notes.contains { $0.contains("has no fragments") })
    proxied.pass([0x01, 1, 0x61, 0x89, 0, 0x00, 1, 0x62, 0x80, 0], from: .fromServer)
    #expect(proxied.delivered[.fromServer] == [0x89, 0, 0x81, 2, 0x61, 0x62])
  }

  @Test("segments: the same bytes, so many a write")
  func segments() throws {
    let proxied = try sent(["hello"], ["segments 4"])
    #expect(proxied.writes[.fromClient] == [4, 4, 3])
    #expect(proxied.received[.server]?.last == "text hello" || proxied.received[.server]?.count ?? 0 > 1)
  }

  @Test("corrupt turns one bit, of the payload or of the header, the same one for the same seed")
  func corrupt() throws {
    let place = try sent(["hello"], ["to-server corrupt payload 1.0"])
    #expect(place.received[.server] == ["text hdllo"])
    let fin = try sent(["hello"], ["to-server corrupt header 0.6"])
    #expect(fin.received[.server]?.first?.hasPrefix("close 1002 a reserved bit") == true)
    let none = try sent(["hello"], ["to-server corrupt payload 9"])
    #expect(none.received[.server] == ["text hello"])
    #expect(none.notes.contains { $0.contains("no such byte") })
    func flipped(_ seed: UInt64) throws -> [UInt8] {
      let proxied = try Proxied(["to-client corrupt"], seed: seed)
      try proxied.open()
      proxied.pass([0x82, 8] + [UInt8](repeating: 0, count: 8), from: .fromServer)
      return proxied.delivered[.fromServer] ?? []
    }
    #expect(try flipped(5) == flipped(5))
    #expect(try flipped(5).map(\.nonzeroBitCount).reduce(0, +) == 4)
    #expect(try Set((0..<20).map { try flipped($0) }).count > 5)
  }

  @Test("truncate: also inside a character, and a Close to one byte, for the far end to find (§5.5.1, §8.1)")
  func truncate() throws {
    #expect(
      try sent(["hello", "hi"], ["to-server text truncate 3"]).received[.server] == ["text hel", "text hi"]
    )
    let text = try sent(["aß"], ["to-server text truncate 2"])
    #expect(text.received[.server]?.last?.hasPrefix("close 1007") == true)
    let closing = try Proxied(["to-server close truncate 1"])
    try closing.open()
    try closing.send(CloseConnection(code: .normalClosure), from: .client)
    #expect(
      closing.received[.server]?.first?.hasPrefix("close 1002 a close frame with a payload") == true
    )
  }

  @Test("duplicate: twice; a second rule makes it three times")
  func duplicate() throws {
    let proxied = try sent(["a", "b"], ["to-server /a/ duplicate", "to-server /a/ duplicate"])
    #expect(proxied.received[.server] == ["text a", "text a", "text a", "text b"])
  }

  @Test("close: both ends get the Close in place of the message, and nothing more passes (§5.5.1)")
  func close() throws {
    let proxied = try sent(["a", "end"], ["to-server /end/ close 4001 'by rule'"])
    proxied.pass(masked(0x81, [0x62]), from: .fromClient)
    #expect(proxied.received[.server] == ["text a", "close 4001 by rule"])
    #expect(proxied.received[.client] == ["close 4001 by rule"])
    #expect(Set(proxied.finished) == [.fromClient, .fromServer])
    proxied.pass([0x81, 1, 0x61], from: .fromServer)
    #expect(proxied.received[.client] == ["close 4001 by rule"])
  }

  @Test("reset: what passed before arrives, nothing after")
  func reset() throws {
    let proxied = try sent(["a", "end", "b"], ["to-server /end/ reset"])
    #expect(proxied.received[.server] == ["text a"])
    #expect(proxied.isReset)
  }

  @Test("replace: each occurrence, of any length; frames to a server stay masked (§5.1)")
  func replace() throws {
    let proxied = try sent(
      ["aXbX", "none"],
      ["to-server replace 'X' 'long'", "to-server /along/ duplicate"]
    )
    #expect(proxied.received[.server] == ["text alongblong", "text alongblong", "text none"])
  }

  @Test("A probability is drawn for each message by the seed, whatever passes in the other direction")
  func probability() throws {
    func passed(_ seed: UInt64, answers: Bool) throws -> [String] {
      let proxied = try Proxied(["text 50% drop"], seed: seed)
      try proxied.open()
      for number in 0..<64 {
        try proxied.send(TextMessage(data: "\(number)"), from: .client)
        if answers { try proxied.send(TextMessage(data: "\(number)"), from: .server) }
      }
      return proxied.received[.server] ?? []
    }
    #expect(try passed(3, answers: false) == passed(3, answers: true))
    #expect(try passed(3, answers: false) != passed(4, answers: false))
    #expect(try 16...48 ~= passed(3, answers: false).count)
  }

  @Test("A message larger than the bound passes untouched, with a note; smaller ones do not")
  func bound() throws {
    let proxied = try Proxied(["to-client /x/ drop"], maxHeldBytes: 64)
    try proxied.open()
    let large =
      [0x01, 60] + [UInt8](repeating: 0x78, count: 60) + [0x80, 60] + [UInt8](repeating: 0x78, count: 60)
    proxied.pass(large, from: .fromServer, piece: 7)
    #expect(proxied.delivered[.fromServer] == large)
    #expect(proxied.notes.contains { $0.contains("larger than 64 bytes passes untouched by rule 1") })
    proxied.pass([0x81, 1, 0x78], from: .fromServer)
    #expect(proxied.delivered[.fromServer] == large)
  }

  // MARK: Held messages and injections

  @Test("hold: nothing of its direction passes before the decision; edits and drops; later rules apply")
  func hold() throws {
    let proxied = try Proxied(["to-server /h/ hold", "to-server /X/ replace 'X' 'Y'"])
    try proxied.open()
    for text in ["h1", "X", "h2", "h3"] { try proxied.send(TextMessage(data: text), from: .client) }
    try proxied.send(TextMessage(data: "h"), from: .server)
    #expect(proxied.received[.server] == [] && proxied.received[.client] == ["text h"])
    #expect(!proxied.connection.wantsInput(from: .fromClient))
    #expect(try proxied.type("p") == nil)
    #expect(proxied.received[.server] == ["text h1", "text Y"])
    _ = try proxied.type("e aXb")
    #expect(proxied.received[.server]?.last == "text aYb")
    _ = try proxied.type("d")
    proxied.end(from: .fromClient)
    #expect(proxied.received[.server] == ["text h1", "text Y", "text aYb"])
    #expect(proxied.finished == [.fromClient])
  }

  @Test("A Close of the proxy's gives up what is held")
  func heldAtTheEnd() throws {
    let proxied = try Proxied(["to-server hold"])
    try proxied.open()
    try proxied.send(TextMessage(data: "a"), from: .client)
    proxied.connection.close(.goingAway, "", at: CaptureTime(nanoseconds: 0))
    proxied.settle()
    #expect(proxied.received[.server] == ["close 1001 "])
    #expect(proxied.connection.wantsInput(from: .fromClient))
    #expect(!proxied.connection.isHolding(from: .fromClient))
  }

  @Test("Decisions may come before the messages; without anybody to decide, messages pass")
  func decisions() throws {
    let proxied = try Proxied(["to-server hold"])
    try proxied.open()
    _ = try proxied.type("e first")
    proxied.endInput()
    for text in ["a", "b", "c"] { try proxied.send(TextMessage(data: text), from: .client) }
    proxied.settle()
    #expect(proxied.received[.server] == ["text first", "text b", "text c"])
  }

  @Test("An injected message waits for the end of the message under way, a ping for that of the frame (§5.4)")
  func inject() throws {
    let proxied = try Proxied()
    try proxied.open()
    proxied.pass([0x01, 2, 0x61], from: .fromServer)
    #expect(proxied.inject(.text, "mine", from: .fromServer) && proxied.inject(.ping, "p", from: .fromServer))
    #expect(proxied.delivered[.fromServer]?.count == 3)
    proxied.pass([0x62, 0x80, 1, 0x63], from: .fromServer)
    let expected: [UInt8] =
      [0x01, 2, 0x61, 0x62, 0x80, 1, 0x63, 0x81, 4] + Array("mine".utf8) + [0x89, 1, 0x70]
    #expect(proxied.delivered[.fromServer] == expected)
    #expect(try proxied.type("/inject to-server text hi") == nil)
    #expect(proxied.received[.server]?.last == "text hi")
    #expect(try proxied.type("/inject #9 to-server text hi") == "there is no connection #9")
    for _ in 0..<64 { #expect(proxied.inject(.ping, "", from: .fromServer)) }
    proxied.pass([0x81, 2], from: .fromServer)
    for _ in 0..<64 { _ = proxied.inject(.ping, "", from: .fromServer) }
    #expect(!proxied.inject(.ping, "", from: .fromServer))
  }

  @Test("A control frame never gets more than 125 bytes, and the code of a Close is no text (RFC 6455 §5.5)")
  func controlBound() throws {
    let proxied = try Proxied(["to-server control replace 'a' 'bb'"])
    try proxied.open()
    let long = masked(0x89, [UInt8](repeating: 0x61, count: 63))
    proxied.pass(long, from: .fromClient)
    #expect(proxied.delivered[.fromClient] == long)
    #expect(proxied.notes.last?.contains("would have 126, and a control frame has 125 at most") == true)
    proxied.pass(masked(0x89, [UInt8](repeating: 0x61, count: 62)), from: .fromClient)
    #expect(proxied.received[.server] == ["ping 63", "ping 124"])
    // 4961 is 0x1361, and 0x61 is an a.
    proxied.pass(masked(0x88, [0x13, 0x61, 0x61]), from: .fromClient)
    #expect(proxied.received[.server]?.last == "close 4961 bb")
  }

  @Test("Nothing is injected behind a Close, and the proxy's own Close ends the direction only (§5.5.1)")
  func behindClose() throws {
    let proxied = try Proxied()
    try proxied.open()
    let closing = masked(0x88, [3, 232])
    proxied.pass(closing, from: .fromClient)
    #expect(!proxied.inject(.text, "late", from: .fromClient))
    proxied.connection.close(.goingAway, "", at: CaptureTime(nanoseconds: 0))
    proxied.settle()
    #expect(proxied.delivered[.fromClient] == closing)
    #expect(Set(proxied.finished) == [.fromClient, .fromServer])
    #expect(proxied.received[.client] == ["close 1001 "])
  }

  @Test("What was collected of a message does not become the payload of a ping that was cut off")
  func cutOff() throws {
    let proxied = try Proxied(["to-client text /never/ drop"])
    try proxied.open()
    proxied.pass([0x01, 1, 0x61, 0x89, 2, 0x70], from: .fromServer)
    proxied.end(from: .fromServer)
    #expect(proxied.delivered[.fromServer] == [0x89, 2, 0x70])
  }

  @Test("A seed leads to the same bytes, however TCP has cut the input", arguments: [1, 2, 7, 50])
  func pieces(_ piece: Int) throws {
    let rules = [
      "to-server 50% split 2", "to-server 30% corrupt", "to-server 40% duplicate", "to-server 20% drop",
    ]
    func passed(_ piece: Int) throws -> [UInt8]? {
      let proxied = try Proxied(rules, seed: 7)
      try proxied.open()
      let bytes = (0..<40).flatMap { masked($0 % 4 == 0 ? 0x89 : 0x82, [UInt8](repeating: $0, count: 9)) }
      proxied.pass(bytes, from: .fromClient, piece: piece)
      return proxied.delivered[.fromClient]
    }
    #expect(try passed(piece) == passed(.max))
  }
}
