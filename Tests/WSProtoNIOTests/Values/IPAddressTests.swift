// SPDX-License-Identifier: Apache-2.0

#if NIO
import NIOCore
import Testing
import WSProtoNIO

/// Addresses and blocks of them in text (RFC 4291 §2.2, RFC 4632, RFC 5952).
@Suite struct IPAddressTests {
  @Test(
    "an address is written as RFC 5952 has it, and read from every form of RFC 4291 §2.2",
    arguments: [
      ("192.0.2.1", "192.0.2.1"), ("0.0.0.0", "0.0.0.0"), ("255.255.255.255", "255.255.255.255"),
      ("::", "::"), ("::1", "::1"), ("1::", "1::"), ("2001:DB8:0:0:0:0:0:1", "2001:db8::1"),
      ("2001:0db8:0000:0000:0001:0000:0000:0001", "2001:db8::1:0:0:1"),
      ("2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"), ("1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"),
      ("::ffff:192.0.2.1", "::ffff:192.0.2.1"), ("::FFFF:C000:201", "::ffff:192.0.2.1"),
      ("64:ff9b::192.0.2.33", "64:ff9b::c000:221"), ("1:2:3:4:5:6:1.2.3.4", "1:2:3:4:5:6:102:304"),
      ("0:0:1::", "0:0:1::"), ("1:0:0:2:0:0:0:3", "1:0:0:2::3"),
    ]
  )
  func forms(text: String, written: String) throws {
    let address = try #require(IPAddress(text))
    #expect(address.description == written)
    #expect(IPAddress(written) == address)
  }

  @Test(
    "what resolvers of old take for an address, and what is none, is refused",
    arguments: [
      "", "1", "1.2.3", "1.2.3.4.5", "1.2.3.256", "1.2.3.-4", "01.2.3.4", "0x7f.0.0.1", "1.2.3.4 ",
      " 1.2.3.4",
      "1..2.3", "1.2.3.", ".1.2.3", "1.2.3.+4", "1.2.3.0004", ":", ":::", "::1::", "1:2:3:4:5:6:7",
      "1:2:3:4:5:6:7:8:9", "1:2:3:4:5:6:7:8::", "::1:2:3:4:5:6:7:8", "12345::", "g::", "[::1]",
      "fe80::1%eth0",
      "::1.2.3", "1.2.3.4::", "::1.2.3.4:5", "1:2:3:4:5:6:7:1.2.3.4", ":1::", "::1:", "::\u{661}",
      String(repeating: "0", count: 1000), String(repeating: "1:", count: 1000),
    ]
  )
  func none(text: String) { #expect(IPAddress(text) == nil) }

  @Test("a socket's address is that of its text; a Unix domain socket has none")
  func sockets() throws {
    #expect(IPAddress(try SocketAddress(ipAddress: "192.0.2.7", port: 1)) == .v4(0xc000_0207))
    #expect(
      IPAddress(try SocketAddress(ipAddress: "::ffff:192.0.2.7", port: 1))?.unmapped == .v4(0xc000_0207)
    )
    #expect(IPAddress(try SocketAddress(unixDomainSocketPath: "/x")) == nil)
  }

  @Test(
    "a block holds its first and its last address and neither neighbour",
    arguments: [
      ("10.0.0.0/8", "9.255.255.255", "10.0.0.0", "10.255.255.255", "11.0.0.0"),
      ("192.0.2.4/30", "192.0.2.3", "192.0.2.4", "192.0.2.7", "192.0.2.8"),
      ("192.0.2.4", "192.0.2.3", "192.0.2.4", "192.0.2.4", "192.0.2.5"),
      ("2001:db8::/33", "2001:db7:ffff::", "2001:db8::", "2001:db8:7fff::", "2001:db8:8000::"),
      ("::ffff:10.0.0.0/104", "9.255.255.255", "10.0.0.0", "10.255.255.255", "11.0.0.0"),
      ("::2", "::1", "::2", "::2", "::3"),
    ]
  )
  func blocks(text: String, before: String, first: String, last: String, behind: String) throws {
    let network = try IPNetwork(text)
    let contained = try [before, first, last, behind].map {
      network.contains(try #require(IPAddress($0)))
    }
    #expect(contained == [false, true, true, false])
    #expect(try IPNetwork(network.description) == network)
  }

  @Test("blocks of all addresses are those of one version; an IPv4 address in IPv6's form is of IPv4")
  func versions() throws {
    let (all4, all6) = (try IPNetwork("0.0.0.0/0"), try IPNetwork("::/0"))
    let mapped = try #require(IPAddress("::ffff:192.0.2.1"))
    #expect(all4.contains(.v4(1)) && all4.contains(mapped) && !all4.contains(.v6(1)))
    #expect(all6.contains(.v6(1)) && !all6.contains(.v4(1)) && !all6.contains(mapped))
    #expect(IPNetwork.loopback.contains { $0.contains(.v4(0x7f01_0203)) })
    #expect(
      IPNetwork.privateUse.map(\.description) == [
        "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7",
      ]
    )
  }

  @Test("a text that is no block is refused by its cause")
  func faults() {
    #expect(throws: IPNetworkError.address("10.0.0/8")) { try IPNetwork("10.0.0/8") }
    #expect(throws: IPNetworkError.address("")) { try IPNetwork("") }
    for text in ["10.0.0.0/", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/+8", "10.0.0.0/8/8", "10.0.0.0/0008"] {
      #expect(throws: IPNetworkError.prefixLength(text, atMost: 32)) { try IPNetwork(text) }
    }
    #expect(throws: IPNetworkError.prefixLength("::/129", atMost: 128)) { try IPNetwork("::/129") }
    let meant = IPNetwork(containing: .v4(0x0a00_0000), prefixLength: 8)
    #expect(throws: IPNetworkError.bitsBehindPrefix("10.1.2.3/8", meant: meant)) {
      try IPNetwork("10.1.2.3/8")
    }
    #expect("\(IPNetworkError.bitsBehindPrefix("10.1.2.3/8", meant: meant))".hasSuffix("block: 10.0.0.0/8"))
    #expect(IPNetwork(containing: .v4(.max), prefixLength: .max).prefixLength == 32)
    #expect(IPNetwork(containing: .v6(.max), prefixLength: .min).description == "::/0")
  }
}
#endif
