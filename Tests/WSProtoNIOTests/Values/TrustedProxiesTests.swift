// SPDX-License-Identifier: Apache-2.0

#if NIO
import HTTPTypes
import Testing
import WSProtoNIO

/// The client's address behind proxies (RFC 7239).
@Suite struct TrustedProxiesTests {
  private func client(
    _ lines: [String],
    field: TrustedProxies.Field,
    peer: String = "10.0.0.1"
  ) throws -> String {
    let proxies = TrustedProxies([try IPNetwork("10.0.0.0/8"), try IPNetwork("fd00::/8")], field: field)
    let name = try #require(HTTPField.Name(field == .forwarded ? "Forwarded" : "X-Forwarded-For"))
    let fields = HTTPFields(lines.map { HTTPField(name: name, value: $0) })
    let node = proxies.client(of: try #require(IPAddress(peer)), fields)
    return node.port.map { "\(node.address) \($0)" } ?? "\(node.address)"
  }

  @Test(
    "X-Forwarded-For is read from the right, as far as the addresses are the proxies'",
    arguments: [
      ([], "10.0.0.1"), ([""], "10.0.0.1"), (["192.0.2.1"], "192.0.2.1"),
      (["198.51.100.9, 192.0.2.1"], "192.0.2.1"), (["198.51.100.9, 192.0.2.1, 10.0.0.2"], "192.0.2.1"),
      (["198.51.100.9", "192.0.2.1,10.0.0.2"], "192.0.2.1"), (["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
      (["2001:db8::7"], "2001:db8::7"), (["[2001:db8::7]:4711"], "2001:db8::7 4711"),
      (["192.0.2.1:4711"], "192.0.2.1 4711"), (["::ffff:192.0.2.1"], "192.0.2.1"),
      (["192.0.2.1, ,10.0.0.2,"], "10.0.0.2"), (["192.0.2.1, unknown"], "10.0.0.1"),
      (["192.0.2.1, unknown, 10.0.0.2"], "10.0.0.2"), (["192.0.2.1, 10.0.0.2, fd00::2"], "192.0.2.1"),
      (["192.0.2.1\t,\t10.0.0.2"], "192.0.2.1"), (["192.0.2.1, 010.0.0.2"], "10.0.0.1"),
    ] as [([String], String)]
  )
  func xForwardedFor(lines: [String], expected: String) throws {
    #expect(try client(lines, field: .xForwardedFor) == expected)
  }

  @Test(
    "Forwarded is read from the right, as far as the addresses are the proxies' (RFC 7239 §4, §6)",
    arguments: [
      ([], "10.0.0.1"), (["for=192.0.2.1"], "192.0.2.1"), (["For=\"192.0.2.1:80\""], "192.0.2.1 80"),
      (["for=\"[2001:db8:cafe::17]:4711\""], "2001:db8:cafe::17 4711"),
      (["for=192.0.2.43, for=198.51.100.17"], "198.51.100.17"),
      (["for=192.0.2.43;proto=http;by=203.0.113.43, for=10.0.0.2"], "192.0.2.43"),
      (["proto=http ; for=192.0.2.43"], "192.0.2.43"),
      (["for=192.0.2.43", "by=10.1.1.1;for=10.0.0.2"], "192.0.2.43"),
      (["for=192.0.2.43, for=unknown"], "10.0.0.1"),
      (["for=192.0.2.43, for=\"_gazonk\", for=10.0.0.2"], "10.0.0.2"),
      (["for=192.0.2.43, proto=https"], "10.0.0.1"), (["for=\"1\\92.0.2.43\""], "192.0.2.43"),
      (["for=\"192.0.2.43:_port\""], "192.0.2.43"), (["for=\"x, for=10.9.9.9\", for=192.0.2.1"], "192.0.2.1"),
      // Not of the grammar: nothing of that line counts, nor what is before it.
      (["for=198.51.100.9, for=\"x, for=192.0.2.1"], "10.0.0.1"), (["for=[2001:db8::1]"], "10.0.0.1"),
      (["for=192.0.2.1;for=192.0.2.2"], "10.0.0.1"), (["for =192.0.2.1"], "10.0.0.1"),
      (["for=192.0.2.1 for=192.0.2.2"], "10.0.0.1"), (["for=192.0.2.9", "\"", "for=10.0.0.2"], "10.0.0.2"),
      (["for=2001:db8::1"], "10.0.0.1"), (["for=\"2001:db8::1\""], "10.0.0.1"),
    ] as [([String], String)]
  )
  func forwarded(lines: [String], expected: String) throws {
    #expect(try client(lines, field: .forwarded) == expected)
  }

  @Test("a peer that is no proxy is the client, whatever it says")
  func untrusted() throws {
    for (field, line) in [(TrustedProxies.Field.forwarded, "for=10.0.0.9"), (.xForwardedFor, "10.0.0.9")] {
      #expect(try client([line], field: field, peer: "203.0.113.5") == "203.0.113.5")
      #expect(try client([line, line], field: field, peer: "::ffff:203.0.113.5") == "203.0.113.5")
    }
  }

  @Test("only the field that is named counts")
  func otherField() throws {
    let proxies = TrustedProxies([try IPNetwork("10.0.0.1")], field: .xForwardedFor)
    let forwarded = try #require(HTTPField.Name("Forwarded"))
    let peer = try #require(IPAddress("10.0.0.1"))
    #expect(proxies.client(of: peer, [forwarded: "for=192.0.2.1"]).address == peer)
  }

  @Test("a list of one address a thousand times over is read to its end")
  func longLists() throws {
    let list = Array(repeating: "10.0.0.2", count: 1000).joined(separator: ",")
    #expect(try client(["192.0.2.1," + list], field: .xForwardedFor) == "192.0.2.1")
  }
}
#endif
