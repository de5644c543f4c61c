// SPDX-License-Identifier: Apache-2.0

import Testing
import WSProto

@testable import WSProtoLab

@Suite("Rules and compressed messages (RFC 7692)")
struct ProxyCompressionTests {
  private let texts = [
    "the words of one, the words of two", "the words of one, dropped", "the words of two, last",
  ]

  private func open(_ rules: [String], maxHeldBytes: Int = 1 << 20, takeover: Bool = true) throws -> Proxied {
    let deflate =
      takeover
      ? PerMessageDeflate()
      : try PerMessageDeflate(clientNoContextTakeover: true, serverNoContextTakeover: true)
    let proxied = try Proxied(rules, maxHeldBytes: maxHeldBytes, extensions: [deflate])
    try proxied.open()
    return proxied
  }

  @Test("Without a rule that applies, compressed messages pass byte for byte")
  func untouched() throws {
    let proxied = try open(["/nowhere/ drop"])
    var bytes: [UInt8] = []
    for text in texts {
      let sent = try proxied.client.send(TextMessage(data: text))
      bytes += sent
      proxied.pass(sent, from: .fromClient, piece: 5)
    }
    #expect(proxied.delivered[.fromClient] == bytes)
    #expect(proxied.received[.server]?.joined().contains("last") == true)
  }

  @Test(
    "Patterns see the inflated text; the receiver understands what refers to a message that it lacks (§7.2.2)",
    arguments: [true, false]
  )
  func dropped(_ takeover: Bool) throws {
    for rule in [
      "/dropped/ drop", "/dropped/ truncate 0", "/dropped/ replace 'the words of one, dropped' ''",
    ] {
      let proxied = try open([rule], takeover: takeover)
      for text in texts { try proxied.send(TextMessage(data: text), from: .client) }
      let seen = proxied.received[.server]?.filter { $0 != "text " }
      #expect(seen == ["text \(texts[0])", "text \(texts[2])"], "\(rule)")
    }
  }

  @Test("A drop that needs not see the message does not break those behind it, large ones included")
  func droppedUnseen() throws {
    let proxied = try open(["to-server binary drop"], maxHeldBytes: 100)
    let large = String(repeating: "the words of one, ", count: 10_000)
    try proxied.send(TextMessage(data: texts[0]), from: .client)
    try proxied.send(BytesMessage(data: Array(texts[1].utf8)), from: .client)
    try proxied.send(TextMessage(data: large), from: .client)
    try proxied.send(TextMessage(data: texts[1], messageFinished: false), from: .client)
    try proxied.send(Ping(), from: .client)
    try proxied.send(TextMessage(data: texts[2]), from: .client)
    let all = proxied.received[.server]?.map { $0.replacing("text ", with: "").replacing("…", with: "") }
    #expect(all?.filter { $0 != "ping 0" }.joined() == texts[0] + large + texts[1] + texts[2])
    #expect(proxied.received[.server]?.contains { $0.hasPrefix("close") } == false)
  }

  @Test(
    "A message that is too large to be seen is inflated on its way, if it refers to one that the receiver lacks"
  )
  func tooLarge() throws {
    let proxied = try open(["to-server text /dropped/ drop"], maxHeldBytes: 2000)
    let large = String(repeating: "the words of one, dropped ", count: 1000)
    for text in [texts[0], texts[1], large, texts[2]] {
      try proxied.send(TextMessage(data: text), from: .client)
    }
    let all = proxied.received[.server]?.map { $0.replacing("text ", with: "").replacing("…", with: "") }
    #expect(all?.joined() == texts[0] + large + texts[2])
  }

  @Test("A delay holds for a message that is inflated on its way, too")
  func delayed() throws {
    let proxied = try open(["to-server binary drop", "to-server text delay 5ms"])
    try proxied.send(BytesMessage(data: Array(texts[0].utf8)), from: .client)
    try proxied.send(TextMessage(data: texts[1]), from: .client)
    #expect(proxied.received[.server]?.joined().contains("dropped") == true)
    #expect(Set(proxied.times[.fromClient] ?? []) == [5])
  }

  @Test("duplicate: the second copy is not compressed, as the receiver would read it otherwise")
  func duplicate() throws {
    let proxied = try open(["to-server duplicate"])
    for text in texts { try proxied.send(TextMessage(data: text), from: .client) }
    #expect(proxied.received[.server] == texts.flatMap { ["text \($0)", "text \($0)"] })
  }

  @Test("split leaves the message compressed: RSV1 is in its first frame only (§6.1)")
  func split() throws {
    let proxied = try open(["to-server split 4"])
    for text in texts { try proxied.send(TextMessage(data: text), from: .client) }
    #expect(proxied.delivered[.fromClient]?.first == 0x41)
    let all = proxied.received[.server]?.map { $0.replacing("text ", with: "").replacing("…", with: "") }
    #expect(all?.joined() == texts.joined())
  }

  @Test("hold shows the inflated text, and takes another one in its place")
  func edit() throws {
    let proxied = try open(["to-server /dropped/ hold"])
    for text in texts.dropLast() { try proxied.send(TextMessage(data: text), from: .client) }
    #expect(proxied.notes.contains { $0.contains("dropped") && $0.contains("proxy-held") })
    proxied.resolve(.edit(Array("other".utf8)), from: .fromClient)
    try proxied.send(TextMessage(data: texts[2]), from: .client)
    #expect(proxied.received[.server] == ["text \(texts[0])", "text other", "text \(texts[2])"])
  }

  @Test("What cannot be inflated cannot be compared or changed, and passes as it came")
  func damaged() throws {
    let proxied = try open(["to-client /x/ drop", "to-client replace 'a' 'b'"])
    let bytes: [UInt8] = [0xC1, 3, 0xFF, 0xFF, 0xFF]
    proxied.pass(bytes, from: .fromServer)
    #expect(proxied.delivered[.fromServer] == bytes)
    #expect(proxied.notes.contains { $0.contains("cannot be compared") })
    #expect(proxied.notes.contains { $0.contains("not done") })
  }
}
