// SPDX-License-Identifier: Apache-2.0

#if NIO
import NIOCore
import Testing
import WSProtoNIO

/// The header of the PROXY protocol, versions 1 and 2.
@Suite struct ProxyProtocolTests {
  private static let signature: [UInt8] = [13, 10, 13, 10, 0, 13, 10, 0x51, 0x55, 0x49, 0x54, 10]

  private static func binary(_ command: UInt8, _ family: UInt8, _ block: [UInt8]) -> [UInt8] {
    signature + [command, family, UInt8(block.count >> 8), UInt8(block.count & 255)] + block
  }

  private static func node(_ text: String, _ port: Int) -> ForwardedNode? {
    IPAddress(text).map { ForwardedNode(address: $0, port: port) }
  }

  private static func proxied(
    _ source: String,
    _ sourcePort: Int,
    _ destination: String,
    _ destinationPort: Int
  ) -> ProxyProtocolHeader? {
    guard let source = node(source, sourcePort), let destination = node(destination, destinationPort) else {
      return nil
    }
    return .proxied(source: source, destination: destination)
  }

  static let legal: [(bytes: [UInt8], header: ProxyProtocolHeader?)] = [
    (
      Array("PROXY TCP4 192.0.2.1 198.51.100.2 4711 443\r\n".utf8),
      proxied("192.0.2.1", 4711, "198.51.100.2", 443)
    ),
    (Array("PROXY TCP6 2001:db8::1 ::1 0 65535\r\n".utf8), proxied("2001:db8::1", 0, "::1", 65535)),
    (Array("PROXY TCP6 ::ffff:192.0.2.1 ::1 1 2\r\n".utf8), proxied("192.0.2.1", 1, "::1", 2)),
    (Array("PROXY UNKNOWN\r\n".utf8), .unknown),
    (Array("PROXY UNKNOWN ffff:f...f:ffff what ever\r\n".utf8), .unknown),
    (
      binary(0x21, 0x11, [192, 0, 2, 1, 198, 51, 100, 2, 0x12, 0x67, 1, 0xbb]),
      proxied("192.0.2.1", 4711, "198.51.100.2", 443)
    ),
    (
      binary(
        0x21,
        0x21,
        [0x20, 1, 0xd, 0xb8] + Array(repeating: 0, count: 11) + [1] + Array(repeating: 0, count: 15) + [
          1, 0, 1, 0, 2,
        ]
      ),
      proxied("2001:db8::1", 1, "::1", 2)
    ),
    // Additions are skipped.
    (
      binary(0x21, 0x11, [1, 2, 3, 4, 5, 6, 7, 8, 0, 1, 0, 2, 0x04, 0, 1, 9]),
      proxied("1.2.3.4", 1, "5.6.7.8", 2)
    ),
    (binary(0x20, 0x00, []), .local), (binary(0x20, 0xff, [1, 2, 3]), .local),
    (binary(0x21, 0x00, []), .unknown),
    (binary(0x21, 0x31, Array(repeating: 0, count: 216)), .unknown), (binary(0x21, 0x12, []), .unknown),
    (binary(0x21, 0x00, Array(repeating: 0, count: 4080)), .unknown),
  ]

  @Test("a header is read whole or byte by byte, and what follows stays", arguments: legal)
  func reading(bytes: [UInt8], header: ProxyProtocolHeader?) throws {
    var buffer = ByteBuffer(bytes: bytes + Array("GET /".utf8))
    #expect(try ProxyProtocolHeader.read(from: &buffer) == header && header != nil)
    #expect(String(buffer: buffer) == "GET /")
    var slow = ByteBuffer()
    for (index, byte) in bytes.enumerated() {
      slow.writeInteger(byte)
      let before = slow
      let read = try ProxyProtocolHeader.read(from: &slow)
      #expect(read == (index == bytes.count - 1 ? header : nil))
      if read == nil { #expect(slow == before) }
    }
    #expect(slow.readableBytes == 0)
  }

  static let illegal: [(bytes: [UInt8], error: ProxyProtocolError)] = [
    (Array("GET / HTTP/1.1\r\n".utf8), .notAHeader(0x47)), ([0x16, 3, 1], .notAHeader(0x16)),
    (Array("PROXX".utf8), .notAHeader(0x58)), (Array("proxy ".utf8), .notAHeader(0x70)),
    ([13, 10, 13, 11], .notAHeader(11)),
    (Array("PROXY \r\n".utf8), .line("")),
    (Array("PROXY TCP4 1.2.3.4 5.6.7.8 1 2\n".utf8), .line("PROXY TCP4 1.2.3.4 5.6.7.8 1 2\n")),
    (Array("PROXY TCP4 1.2.3.4 5.6.7.8 1\r\n".utf8), .line("PROXY TCP4 1.2.3.4 5.6.7.8 1")),
    (Array("PROXY TCP4  1.2.3.4 5.6.7.8 1 2\r\n".utf8), .line("PROXY TCP4  1.2.3.4 5.6.7.8 1 2")),
    (Array("PROXY TCP4 ::1 ::1 1 2\r\n".utf8), .line("PROXY TCP4 ::1 ::1 1 2")),
    (Array("PROXY TCP6 1.2.3.4 5.6.7.8 1 2\r\n".utf8), .line("PROXY TCP6 1.2.3.4 5.6.7.8 1 2")),
    (Array("PROXY TCP4 1.2.3.4 5.6.7.8 01 2\r\n".utf8), .line("PROXY TCP4 1.2.3.4 5.6.7.8 01 2")),
    (Array("PROXY TCP4 1.2.3.4 5.6.7.8 1 65536\r\n".utf8), .line("PROXY TCP4 1.2.3.4 5.6.7.8 1 65536")),
    (Array("PROXY UDP4 1.2.3.4 5.6.7.8 1 2\r\n".utf8), .line("PROXY UDP4 1.2.3.4 5.6.7.8 1 2")),
    (Array(("PROXY UNKNOWN " + String(repeating: "x", count: 93)).utf8), .tooLong),
    (binary(0x11, 0x11, []), .version(1)), (binary(0x22, 0x11, []), .command(2)),
    (binary(0x21, 0x11, [1, 2, 3, 4, 5, 6, 7, 8, 0, 1, 0]), .addressesCut(0x11)),
    (binary(0x21, 0x21, Array(repeating: 0, count: 35)), .addressesCut(0x21)),
    (binary(0x21, 0x41, []), .family(0x41)),
    (signature + [0x21, 0x11, 0xff, 0xff], .tooLong), (signature + [0x21, 0x00, 0x0f, 0xf1], .tooLong),
  ]

  @Test("what cannot become a header is refused as soon as that is clear", arguments: illegal)
  func faults(bytes: [UInt8], error: ProxyProtocolError) throws {
    var buffer = ByteBuffer(bytes: bytes)
    if case .line("") = error {
      #expect(throws: ProxyProtocolError.line("PROXY ")) { try ProxyProtocolHeader.read(from: &buffer) }
    } else {
      #expect(throws: error) { try ProxyProtocolHeader.read(from: &buffer) }
    }
    // Byte by byte: never more than the bound is held.
    var slow = ByteBuffer()
    var failed = false
    for byte in bytes where !failed {
      slow.writeInteger(byte)
      do { _ = try ProxyProtocolHeader.read(from: &slow) } catch { failed = true }
    }
    #expect(failed)
  }

  @Test("a line of version 1 has 107 bytes at most")
  func longestLine() throws {
    var longest = ByteBuffer(string: "PROXY UNKNOWN " + String(repeating: "x", count: 91) + "\r\n")
    #expect(longest.readableBytes == 107)
    #expect(try ProxyProtocolHeader.read(from: &longest) == .unknown)
    var longer = ByteBuffer(string: "PROXY UNKNOWN " + String(repeating: "x", count: 92) + "\r\n")
    #expect(throws: ProxyProtocolError.tooLong) { try ProxyProtocolHeader.read(from: &longer) }
  }

  @Test("no bytes behind a signature trap, whatever they are")
  func randomBytes() {
    for _ in 0..<20_000 {
      let start = Bool.random() ? Self.signature : Array("PROXY TCP4 ".utf8)
      let rest = (0..<Int.random(in: 0...64)).map { _ in UInt8.random(in: 0...255) }
      var buffer = ByteBuffer(bytes: start + rest)
      _ = try? ProxyProtocolHeader.read(from: &buffer)
      #expect(buffer.readableBytes <= start.count + rest.count)
    }
  }
}
#endif
