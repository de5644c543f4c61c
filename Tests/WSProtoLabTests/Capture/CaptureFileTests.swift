// SPDX-License-Identifier: Apache-2.0

import Testing
import WSProto

@testable import WSProtoLab

/// Files of captures, in all their forms.
@Suite struct CaptureFileTests {
  private func builder() throws -> CaptureBuilder { CaptureBuilder(try TCPStreamTests.recording(), size: 50) }

  private func expectConversation(_ inspected: Inspected) {
    #expect(inspected.error == nil)
    #expect(inspected.texts(from: .fromClient) == TCPStreamTests.requests)
    #expect(inspected.texts(from: .fromServer) == TCPStreamTests.answers)
    #expect(inspected.findings.isEmpty)
  }

  @Test(
    "pcap in either byte order, with microseconds and nanoseconds",
    arguments: [true, false],
    [true, false]
  )
  func pcap(isLittle: Bool, nanoseconds: Bool) throws {
    let inspected = Inspected(try builder().pcap(isLittle: isLittle, nanoseconds: nanoseconds))
    expectConversation(inspected)
    let first = inspected.observations.first { $0.time != nil }?.time
    #expect(first == CaptureTime(nanoseconds: 1_700_000_000_005_000_000))
  }

  @Test("pcapng in either byte order", arguments: [true, false])
  func pcapng(isLittle: Bool) throws {
    let inspected = Inspected(try builder().pcapng(isLittle: isLittle))
    expectConversation(inspected)
    #expect(inspected.observations.last?.time?.nanoseconds ?? 0 > 1_700_000_000_000_000_000)
  }

  static let links: [LinkType] = [.ethernet, .null, .loop, .raw, .linuxCooked, .linuxCooked2]

  @Test("Every link that is known, with IPv4 and IPv6", arguments: links, [true, false])
  func everyLink(_ link: LinkType, isIPv6: Bool) throws {
    var builder = try builder()
    builder.link = link
    builder.isIPv6 = isIPv6
    let inspected = Inspected(builder.pcap())
    expectConversation(inspected)
    let client = inspected.openings.first?.client?.description
    #expect(client == (isIPv6 ? "[::1]:50000" : "127.0.0.1:50000"))
  }

  @Test("Ethernet with a VLAN tag")
  func vlan() throws {
    var builder = try builder()
    builder.hasVLAN = true
    expectConversation(Inspected(builder.pcap()))
  }

  @Test("What is told doesn't depend on the pieces in which the file is read", arguments: [1, 2, 17, 4096])
  func pieces(_ piece: Int) throws {
    for file in [try builder().pcap(), try builder().pcapng()] {
      #expect(Inspected(file, piece: piece).lines == Inspected(file).lines)
    }
  }

  @Test("A file that is cut off anywhere says where, and has told what came before")
  func cutOff() throws {
    for file in [try builder().pcap(), try builder().pcapng(isLittle: false)] {
      let whole = Inspected(file)
      for count in stride(from: 8, to: file.count, by: 61) {
        let inspected = Inspected(Array(file.prefix(count)))
        // Between two packets a file may end.
        if let error = inspected.error { #expect(error.offset <= count) }
        let texts = inspected.texts()
        #expect(texts == Array(whole.texts().prefix(texts.count)))
        #expect(inspected.violations.isEmpty)
      }
    }
  }

  struct Hostile: Sendable, CustomTestStringConvertible {
    var name: String
    var bytes: [UInt8]
    var offset: Int
    var testDescription: String { name }
  }

  static let pcapHeader: [UInt8] =
    [0xD4, 0xC3, 0xB2, 0xA1, 2, 0, 4, 0] + [UInt8](repeating: 0, count: 12) + [1, 0, 0, 0]
  static let section: [UInt8] = [
    0x0A, 0x0D, 0x0D, 0x0A, 28, 0, 0, 0, 0x4D, 0x3C, 0x2B, 0x1A, 1, 0, 0, 0, 255, 255, 255, 255, 255, 255,
    255, 255,
    28, 0, 0, 0,
  ]
  static let hostile: [Hostile] = [
    Hostile(
      name: "a packet of 4 GiB",
      bytes: pcapHeader + [0, 0, 0, 0, 0, 0, 0, 0] + [UInt8](repeating: 255, count: 8),
      offset: 24
    ),
    Hostile(name: "a header that is cut off", bytes: Array(pcapHeader.prefix(20)), offset: 0),
    Hostile(name: "a block of 3 bytes", bytes: section + [6, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0], offset: 32),
    Hostile(
      name: "a packet block of 4 GiB",
      bytes: section + [6, 0, 0, 0, 252, 255, 255, 255, 0, 0, 0, 0],
      offset: 32
    ),
    Hostile(
      name: "a packet of no interface",
      bytes: section + [6, 0, 0, 0, 32, 0, 0, 0] + [UInt8](repeating: 0, count: 20) + [32, 0, 0, 0],
      offset: 36
    ),
    Hostile(
      name: "two lengths of a block",
      bytes: section + [1, 0, 0, 0, 12, 0, 0, 0, 16, 0, 0, 0],
      offset: 36
    ),
    Hostile(name: "no magic", bytes: [0x0A, 0x0D, 0x0D, 0x0A, 28, 0, 0, 0, 1, 2, 3, 4], offset: 8),
    Hostile(name: "gzip", bytes: [0x1F, 0x8B, 8, 0, 0, 0, 0, 0], offset: 0),
    Hostile(name: "not JSON", bytes: Array("{\"log\": {\"entries\": [}".utf8), offset: 21),
  ]

  @Test("A file with a mistake says where it is", arguments: hostile)
  func mistakes(_ one: Hostile) {
    let inspected = Inspected(one.bytes)
    #expect(inspected.error?.offset == one.offset)
  }

  @Test("A link that is not known, and a capture without TCP, are told")
  func unknown() throws {
    var builder = try builder()
    builder.link = LinkType(rawValue: 147)
    #expect(Inspected(builder.pcap()).rules == ["unknown-link", "no-tcp"])
  }

  @Test("IPv6 addresses are written as RFC 5952 says")
  func addresses() {
    func text(_ groups: [UInt16]) -> String? {
      let bytes = groups.flatMap { [UInt8($0 >> 8), UInt8($0 & 0xFF)] }
      return Endpoint(address: bytes[...], port: 1)?.address
    }
    #expect(text([0x2001, 0xDB8, 0, 0, 0, 0, 0, 1]) == "2001:db8::1")
    #expect(text([0, 0, 0, 0, 0, 0, 0, 0]) == "::")
    #expect(text([1, 0, 0, 2, 0, 0, 0, 3]) == "1:0:0:2::3")
    #expect(text([1, 0, 2, 3, 4, 5, 6, 7]) == "1:0:2:3:4:5:6:7")
  }
}
