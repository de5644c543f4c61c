// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import WSProto

@Suite struct HTTP1HeadLimitTests {
  @Test("a head of exactly the limit is accepted, one byte more is refused", .threat(10))
  func exactLimit() {
    let bytes = Array(browserRequest.utf8)
    for pieces in [1, 7, Int.max] {
      let fits = readHead(
        bytes + [1, 2],
        as: .request,
        pieces: pieces,
        limits: .init(maxHeadBytes: bytes.count)
      )
      #expect((try? fits.result?.get()) != nil)
      #expect(fits.trailing == [1, 2])
      let tooSmall = HTTP1Limits(maxHeadBytes: bytes.count - 1)
      #expect(
        readHead(bytes, as: .request, pieces: pieces, limits: tooSmall).result == .failure(.headTooLarge)
      )
    }
  }

  @Test("fields are counted; 2000 of them are refused", .threat(10))
  func fieldCount() {
    func request(_ count: Int) -> [UInt8] {
      Array("GET / HTTP/1.1\r\n".utf8)
        + Array(repeating: Array("a:b\r\n".utf8), count: count).joined() + Array("\r\n".utf8)
    }
    #expect((try? readHead(request(100), as: .request).result?.get())?.fields.count == 100)
    #expect(readHead(request(101), as: .request).result == .failure(.tooManyFields))
    #expect(readHead(request(2000), as: .request).result == .failure(.tooManyFields))
    #expect(readHead(request(2000), as: .request, pieces: 1).result == .failure(.tooManyFields))
    #expect(
      readHead(request(1), as: .request, limits: .init(maxFieldCount: 0)).result == .failure(.tooManyFields)
    )
  }

  @Test(
    "a head of up to 20 MB, fed byte by byte, is refused at the limit, and no byte is searched twice",
    .threat(9),
    arguments: ["a", "\r\n", "a: b\r\n", "\r", "a: \t"]
  )
  func twentyMegabytes(pattern: String) {
    var reader = HTTP1HeadReader(.request, limits: .init(maxHeadBytes: 65536, maxFieldCount: 65_000))
    reader.receive(Array("GET / HTTP/1.1\r\nx: ".utf8))
    let bytes = pattern.utf8.map { [$0] }
    var refusedAt: Int?
    var ended = false
    for index in 0..<(pattern == "a" ? 20_000_000 : 200_000) {
      reader.receive(bytes[index % bytes.count])
      if refusedAt != nil || ended { continue }
      do {
        ended = try reader.next() != nil
        // The next search begins where this one ended: after everything that has arrived.
        if !ended, reader.searched != reader.bufferedCount { Issue.record("byte \(index) is searched again") }
      } catch {
        refusedAt = index
      }
    }
    #expect(ended == (pattern == "\r\n"))
    #expect(ended || (refusedAt ?? .max) <= 65536)
    #expect(reader.bufferedCount <= (ended ? 200_000 : 0))
  }

  @Test("a 20 MB head that arrives at once is examined only up to the limit", .threat(9))
  func twentyMegabytesAtOnce() {
    var reader = HTTP1HeadReader(.request)
    reader.receive(Array("GET / HTTP/1.1\r\n".utf8) + [UInt8](repeating: 0x61, count: 20_000_000))
    #expect(throws: HTTP1Error.headTooLarge) { try reader.next() }
    #expect(reader.searched <= 16384)
    #expect(!reader.isInsideHead && reader.bufferedCount == 0)
  }

  @Test("a refused head stays refused, whatever follows (RFC 9112 §11.2)")
  func staysRefused() {
    var reader = HTTP1HeadReader(.request)
    reader.receive(Array("GET / HTTP/1.1\n\r\n".utf8))
    #expect(throws: HTTP1Error.bareLineFeed) { try reader.next() }
    reader.receive(Array(browserRequest.utf8))
    #expect(throws: HTTP1Error.bareLineFeed) { try reader.next() }
    #expect(reader.takeTrailingBytes() == [])
  }

  @Test("limits that make no sense are clamped instead of trapping")
  func senselessLimits() {
    let bytes = Array(browserRequest.utf8)
    let negative = HTTP1Limits(maxHeadBytes: -1, maxFieldCount: .min)
    #expect(readHead(bytes, as: .request, limits: negative).result == .failure(.headTooLarge))
    let huge = HTTP1Limits(maxHeadBytes: .max, maxFieldCount: .max)
    #expect((try? readHead(bytes, as: .request, limits: huge).result?.get()) != nil)
  }

  @Test(
    "mutated heads give the same result whole, byte by byte and in pieces, and never trap",
    .requirement("6455-10.7-validate")
  )
  func mutatedHeads() {
    let response =
      "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
      + "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nContent-Length: 0\r\n\r\n\u{1}\u{2}"
    let odd: [UInt8] = [0, 9, 10, 13, 32, 58, 44, 127, 128, 255, 0x31, 0x41]
    var random = TestRandom(seed: 2026)
    var refused = 0
    for (kind, text) in [(HTTP1HeadReader.Kind.request, browserRequest), (.response, response)] {
      let original = Array(text.utf8)
      for _ in 0..<4000 {
        var bytes = original
        for _ in 0...random.below(3) {
          let at = random.below(bytes.count)
          switch random.below(4) {
          case 0: bytes[at] = odd[random.below(odd.count)]
          case 1: bytes.insert(odd[random.below(odd.count)], at: at)
          case 2: bytes.remove(at: at)
          default: bytes.removeSubrange(at..<min(bytes.count, at + random.below(40)))
          }
          if bytes.isEmpty { bytes = [0] }
        }
        let limits = HTTP1Limits(maxHeadBytes: 300 + random.below(500), maxFieldCount: 5 + random.below(12))
        let whole = readHead(bytes, as: kind, limits: limits)
        let single = readHead(bytes, as: kind, pieces: 1, limits: limits)
        let pieces = readHead(bytes, as: kind, pieces: 1 + random.below(40), limits: limits)
        #expect(whole.result == single.result && whole.trailing == single.trailing)
        #expect(whole.result == pieces.result && whole.trailing == pieces.trailing)
        if case .failure = whole.result { refused += 1 }
        if case .success(let head) = whole.result {
          // Except for the line ends of folds, which became spaces.
          let kept = head.bytes + whole.trailing
          #expect(kept.count == bytes.count && zip(kept, bytes).allSatisfy { $0 == $1 || $0 == 0x20 })
          if kind == .request { #expect(kept == bytes) }
          #expect(head.makeHeaders().count == head.fields.count)
        }
      }
    }
    #expect(refused > 1000 && refused < 7900)
  }
}
