// SPDX-License-Identifier: Apache-2.0

#if NIO
import HTTPTypes
import Testing

@testable import WSProtoNIO

/// Values that a peer chooses: nothing traps, and what is made of them holds its promises.
@Suite struct PeersValuesTests {
  /// A text of pieces that parsers look for.
  private static func text(_ pieces: [String]) -> String {
    (0..<Int.random(in: 0...12)).map { _ in pieces.randomElement() ?? "" }.joined()
  }

  @Test("a Location leads to an address whose host and target can be sent, or is refused")
  func locations() throws {
    let pieces = [
      "ws", "wss", "http", "https", "://", ":", "/", "//", "?", "#", "@", "[", "]", "::1", "%", "%41", "%zz",
      ".", "..",
      "a", "example.com", "127.0.0.1", "0x7f", "443", "65536", "ä", "\\", " ", "\n", "\0", "*", "-", "{",
      "\"", "|",
    ]
    let base = try WebSocketAddress("wss://u:p@a.example/b/c?d")
    var resolved = 0
    for _ in 0..<20_000 {
      let text = Self.text(pieces)
      guard let address = try? base.resolving(text) else { continue }
      resolved += 1
      let isSendable = address.target.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7f && $0 != UInt8(ascii: "#") }
      #expect(isSendable && address.target.utf8.first == UInt8(ascii: "/"))
      #expect(1...65535 ~= address.port)
      // What is written is read as the same, without user and password.
      let again = try WebSocketAddress(address.description)
      #expect(again.isSameOrigin(as: address) && again.target == address.target)
      if !address.isSameOrigin(as: base) { #expect(address.credentials != base.credentials) }
    }
    #expect(resolved > 1000)
  }

  @Test("whatever stands in a field of proxies, an address comes out, and it is no other than told")
  func forwarded() throws {
    let pieces = [
      "for=", "For", "=", ";", ",", " ", "\t", "\"", "\\", "10.0.0.1", "192.0.2.1", "[2001:db8::1]", ":80",
      "unknown", "_x",
      "by=", "proto=http", "[", "]", "é", "[::ffff:10.0.0.1]",
    ]
    let network = try IPNetwork("10.0.0.0/8")
    let peer = try #require(IPAddress("10.0.0.1"))
    let told = try ["10.0.0.1", "192.0.2.1", "2001:db8::1"].map { try #require(IPAddress($0)) }
    for (field, name) in [(TrustedProxies.Field.forwarded, "Forwarded"), (.xForwardedFor, "X-Forwarded-For")]
    {
      let name = try #require(HTTPField.Name(name))
      for _ in 0..<10_000 {
        let fields = HTTPFields([HTTPField(name: name, value: Self.text(pieces))])
        let client = TrustedProxies([network], field: field).client(of: peer, fields)
        #expect(told.contains(client.address))
      }
    }
  }
}
#endif
