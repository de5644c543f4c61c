// SPDX-License-Identifier: Apache-2.0

#if NIO
import NIOCore
import Testing

@testable import WSProtoNIO

/// A client's bytes to a SOCKS5 proxy, and the proxy's in pieces (RFC 1928, RFC 1929).
@Suite struct SOCKS5Tests {
  private func handshake(_ url: String, credentials: Bool = false) throws -> SOCKS5Handshake {
    let address = try WebSocketAddress(url)
    return try SOCKS5Handshake(
      host: address.host,
      port: address.port,
      credentials: credentials ? BasicCredentials(user: "u", password: "p") : nil
    )
  }

  @Test("what the proxy says may come byte by byte; what follows it stays")
  func pieces() throws {
    let replies: [UInt8] = [5, 2, 1, 0, 5, 0, 0, 3, 2, 0x61, 0x62, 0, 80, 0x99]
    var handshake = try handshake("ws://a.example", credentials: true)
    var sent: [ByteBuffer] = []
    var unread = ByteBuffer()
    var isOpen = false
    for (index, byte) in replies.enumerated() where !isOpen {
      unread.writeInteger(byte)
      loop: while true {
        switch try handshake.next(&unread) {
        case .needMoreData: break loop
        case .send(let bytes): sent.append(bytes)
        case .open:
          isOpen = true
          #expect(index == replies.count - 2)
          break loop
        }
      }
    }
    #expect(isOpen && unread.readableBytes == 0)
    #expect(
      sent.map { Array($0.readableBytesView) } == [
        [1, 1, 0x75, 1, 0x70], [5, 1, 0, 3, 9] + Array("a.example".utf8) + [0, 80],
      ]
    )
    var whole = try self.handshake("ws://[2001:db8::1]:443")
    var bytes = ByteBuffer(bytes: [5, 0, 5, 0, 0, 4] + Array(repeating: 7, count: 18) + [0x99])
    guard case .send(let request) = try whole.next(&bytes), case .open = try whole.next(&bytes) else {
      Issue.record("not open")
      return
    }
    let address: [UInt8] = [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]
    #expect(Array(request.readableBytesView) == [5, 1, 0, 4] + address + [1, 0xbb])
    #expect(bytes.readableBytes == 1)
  }

  @Test("no bytes of a proxy's trap, whatever they are, and 262 are the most that are waited for")
  func randomBytes() throws {
    for _ in 0..<5000 {
      var handshake = try handshake("ws://a.example", credentials: Bool.random())
      let start: [UInt8] = [[], [5, 0], [5, 2, 1, 0], [5, 0, 5, 0, 0, 3]].randomElement() ?? []
      var bytes = ByteBuffer(bytes: start + (0..<300).map { _ in UInt8.random(in: 0...255) })
      loop: while true {
        switch try? handshake.next(&bytes) {
        case .send: continue
        case .needMoreData:
          Issue.record("waits for more than 300 bytes")
          break loop
        case .open, nil: break loop
        }
      }
    }
  }
}
#endif
