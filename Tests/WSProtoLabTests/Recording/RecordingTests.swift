// SPDX-License-Identifier: Apache-2.0

import Testing
import WSProto

@testable import WSProtoLab

@Suite("What a proxy records, read back")
struct RecordingTests {
  private func conversation(
    _ rules: [String] = [],
    address: [UInt8] = [127, 0, 0, 1],
    isSecure: Bool = false
  ) throws
    -> Proxied
  {
    let proxied = try Proxied(rules, client: address, isSecure: isSecure, extensions: [PerMessageDeflate()])
    try proxied.open()
    try proxied.send(TextMessage(data: "Grüße \u{202E} \"x\""), from: .client)
    try proxied.send(BytesMessage(data: [UInt8](0...255) + [1, 2, 3]), from: .server)
    try proxied.send(Ping(), from: .server)
    try proxied.send(
      BytesMessage(data: [UInt8](repeating: 7, count: 100_000), compress: false),
      from: .client
    )
    try proxied.send(CloseConnection(code: .normalClosure), from: .client)
    proxied.pass(try proxied.server.send(CloseConnection(code: .normalClosure)), from: .fromServer)
    proxied.end(from: .fromServer)
    proxied.end(from: .fromClient)
    proxied.close()
    return proxied
  }

  @Test("The pcapng shows the same conversation, byte for byte, with its handshake and its end")
  func pcapng() throws {
    let proxied = try conversation()
    let read = Inspected(proxied.record)
    #expect(read.error == nil)
    // Times of one conversation, lines of the two ways to it.
    #expect(read.lines == proxied.lines)
    #expect(read.messages().map(\.size) == [15, 259, 100_000])
    #expect(read.closings.first?.end == .finished)
    #expect(read.openings.first?.client?.description == "127.0.0.1:50000")
    #expect(read.rules == ["uncompressed-message"])
  }

  @Test("Changes are recorded as their receivers saw them")
  func changed() throws {
    let proxied = try conversation(["to-server text replace 'Gr' 'gr'", "to-client binary drop"])
    let read = Inspected(proxied.record)
    #expect(read.messages().map(\.size) == [15, 100_000])
    #expect(read.texts(from: .fromClient).first?.hasPrefix("grüße") == true)
  }

  @Test(
    "An address that isn't IPv4 becomes one for documentation; TLS is not in the file, so the port isn't 443's"
  )
  func addresses() throws {
    let proxied = try conversation(
      address: [UInt8](repeating: 0, count: 3) + [1] + [UInt8](repeating: 0, count: 12),
      isSecure: true
    )
    let opening = Inspected(proxied.record).openings.first
    #expect(opening?.client?.description == "192.0.2.1:50000")
    #expect(opening?.server?.description == "127.0.0.2:80")
  }

  @Test("A reset is a RST; checksums are right (RFC 791 §3.1, RFC 9293 §3.1)")
  func checksums() throws {
    var bytes: [UInt8] = []
    let writer = PcapngWriter { bytes += $0 }
    let ends = [UInt8(1), 2].compactMap { Endpoint(address: [10, 0, 0, $0], port: 1000) }
    let time = CaptureTime(nanoseconds: 1_700_000_000_123_456_789)
    let tcp = SyntheticTCP(writer, client: ends[0], server: ends[1], isSecure: false, at: time)
    tcp.data([1, 2, 3], from: 0, at: time)
    tcp.data([UInt8](repeating: 0xFF, count: 40_000), from: 1, at: time)
    tcp.reset(from: 1, at: time)
    var queue = ByteQueue()
    queue.append(bytes.span.bytes)
    var reader = PcapngReader()
    var packets: [[UInt8]] = []
    var times: Set<CaptureTime?> = []
    try reader.read(&queue) {
      packets.append(Array($0.bytes))
      times.insert($0.time)
    }
    #expect(packets.count == 7 && times == [time])
    for packet in packets {
      #expect(sum(packet[..<20]) == 0xFFFF)
      let length = packet.count - 20
      #expect(
        sum(packet[12..<20] + [0, 6, UInt8(length >> 8), UInt8(length & 0xFF)] + packet[20...]) == 0xFFFF
      )
    }
    #expect(packets.last?[33] == 0x14)
  }

  /// The sum of words of 16 bits in ones' complement, which is all ones where a checksum is right.
  private func sum(_ bytes: ArraySlice<UInt8>) -> UInt32 {
    var total: UInt32 = 0
    for (index, byte) in bytes.enumerated() { total += UInt32(byte) << (index % 2 == 0 ? 8 : 0) }
    while total > 0xFFFF { total = total & 0xFFFF + total >> 16 }
    return total
  }

  @Test("The HAR has the messages of both directions as browsers write them, and is read back")
  func archive() throws {
    let proxied = try conversation()
    #expect(proxied.entries.count == 1)
    let file = HARFile.beginning + "\n" + proxied.entries.joined(separator: ",\n") + HARFile.end
    let read = Inspected(Array(file.utf8))
    #expect(read.error == nil)
    #expect(read.texts(from: .fromClient).first == "Grüße \u{202E} \"x\"")
    #expect(read.messages(from: .fromServer).first?.content == [UInt8](0...255) + [1, 2, 3])
    #expect(read.messages().count == 3)
    #expect(read.openings.first?.url == "ws://target.example/chat")
    #expect(proxied.entries[0].contains("\"startedDateTime\":\"2023-11-14T22:13:20.000Z\""))
    #expect(proxied.entries[0].contains("\"status\":101"))
  }

  @Test(
    "Dates, leap days and the time before 1970 included",
    arguments: [
      (0, "1970-01-01T00:00:00.000Z"), (951_782_400, "2000-02-29T00:00:00.000Z"),
      (4_107_542_399, "2100-02-28T23:59:59.000Z"), (4_107_542_400, "2100-03-01T00:00:00.000Z"),
      (-1, "1969-12-31T23:59:59.000Z"), (1_795_688_705, "2026-11-26T10:25:05.000Z"),
    ]
  )
  func dates(_ seconds: Int64, _ text: String) {
    #expect(UTCText.date(CaptureTime(nanoseconds: seconds * 1_000_000_000)) == text)
  }

  @Test("Base64 of all remainders (RFC 4648 §10)")
  func base64() {
    let vectors = ["": "", "f": "Zg==", "fo": "Zm8=", "foo": "Zm9v", "foob": "Zm9vYg==", "fooba": "Zm9vYmE="]
    for (text, encoded) in vectors {
      #expect(Base64Text.encode(Array(text.utf8)) == encoded)
      #expect(Base64Text.decode(Array(encoded.utf8)[...]) == Array(text.utf8))
    }
  }
}
